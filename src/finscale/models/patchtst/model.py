"""PatchTST: patches of a window as the tokens of a transformer encoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from finscale.models.patchtst.architecture import Architecture
from finscale.models.patchtst.embedding import PatchEmbedding
from finscale.models.patchtst.encoder import Encoder, EncoderLayer
from finscale.models.patchtst.heads import HEADS
from finscale.models.revin import (
    Moments,
    RevIN,
    normalised,
    window_moments,
    window_statistics,
)


class PatchTST(nn.Module):
    """A transformer over patches of a window.

    Parameters
    ----------
    **sizes
        The fields of :class:`~finscale.models.patchtst.architecture.Architecture`:
        ``num_features``, ``context_length``, ``depth``, ``width``, ``heads`` and ``ff_width``
        are required.

    Attributes
    ----------
    architecture : Architecture
        What it was built from; counts and FLOPs derive from it.

    Examples
    --------
    >>> import torch
    >>> model = PatchTST(
    ...     num_features=5, context_length=32, depth=2, width=16, heads=2, ff_width=64
    ... )
    >>> model(torch.randn(3, 32, 5)).shape
    torch.Size([3])

    References
    ----------
    Nie et al. (2023), "A time series is worth 64 words: long-term forecasting with transformers".
    """

    def __init__(self, **sizes: Any) -> None:
        super().__init__()
        self.architecture = Architecture(**sizes)
        self.revin = (
            RevIN(self.architecture.num_features, affine=self.architecture.revin_affine)
            if self.architecture.revin
            else None
        )
        self.embedding = PatchEmbedding(self.architecture)
        self.encoder = Encoder(self.architecture)
        self.head = HEADS[self.architecture.head](self.architecture)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator: same seed, same weights.

        Projections start with variance 1/inputs, so that signals keep their size at any width;
        those that end a residual branch are divided by √(2·depth), so that they keep it at any
        depth; the head starts with 1/inputs², so that first predictions are near zero however wide.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, EncoderLayer):
                    shrink = math.sqrt(2 * self.architecture.depth)
                    module.attention.out.weight.div_(shrink)
                    module.ff_out.weight.div_(shrink)
            self.head.project.weight.div_(math.sqrt(self.architecture.head_inputs))
        nn.init.normal_(self.embedding.position.place_TD, std=0.02)

    def forward(self, x_BLF: Tensor) -> Tensor:
        """Return logits ``[B]``, numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]``."""
        return self.encode(*self.prepare(x_BLF))

    def prepare(self, x_BLF: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what depends on the windows alone: who trains for long makes it only once.

        Returns
        -------
        z_BLF : Tensor
            The windows, normalised where the model has RevIN.
        stats_BFk : Tensor
            Their statistics; ``[B, F, 0]`` where the model gets none.
        mean_B1F, std_B1F : Tensor
            Their moments; ``[B, 1, 0]`` where no forecast has to be put back in its units.
        """
        moments = window_moments(x_BLF)
        stats_BFk = (
            window_statistics(x_BLF, moments)
            if self.architecture.instance_stats
            else x_BLF.new_empty(*moments.mean.squeeze(1).shape, 0)
        )
        z_BLF = x_BLF if self.revin is None else normalised(x_BLF, moments)
        if not self._undoes:
            moments = Moments(*(moment[..., :0] for moment in moments))
        return z_BLF, stats_BFk, moments.mean, moments.std

    def encode(self, z_BLF: Tensor, stats_BFk: Tensor, mean_B1F: Tensor, std_B1F: Tensor) -> Tensor:
        """Return the model's output for prepared windows; see :meth:`forward`."""
        if self.revin is not None:
            z_BLF = self.revin.rescale(z_BLF)
        y: Tensor = self.head(self.encoder(self.embedding(z_BLF, stats_BFk)))
        if self.revin is not None and self._undoes:
            y = self.revin.undo(y, Moments(mean_B1F, std_B1F))
        return y

    @property
    def _undoes(self) -> bool:
        return self.revin is not None and self.architecture.head == "forecast"
