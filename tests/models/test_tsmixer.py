"""TSMixer: a block by hand, its residual branches, the paper's basic model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from finscale.config.architectures import TSMixerConfig
from finscale.errors import ConfigError
from finscale.models import build_model, design
from finscale.models.tsmixer import MixerBlock

AHEAD: dict[str, Any] = {"head": "forecast", "forecast_length": 4}
WINDOWS: dict[str, Any] = {"num_features": 5, "context_length": 12}
BASIC: dict[str, Any] = {"depth": 2, "ff_width": 8}


def test_a_block_by_hand() -> None:
    torch.manual_seed(0)
    block = MixerBlock(TSMixerConfig(**BASIC), rows=6, width=3).eval()
    x_BTC = torch.randn(2, 6, 3)

    def normed(x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean((1, 2), keepdim=True)
        return centred / (centred.square().mean((1, 2), keepdim=True) + 1e-5).sqrt()

    time, inner, outer = block.time, block.feature_in, block.feature_out
    mixed = torch.einsum("st,btc->bsc", time.weight, normed(x_BTC)) + time.bias.view(1, 6, 1)
    after = x_BTC + mixed.relu()
    hidden = (normed(after) @ inner.weight.T + inner.bias).relu()
    by_hand = after + hidden @ outer.weight.T + outer.bias
    torch.testing.assert_close(block(x_BTC), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_a_block_whose_branches_say_nothing_passes_its_input_on(norm: str) -> None:
    config = TSMixerConfig.model_validate({**BASIC, "norm": norm})
    block = MixerBlock(config, rows=6, width=3)
    for layer in (block.time, block.feature_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x_BTC = torch.randn(4, 6, 3)
    assert torch.equal(block(x_BTC), x_BTC)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_the_size_of_the_papers_basic_model_by_hand(norm: str) -> None:
    config = TSMixerConfig.model_validate({**BASIC, "norm": norm})
    made = design(config, **WINDOWS, **AHEAD)
    norms = 2 * (2 * 12 * 5)
    block = norms + (12 * 12 + 12) + (5 * 8 + 8) + (8 * 5 + 5)
    assert made.counts.total == 2 * block + (12 * 4 + 4)
    assert made.describe() == "TSMixer 2 × F × L"


def test_batch_norm_normalises_each_number_of_a_window_over_the_batch() -> None:
    config = TSMixerConfig.model_validate({**BASIC, "norm": "batch"})
    norm = MixerBlock(config, rows=6, width=3).time_norm
    x_BTC = 5 + 2 * torch.randn(400, 6, 3)
    y_BTC = norm(x_BTC)
    assert y_BTC.mean(0).abs().max() < 1e-5
    torch.testing.assert_close(y_BTC.std(0, correction=0), torch.ones(6, 3), atol=1e-4, rtol=0)


def test_rows_and_channels_of_the_blocks_are_those_asked_for() -> None:
    for head in ({}, AHEAD):
        model: Any = build_model(TSMixerConfig(**BASIC, width=7, rows=3), **WINDOWS, **head)
        assert model.blocks[0].time.weight.shape == (3, 3)
        assert model.blocks[0].feature_in.weight.shape == (8, 7)


def test_a_channel_is_forecast_from_the_others_too() -> None:
    torch.manual_seed(0)
    model = build_model(TSMixerConfig(**BASIC), **WINDOWS, **AHEAD).eval()
    x_BLF = torch.randn(3, 12, 5)
    other_BLF = torch.cat([x_BLF[..., :1], torch.randn(3, 12, 4)], dim=2)
    assert (model(other_BLF)[..., 0] - model(x_BLF)[..., 0]).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give a budget, or depth and ff_width"),
        ({"depth": 2}, "give both depth and ff_width"),
        ({"budget": 5_000, "rows": 8}, "width and rows need depth and ff_width"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TSMixerConfig(**settings)
