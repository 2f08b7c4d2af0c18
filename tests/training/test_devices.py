import pytest
import torch

from finscale.config import TrainingConfig
from finscale.errors import TrainingError
from finscale.training import devices, resolve_training


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets which accelerators are there: hardware absent here."""

    def set_up(*, cuda=False, mps=False, capability=(8, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)

    return set_up


@pytest.mark.parametrize(
    ("there", "expected"),
    [({"cuda": True, "mps": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_cpu(machine, there, expected):
    machine(**there)
    assert devices.choose_device("auto") == expected
    assert devices.choose_device("cpu") == "cpu"


@pytest.mark.parametrize("wanted", ["cuda", "mps"])
def test_a_device_that_is_absent_is_refused(machine, wanted):
    machine()
    with pytest.raises(TrainingError, match=f"torch sees no {wanted} device"):
        devices.choose_device(wanted)


@pytest.mark.parametrize(
    ("device", "capability", "expected"),
    [("cuda", (9, 0), "bf16-mixed"), ("cuda", (7, 5), "fp32"), ("mps", (8, 0), "fp32")],
)
def test_auto_precision_is_bf16_where_there_are_units_for_it(machine, device, capability, expected):
    machine(capability=capability)
    assert devices.choose_precision("auto", device) == expected
    assert devices.choose_precision("fp32", device) == "fp32"


@pytest.mark.parametrize(("avx512", "amx"), [(True, False), (False, True), (False, False)])
def test_a_cpu_needs_avx512_bf16_or_amx(monkeypatch, avx512, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices.has_bf16_units("cpu") is (avx512 or amx)


@pytest.fixture
def cpus(monkeypatch, tmp_path):
    """Return a function that sets affinity, cgroup and OMP_NUM_THREADS."""

    def set_up(affinity, *, cpu_max=None, omp=None):
        monkeypatch.setattr(devices.os, "sched_getaffinity", lambda pid: set(range(affinity)))
        monkeypatch.setattr(devices, "_CGROUP", tmp_path)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if cpu_max:
            (tmp_path / "cpu.max").write_text(cpu_max)
        if omp:
            monkeypatch.setenv("OMP_NUM_THREADS", omp)

    return set_up


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 8),
        ({"cpu_max": "max 100000\n"}, 8),
        ({"cpu_max": "250000 100000\n"}, 2),
        ({"cpu_max": "50000 100000\n"}, 1),
        ({"omp": "3"}, 3),
        ({"omp": "garbage"}, 8),
    ],
)
def test_threads_respect_affinity_quota_and_environment(cpus, limits, expected):
    cpus(8, **limits)
    assert devices.available_threads() == expected


def test_small_models_take_one_thread_and_large_ones_all(cpus):
    cpus(8)
    assert devices.choose_threads("auto", num_parameters=299_999) == 1
    assert devices.choose_threads("auto", num_parameters=300_000) == 8
    assert devices.choose_threads(3, num_parameters=10) == 3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "1000", "memory.current": "400"}, 600),
        ({"memory/memory.limit_in_bytes": "800", "memory/memory.usage_in_bytes": "900"}, 0),
    ],
)
def test_a_container_limits_the_memory(monkeypatch, tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(devices, "_CGROUP", tmp_path)
    assert devices.free_memory("cpu") == expected
    assert devices.total_memory("cpu") in (1000, 800)


@pytest.mark.parametrize(
    ("limit", "name"), [("max", "memory.max"), (str(2**63 - 4096), "memory.max")]
)
def test_a_container_without_a_limit_has_the_machine_s_memory(monkeypatch, tmp_path, limit, name):
    (tmp_path / name).write_text(limit)
    (tmp_path / "memory.current").write_text("5")
    monkeypatch.setattr(devices, "_CGROUP", tmp_path)
    assert devices.total_memory("cpu") == devices.psutil.virtual_memory().total


def test_a_device_s_name_tells_machines_apart(monkeypatch):
    name = devices.device_name("cpu")
    monkeypatch.setattr(devices, "total_memory", lambda device: 2**40)
    assert name.startswith("cpu ")
    assert devices.device_name("cpu") != name


def resolve(width=64, num_parameters=10**6, num_windows=3000, **settings):
    return resolve_training(
        TrainingConfig(**settings),
        width=width,
        num_parameters=num_parameters,
        num_windows=num_windows,
        num_features=25,
        context_length=80,
    )


def test_nothing_stays_open_after_resolving():
    resolved = resolve(precision="auto")
    assert "auto" not in {
        resolved.device, resolved.precision, resolved.batch_size, resolved.learning_rate,
        resolved.threads,
    }  # fmt: skip
    assert (
        resolve_training(
            resolved, width=1, num_parameters=1, num_windows=1, num_features=1, context_length=1
        )
        == resolved
    )


def test_explicit_settings_stay():
    resolved = resolve(device="cpu", batch_size=7, learning_rate=0.5, threads=3)
    assert (resolved.batch_size, resolved.learning_rate, resolved.threads) == (7, 0.5, 3)


@pytest.mark.parametrize(
    ("width", "rate"), [(4, 1e-3), (25, 1e-3), (50, 5e-4), (250, 1e-4), (1000, 2.5e-5)]
)
def test_the_learning_rate_falls_with_the_width(width, rate):
    assert resolve(width=width).learning_rate == pytest.approx(rate)


def test_the_default_batch_is_64_or_all_windows():
    assert resolve(device="cpu").batch_size == 64
    assert resolve(device="cpu", num_windows=40).batch_size == 40
