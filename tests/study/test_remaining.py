"""The time left of a study: expected by a rule, by what was measured before, by what is now."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from finscale.config import ExperimentConfig, validate
from finscale.study.execution.local import Event
from finscale.study.remaining import (
    BASELINE_SECONDS,
    RUN_SECONDS,
    TimeLeft,
    machine_key,
    windows_of,
)


def _planned(label: str, parameters: int, *, seed: int = 0, epochs: int = 10):
    """Return a run as a study plans it, as far as its time is concerned."""
    config = validate(
        ExperimentConfig,
        {
            "name": label,
            "seed": seed,
            "model": {"budget": parameters},
            "training": {"epochs": epochs, "batch_size": 64},
        },
        place=label,
    )
    split = SimpleNamespace(train=np.arange(3000), validation=np.arange(300), test=np.arange(600))
    prepared = SimpleNamespace(config=config, split=split, flops_per_sample=20 * parameters)
    cell = SimpleNamespace(label=label, is_baseline=False)
    return SimpleNamespace(cell=cell, prepared=prepared, threads=1)


def _baseline(label: str, train: int = 0):
    prepared = SimpleNamespace(split=SimpleNamespace(train=np.arange(train)))
    return SimpleNamespace(cell=SimpleNamespace(label=label, is_baseline=True), prepared=prepared)


def _event(kind: str, planned, **facts) -> Event:
    job = SimpleNamespace(label=planned.cell.label, config=planned.prepared.config, cost=1.0)
    return Event(kind, job, facts)  # type: ignore[arg-type]


def _epoch(planned, epoch: int, speed: float) -> Event:
    return _event("progress", planned, epoch=epoch, epochs=10, samples_per_second=speed)


def test_what_was_measured_here_before_is_what_is_expected(tmp_path: Path) -> None:
    runs = [_planned("a", 5_000), _planned("b", 5_000, seed=1)]
    first = TimeLeft(runs, workers=1, remembered=tmp_path / "speeds.json")
    first.observe(_epoch(runs[0], 1, 1000.0))
    first.remember()
    again = TimeLeft(runs, workers=1, remembered=tmp_path / "speeds.json")
    # the first worker's start, then both runs one after the other
    exact = 2 * (RUN_SECONDS + windows_of(runs[0]) / 1000.0)
    assert again.seconds() == pytest.approx(exact + 4.0)


def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    (tmp_path / "speeds.json").write_text('{"a": "fast"')
    runs = [_planned("a", 5_000)]
    damaged = TimeLeft(runs, workers=1, remembered=tmp_path / "speeds.json").seconds()
    assert damaged == TimeLeft(runs, workers=1).seconds() > 0


def test_small_networks_take_more_time_than_their_share_of_the_flops() -> None:
    small, large = _planned("small", 5_000), _planned("large", 2_000_000)
    times = [TimeLeft([one], workers=1).seconds() - 4.0 for one in (small, large)]
    assert 1 / 400 < times[0] / times[1] < 1  # parameters are 1 : 400


def test_measured_speeds_correct_what_is_expected_of_other_sizes() -> None:
    small, large = _planned("small", 5_000), _planned("large", 2_000_000)
    left = TimeLeft([small, large], workers=1)
    before = left._left(left._runs["small"]) - RUN_SECONDS
    expected = left._runs["large"].expected
    left.observe(_epoch(large, 1, expected / 4))  # four times as slow as the rule says
    after = left._left(left._runs["small"]) - RUN_SECONDS
    assert after == pytest.approx(4 * before)


def test_runs_that_stop_early_shorten_the_rest() -> None:
    runs = [_planned(str(seed), 5_000, seed=seed) for seed in range(5)]
    left = TimeLeft(runs, workers=1)
    left.observe(_epoch(runs[0], 4, 1000.0))
    before = left.seconds()
    left.observe(_event("done", runs[0]))
    one = RUN_SECONDS + windows_of(runs[0]) / 1000.0
    # one of ten epochs' worth of evidence at its full length, one at four tenths
    expected = 4 * (RUN_SECONDS + 0.7 * windows_of(runs[0]) / 1000.0)
    assert left.seconds() == pytest.approx(expected)
    assert left.seconds() < before - 0.5 * one


def test_it_ends_at_nothing_and_baselines_count_a_second() -> None:
    run, base = _planned("a", 5_000), _baseline("volatility")
    left = TimeLeft([run, base], workers=1)  # type: ignore[list-item]
    left.observe(_epoch(run, 10, 1000.0))
    left.observe(_event("done", run))
    assert left.seconds() == pytest.approx(BASELINE_SECONDS)
    job = SimpleNamespace(label="volatility", config=None, cost=0.0)
    left.observe(Event("done", job))  # type: ignore[arg-type]
    assert left.seconds() == 0


def _of(kind: str, planned) -> Event:
    job = SimpleNamespace(label=planned.cell.label, config=None, cost=0.0)
    return Event(kind, job)  # type: ignore[arg-type]


def test_baselines_of_a_panel_take_what_those_before_them_took() -> None:
    """On 700,000 rows of 431 stocks a logistic takes a minute, and the last ones took five."""
    bases = [_baseline(name, train=700_000) for name in ("a", "b", "c")]
    assert TimeLeft([_baseline("a")], workers=1).seconds() - 4.0 == pytest.approx(BASELINE_SECONDS)
    now = [0.0]
    left = TimeLeft(bases, workers=1, clock=lambda: now[0])  # type: ignore[arg-type]
    assert left.seconds() - 4.0 > 3 * 30
    for place, one in enumerate(bases[:2]):
        left.observe(_of("started", one))
        now[0] += 100.0 + 20 * place
        left.observe(_of("done", one))
    assert left.seconds() == pytest.approx(110.0)


def test_what_runs_take_beside_their_training_is_learned() -> None:
    """A worker reads a panel and fits its linear path, which takes longer than a small network."""
    runs = [_planned(str(seed), 5_000, seed=seed) for seed in range(3)]
    now = [0.0]
    left = TimeLeft(runs, workers=1, clock=lambda: now[0])
    training = windows_of(runs[0]) / 1000.0
    for one in runs[:2]:
        left.observe(_event("started", one))
        left.observe(_epoch(one, 10, 1000.0))
        now[0] += training + 40.0
        left.observe(_event("done", one))
    assert left.seconds() == pytest.approx(training + 40.0)


def test_workers_share_the_work_and_the_longest_run_is_a_floor() -> None:
    runs = [_planned(str(seed), 5_000, seed=seed) for seed in range(8)]
    alone, shared = (TimeLeft(runs, workers=count) for count in (1, 4))
    for one in (alone, shared):
        one._cores = 4
    assert (alone.seconds() - 4.0) / (shared.seconds() - 4.0) == pytest.approx(4)
    single = TimeLeft(runs[:1], workers=8)
    assert single.seconds() == TimeLeft(runs[:1], workers=1).seconds()


def test_seeds_are_as_fast_as_one_another_and_sizes_are_not() -> None:
    one, other = _planned("a", 5_000), _planned("b", 5_000, seed=1)
    assert _key(one) == _key(other) != _key(_planned("c", 6_000))


def _key(planned) -> str:
    return machine_key(planned)
