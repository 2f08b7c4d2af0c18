"""A gated recurrent network: it reads a window row by row and is asked for its last state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from finscale.config.architectures.gru import GRUConfig
from finscale.models.feature_embedding import FeatureEmbedding
from finscale.models.initial import keep_variance
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork


class GRU(WindowNetwork):
    """Gated recurrent units over the rows; one linear layer on the last state and the statistics.

    The cell is ``nn.GRU``'s: the reset gate acts on the product with the state, ``r ⊙ (U h + b)``,
    where the paper's acts on the state itself, ``U (r ⊙ h)``; cuDNN knows only the former. Of the
    paper's two networks this is the encoder. The decoder, which writes a sequence word by word, is
    left out: the rows of a forecast are written at once. torch has no batching rule for recurrent
    layers, so that trainings of several are never one program.

    Parameters
    ----------
    config : GRUConfig
        ``width`` is required.
    interface : Interface
        Windows and head.

    References
    ----------
    Cho et al. (2014), "Learning phrase representations using RNN encoder–decoder for statistical
    machine translation", EMNLP, section 2.3; arXiv 1406.1078.
    """

    def __init__(self, config: GRUConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.width is not None, "the budget solver fills in the width"
        embedded, channels = config.feature_embedding, interface.num_features
        self.embedding: FeatureEmbedding | None = None
        if isinstance(embedded, int):
            self.embedding, channels = FeatureEmbedding(channels, embedded), embedded
        between = config.dropout if config.depth > 1 else 0.0  # torch warns about one layer's
        self.cells = nn.GRU(channels, config.width, config.depth, batch_first=True, dropout=between)
        self.drop = nn.Dropout(config.dropout)
        num_stats = 0 if self.forecasts else STATS_PER_CHANNEL * channels
        self.head = WindowOutput(config.width + num_stats, interface, num_given=num_stats)
        keep_variance(self)
        for weight in self.cells.parameters():
            # torch's own 1/√width for every matrix would starve a wide state of its inputs
            if weight.ndim == 2:
                nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))
            else:
                nn.init.zeros_(weight)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        if self.embedding is not None:
            z_BLF, stats_BFk = self.embedding(z_BLF, stats_BFk)
        states_BLD, _ = self.cells(z_BLF)
        read = torch.cat([self.drop(states_BLD[:, -1]), stats_BFk.flatten(1)], dim=1)
        output: Tensor = self.head(read)
        return output
