"""A study survives: killed workers, a killed coordinator, damaged folders, Ctrl-C, a twin."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from finscale.config import StudyConfig
from finscale.runs import RunStore
from finscale.study import Study

_DRIVE = (
    "import sys; from pathlib import Path; from finscale.config import StudyConfig\n"
    "from finscale.runs import RunStore; from finscale.study import Study, LocalExecutor\n"
    "folder = Path(sys.argv[1])\n"
    "config = StudyConfig.model_validate_json((folder / 'study.json').read_text())\n"
    "study = Study(config, studies=folder / 'studies', runs=RunStore(folder / 'runs'))\n"
    "sys.exit(bool(study.run(executor=LocalExecutor(2))))\n"
)
_MAIN = "from finscale.cli import main; main()"


@pytest.fixture
def config(tiny) -> StudyConfig:
    training = tiny.training.model_copy(update={"checkpoint_minutes": 0.0})
    return StudyConfig(
        name="chaos",
        experiment=tiny.model_copy(update={"training": training}),
        axes={"parameters": (3_000, 5_000)},
        seeds=(0, 1),
        baselines=("base_rate",),
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, RunStore]:
    """Hold the store of the study as it comes out when nothing happens, once it was needed."""
    return {"store": RunStore(tmp_path_factory.mktemp("undisturbed") / "runs")}


def same_bits(study: Study, undisturbed: dict[str, RunStore]) -> bool:
    """Tell whether every run predicts what the undisturbed study does, to the bit."""
    calm = Study(study.config, studies=study.folder.parent / "calm", runs=undisturbed["store"])
    assert calm.run() == {}
    return all(
        run.predictions().equals(calm.runs[planned.run_id].predictions())
        for planned, run in study.completed()
    )


def start(
    config: StudyConfig, folder: Path, *, largest_file: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a coordinator; no process of it can write a file beyond ``largest_file`` bytes."""
    folder.mkdir(exist_ok=True)
    (folder / "study.json").write_text(config.model_dump_json())

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.Popen(
        [sys.executable, "-c", _DRIVE, str(folder)], preexec_fn=limit, stderr=subprocess.DEVNULL
    )


def kill_someone(coordinator: subprocess.Popen[bytes], rng: random.Random) -> None:
    """SIGKILL the coordinator or one of its workers."""
    try:
        parent = psutil.Process(coordinator.pid)
        family = [parent, *parent.children()]
        os.kill(rng.choice(family).pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass


def survive(config: StudyConfig, folder: Path, num_kills: int, seed: int) -> Study:
    """Kill at random moments, start again, and let the last one finish."""
    rng = random.Random(seed)
    coordinator = start(config, folder)
    for _ in range(num_kills):
        time.sleep(rng.uniform(0.5, 4.0))
        kill_someone(coordinator, rng)
        if coordinator.poll() is not None:
            coordinator = start(config, folder)
    status = coordinator.wait(timeout=240)
    if status != 0:
        # a worker that was killed twice at the same run counts as failed: the next call mends it
        assert start(config, folder).wait(timeout=240) == 0
    return Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))


def test_kills_at_random_moments_leave_the_same_bits(config, tmp_path, undisturbed) -> None:
    study = survive(config, tmp_path / "chaos", num_kills=3, seed=0)
    assert study.missing() == []
    assert study.failures.read() == {}
    assert same_bits(study, undisturbed)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_the_same_bits(config, tmp_path, undisturbed) -> None:
    study = survive(config, tmp_path / "chaos", num_kills=20, seed=1)
    assert study.missing() == []
    assert same_bits(study, undisturbed)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(config, tmp_path, undisturbed) -> None:
    # what a disk without room refuses, a limit on the size of files does too
    assert start(config, tmp_path / "full", largest_file=6_000).wait(timeout=240) != 0
    store = RunStore(tmp_path / "full" / "runs")
    assert store.ids() == []
    assert start(config, tmp_path / "full").wait(timeout=240) == 0
    study = Study(config, studies=tmp_path / "full" / "studies", runs=store)
    assert study.failures.read() == {}
    assert same_bits(study, undisturbed)


@pytest.mark.slow
def test_two_coordinators_share_the_work(config, tmp_path, undisturbed) -> None:
    folder = tmp_path / "twins"
    twins = [start(config, folder), start(config, folder)]
    assert [twin.wait(timeout=240) for twin in twins] == [0, 0]
    study = Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))
    assert len(study.runs.ids()) == len(study.plan)
    assert same_bits(study, undisturbed)


@pytest.mark.slow
def test_damaged_and_deleted_runs_are_computed_again(config, tmp_path, undisturbed) -> None:
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert study.run() == {}
    first, second, third, *_ = (study.runs.folder / planned.run_id for planned in study.plan)
    shutil.rmtree(first)
    predictions = second / "predictions.parquet"
    content = bytearray(predictions.read_bytes())
    content[len(content) // 2] ^= 1
    predictions.write_bytes(content)
    (third / "run.json").write_text("{")
    assert len(study.missing()) == 3
    assert study.run() == {}
    assert study.missing() == []
    assert same_bits(study, undisturbed)


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(config, tmp_path) -> None:
    longer = config.experiment.training.model_copy(update={"epochs": 10, "patience": None})
    experiment = config.experiment.model_copy(update={"training": longer})
    longest = config.model_copy(update={"experiment": experiment})
    (tmp_path / "study.yaml").write_text(longest.model_dump_json())
    command = [sys.executable, "-c", _MAIN, "study", "run", "study.yaml"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob(".*.partial")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "are left" in said
    assert "goes on" in said
    assert "Traceback" not in said
    assert not any(worker.is_running() for worker in workers)
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
