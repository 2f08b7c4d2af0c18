"""Networks of the field at finscale's own sizes: same patches, width, depth, heads and dropout.

Hugging Face transformers' PatchTST and neuralforecast's treat each channel as a sequence of its
own; ``nn.TransformerEncoder`` stands for a network that mixes channels. Each gets the learned
positions, norms in front (neuralforecast: batch norm, its way), GELU and dropout that ours has, and
no exotic option.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from finscale.models.patchtst.sizes import PatchTSTSizes


def build(peer: str, a: PatchTSTSizes) -> nn.Module:
    """Return a peer's network: windows [B, L, F] → logits [B]."""
    return _PEERS[peer](a)


def patchtst_config(a: PatchTSTSizes, num_targets: int) -> Any:
    """Return transformers' settings of the same network."""
    from transformers import PatchTSTConfig

    return PatchTSTConfig(
        num_input_channels=a.num_features,
        context_length=a.context_length,
        patch_length=a.patch_length,
        patch_stride=a.stride,
        num_hidden_layers=a.depth,
        d_model=a.width,
        num_attention_heads=a.heads,
        ffn_dim=a.ff_width,
        norm_type="layernorm",
        pre_norm=True,
        attention_dropout=a.attention_dropout,
        positional_dropout=a.dropout,
        path_dropout=a.dropout,
        ff_dropout=a.dropout,
        positional_encoding_type="random",
        scaling="std",
        num_targets=num_targets,
    )


class HuggingFace(nn.Module):
    """``transformers.PatchTSTForClassification`` with one output."""

    def __init__(self, a: PatchTSTSizes) -> None:
        from transformers import PatchTSTForClassification

        super().__init__()
        self.network = PatchTSTForClassification(patchtst_config(a, num_targets=1))

    def forward(self, x_BLF: Tensor) -> Tensor:
        output: Any = self.network(past_values=x_BLF)
        logits_B: Tensor = output.prediction_logits.squeeze(1)
        return logits_B


class NeuralForecast(nn.Module):
    """The network inside neuralforecast's PatchTST; the channels' forecasts are averaged."""

    def __init__(self, a: PatchTSTSizes) -> None:
        from neuralforecast.models.patchtst import PatchTST_backbone

        super().__init__()
        self.network = PatchTST_backbone(
            c_in=a.num_features,
            c_out=1,
            input_size=a.context_length,
            h=1,
            patch_len=a.patch_length,
            stride=a.stride,
            n_layers=a.depth,
            hidden_size=a.width,
            n_heads=a.heads,
            linear_hidden_size=a.ff_width,
            attn_dropout=a.attention_dropout,
            dropout=a.dropout,
            res_attention=False,
            affine=False,
        )

    def forward(self, x_BLF: Tensor) -> Tensor:
        forecast: Tensor = self.network(x_BLF.transpose(1, 2))
        return forecast.flatten(1).mean(1)


class Mixing(nn.Module):
    """Patches of all channels, ``nn.TransformerEncoder``, one projection of all tokens."""

    def __init__(self, a: PatchTSTSizes) -> None:
        super().__init__()
        self.patch, self.stride = a.patch_length, a.stride
        self.embed = nn.Linear(a.num_features * a.patch_length, a.width)
        self.place_TD = nn.Parameter(torch.zeros(a.num_patches, a.width))
        layer = nn.TransformerEncoderLayer(
            a.width,
            a.heads,
            a.ff_width,
            dropout=a.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, a.depth, nn.LayerNorm(a.width))
        # attention weights are not dropped by ours, nor by the others here
        for one in self.encoder.layers:
            one.self_attn.dropout = a.attention_dropout
        self.drop = nn.Dropout(a.dropout)
        self.head = nn.Linear(a.num_patches * a.width, 1)

    def forward(self, x_BLF: Tensor) -> Tensor:
        mean, std = x_BLF.mean(1, keepdim=True), x_BLF.std(1, keepdim=True)
        patches_BTI = ((x_BLF - mean) / (std + 1e-5)).unfold(1, self.patch, self.stride).flatten(2)
        tokens_BTD = self.drop(self.embed(patches_BTI) + self.place_TD)
        logits_B: Tensor = self.head(self.encoder(tokens_BTD).flatten(1)).squeeze(1)
        return logits_B


_PEERS = {"transformers": HuggingFace, "neuralforecast": NeuralForecast, "torch": Mixing}
