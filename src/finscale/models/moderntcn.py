"""ModernTCN: a large kernel over time for each number, products within and across variables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.config.architectures.moderntcn import ModernTCNConfig
from finscale.models.base_sizes import branch_multiplier
from finscale.models.feature_embedding import make_embedding
from finscale.models.grouped import DepthwiseConv, GroupedProduct
from finscale.models.initial import keep_variance
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.moderntcn_sizes import kernel_size, num_patches, num_variables
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork


class ModernTCN(WindowNetwork):
    """Patches of each variable, convolution blocks on them, and one linear layer.

    Every variable is embedded on its own and stays apart, ``[M, D, B, N]``: M variables, D numbers,
    B windows, N patches. A forecast is read from each variable's own numbers, with weights that the
    variables share; classification and regression are read from all of them, behind a GELU.

    One stage, as in the authors' settings for ETT; left out are further stages with downsampling
    between them. The small kernel beside the large one is merged into it, as the paper does after
    training: the two are one linear map. Windows are normalised by their own moments; their
    statistics, projected, are added to each variable's patches.

    Parameters
    ----------
    config : ModernTCNConfig
        ``width`` and ``mixing_width`` are required.
    interface : Interface
        Windows and head.

    References
    ----------
    Luo & Wang (2024), "ModernTCN: A modern pure convolution structure for general time series
    analysis", ICLR, section 3.
    """

    def __init__(self, config: ModernTCNConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.width is not None, "the budget solver fills in the width"
        self.stride, self.repeats = config.stride, config.patch_length - config.stride
        width, patches = config.width, num_patches(config, interface)
        variables = num_variables(config, interface)
        self.embedding = make_embedding(config.feature_embedding, interface, "ModernTCN")
        self.stem = nn.Sequential(
            nn.Conv1d(1, width, config.patch_length, stride=config.stride), nn.BatchNorm1d(width)
        )
        self.statistics = None if self.forecasts else nn.Linear(STATS_PER_CHANNEL, width)
        kernel = kernel_size(config, interface)
        multiplier = branch_multiplier(config.depth, interface.parametrisation)
        self.blocks = nn.Sequential(
            *(ModernTCNBlock(config, variables, kernel, multiplier) for _ in range(config.depth))
        )
        self.gelu, self.drop = nn.GELU(), nn.Dropout(config.dropout)
        self.head: nn.Linear | WindowOutput
        if interface.forecast_length is not None:
            self.head = nn.Linear(width * patches, interface.forecast_length)
            keep_variance(self, outputs=[self.head])
        else:
            self.head = WindowOutput(variables * width * patches, interface)
            keep_variance(self)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        if self.embedding is not None:
            z_BLF, stats_BFk = self.embedding(z_BLF, stats_BFk)
        x_MDBN = self.patches(z_BLF)
        if self.statistics is not None:
            x_MDBN = x_MDBN + self.statistics(stats_BFk).permute(1, 2, 0).unsqueeze(3)
        x_BMDN = self.blocks(x_MDBN).permute(2, 0, 1, 3)
        if self.forecasts:
            y_BMH: Tensor = self.head(self.drop(x_BMDN.flatten(2)))
            return y_BMH.transpose(1, 2)
        output: Tensor = self.head(self.drop(self.gelu(x_BMDN.flatten(1))))
        return output

    def patches(self, z_BLM: Tensor) -> Tensor:
        """Return each variable's patches as D numbers, ``[M, D, B, N]``."""
        num_windows, length, variables = z_BLM.shape
        # rows that fill no stride are left out at the start: the newest row must be seen
        z_BML = z_BLM[:, length % self.stride :].transpose(1, 2)
        padded_BML = torch.cat([z_BML, z_BML[:, :, -1:].expand(-1, -1, self.repeats)], dim=2)
        x_SDN: Tensor = self.stem(padded_BML.flatten(0, 1).unsqueeze(1))
        return x_SDN.view(num_windows, variables, *x_SDN.shape[1:]).permute(1, 2, 0, 3)


class ModernTCNBlock(nn.Module):
    """Three steps on a residual branch, each of which mixes one dimension and no other.

    Over patches a kernel for each number of each variable; over a variable's numbers, for each
    variable; over variables, for each number. The branch is added times ``multiplier``:
    ``finscale.models.base_sizes.branch_multiplier``.
    """

    def __init__(
        self, config: ModernTCNConfig, variables: int, kernel: int, multiplier: float
    ) -> None:
        super().__init__()
        self.multiplier = multiplier
        assert config.width is not None
        assert config.mixing_width is not None
        width = config.width
        self.over_time = DepthwiseConv(variables * width, kernel)
        self.norm = nn.BatchNorm1d(width)
        self.within = feed_forward(variables, width, config.ff_ratio * width, config.dropout)
        self.across = feed_forward(width, variables, config.mixing_width, config.dropout)

    def forward(self, x_MDBN: Tensor) -> Tensor:
        """Return the patches with what the branch adds, ``[M, D, B, N]``."""
        variables, width, num_windows, patches = x_MDBN.shape
        y_CBN = self.over_time(x_MDBN.flatten(0, 1))
        y_MDS = self.within(self.norm(y_CBN.view(variables, width, -1)))
        y_DMS = self.across(y_MDS.transpose(0, 1))
        y_DMBN = y_DMS.view(width, variables, num_windows, patches)
        return torch.add(x_MDBN, y_DMBN.transpose(0, 1), alpha=self.multiplier)


def feed_forward(groups: int, inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    """Return two products with a GELU between, for each of the groups on its own (ConvFFN)."""
    return nn.Sequential(
        GroupedProduct(groups, inputs, hidden),
        nn.Dropout(dropout),
        nn.GELU(),
        GroupedProduct(groups, hidden, inputs),
        nn.Dropout(dropout),
    )
