"""iTransformer: its layer against torch's own, and what it means that channels are tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from finscale.config.architectures import ITransformerConfig
from finscale.errors import ConfigError
from finscale.models import build_model, design
from finscale.models.itransformer import ChannelAttention

AHEAD: dict[str, Any] = {"head": "forecast", "forecast_length": 4}
WINDOWS: dict[str, Any] = {"num_features": 5, "context_length": 12}
SIZES: dict[str, Any] = {"depth": 2, "width": 16, "ff_width": 24}


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_layer_is_torchs_encoder_layer(norm: str) -> None:
    torch.manual_seed(0)
    config = ITransformerConfig.model_validate({**SIZES, "norm": norm})
    ours = ChannelAttention(config).eval()
    theirs = nn.TransformerEncoderLayer(
        16, 2, 24, activation="gelu", batch_first=True, norm_first=norm == "pre"
    ).eval()
    names = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "ff_in.",
        "linear2.": "ff_out.",
        "norm1.": "attention_norm.",
        "norm2.": "ff_norm.",
    }
    own = ours.state_dict()
    for their, our in names.items():
        for kind in ("weight", "bias"):
            nn.init.normal_(own[our + kind])
            theirs.state_dict()[their + kind].copy_(own[our + kind])
    x_BFD = torch.randn(3, 5, 16)
    with torch.no_grad():
        torch.testing.assert_close(ours(x_BFD), theirs(x_BFD), rtol=1e-4, atol=1e-4)


def test_channels_in_another_order_are_forecast_in_that_order() -> None:
    torch.manual_seed(0)
    model = build_model(ITransformerConfig(**SIZES), **WINDOWS, **AHEAD).eval()
    x_BLF, order = torch.randn(3, 12, 5), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(model(x_BLF[..., order]), model(x_BLF)[..., order])


def test_a_channel_is_forecast_from_the_others_too() -> None:
    torch.manual_seed(0)
    model = build_model(ITransformerConfig(**SIZES), **WINDOWS, **AHEAD).eval()
    x_BLF = torch.randn(3, 12, 5)
    other_BLF = torch.cat([x_BLF[..., :1], torch.randn(3, 12, 4)], dim=2)
    assert (model(other_BLF)[..., 0] - model(x_BLF)[..., 0]).abs().min() > 1e-4


def test_heads_are_of_one_size_at_every_width() -> None:
    for budget in (5_000, 200_000, 5_000_000):
        model: Any = build_model(ITransformerConfig(budget=budget), **WINDOWS)
        attention = model.layers[0].attention
        assert attention.qkv.in_features // attention.heads == 8


def test_the_size_of_the_papers_model_on_etth1_by_hand() -> None:
    """Seven channels of 96 rows, two layers of 256: no parameter depends on the channels."""
    config = ITransformerConfig(depth=2, width=256, ff_width=256, head_size=32)
    made = design(config, num_features=7, context_length=96, head="forecast", forecast_length=96)
    square = 256 * 256 + 256
    layer = 6 * square + 2 * 2 * 256
    assert made.counts.total == (96 * 256 + 256) + 2 * layer + 2 * 256 + (256 * 96 + 96)
    assert made.describe() == "iTransformer 2 × 256 (8 heads)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give a budget, or depth and width"),
        ({"depth": 2}, "give both depth and width"),
        ({"depth": 2, "width": 12}, "width 12 is no multiple of head_size 8"),
        ({"budget": 5_000, "ff_width": 8}, "ff_width needs depth and width"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ITransformerConfig(**settings)


def test_a_forecast_of_mixed_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match="feature_embedding 2 mixes channels"):
        build_model(ITransformerConfig(**SIZES, feature_embedding=2), **WINDOWS, **AHEAD)
