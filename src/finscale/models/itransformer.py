"""iTransformer: each channel's window is one token, and channels attend to each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from finscale.config.architectures.itransformer import ITransformerConfig
from finscale.models.base_sizes import branch_multiplier
from finscale.models.interface import Interface
from finscale.models.output import WindowOutput
from finscale.models.patchtst.attention import SelfAttention
from finscale.models.window_network import WindowChannels, WindowNetwork, near_zero


class ITransformer(WindowNetwork):
    """A transformer encoder over channels.

    Each channel's rows are embedded as one token by a map that all channels share; encoder layers
    attend between the tokens; a forecast projects each token to its channel's H rows. So channels
    may come in any order, and a forecast comes in the same.

    For classification and regression the tokens are put side by side, through GELU and dropout,
    into one linear layer, as the authors' library does, and a channel's statistics stand beside
    its rows. Left out: tokens of calendar marks, which daily windows do not carry, and efficient
    attention for hundreds of channels.

    Parameters
    ----------
    config : ITransformerConfig
        Depth, width and feed-forward dimension are required.
    interface : Interface
        Windows and head.

    References
    ----------
    Liu et al. (2024), "iTransformer: inverted transformers are effective for time series
    forecasting", ICLR.
    """

    def __init__(self, config: ITransformerConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.depth is not None
        assert config.width is not None
        self.channels = WindowChannels(interface, config.feature_embedding)
        self.embedding = nn.Linear(self.channels.num_rows, config.width)
        self.drop = nn.Dropout(config.dropout)
        multiplier = branch_multiplier(config.depth, interface.parametrisation)
        self.layers = nn.ModuleList(
            ChannelAttention(config, multiplier) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head: nn.Module = (
            WindowOutput(self.channels.num_channels * config.width, interface)
            if interface.forecast_length is None
            else near_zero(nn.Linear(config.width, interface.forecast_length))
        )

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        x_BFR = self.channels(z_BLF, stats_BFk).transpose(1, 2)
        x_BFD = self.drop(self.embedding(x_BFR))
        for layer in self.layers:
            x_BFD = layer(x_BFD)
        x_BFD = self.norm(x_BFD)
        y: Tensor
        if self.forecasts:
            y = self.head(x_BFD).transpose(1, 2)
        else:
            y = self.head(self.drop(F.gelu(x_BFD)).flatten(1))
        return y


class ChannelAttention(nn.Module):
    """One encoder layer: attention between channels, then a feed-forward block on each.

    A branch is added times ``multiplier``: ``finscale.models.base_sizes.branch_multiplier``. That
    holds with the norm behind the sum too: tokens of size 1 keep it when little is added, so that
    the norm hardly changes them. But then its scale and shift are part of what a layer adds, and
    are multiplied as well: see :class:`StreamNorm`.
    """

    def __init__(self, config: ITransformerConfig, multiplier: float = 1.0) -> None:
        super().__init__()
        assert config.width is not None
        assert config.ff_width is not None
        width = config.width
        self.multiplier = multiplier
        self.pre_norm = config.norm == "pre"
        self.drop = nn.Dropout(config.dropout)
        heads = width // config.head_size
        self.attention = SelfAttention(width, heads, dropout=config.attention_dropout)
        norm_multiplier = 1.0 if self.pre_norm else multiplier
        self.attention_norm = StreamNorm(width, norm_multiplier)
        self.ff_in = nn.Linear(width, config.ff_width)
        self.ff_out = nn.Linear(config.ff_width, width)
        self.ff_norm = StreamNorm(width, norm_multiplier)

    def forward(self, x_BFD: Tensor) -> Tensor:
        """Return the tokens after this layer."""
        if self.pre_norm:
            x_BFD = self._add(x_BFD, self._attend(self.attention_norm(x_BFD)))
            return self._add(x_BFD, self._feed_forward(self.ff_norm(x_BFD)))
        x_BFD = self.attention_norm(self._add(x_BFD, self._attend(x_BFD)))
        x_BFD = self.ff_norm(self._add(x_BFD, self._feed_forward(x_BFD)))
        return x_BFD

    def _add(self, x_BFD: Tensor, branch_BFD: Tensor) -> Tensor:
        return torch.add(x_BFD, branch_BFD, alpha=self.multiplier)

    def _attend(self, x_BFD: Tensor) -> Tensor:
        attended_BFD, _ = self.attention(x_BFD)
        result: Tensor = self.drop(attended_BFD)
        return result

    def _feed_forward(self, x_BFD: Tensor) -> Tensor:
        result: Tensor = self.drop(self.ff_out(self.drop(F.gelu(self.ff_in(x_BFD)))))
        return result


class StreamNorm(nn.LayerNorm):
    """Layer norm whose scale and shift move the output times ``multiplier`` only.

    Behind residual sums all norms stand in the stream itself: what scale and shift have learned
    adds up over the layers as branches do.
    """

    def __init__(self, width: int, multiplier: float) -> None:
        super().__init__(width)
        self.multiplier = multiplier

    def forward(self, x_BFD: Tensor) -> Tensor:
        """Return the tokens, each of mean 0 and deviation 1 but for scale and shift."""
        if self.multiplier == 1:
            return super().forward(x_BFD)
        scale_D = 1 + self.multiplier * (self.weight - 1)
        shift_D = self.multiplier * self.bias
        return F.layer_norm(x_BFD, self.normalized_shape, scale_D, shift_D, self.eps)
