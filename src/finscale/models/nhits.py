"""N-HiTS: stacks of perceptrons that read and write a series at rates of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from finscale.config.architectures.nhits import NHiTSConfig
from finscale.models.feature_embedding import make_embedding
from finscale.models.initial import keep_variance
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork


class NHiTS(WindowNetwork):
    """Stacks from coarse to fine, each on what the ones before could not explain.

    Each channel is a series of its own, all of them with the same weights, as in the paper. A block
    pools its series (max), passes it through a perceptron and writes numbers for a few rows of past
    and future, between which it interpolates; its past is subtracted from what the next block sees
    and its future added to the forecast. For classification and regression the blocks write no
    future: their hidden codes are read out by one linear layer, and a channel's statistics enter
    each block beside its rows, as the authors' code has static covariates.

    Windows are normalised by their own moments, and a forecast starts from the last row, as in the
    authors' code. Past and future are both interpolated, linearly, as in the paper; the code writes
    every row of the past. Left out are the past of the last block, which nothing reads, and the
    code's nearest and cubic interpolation and its covariates of the future.

    Parameters
    ----------
    config : NHiTSConfig
        ``width`` is required.
    interface : Interface
        Windows and head.

    References
    ----------
    Challu et al. (2023), "N-HiTS: Neural hierarchical interpolation for time series forecasting",
    AAAI, section 3; arXiv 2201.12886.
    """

    def __init__(self, config: NHiTSConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.width is not None, "the budget solver fills in the width"
        embedded, channels = config.feature_embedding, interface.num_features
        self.embedding = make_embedding(embedded, interface, "N-HiTS")
        if isinstance(embedded, int):
            channels = embedded
        rates = [
            rate
            for rate in zip(config.pooling, config.rows_per_knot, strict=True)
            for _ in range(config.blocks)
        ]
        self.blocks = nn.ModuleList(
            NHiTSBlock(
                config,
                pooling=pooling,
                rows_per_knot=rows_per_knot,
                length=interface.context_length,
                num_stats=0 if self.forecasts else STATS_PER_CHANNEL,
                horizon=interface.forecast_length,
                is_last=number == len(rates) - 1,
            )
            for number, (pooling, rows_per_knot) in enumerate(rates)
        )
        codes = channels * len(rates) * config.width
        self.head = None if self.forecasts else WindowOutput(codes, interface)
        writers = (one for block in self.blocks for one in (block.past, block.future))
        keep_variance(self, outputs=[one for one in writers if isinstance(one, nn.Linear)])

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        if self.embedding is not None:
            z_BLF, stats_BFk = self.embedding(z_BLF, stats_BFk)
        num_windows, _, channels = z_BLF.shape
        # newest row first, so that the row that pooling leaves incomplete is the oldest
        rest_SL = z_BLF.transpose(1, 2).flatten(0, 1).flip(1)
        stats_Sk = stats_BFk.flatten(0, 1)
        codes, futures = [], []
        for block in self.blocks:
            code_SW, rest_SL, future_SH = block(rest_SL, stats_Sk)
            codes.append(code_SW)
            futures.append(future_SH)
        if self.head is not None:
            result: Tensor = self.head(torch.cat(codes, dim=1).reshape(num_windows, -1))
            return result
        y_SH = torch.stack(futures).sum(0)
        y_BHF = y_SH.view(num_windows, channels, -1).transpose(1, 2) + z_BLF[:, -1:]
        return y_BHF


class NHiTSBlock(nn.Module):
    """A perceptron on a pooled series that writes its past, its future, or neither."""

    def __init__(
        self,
        config: NHiTSConfig,
        *,
        pooling: int,
        rows_per_knot: int,
        length: int,
        num_stats: int,
        horizon: int | None,
        is_last: bool,
    ) -> None:
        super().__init__()
        assert config.width is not None
        self.pooling, self.length, self.horizon = pooling, length, horizon
        width = config.width
        self.read = nn.Linear(-(-length // pooling) + num_stats, width)
        hidden: list[nn.Module] = [nn.ReLU(), nn.Dropout(config.dropout)]
        for _ in range(config.depth - 1):
            hidden += [nn.Linear(width, width), nn.ReLU(), nn.Dropout(config.dropout)]
        self.hidden = nn.Sequential(*hidden)
        self.past = None if is_last else nn.Linear(width, -(-length // rows_per_knot))
        self.future = nn.Linear(width, -(-horizon // rows_per_knot)) if horizon else None

    def forward(self, x_SL: Tensor, stats_Sk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the code ``[S, W]``, what is left of the series, and the future ``[S, H]``."""
        pooled_SP = functional.max_pool1d(x_SL.unsqueeze(1), self.pooling, ceil_mode=True)
        code_SW = self.hidden(self.read(torch.cat([pooled_SP.squeeze(1), stats_Sk], dim=1)))
        if self.past is not None:
            x_SL = x_SL - interpolated(self.past(code_SW), self.length)
        if self.future is None or self.horizon is None:
            return code_SW, x_SL, x_SL[:, :0]
        return code_SW, x_SL, interpolated(self.future(code_SW), self.horizon)


def interpolated(knots_SK: Tensor, length: int) -> Tensor:
    """Return ``[S, length]``: straight lines between knots, the first and last on the ends.

    The paper's hierarchical interpolation. A single knot is a constant.
    """
    lines_S1N = functional.interpolate(
        knots_SK.unsqueeze(1), size=length, mode="linear", align_corners=True
    )
    return lines_S1N.squeeze(1)
