import io
import json
import sys

import pytest
import torch

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.errors import ConfigError, TrainingError
from finscale.training import (
    batch_size,
    devices,
    find_batch_size,
    probe,
)

NETWORK = ModelConfig(depth=1, width=8, heads=2, ff_width=32, patch_length=8, stride=4)
TRAINING = TrainingConfig(
    device="cpu", threads=1, batch_size=64, learning_rate=1e-3, precision="fp32"
)
SHAPE = {"num_features": 5, "context_length": 16}


def find(num_windows, code=None, network=NETWORK, training=TRAINING):
    """Search with real probes, or with ``code`` in place of the probe's program."""
    stand_in = {"command": (sys.executable, "-S", "-c", code)} if code else {}
    return find_batch_size(
        network,
        training=training,
        task=TaskConfig(),
        num_windows=num_windows,
        **SHAPE,
        **stand_in,
    )


def speeds(table, *, otherwise="{}"):
    """Return a program that answers with the speed of each batch size, 1 GB at most in use."""
    return (
        "import json, os, signal, sys\n"
        "size = json.load(sys.stdin)['training']['batch_size']\n"
        f"table = {table}\n"
        f"if size not in table: {otherwise}\n"
        "print(json.dumps({'samples_per_second': table[size], 'peak_bytes': 10**9}))"
    )


def test_real_probes_measure_real_steps():
    report = find(num_windows=15)
    (found,) = report.probes
    assert found.samples_per_second > 0
    # torch alone takes this much
    assert 50e6 < found.peak_bytes < 4e9
    assert not found.note
    assert report.batch_size == found.batch_size == 8


def test_a_probe_answers_on_standard_output(monkeypatch, capsys):
    request = probe.ProbeRequest(
        network=NETWORK, training=TRAINING, task=TaskConfig(), seconds=0.01, **SHAPE
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(request.model_dump_json()))
    probe.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["samples_per_second"] > 0
    assert answer["peak_bytes"] > 50e6


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError(), RuntimeError("can't allocate memory: you")]
)
def test_a_probe_without_memory_ends_with_its_own_status(monkeypatch, error):
    def fail(request):
        raise error

    request = probe.ProbeRequest(network=NETWORK, training=TRAINING, task=TaskConfig(), **SHAPE)
    monkeypatch.setattr(sys, "stdin", io.StringIO(request.model_dump_json()))
    monkeypatch.setattr(probe, "measure", fail)
    with pytest.raises(SystemExit) as ended:
        probe.main()
    assert ended.value.code == probe.OUT_OF_MEMORY == batch_size._OUT_OF_MEMORY


def test_another_error_of_a_probe_is_not_hidden(monkeypatch):
    request = probe.ProbeRequest(
        network=NETWORK, training=TRAINING, task=TaskConfig(name="regression"), **SHAPE
    )
    wrong = request.model_dump_json().replace('"loss":null', '"loss":"focal"')
    monkeypatch.setattr(sys, "stdin", io.StringIO(wrong))
    with pytest.raises(ConfigError, match="focal is for classification"):
        probe.main()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({8: 100, 16: 200, 32: 390, 64: 400, 128: 405, 256: 404, 512: 400}, 32),
        ({8: 100, 16: 200, 32: 300, 64: 330, 128: 350, 256: 360, 512: 370, 1024: 371}, 256),
        ({8: 100, 16: 94, 32: 90}, 8),
    ],
)
def test_the_smallest_batch_within_five_percent_of_the_best_is_chosen(table, expected):
    assert find(num_windows=1500, code=speeds(table)).batch_size == expected


def test_two_doublings_without_a_gain_end_the_search():
    report = find(num_windows=10**6, code=speeds({8: 100, 16: 100, 32: 100, 64: 900}))
    assert [probe.batch_size for probe in report.probes] == [8, 16, 32]


@pytest.mark.parametrize(("num_windows", "sizes"), [(5, [5]), (8, [8]), (63, [8, 16, 32])])
def test_the_data_cap_the_batch(num_windows, sizes):
    table = {size: 10.0 * size for size in (5, 8, 16, 32, 64)}
    report = find(num_windows=num_windows, code=speeds(table))
    assert [probe.batch_size for probe in report.probes] == sizes
    assert report.batch_size == sizes[-1]


def test_a_probe_that_the_kernel_kills_is_survived():
    killed = "os.kill(os.getpid(), signal.SIGKILL)"
    report = find(1000, code=speeds({8: 100, 16: 200}, otherwise=killed))
    assert report.batch_size == 16
    assert report.probes[-1].note == "out of memory"
    assert report.probes[-1].samples_per_second is None


def test_a_real_probe_without_memory_says_so():
    # everything is loaded, and 400 MB more are to be had
    code = (
        "import psutil, resource\n"
        "from finscale.training import probe\n"
        "used = psutil.Process().memory_info().vms\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)\n"
        "probe.main()"
    )
    report = batch_size._run_probe(
        (sys.executable, "-c", code),
        json.dumps(
            {
                "network": NETWORK.model_dump(mode="json"),
                "training": TRAINING.model_dump(mode="json") | {"batch_size": 2**20},
                "task": TaskConfig().model_dump(mode="json"),
                **SHAPE,
            }
        ),
        2**20,
        allowed=10**11,
        device="cpu",
    )
    assert report.note == "out of memory"


def test_a_probe_is_stopped_before_it_takes_what_stays_free():
    greedy = "import sys, time\nsys.stdin.read()\nhoard = bytearray(300 * 2**20)\ntime.sleep(60)"
    stopped = batch_size._run_probe(
        (sys.executable, "-S", "-c", greedy), "{}", 8, allowed=100 * 2**20, device="cpu"
    )
    assert stopped.note == "needs more than 0.1 GiB"


def test_a_peak_beyond_what_may_be_used_does_not_fit(monkeypatch):
    monkeypatch.setattr(batch_size, "free_memory", lambda device: 10 * 10**9)
    monkeypatch.setattr(batch_size, "total_memory", lambda device: 10 * 10**9)
    code = (
        "import json, sys\nsize = json.load(sys.stdin)['training']['batch_size']\n"
        "print(json.dumps({'samples_per_second': size, 'peak_bytes': size * 270_000_000}))"
    )
    report = find(1000, code=code)
    # 16 needs 4.3 GB, 32 needs 8.64, and 15 % of 10 stay free
    assert report.allowed_bytes == 8.5 * 10**9
    assert report.batch_size == 16
    assert report.probes[-1].note == "needs 8.0 GiB"


def test_a_probe_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(batch_size, "_SECONDS_PER_PROBE", 0.2)
    slow = "import time\ntime.sleep(60)"
    with pytest.raises(TrainingError, match="Not even a batch of 8 fits on cpu"):
        find(1000, code=slow)


def test_a_probe_that_breaks_is_an_error_with_its_last_line():
    with pytest.raises(TrainingError, match="batch size 8 failed: ValueError: broken probe"):
        find(1000, code="raise ValueError('broken probe')")


def test_two_billion_parameters_are_refused_with_the_memory_they_need(monkeypatch):
    monkeypatch.setattr(devices, "total_memory", lambda device: 24 * 2**30)
    two_billion = ModelConfig(budget=2_000_000_000, patch_length=8, stride=4)
    with pytest.raises(
        TrainingError, match=r"2B parameters need at least [23]\d.\d GiB .* 24.0 GiB"
    ):
        find(1000, code="raise SystemExit('never run')", network=two_billion)


def test_200_million_parameters_are_not_refused(monkeypatch):
    monkeypatch.setattr(devices, "total_memory", lambda device: 24 * 2**30)
    devices.require_memory(200 * 10**6, "cpu")


def test_a_batch_that_cannot_fit_is_not_even_probed(monkeypatch):
    monkeypatch.setattr(batch_size, "free_memory", lambda device: 10**8)
    monkeypatch.setattr(batch_size, "total_memory", lambda device: 10**8)
    ever_faster = {2**power: 2.0**power for power in range(3, 20)}
    report = find(10**6, code=speeds(ever_faster).replace("10**9", "10**5"))
    assert report.probes[-1].note == "would need 0.1 GiB"
    assert report.probes[-1].samples_per_second is None
    assert report.batch_size == report.probes[-2].batch_size


def test_the_report_is_plain_json():
    report = find(1000, code=speeds({8: 100, 16: 90, 32: 90}))
    told = json.loads(json.dumps(report.to_dict()))
    assert told["batch_size"] == 8
    assert told["probes"][0] == {
        "batch_size": 8,
        "samples_per_second": 100.0,
        "peak_bytes": 10**9,
        "note": "",
    }
