"""A budget is met or refused, along one family of shapes."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.config import ModelConfig
from finscale.errors import BudgetError
from finscale.models import PatchTST, build_model, count_parameters, resolve_model, solve_budget
from finscale.models.patchtst.budget import SHAPES

BUDGETS = [round(10 ** (3 + i / 4)) for i in range(29)]  # 1k … 10B, four a decade


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_features", [5, 25])
def test_every_budget_from_1k_to_10b_is_met_within_one_percent(
    shape: str, num_features: int
) -> None:
    for budget in BUDGETS:
        found = solve_budget(budget, num_features=num_features, context_length=80, shape=shape)
        # one unit of the feed-forward dimension is more than a per cent of the tiniest models
        precision = 0.01 if budget > 3000 else 0.03
        assert abs(count_parameters(found).total / budget - 1) < precision


@given(
    budget=st.floats(4.5, 10).map(lambda exponent: round(10**exponent)),
    num_features=st.integers(1, 2000),
    context_length=st.integers(16, 512),
    shape=st.sampled_from(list(SHAPES)),
    channels=st.sampled_from(["mixing", "independent"]),
)
@settings(max_examples=60, deadline=None)
def test_any_windows_any_shape(
    budget: int, num_features: int, context_length: int, shape: str, channels: str
) -> None:
    found = solve_budget(
        budget,
        num_features=num_features,
        context_length=context_length,
        shape=shape,
        channels=channels,
    )
    assert abs(count_parameters(found).total / budget - 1) < 0.05
    assert found.width % found.heads == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_features", [25, 500])
def test_a_larger_budget_is_never_narrower_or_shallower(shape: str, num_features: int) -> None:
    budgets = [round(10 ** (4.2 + i / 20)) for i in range(110)]
    family = [
        solve_budget(budget, num_features=num_features, context_length=80, shape=shape)
        for budget in budgets
    ]
    for smaller, larger in pairwise(family):
        assert larger.width >= smaller.width
        assert larger.depth >= smaller.depth
    assert family[-1].width > 10 * family[0].width


@pytest.mark.parametrize(
    ("shape", "depth", "width", "heads"),
    [("wide", 2, 256, 8), ("balanced", 4, 192, 12), ("deep", 8, 144, 9)],
)
def test_two_million(shape: str, depth: int, width: int, heads: int) -> None:
    found = solve_budget(2_000_000, num_features=25, context_length=80, shape=shape)
    assert (found.depth, found.width, found.heads) == (depth, width, heads)


@pytest.mark.parametrize("budget", [10_000, 2_000_000, 2_000_000_000])
@pytest.mark.parametrize("num_features", [25, 2000])
def test_the_built_model_has_the_count_that_was_solved(budget: int, num_features: int) -> None:
    found = solve_budget(budget, num_features=num_features, context_length=80)
    with torch.device("meta"):
        model = PatchTST(**asdict(found))
    assert count_parameters(model) == count_parameters(found)


def test_2000_features_are_embedded_before_they_eat_a_small_budget() -> None:
    found = solve_budget(2_000_000, num_features=2000, context_length=80)
    counts = count_parameters(found)
    assert found.feature_embedding is not None
    assert found.feature_embedding >= 32
    assert counts.total - counts.non_embedding <= 2_000_000 / 3
    large = solve_budget(2_000_000_000, num_features=2000, context_length=80)
    assert large.feature_embedding is None


def test_an_embedding_that_was_asked_for_is_kept() -> None:
    found = solve_budget(2_000_000, num_features=25, context_length=80, feature_embedding=4)
    assert found.feature_embedding == 4


def test_an_unreachable_budget_names_the_nearest_that_can_be_built() -> None:
    with pytest.raises(BudgetError) as refusal:
        solve_budget(1000, num_features=2000, context_length=80)
    assert refusal.value.message == "No wide PatchTST on 2000 features has 1k parameters."
    nearest = float(refusal.value.hint.removeprefix("the nearest that can be built: ")[:-1]) * 1e3
    found = solve_budget(round(nearest), num_features=2000, context_length=80)
    assert found.width == 4


def test_resolving_fills_every_size_and_is_idempotent() -> None:
    asked = ModelConfig(budget="250k", shape="balanced")
    resolved = resolve_model(asked, num_features=25, context_length=80)
    assert resolved.budget == 250_000
    assert None not in (resolved.depth, resolved.width, resolved.heads, resolved.ff_width)
    assert resolved.instance_stats is True
    assert resolve_model(resolved, num_features=25, context_length=80) == resolved
    one = build_model(asked, num_features=25, context_length=80)
    other = build_model(resolved, num_features=25, context_length=80)
    assert one.sizes == other.sizes


def test_a_resolved_embedding_stays() -> None:
    resolved = resolve_model(ModelConfig(budget="10k"), num_features=25, context_length=80)
    assert isinstance(resolved.feature_embedding, int)
    assert resolve_model(resolved, num_features=25, context_length=80) == resolved


def test_statistics_are_left_to_forecasts_only_on_demand() -> None:
    asked = ModelConfig(budget="50k")
    sizes = {"num_features": 7, "context_length": 96, "head": "forecast", "forecast_length": 24}
    assert resolve_model(asked, **sizes).instance_stats is False
    asked = ModelConfig(budget="50k", instance_stats=True)
    assert resolve_model(asked, **sizes).instance_stats is True


def test_explicit_sizes_that_miss_their_budget_are_refused() -> None:
    config = ModelConfig(budget="2M", depth=2, width=64, heads=4)
    with pytest.raises(BudgetError, match=r"2 × 64 \(4 heads\) has .* off the budget of 2M"):
        resolve_model(config, num_features=25, context_length=80)
