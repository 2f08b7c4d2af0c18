"""Two axes of a study: the plain table, the difference of the gains, the law with a product."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from finscale.cli.study import _together
from finscale.config import StudyConfig
from finscale.evaluation.bootstrap import Metric
from finscale.report.tables import sizes
from finscale.scaling import fit_law
from finscale.scaling.measure import LOSS
from finscale.study import interaction as module
from finscale.study.interaction import Interaction, interaction

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
        (0.0, "Do features and parameters interact? That is not seen: "),
        (20.0, "Do features and parameters interact? Yes, they stand in for one another: "),
        (-20.0, "Do features and parameters interact? Yes, they help one another: "),
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
    assert found.law_rows() == []
    assert "cannot be fitted: left out here" in found.law_sentence


@pytest.mark.parametrize(
    ("together", "said"),
    [(60.0, "need not bring again"), (-15.0, "makes more of the other")],
)
def test_the_law_with_a_product_says_the_same_with_its_interval(together, said, monkeypatch):
    table = losses(together, np.random.default_rng(4), 40)
    told = table.rename({"value": "loss"}).select("tier", "parameters", "seed", "day", "loss")
    law = fit_law(told, ["tier", "parameters"], form="interaction", num_replicates=60)
    monkeypatch.setattr(module, "study_values", lambda *given, **options: table)
    monkeypatch.setattr(module, "whole", lambda config, completed: (completed, ()))
    monkeypatch.setattr(module, "surface", lambda *given, **options: law)
    found = interaction(study(), [])
    assert law.identified
    rows = {row["name"]: row for row in found.law_rows()}
    assert set(rows) == {"E", "A", "B", "G", "alpha", "beta"}
    assert said in found.law_sentence
    assert "(N: features, D: parameters)" in found.law_sentence
    assert f"G = {rows['G']['value']:.4g} [" in found.law_sentence
    findings = SimpleNamespace(interaction=found, measure=found.measure)
    _, product = sizes.together(findings)
    assert len(product.rows) == len(rows)
    printed = _together(findings)
    assert len(printed) == 1 + 4 + 2
    assert printed[0].split() == ["together", "tier", "5k", "20k", "80k", "320k"]


def test_a_law_that_the_runs_do_not_identify_says_why(monkeypatch):
    told = losses(0.0, np.random.default_rng(0), 1).select("tier", "parameters", "seed")
    noise = 1e-3 * np.random.default_rng(1).standard_normal(told.height)
    told = told.with_columns(loss=0.5 + pl.Series(noise))
    law = fit_law(told, ["tier", "parameters"], form="interaction", num_replicates=20)
    assert not law.identified
    found = Interaction(
        ("tier", "parameters"), pl.DataFrame(), Metric(0, -1, 1), law, "", LOSS, ("5k", "320k")
    )
    assert "is not identified by these runs: " in found.law_sentence
    assert found.law_rows() == []


def test_one_axis_or_a_grid_that_is_not_whole_says_nothing(monkeypatch):
    assert interaction(StudyConfig(name="x", axes={"tier": ("a20", "a50")}), []) is None
    table = losses(0.0, np.random.default_rng(0), 20).filter(pl.col("size_tier") > 20.0)
    monkeypatch.setattr(module, "study_values", lambda *given, **options: table)
    monkeypatch.setattr(module, "whole", lambda config, completed: (completed, ()))
    assert interaction(study(), []) is None
