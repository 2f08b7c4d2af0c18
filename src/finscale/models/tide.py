"""TiDE: a dense encoder and decoder of each channel, beside a linear map of it."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from finscale.config.architectures.tide import TiDEConfig
from finscale.models.interface import Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowChannels, WindowNetwork, near_zero


class TiDE(WindowNetwork):
    """Residual dense blocks on the rows of one channel, the same for every channel.

    The encoder's blocks reduce a channel's window to ``width`` numbers; the decoder's write
    ``decoder_width`` numbers for each row to come; the temporal decoder makes one number of them; a
    linear map from L rows to H is added.

    For classification and regression, which the paper has not, the decoder writes one row's
    numbers, the linear map goes to as many, and those of all channels are read out by one linear
    layer; a channel's statistics stand beside its rows, where the paper has static attributes.

    Left out: covariates and their projection, because nothing about the rows to come is known, and
    the layer norm behind the temporal decoder. That one is over a single number, which it always
    turns into its bias; so the authors' own runs with it predict by the linear map alone.

    Parameters
    ----------
    config : TiDEConfig
        Depth, width and the decoder's width are required.
    interface : Interface
        Windows and head.

    References
    ----------
    Das et al. (2023), "Long-term forecasting with TiDE: time-series dense encoder", TMLR,
    arXiv 2304.08424.
    """

    def __init__(self, config: TiDEConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.depth is not None
        assert config.width is not None
        assert config.decoder_width is not None
        width, decoded = config.width, config.decoder_width
        self.channels = WindowChannels(interface, config.feature_embedding)
        num_rows, ahead = self.channels.num_rows, interface.forecast_length
        inner = [width] * config.depth
        self.encoder = _blocks([num_rows, *inner], config)
        self.decoder = _blocks([*inner, decoded * (ahead or 1)], config)
        self.linear = nn.Linear(num_rows, ahead or decoded)
        self.head: nn.Module
        if ahead is None:
            self.head = WindowOutput(self.channels.num_channels * decoded, interface)
        else:
            near_zero(self.linear)
            self.head = temporal = DenseBlock(decoded, config.temporal_width, 1, config, norm=False)
            near_zero(temporal.dense_out)
            near_zero(temporal.skip, inputs=width)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        x_BFR = self.channels(z_BLF, stats_BFk).transpose(1, 2)
        decoded_BFN = self.decoder(self.encoder(x_BFR))
        linear_BFN = self.linear(x_BFR)
        y: Tensor
        if self.forecasts:
            decoded_BFHP = decoded_BFN.unflatten(2, (linear_BFN.shape[2], -1))
            y = (self.head(decoded_BFHP).squeeze(3) + linear_BFN).transpose(1, 2)
        else:
            y = self.head((decoded_BFN + linear_BFN).flatten(1))
        return y


class DenseBlock(nn.Module):
    """One hidden layer with ReLU and dropout beside a linear map, then layer norm.

    µP's rule for depth does not apply: it is one for branches beside an identity. The linear map is
    drawn and learned like any layer, so that blocks in a row are a deep network and no residual
    stream, and a small branch would leave a product of random matrices. Depth stays small instead.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, config: TiDEConfig, *, norm: bool
    ) -> None:
        super().__init__()
        self.dense_in = nn.Linear(inputs, hidden)
        self.dense_out = nn.Linear(hidden, outputs)
        self.drop = nn.Dropout(config.dropout)
        self.skip = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[..., outputs]`` for ``[..., inputs]``."""
        hidden = self.dense_in(x).relu()
        result: Tensor = self.norm(self.drop(self.dense_out(hidden)) + self.skip(x))
        return result


def _blocks(sizes: list[int], config: TiDEConfig) -> nn.Sequential:
    """Return the blocks between neighbouring sizes, all with ``config.width`` hidden numbers."""
    assert config.width is not None
    return nn.Sequential(
        *(
            DenseBlock(inputs, config.width, outputs, config, norm=config.layer_norm)
            for inputs, outputs in pairwise(sizes)
        )
    )
