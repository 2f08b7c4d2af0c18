import os
import platform
import subprocess
import sys

import pytest
import torch

from finscale.config import TrainingConfig
from finscale.errors import TrainingError
from finscale.training import devices, resolve_training
from finscale.training.placement import place_training


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


def resolve(width=64, num_windows=3000, **settings):
    return resolve_training(TrainingConfig(**settings), width=width, num_windows=num_windows)


def test_no_science_stays_open_after_resolving():
    resolved = resolve(precision="auto")
    assert "auto" not in resolved.part("science").values()
    assert resolved.precision == "fp32"
    assert resolve_training(resolved, width=1, num_windows=1) == resolved


def test_resolving_leaves_placement_as_it_was_asked_for():
    asked = {"device": "auto", "threads": "auto", "compile": "auto", "kernels": "auto"}
    assert resolve(**asked).part("placement") == TrainingConfig(**asked).part("placement")


def test_explicit_settings_stay():
    resolved = resolve(batch_size=7, learning_rate=0.5, precision="bf16-mixed")
    assert (resolved.batch_size, resolved.learning_rate) == (7, 0.5)
    assert resolved.precision == "bf16-mixed"


@pytest.mark.parametrize(
    ("width", "rate"), [(4, 1e-3), (25, 1e-3), (50, 5e-4), (250, 1e-4), (1000, 2.5e-5)]
)
def test_the_standard_learning_rate_falls_with_the_width(width, rate):
    standard = resolve(width=width, parametrisation="standard")
    assert standard.learning_rate == pytest.approx(rate)
    # so it does where nothing is known of a base model
    assert resolve(width=width).learning_rate == pytest.approx(rate)


def test_under_mup_the_base_rate_is_every_size_s():
    rates = [
        resolve_training(TrainingConfig(), width=w, num_windows=9, base_rate=0.004).learning_rate
        for w in (4, 1000)
    ]
    assert rates == [0.004, 0.004]
    standard = TrainingConfig(parametrisation="standard")
    resolved = resolve_training(standard, width=50, num_windows=9, base_rate=0.004)
    assert resolved.learning_rate == pytest.approx(5e-4)


@pytest.mark.parametrize(
    ("changes", "num_windows", "decay"),
    [
        ({}, 3000, 0.05),
        ({}, 30_000, 0.005),
        ({"epochs": 40}, 3000, 0.025),
        ({"accumulate": 2}, 3000, 0.1),
        ({"learning_rate": 2e-3}, 3000, 0.025),
        ({"weight_decay": 0.3}, 30_000, 0.3),
    ],
)
def test_an_automatic_decay_keeps_its_timescale_over_the_training(changes, num_windows, decay):
    asked = {"weight_decay": "auto", "epochs": 20, "learning_rate": 1e-3, **changes}
    resolved = resolve(num_windows=num_windows, **asked)
    assert resolved.weight_decay == pytest.approx(decay)


def test_the_default_batch_is_64_or_all_windows():
    assert resolve().batch_size == 64
    assert resolve(num_windows=40).batch_size == 40


def place(num_parameters=10**6, **settings):
    return place_training(resolve(**settings), num_parameters=num_parameters)


def test_no_placement_stays_open_after_placing(cpus):
    cpus(8)
    placed = place(compile="auto")
    assert "auto" not in placed.part("placement").values()
    assert (placed.device, placed.threads, placed.compile, placed.kernels) == (
        devices.choose_device("auto"), 8, False, "fast" if placed.device == "cpu" else "torch",
    )  # fmt: skip
    assert place(num_parameters=10).threads == 1
    assert place(threads=3, kernels="torch", device="cpu").kernels == "torch"


def test_several_devices_share_the_cores(cpus, monkeypatch):
    cpus(8)
    placed = place_training(resolve(device="cpu"), num_parameters=10**6, num_devices=4)
    assert (placed.devices, placed.threads) == (4, 2)
    # two on each of two machines
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    placed = place_training(resolve(device="cpu"), num_parameters=10**6, num_devices=4)
    assert placed.threads == 4
    # who starts them has shared the cores out
    cpus(8, omp="3")
    assert place_training(resolve(), num_parameters=10**6, num_devices=4).threads == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"devices": 4}, "training.devices = 4, and 1 process trains here"),
        ({"strategy": "fsdp"}, "fsdp shares a model between devices, and one process trains"),
    ],
)
def test_one_process_is_not_taken_for_several(settings, sentence):
    with pytest.raises(TrainingError, match=sentence) as error:
        place(**settings)
    assert "--devices" in error.value.hint


def test_placing_changes_no_science():
    assert place(threads=3).part("science") == resolve().part("science")


def test_what_a_device_cannot_do_is_refused_in_one_sentence(machine, monkeypatch):
    with pytest.raises(TrainingError, match="needs the C\\+\\+ compiler none-such"):
        monkeypatch.setenv("CXX", "none-such")
        place(compile=True, device="cpu")
    machine()
    with pytest.raises(TrainingError, match="torch sees no cuda device"):
        place(device="cuda")
    machine(mps=True)
    with pytest.raises(TrainingError, match="these kernels are for CPUs, and the device is mps"):
        place(device="mps", kernels="fast")


def test_fp32_is_supported_everywhere_without_trying():
    assert devices.supports("no such device", "fp32")


def test_bf16_is_supported_where_a_step_in_it_can_be_computed():
    x = torch.ones(4, 16)
    weight = torch.ones(8, 16)
    try:
        half = torch.ops.mkldnn._linear_pointwise(
            x.bfloat16(), weight.bfloat16(), None, "none", [], ""
        )
        works = bool((half == 16).all())
    except (RuntimeError, AttributeError):
        works = not torch._C._has_mkldnn
    assert devices.supports("cpu", "bf16-mixed") is works


def test_bf16_on_a_processor_without_it_is_refused_with_the_alternative(monkeypatch):
    monkeypatch.setattr(devices, "supports", lambda device, precision: precision == "fp32")
    with pytest.raises(TrainingError, match="no bf16 products") as refused:
        place(precision="bf16-mixed", device="cpu")
    assert str(refused.value).startswith("training.precision = bf16-mixed: this processor has no")
    assert "use fp32, or a GPU" in str(refused.value)
    place(precision="fp32", device="cpu")


def test_avx2_alone_has_no_bf16_products():
    """The real thing: torch and oneDNN held to AVX2 by their own settings."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("AVX2 is x86's")
    limits = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
    code = "from finscale.training.devices import supports; print(supports('cpu', 'bf16-mixed'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
