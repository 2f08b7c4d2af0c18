"""What networks of the zoo promise beyond test_zoo: budgets, units, windows by themselves.

All have heads for classification, regression and forecasts, and read windows by their own moments.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from finscale.models import ARCHITECTURES, NetworkDesign, build_model, design
from finscale.models.kernels.accelerate import accelerate

KINDS = ("nhits", "moderntcn", "gru")
BUDGETS = (5_000, 20_000, 200_000, 2_000_000, 20_000_000)
HEADS: list[dict[str, Any]] = [
    {"head": "classification"},
    {"head": "regression", "num_outputs": 3},
    {"head": "forecast", "forecast_length": 24},
]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: head["head"])


def designed(kind: str, budget: int, head: dict[str, Any], num_features: int = 25) -> NetworkDesign:
    config = ARCHITECTURES[kind].config(kind=kind, budget=budget)
    return design(config, num_features=num_features, context_length=80, **head)


def built(kind: str, head: dict[str, Any], **windows: int) -> Any:
    """Return a small network without dropout."""
    torch.manual_seed(0)
    config = ARCHITECTURES[kind].config(kind=kind, budget=6_000, dropout=0.0)
    return build_model(config, **{"num_features": 5, "context_length": 40, **windows}, **head)


@each_kind
@each_head
@pytest.mark.parametrize("budget", BUDGETS)
def test_budgets_from_5k_to_20m_are_met(kind: str, head: dict[str, Any], budget: int) -> None:
    assert designed(kind, budget, head).counts.total == pytest.approx(budget, rel=0.05)


@each_kind
@pytest.mark.parametrize("head", HEADS[:2], ids=lambda head: head["head"])
@pytest.mark.parametrize("num_features", [200, 2000])
def test_many_features_leave_a_small_budget_its_size(
    kind: str, head: dict[str, Any], num_features: int
) -> None:
    for budget in (5_000, 20_000):
        made = designed(kind, budget, head, num_features)
        assert made.counts.total == pytest.approx(budget, rel=0.05)
        assert 0 < made.config.feature_embedding < num_features  # type: ignore[attr-defined]
        assert sum(p.numel() for p in made.build().parameters()) == made.counts.total


@each_kind
def test_closed_counts_and_generic_ones_are_those_of_the_model(kind: str) -> None:
    from finscale.models.measure import counted_parameters

    for head in HEADS:
        made = designed(kind, 30_000, head)
        about = made.architecture
        assert made.counts == counted_parameters(made.build(), about.inputs, about.head)


@each_kind
@each_head
def test_prices_times_ten_change_only_the_unit(kind: str, head: dict[str, Any]) -> None:
    model = built(kind, head).eval()
    x_BLF = (100 + torch.randn(4, 40, 5).cumsum(1)).double()
    model.double()
    y, scaled = model.prepare(x_BLF), model.prepare(10 * x_BLF)
    if head["head"] == "forecast":
        torch.testing.assert_close(model.encode(*scaled), 10 * model.encode(*y))
        return
    # of the statistics the first alone is the absolute size; without it nothing has changed
    assert (scaled[1] - y[1])[..., 0].min() > 0.5
    scaled[1][..., 0] = y[1][..., 0]
    torch.testing.assert_close(model.encode(*scaled), model.encode(*y))


@each_kind
@each_head
def test_a_window_depends_on_no_other(kind: str, head: dict[str, Any]) -> None:
    model = built(kind, head).eval()
    x_BLF = torch.randn(6, 40, 5)
    one_by_one = torch.cat([model(x_BLF[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(model(x_BLF), one_by_one, rtol=1e-4, atol=1e-5)


@each_kind
@each_head
@pytest.mark.parametrize("shape", [(1, 40), (40, 40), (5, 41), (5, 9)])
def test_any_number_of_features_and_rows(
    kind: str, head: dict[str, Any], shape: tuple[int, int]
) -> None:
    num_features, length = shape
    config = ARCHITECTURES[kind].config(kind=kind, width=3)
    model = build_model(config, num_features=num_features, context_length=length, **head)
    y = model(torch.randn(4, length, num_features))
    expected = {"classification": (4,), "regression": (4, 3), "forecast": (4, 24, num_features)}
    assert tuple(y.shape) == expected[head["head"]]
    # every parameter is reached, and by something
    y.square().sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None]
    assert not silent


@each_kind
@pytest.mark.parametrize("head", HEADS[:2], ids=lambda head: head["head"])
def test_the_newest_row_and_the_statistics_are_read(kind: str, head: dict[str, Any]) -> None:
    model = built(kind, head, context_length=41).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # some start at zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    z_BLF, stats_BFk, mean, std = model.prepare(torch.randn(4, 41, 5))
    z_BLF.requires_grad_()
    stats_BFk.requires_grad_()
    model.encode(z_BLF, stats_BFk, mean, std).square().sum().backward()
    assert z_BLF.grad[:, -1].abs().min() > 0
    assert stats_BFk.grad.abs().max() > 0


@each_kind
@each_head
def test_fast_kernels_agree(kind: str, head: dict[str, Any]) -> None:
    plain = built(kind, head)
    fast = accelerate(copy.deepcopy(plain))
    x_BLF = torch.randn(16, 40, 5)
    torch.testing.assert_close(fast(x_BLF), plain(x_BLF), rtol=1e-4, atol=1e-5)
