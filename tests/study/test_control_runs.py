"""Controls beside the real data: a smaller study on labels whose relation is known."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.control_grid import control_study
from finscale.study.control_runs import control_outcomes, within_days, within_quarters


@pytest.fixture
def config(tiny) -> StudyConfig:
    return StudyConfig(
        name="real",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000, 9_000, 16_000, 30_000), "rows": (4, 8)},
        seeds=(0, 1, 2),
        baselines=("volatility",),
        controls={"kinds": ("permuted_labels", "planted_signal")},
    )


def test_a_control_is_a_smaller_study(config) -> None:
    control = control_study(config, "permuted_labels")
    assert control.axes == {"parameters": (3_000, 5_000, 9_000, 16_000), "rows": (8,)}
    assert control.seeds == (0, 1)
    assert control.baselines == ("base_rate", "volatility")
    assert control.experiment.task.control == "permuted"
    assert control.controls.kinds == ()
    fewer = config.model_copy(
        update={"controls": config.controls.model_copy(update={"sizes": (5_000,), "seeds": (2,)})}
    )
    control = control_study(fewer, "planted_signal")
    assert control.axes["parameters"] == (5_000,)
    assert control.seeds == (2,)
    assert control.experiment.task.control_strength == 2.0


def predictions(skill: float, seed: int = 0):
    """Return runs whose logits drift with the base rate and rank days with some skill."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2018-01-01"))
    drift = np.sin(np.arange(len(days)) / 90)
    target = (rng.random(len(days)) < 1 / (1 + np.exp(-drift))).astype(np.float32)
    logit = drift + skill * (target - 0.5) + rng.standard_normal(len(days))
    # labels shuffled within quarters leave the drift alone
    table = pl.DataFrame(
        {"date": days, "symbol": ["A"] * len(days), "target": target, "logit": logit}
    ).with_columns(pl.col("date").cast(pl.Date))
    if not skill:
        quarter = pl.col("date").dt.truncate("1q")
        table = table.with_columns(pl.col("target").shuffle(seed).over(quarter))
    assert table["date"][0] == dt.date(2015, 1, 1)
    return [(None, SimpleNamespace(predictions=lambda _: table))]


def test_the_drift_of_the_base_rate_is_no_skill() -> None:
    p_values = [within_quarters(predictions(0.0, seed)) for seed in range(10)]
    assert min(p_values) > 0.001
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.25)


def test_skill_within_quarters_is_found() -> None:
    assert within_quarters(predictions(0.5)) < 0.01


def section(skill: float, seed: int = 0):
    """Return runs that know each day's share of yes, and of a day's symbols some or nothing."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-09-01"))
    shape = (len(days), 20)
    level_T1 = rng.standard_normal((len(days), 1))
    target_TS = (rng.random(shape) < 1 / (1 + np.exp(-level_T1))).astype(np.float32)
    logit_TS = 3 * level_T1 + skill * (target_TS - 0.5) + rng.standard_normal(shape)
    table = pl.DataFrame(
        {
            "date": np.repeat(days, 20),
            "symbol": [f"S{number}" for number in range(20)] * len(days),
            "target": target_TS.ravel(),
            "logit": logit_TS.ravel(),
        }
    )
    return [(None, SimpleNamespace(predictions=lambda _: table))]


def test_knowing_the_day_is_no_skill_within_it() -> None:
    p_values = [within_days(section(0.0, seed)) for seed in range(6)]
    assert min(p_values) > 0.001
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.3)
    assert within_days(section(0.3)) < 0.01


def test_controls_run_beside_the_study(tiny, tmp_path) -> None:
    training = tiny.training.model_copy(update={"epochs": 6, "batch_size": 64})
    study = Study(
        StudyConfig(
            name="real",
            experiment=tiny.model_copy(update={"training": training}),
            axes={"parameters": (3_000, 5_000)},
            seeds=(0,),
            baselines=("base_rate",),
            controls={"kinds": ("permuted_labels", "planted_signal"), "sizes": (5_000,)},
        ),
        studies=tmp_path / "studies",
        runs=RunStore(tmp_path / "runs"),
    )
    waiting = control_outcomes(study)
    assert [outcome.ok for outcome in waiting] == [None, None]
    assert "2 of 2 runs are missing" in waiting[0].found
    assert len(study.missing()) == 3 + 2 + 2
    assert study.run() == {}
    permuted, planted = control_outcomes(study)
    assert permuted.ok
    assert "p = " in permuted.found
    assert planted.ok
    assert planted.facts["gain"]["low"] > 0
    assert 0.3 < planted.facts["gain"]["value"] / planted.facts["possible"] < 1
    # the controls' runs are no part of the study's table
    assert len(study.results()) == 3
