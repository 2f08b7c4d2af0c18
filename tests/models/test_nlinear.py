"""NLinear: the paper's size, its last value, and what mixing leaves of many features."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finscale.config.architectures import NLinearConfig
from finscale.errors import ConfigError
from finscale.models import build_model, design

AHEAD: dict[str, Any] = {"head": "forecast", "forecast_length": 4}
WINDOWS: dict[str, Any] = {"num_features": 3, "context_length": 12}


def test_a_constant_added_to_a_window_is_added_to_its_forecast() -> None:
    torch.manual_seed(0)
    model = build_model(NLinearConfig(), **WINDOWS, **AHEAD)
    x_BLF = torch.randn(5, 12, 3)
    torch.testing.assert_close(model(x_BLF + 7), model(x_BLF) + 7, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [None, 6])
def test_a_forecast_without_weights_is_the_last_value(width: int | None) -> None:
    model: Any = build_model(NLinearConfig(width=width), **WINDOWS, **AHEAD)
    torch.nn.init.zeros_(model.head.weight)
    x_BLF = 50 + torch.randn(5, 12, 3)
    torch.testing.assert_close(model(x_BLF), x_BLF[:, -1:].expand(5, 4, 3))


def test_a_forecast_is_the_papers_formula() -> None:
    """W(x − last) + last; the bias counts in standard deviations of the window."""
    torch.manual_seed(0)
    model: Any = build_model(NLinearConfig(), **WINDOWS, **AHEAD)
    torch.nn.init.normal_(model.head.bias)
    x_BLF = torch.randn(5, 12, 3)
    last_B1F, std_B1F = x_BLF[:, -1:], x_BLF.std(1, keepdim=True, correction=0)
    mapped = torch.einsum("hl,blf->bhf", model.head.weight, x_BLF - last_B1F)
    by_hand = mapped + last_B1F + std_B1F * model.head.bias.view(1, 4, 1)
    torch.testing.assert_close(model(x_BLF), by_hand, rtol=1e-4, atol=1e-4)


def test_a_forecasting_one_has_the_papers_size_without_a_budget_and_any_with_one() -> None:
    papers = design(NLinearConfig(), num_features=7, context_length=336, **AHEAD)
    assert papers.counts.total == 336 * 4 + 4
    assert papers.describe() == "NLinear row to row"
    large = design(NLinearConfig(budget=1_000_000), num_features=7, context_length=336, **AHEAD)
    assert large.counts.total == pytest.approx(1_000_000, rel=0.01)


def test_a_channel_is_forecast_from_itself() -> None:
    model = build_model(NLinearConfig(), **WINDOWS, **AHEAD)
    x_BLF = torch.randn(5, 12, 3)
    other_BLF = torch.cat([x_BLF[..., :1], torch.randn(5, 12, 2)], dim=2)
    torch.testing.assert_close(model(other_BLF)[..., 0], model(x_BLF)[..., 0])


def test_mixed_features_are_two_channels_with_their_statistics() -> None:
    model: Any = build_model(NLinearConfig(width=5, feature_embedding=2), **WINDOWS)
    assert model.mix.weight.shape == (2, 3)
    assert model.head.project.in_features == 2 * (5 + 3)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a width or a budget"):
        build_model(NLinearConfig(), **WINDOWS)
    with pytest.raises(ConfigError, match="a forecast needs each of them"):
        build_model(NLinearConfig(feature_embedding=2), **WINDOWS, **AHEAD)
