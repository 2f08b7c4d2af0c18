"""Two axes of a study: the plain table, the difference of the gains, the law with a product."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.study import interaction as module
from finscale.study.interaction import interaction

TIERS, BUDGETS = (20.0, 50.0, 100.0, 200.0), (5_000.0, 20_000.0, 80_000.0, 320_000.0)


def study(**changes):
    axes = {"tier": ("a20", "a50", "a100", "a200"), "parameters": (5000, 20000, 80000, 320000)}
    return StudyConfig(name="x", axes=axes, seeds=(0, 1, 2), **changes)


def losses(together, rng, num_days=250):
    rows = []
    for tier in TIERS:
        for budget in BUDGETS:
            truth = 0.5 + 0.4 * tier**-0.5 + 1.5 * budget**-0.5
            truth += together * tier**-0.5 * budget**-0.5
            for seed in range(3):
                luck = 0.0005 * rng.standard_normal()
                days = np.arange(num_days)
                rows.append(
                    pl.DataFrame(
                        {
                            "day": days,
                            "fold": 0,
                            "seed": seed,
                            "size_tier": tier,
                            "tier": tier,
                            "size_parameters": budget,
                            "parameters": budget,
                            "value": truth + luck + 0.002 * rng.standard_normal(num_days),
                        }
                    )
                )
    return pl.concat(rows)


@pytest.mark.parametrize(
    ("together", "said"),
    [
        (0.0, "act on one another is not seen"),
        (20.0, "features and parameters stand in for one another"),
        (-20.0, "features and parameters help one another"),
    ],
)
def test_the_gains_differ_as_the_world_was_made(together, said, monkeypatch):
    table = losses(together, np.random.default_rng(3))
    monkeypatch.setattr(module, "study_values", lambda *given, **options: table)
    monkeypatch.setattr(module, "whole", lambda config, completed: (completed, ()))
    monkeypatch.setattr(module, "_law", lambda *given: (None, "left out here"))
    found = interaction(study(), [])
    a, b = (x**-0.5 for x in (20.0, 200.0)), (x**-0.5 for x in (5_000.0, 320_000.0))
    (a_small, a_large), (b_small, b_large) = a, b
    truth = together * (a_small - a_large) * (b_large - b_small)
    assert found.gain.low < truth < found.gain.high
    assert said in found.sentence
    assert found.table.shape == (4, 5)
    assert found.table["tier"].to_list() == ["a20", "a50", "a100", "a200"]
    cell = table.filter(pl.col("size_tier") == 50.0, pl.col("size_parameters") == 80_000.0)
    assert found.table["80k"][1] == pytest.approx(cell["value"].mean())
    assert found.to_dict()["gain"]["value"] == found.gain.value


def test_one_axis_or_a_grid_that_is_not_whole_says_nothing(monkeypatch):
    assert interaction(StudyConfig(name="x", axes={"tier": ("a20", "a50")}), []) is None
    table = losses(0.0, np.random.default_rng(0), 20).filter(pl.col("size_tier") > 20.0)
    monkeypatch.setattr(module, "study_values", lambda *given, **options: table)
    monkeypatch.setattr(module, "whole", lambda config, completed: (completed, ()))
    assert interaction(study(), []) is None
