"""neuralforecast's networks at the sizes of a resolved finscale section."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from finscale.models.interface import Interface


def build(kind: str, config: Any, interface: Interface) -> nn.Module:
    """Return the network of the same name: windows [B, L, F] → [B, H, F], or [B, H] of one."""
    return _PEERS[kind](config, interface)


class Together(nn.Module):
    """A multivariate model: it reads all channels and writes all of them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_BLF: Tensor) -> Tensor:
        y_BHF: Tensor = self.model(batch_of(x_BLF))
        return y_BHF


class Apart(nn.Module):
    """A univariate model: each channel is a series of its own, all with the same weights."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_BLF: Tensor) -> Tensor:
        x_SL1 = x_BLF.transpose(1, 2).reshape(-1, x_BLF.shape[1], 1)
        y_SH: Tensor = self.model(batch_of(x_SL1)).squeeze(2)
        return y_SH.view(len(x_BLF), x_BLF.shape[2], -1).transpose(1, 2)


class OfOne(nn.Module):
    """A univariate model that reads the other channels as covariates and forecasts the first."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_BLF: Tensor) -> Tensor:
        y_BH: Tensor = self.model(batch_of(x_BLF[:, :, :1], x_BLF[:, :, 1:])).squeeze(2)
        return y_BH


def batch_of(y: Tensor, covariates: Tensor | None = None) -> dict[str, Tensor | None]:
    """Return what neuralforecast's networks are called with."""
    return {
        "insample_y": y,
        "insample_mask": torch.ones_like(y),
        "hist_exog": covariates,
        "futr_exog": None,
        "stat_exog": None,
    }


def _shape(interface: Interface) -> dict[str, Any]:
    ahead = interface.forecast_length or interface.num_outputs
    return {"h": ahead, "input_size": interface.context_length}


def _others(interface: Interface) -> list[str]:
    return [f"x{number}" for number in range(1, interface.num_features)]


def _itransformer(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import iTransformer

    model = iTransformer(
        **_shape(interface),
        n_series=interface.num_features,
        hidden_size=config.width,
        n_heads=config.width // config.head_size,
        e_layers=config.depth,
        d_ff=config.ff_width,
        dropout=config.dropout,
    )
    return Together(model)


def _tsmixer(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import TSMixer

    model = TSMixer(
        **_shape(interface),
        n_series=interface.num_features,
        n_block=config.depth,
        ff_dim=config.ff_width,
        dropout=config.dropout,
    )
    return Together(model)


def _dlinear(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import DLinear

    return Apart(DLinear(**_shape(interface), moving_avg_window=config.moving_average))


def _nlinear(_: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import NLinear

    return Apart(NLinear(**_shape(interface)))


def _tide(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import TiDE

    model = TiDE(
        **_shape(interface),
        hidden_size=config.width,
        decoder_output_dim=config.decoder_width,
        temporal_decoder_dim=config.temporal_width,
        num_encoder_layers=config.depth,
        num_decoder_layers=config.depth,
        dropout=config.dropout,
        layernorm=config.layer_norm,
    )
    return Apart(model)


def _nhits(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import NHITS

    stacks = len(config.pooling)
    model = NHITS(
        **_shape(interface),
        stack_types=["identity"] * stacks,
        n_blocks=[config.blocks] * stacks,
        # one layer more than there are pairs
        mlp_units=[[config.width, config.width]] * (config.depth - 1),
        n_pool_kernel_size=list(config.pooling),
        n_freq_downsample=list(config.rows_per_knot),
        dropout_prob_theta=config.dropout,
    )
    return Apart(model)


def _gru(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import GRU

    model = GRU(
        **_shape(interface),
        hist_exog_list=_others(interface),
        encoder_n_layers=config.depth,
        encoder_hidden_size=config.width,
        encoder_dropout=config.dropout if config.depth > 1 else 0.0,
        decoder_layers=1,
    )
    return OfOne(model)


def _mlp(config: Any, interface: Interface) -> nn.Module:
    from neuralforecast.models import MLP

    model = MLP(
        **_shape(interface),
        hist_exog_list=_others(interface),
        num_layers=config.depth,
        hidden_size=config.width,
    )
    return OfOne(model)


class PatchTST(nn.Module):
    """The network inside neuralforecast's PatchTST; its model forecasts one series at a time."""

    def __init__(self, config: Any, interface: Interface) -> None:
        from neuralforecast.models.patchtst import PatchTST_backbone

        super().__init__()
        self.network = PatchTST_backbone(
            **_shape(interface),
            c_in=interface.num_features,
            c_out=1,
            patch_len=config.patch_length,
            stride=config.stride,
            n_layers=config.depth,
            hidden_size=config.width,
            n_heads=config.heads,
            linear_hidden_size=config.ff_width,
            attn_dropout=config.attention_dropout,
            dropout=config.dropout,
            res_attention=False,
            affine=False,
        )

    def forward(self, x_BLF: Tensor) -> Tensor:
        y_BFH: Tensor = self.network(x_BLF.transpose(1, 2))
        return y_BFH.transpose(1, 2)


_PEERS: dict[str, Any] = {
    "patchtst": PatchTST,
    "itransformer": _itransformer,
    "tsmixer": _tsmixer,
    "dlinear": _dlinear,
    "nlinear": _nlinear,
    "tide": _tide,
    "nhits": _nhits,
    "gru": _gru,
    "mlp": _mlp,
}
