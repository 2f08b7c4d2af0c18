"""A shape at a fixed budget: the depth that was asked for, and the budget met."""

from __future__ import annotations

import pytest

from finscale.config.model import model_section
from finscale.errors import BudgetError
from finscale.models.build import design
from finscale.models.interface import Interface
from finscale.models.shapes import ShapeAsked, solve_shape

WINDOW = {"num_features": 25, "context_length": 40}


@pytest.mark.parametrize("kind", ["patchtst", "mlp", "tsmixer"])
@pytest.mark.parametrize("depth", [1, 4])
def test_the_budget_is_met_at_the_depth_asked_for(kind: str, depth: int) -> None:
    config = model_section({"kind": kind})(kind=kind, budget=30_000)
    found = solve_shape(config, ShapeAsked(depth=depth), Interface(**WINDOW))
    assert found.depth == depth
    assert design(found, **WINDOW).counts.total == pytest.approx(30_000, rel=0.05)


def test_a_lower_feed_forward_ratio_makes_a_wider_network() -> None:
    config = model_section({})(budget=60_000)
    low, high = (
        solve_shape(config, ShapeAsked(depth=2, ff_ratio=ratio, heads=2), Interface(**WINDOW))
        for ratio in (1.0, 8.0)
    )
    assert low.width > high.width
    assert low.heads == high.heads == 2


def test_a_depth_that_no_budget_allows_is_refused() -> None:
    config = model_section({})(budget=3_000)
    with pytest.raises(BudgetError):
        solve_shape(config, ShapeAsked(depth=200), Interface(**WINDOW))
