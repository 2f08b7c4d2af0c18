"""TiDE: its linear path, a block by hand, its size, and the norm that is left out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from finscale.config.architectures import TiDEConfig
from finscale.errors import ConfigError
from finscale.models import build_model, design
from finscale.models.revin import window_moments
from finscale.models.tide import DenseBlock

AHEAD: dict[str, Any] = {"head": "forecast", "forecast_length": 4}
WINDOWS: dict[str, Any] = {"num_features": 3, "context_length": 12}
SIZES: dict[str, Any] = {"depth": 2, "width": 8, "decoder_width": 3}


def test_with_a_silent_decoder_it_is_a_linear_map() -> None:
    torch.manual_seed(0)
    model: Any = build_model(TiDEConfig(**SIZES), **WINDOWS, **AHEAD).eval()
    for layer in (model.head.dense_out, model.head.skip):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    map_HL = torch.randn(4, 12)
    with torch.no_grad():
        model.linear.weight.copy_(map_HL)
        model.linear.bias.zero_()
        x_BLF = 20 + torch.randn(5, 12, 3)
        mean, std = window_moments(x_BLF)
        by_hand = torch.einsum("hl,blf->bhf", map_HL, (x_BLF - mean) / std) * std + mean
        torch.testing.assert_close(model(x_BLF), by_hand, rtol=1e-4, atol=1e-3)


def test_a_block_by_hand() -> None:
    torch.manual_seed(0)
    block = DenseBlock(4, 6, 3, TiDEConfig(**SIZES), norm=True).eval()
    x_BI = torch.randn(5, 4)
    hidden = (x_BI @ block.dense_in.weight.T + block.dense_in.bias).relu()
    written = hidden @ block.dense_out.weight.T + block.dense_out.bias
    y = written + x_BI @ block.skip.weight.T + block.skip.bias
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(block(x_BI), y, rtol=1e-4, atol=1e-5)


def test_the_temporal_decoder_speaks_because_it_has_no_norm() -> None:
    """A layer norm over one number forgets it: the forecast would be the linear map alone."""
    config = TiDEConfig(**SIZES)
    x = torch.randn(6, 3)
    silenced = DenseBlock(3, 5, 1, config, norm=True).eval()(x)
    assert silenced.std() == 0
    model: Any = build_model(config, **WINDOWS, **AHEAD).eval()
    assert isinstance(model.head.norm, nn.Identity)
    assert model.head(x).std() > 0


def test_the_size_of_a_forecasting_one_by_hand() -> None:
    made = design(TiDEConfig(**SIZES, temporal_width=5), **WINDOWS, **AHEAD)

    def block(inputs: int, hidden: int, outputs: int, norm: int = 2) -> int:
        first, second = inputs * hidden + hidden, hidden * outputs + outputs
        return first + second + inputs * outputs + outputs + norm * outputs

    encoder = block(12, 8, 8) + block(8, 8, 8)
    decoder = block(8, 8, 8) + block(8, 8, 3 * 4)
    temporal = block(3, 5, 1, norm=0)
    assert made.counts.total == encoder + decoder + temporal + (12 * 4 + 4)
    assert made.describe() == "TiDE 2 × 8"


def test_layer_norm_can_be_left_out() -> None:
    with_norm = design(TiDEConfig(**SIZES), **WINDOWS).counts.total
    without = design(TiDEConfig(**SIZES, layer_norm=False), **WINDOWS).counts.total
    # three blocks end in 8 numbers, the decoder's last in 3
    assert with_norm - without == 2 * (3 * 8 + 3)


def test_a_channel_is_forecast_from_itself() -> None:
    torch.manual_seed(0)
    model = build_model(TiDEConfig(**SIZES), **WINDOWS, **AHEAD).eval()
    x_BLF = torch.randn(5, 12, 3)
    other_BLF = torch.cat([x_BLF[..., :1], torch.randn(5, 12, 2)], dim=2)
    torch.testing.assert_close(model(other_BLF)[..., 0], model(x_BLF)[..., 0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give a budget, or depth and width"),
        ({"width": 8}, "give both depth and width"),
        ({"budget": 5_000, "decoder_width": 8}, "decoder_width needs depth and width"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TiDEConfig(**settings)
