"""Parameters × data: exponents, repeats, and the plan for ten times the compute."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.study.data_surface import data_axis, data_surface, fit_surface

BUDGETS, WINDOWS = (5e3, 2e4, 8e4, 3.2e5), (1e4, 4e4, 1.6e5, 6.4e5)
ALPHA, BETA = 0.5, 0.3
PANEL = {"symbols": [f"S{number}" for number in range(12)]}


def study(axes=None, **changes) -> StudyConfig:
    axes = axes or {"parameters": [int(one) for one in BUDGETS], "data": [0.01, 0.06, 0.25, 1]}
    return StudyConfig(name="x", experiment={"data": PANEL}, axes=axes, **changes)


def values(epochs=(4.0,), half_life=5.0, noise=1e-4, num_days=60) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for budget in BUDGETS:
        for place, unique in enumerate(WINDOWS):
            repeats = epochs[place % len(epochs)]
            worth = unique * (1 + half_life * -np.expm1(-(repeats - 1) / half_life))
            truth = 0.6 + 3 * budget**-ALPHA + 2 * worth**-BETA
            for seed in range(2):
                days = np.arange(num_days)
                luck = noise * rng.standard_normal() + noise * rng.standard_normal(num_days)
                about = {
                    "parameters": budget,
                    "windows": unique,
                    "samples": repeats * unique,
                    "flops": 6 * budget * repeats * unique,
                    "seed": seed,
                    "fold": 0,
                }
                rows.append(
                    pl.DataFrame({"day": days, "value": truth + luck}).with_columns(
                        pl.lit(one).alias(name) for name, one in about.items()
                    )
                )
    return pl.concat(rows)


def test_the_exponents_of_the_world_are_inside_their_intervals_and_the_plan_follows():
    found = fit_surface(study(), values())
    assert found.law.identified
    for name, truth in {"alpha": ALPHA, "beta": BETA, "a": BETA / (ALPHA + BETA)}.items():
        low, high = found.law[name].interval
        assert low < truth < high
    assert found.constrained is None
    assert "about 4.0 times" in found.why_not_constrained
    exponents, repeats, planned = found.sentences
    assert "compute^a" in exponents
    assert "a repeated window is worth is not told" in repeats
    # what the law itself has as the best split of ten times the largest compute
    worth = 1 + 5 * -np.expm1(-3 / 5)
    products = 10 * BUDGETS[-1] * WINDOWS[-1]
    sizes = np.geomspace(1e3, 1e9, 4000)
    loss = 3 * sizes**-ALPHA + 2 * worth**-BETA * (products / sizes) ** -BETA
    best = sizes[loss.argmin()]
    assert found.plan.num_parameters.low / 1.1 < best < found.plan.num_parameters.high * 1.1
    assert "is best spent on" in planned
    assert found.to_dict()["tenfold_plan"]["num_parameters"]["value"] > 0


def test_repeats_are_told_where_trainings_repeat_more_and_less():
    found = fit_surface(study(), values(epochs=(1.0, 8.0, 32.0), noise=2e-5))
    assert found.constrained is not None
    low, high = found.constrained["R*"].interval
    assert low < 5.0 < high
    assert "R* =" in found.sentences[1]


def test_a_surface_without_an_effect_is_not_settled_and_plans_nothing():
    table = values()
    flat = table.with_columns(value=pl.lit(0.6) + 1e-4 * pl.col("day").mod(7))
    rng = np.random.default_rng(0)
    flat = flat.with_columns(pl.col("value") + pl.Series(rng.normal(0, 1e-3, len(flat))))
    found = fit_surface(study(), flat)
    assert not found.law.identified
    assert found.plan is None
    assert "not settled" in found.sentences[0]
    assert "is not said" in found.sentences[2]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"parameters": [1000, 2000], "rows": [1, 2]}, "rows"),
        ({"assets": [1, 2], "parameters": [1000, 2000]}, "assets"),
        ({"parameters": [1000, 2000], "data": [0.5, 1]}, "data"),
        ({"parameters": [1000, 2000], "horizon": [1, 5]}, None),
        ({"compute": ["1T", "2T"], "rows": [1, 2]}, None),
        ({"data": [0.5, 1]}, None),
    ],
)
def test_which_studies_have_a_surface_of_data(axes, expected):
    assert data_axis(study(axes)) == expected
    if expected is None:
        assert data_surface(study(axes), []) is None
