"""A clock that jumps, forth and back, changes no bit and loses nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from finscale.cli.study_progress import StudyProgress
from finscale.config import StudyConfig
from finscale.data import SOURCES, DataStore, fetch_bars
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.runs.garbage import find_garbage, used_by_studies
from finscale.runs.index import summaries
from finscale.study import Event, Job, Study
from finscale.training import Callback

DECADES = (dt.timedelta(days=365 * years) for years in itertools.cycle((30, -40, 10, 0, -3)))
#: Modules that ask what time it is.
ASKING = (
    "finscale.experiment.writing",
    "finscale.study.registration",
    "finscale.study.execution.failures",
    "finscale.data.manifest",
    "finscale.runs.garbage",
)


class Jumping(dt.datetime):
    """Every look at this clock shows another decade."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return dt.datetime.now(tz) + next(DECADES)


@pytest.fixture
def jumping_clock(monkeypatch) -> None:
    names = {name: getattr(dt, name) for name in ("UTC", "timedelta", "date", "timezone")}
    for module in ASKING:
        monkeypatch.setattr(f"{module}.dt", SimpleNamespace(datetime=Jumping, **names))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(DECADES).total_seconds())


class PowerCutError(Exception):
    """A power cut."""


class PowerCut(Callback):
    """Ends a training after its first epoch."""

    def on_epoch_end(self, trainer, record) -> None:
        raise PowerCutError


class Here:
    """An executor in this process, whose clock jumps; it cuts each run's first attempt off."""

    def __init__(self, *, cut: bool) -> None:
        self.cut = cut

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        for job in jobs:
            yield Event("started", job)
            if self.cut:
                try:
                    run_experiment(job.config, runs=RunStore(runs), callbacks=[PowerCut()])
                except PowerCutError:
                    _disturb_times(runs)
            run_experiment(job.config, runs=RunStore(runs))
            yield Event("done", job)


def _disturb_times(folder: Path) -> None:
    """Give all files times decades before and after now."""
    for path, years in zip(folder.rglob("*"), itertools.cycle((-40, 30, 0)), strict=False):
        moment = time.time_ns() + years * 365 * 86_400 * 10**9
        os.utime(path, ns=(max(moment, 0), max(moment, 0)))


@pytest.fixture
def make(tiny, tmp_path):
    training = tiny.training.model_copy(update={"checkpoint_minutes": 0.0, "epochs": 3})
    config = StudyConfig(
        name="clock",
        experiment=tiny.model_copy(update={"training": training}),
        axes={"parameters": (3_000, 5_000)},
        seeds=(0,),
        baselines=("base_rate",),
    )

    def study(place: str) -> Study:
        folder = tmp_path / place
        return Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))

    return study


@pytest.mark.usefixtures("jumping_clock")
def test_a_study_interrupted_under_a_jumping_clock_ends_with_the_same_bits(make) -> None:
    study = make("jumping")
    assert study.run(executor=Here(cut=True)) == {}
    _disturb_times(study.folder.parent.parent)
    again = make("jumping")
    assert again.missing() == []
    calm = make("calm")
    assert calm.run(executor=Here(cut=False)) == {}
    for (_, run), (_, other) in zip(again.completed(), calm.completed(), strict=True):
        assert run.id == other.id
        assert run.predictions().equals(other.predictions())
        assert run.info["seconds"] >= 0
    assert str(again.results().drop("seconds").to_dicts()) == str(
        calm.results().drop("seconds").to_dicts()
    )


@pytest.mark.usefixtures("jumping_clock")
def test_nothing_is_lost_to_gc_and_the_list_shows_what_is_there(make) -> None:
    study = make("jumping")
    assert study.run(executor=Here(cut=True)) == {}
    ids = set(study.runs.ids())
    for _ in range(3):
        _disturb_times(study.runs.folder)
        assert {row["id"] for row in summaries(study.runs)} == ids
        assert find_garbage(study.runs) == []
        used = used_by_studies(study.folder.parent)
        # whatever the clock says, a run that a study names is not old enough
        for now in (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)):
            assert find_garbage(study.runs, older_than=1, used=used, now=now) == []


def test_a_row_of_the_list_is_of_the_file_and_not_of_its_time(make) -> None:
    study = make("listed")
    assert study.run(executor=Here(cut=False)) == {}
    before = summaries(study.runs)
    path = study.runs.folder / before[0]["id"] / "run.json"
    times = path.stat()
    text = path.read_text().replace('"seconds": ', '"seconds": 9')
    # made anew in the same moment of a clock that went back
    path.with_name("other").write_text(text)
    path.with_name("other").replace(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert summaries(study.runs)[0]["seconds"] != before[0]["seconds"]


def test_bundled_bars_are_the_same_in_any_year(monkeypatch, tmp_path) -> None:
    assert SOURCES["bundled"].serves("SP500")
    entries = []
    for year in (1970, 2001, 2099):
        now = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _, now=now: now), UTC=dt.UTC)
        monkeypatch.setattr("finscale.data.acceptance.dt", clock)
        store = DataStore(tmp_path / str(year))
        entries.append(store.add_bars(fetch_bars("bundled", "SP500")))
    assert len({entry.sha256 for entry in entries}) == 1


def test_the_time_left_is_never_negative(make, monkeypatch) -> None:
    study = make("progress")
    console = Console(width=100, force_terminal=True, record=True, file=StringIO())
    jobs = [
        Job(i, one.cell.label, one.prepared.config, one.cost) for i, one in enumerate(study.plan)
    ]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(DECADES).total_seconds())

    def progress(job: Job, epoch: int) -> Event:
        facts = {"epoch": epoch, "epochs": 3, "validation_loss": 0.4, "samples_per_second": 9.0}
        return Event("progress", job, facts)

    with StudyProgress(study.plan, console) as display:
        left = []
        # killed after its second epoch, and begun again from the first
        for event in (
            Event("started", jobs[1]),
            *(progress(jobs[1], epoch) for epoch in (1, 2)),
            Event("started", jobs[1]),
            *(progress(jobs[1], epoch) for epoch in (1, 2, 3)),
            Event("done", jobs[1]),
        ):
            time.sleep(0.02)
            display(event)
            whole = display._progress.tasks[0]
            left.append(display.left.seconds())
            assert whole.elapsed is not None
            assert whole.elapsed >= 0
    assert all(seconds >= 0 for seconds in left)


def test_a_log_without_bars_says_now_and_then_how_far_it_is(make, monkeypatch) -> None:
    study = make("log")
    jobs = [
        Job(i, one.cell.label, one.prepared.config, one.cost) for i, one in enumerate(study.plan)
    ]
    seconds = iter(range(0, 10_000, 31))
    monkeypatch.setattr(
        "finscale.cli.study_progress.time", SimpleNamespace(monotonic=lambda: float(next(seconds)))
    )

    def written(*, terminal: bool) -> str:
        console = Console(width=100, force_terminal=terminal, file=StringIO())
        with StudyProgress(study.plan, console) as display:
            for job in jobs:
                display(Event("started", job))
                display(Event("done", job))
        return console.file.getvalue()

    lines = [line for line in written(terminal=False).splitlines() if line.strip()]
    assert lines[-1].startswith(f"{len(jobs)} of {len(jobs)} runs")
    assert all("left" in line for line in lines)
    assert "\n2 of" not in written(terminal=True)
