"""Sharpe ratio after costs against compute: its slope, and whether it is seen."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.evaluation.backtest import FREE
from finscale.study import economic as module
from finscale.study.economic import PUBLISHED, economic_scaling

BUDGETS = (5_000, 20_000, 80_000, 320_000)


def study(**task) -> StudyConfig:
    data = {"symbols": [f"S{number}" for number in range(12)]}
    experiment = {"data": data, "task": {"name": "outperform", **task}}
    return StudyConfig(name="x", experiment=experiment, axes={"parameters": BUDGETS})


def world(monkeypatch, slope, *, spread=4.0, first=0.5, num_days=1500, flops=lambda budget: budget):
    """Let sizes have such a Sharpe ratio: a day's value, and runs that tell what they took."""
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 16.0, num_days)
    rows, completed = [], []
    for place, budget in enumerate(BUDGETS):
        for seed in range(3):
            noise = rng.normal(0, spread, num_days)
            value = first + slope * place * np.log10(4) + shared + noise - noise.mean()
            rows.append(
                pl.DataFrame({"day": np.arange(num_days), "value": value}).with_columns(
                    size_parameters=pl.lit(float(budget)),
                    parameters=pl.lit(float(budget)),
                    seed=pl.lit(seed),
                    fold=pl.lit(0),
                )
            )
            cell = SimpleNamespace(is_baseline=False, sizes={"parameters": budget})
            run = SimpleNamespace(info={"training": {"flops": 1e6 * flops(budget)}})
            completed.append((SimpleNamespace(cell=cell), run))
    table = pl.concat(rows)
    free = table.with_columns(pl.col("value") + 0.75)
    earned = {False: table, True: free}
    monkeypatch.setattr(
        module, "daily_values", lambda *given, costs, **options: earned[costs == FREE]
    )
    monkeypatch.setattr(module, "at_level", lambda config, runs, level: (runs, ()))
    return completed


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (2.0, "it rises with compute"),
        (-2.0, "it falls with compute"),
        (0.0, "that it changes with compute is not seen"),
    ],
)
def test_the_slope_is_that_of_the_world(monkeypatch, slope, said):
    found = economic_scaling(study(), world(monkeypatch, slope))
    assert found.slope.low < slope < found.slope.high
    assert found.is_seen == (slope != 0)
    assert said in found.sentence
    assert "the long–short after costs" in found.sentence
    assert "Timmermann and Vulicevic (2026)" in found.sentence
    assert found.table["flops"].to_list() == [1e6 * budget for budget in BUDGETS]
    assert found.table["label"].to_list() == ["5k", "20k", "80k", "320k"]
    assert found.smallest > 0
    assert found.costs == pytest.approx(0.75)
    assert found.to_dict()["slope_per_tenfold"]["value"] == found.slope.value


def test_the_published_figure_starts_at_the_smallest_size(monkeypatch):
    found = economic_scaling(study(), world(monkeypatch, 0.0))
    first = found.table["value"][0]
    # a tenth more for a quarter more compute
    assert pytest.approx(1.1) == 1.25**PUBLISHED
    ends = first * np.array([1.0, 64**PUBLISHED])
    assert first > 0
    assert found.published == pytest.approx((ends[1] - ends[0]) / np.log10(64), rel=0.1)
    poor = economic_scaling(study(), world(monkeypatch, 0.0, first=-30.0))
    assert poor.published is None
    assert "earns nothing that could be multiplied" in poor.sentence


def test_compute_that_hardly_differs_or_is_not_known_says_nothing(monkeypatch):
    alike = world(monkeypatch, 1.0, flops=lambda budget: 10 + budget / 1e6)
    assert economic_scaling(study(), alike) is None
    unknown = world(monkeypatch, 1.0, flops=lambda budget: 0.0)
    assert economic_scaling(study(), unknown) is None
