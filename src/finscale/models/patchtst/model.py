"""PatchTST: patches of a window as the tokens of a transformer encoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from finscale.calling import spoken
from finscale.models.patchtst.asked_sizes import PATCHTST_CALL, asked_sizes
from finscale.models.patchtst.embedding import PatchEmbedding
from finscale.models.patchtst.encoder import Encoder, EncoderLayer
from finscale.models.patchtst.heads import HEADS
from finscale.models.revin import Moments, RevIN, prepare_windows


class PatchTST(nn.Module):
    """A transformer over patches of a window.

    Parameters
    ----------
    budget : int or str, optional
        Parameters to meet, such as ``"2M"``: depth, width, heads and feed-forward dimension are
        then found, and ``num_features`` and ``context_length`` are all that is needed.
    **sizes
        The fields of :class:`~finscale.models.patchtst.sizes.PatchTSTSizes`, or with a budget the
        options of :func:`~finscale.models.solve_budget`. Without a budget ``num_features``,
        ``context_length``, ``depth``, ``width``, ``heads`` and ``ff_width`` are required.

    Raises
    ------
    BudgetError
        If no PatchTST within 5 % of the budget exists.
    CallError
        If an argument is missing, unknown or cannot be.

    Attributes
    ----------
    architecture : PatchTSTSizes
        What it was built from; counts and FLOPs derive from it.

    Examples
    --------
    >>> import torch
    >>> model = PatchTST(
    ...     num_features=5, context_length=32, depth=2, width=16, heads=2, ff_width=64
    ... )
    >>> model(torch.randn(3, 32, 5)).shape
    torch.Size([3])
    >>> sized = PatchTST(budget="20k", num_features=5, context_length=32)
    >>> 19_000 < sum(weight.numel() for weight in sized.parameters()) < 21_000
    True

    References
    ----------
    Nie et al. (2023), "A time series is worth 64 words: long-term forecasting with transformers".
    """

    @spoken(PATCHTST_CALL)
    def __init__(self, *, budget: int | str | None = None, **sizes: Any) -> None:
        super().__init__()
        self.sizes = asked_sizes(budget, sizes)
        self.revin = (
            RevIN(self.sizes.num_features, affine=self.sizes.revin_affine)
            if self.sizes.revin
            else None
        )
        self.embedding = PatchEmbedding(self.sizes)
        self.encoder = Encoder(self.sizes)
        self.head = HEADS[self.sizes.head](self.sizes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator: same seed, same weights.

        Projections start with variance 1/inputs, so that signals keep their size at any width; the
        head with 1/inputs², so that first predictions are near zero however wide. At any depth µP
        keeps their size in the forward pass; in the standard parametrisation the projections that
        end a residual branch start divided by √(2·depth).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            if self.sizes.parametrisation == "standard":
                for module in self.modules():
                    if isinstance(module, EncoderLayer):
                        shrink = math.sqrt(2 * self.sizes.depth)
                        module.attention.out.weight.div_(shrink)
                        module.ff_out.weight.div_(shrink)
            self.head.project.weight.div_(math.sqrt(self.sizes.head_inputs))
        nn.init.normal_(self.embedding.position.place_TD, std=0.02)

    def forward(self, x_BLF: Tensor) -> Tensor:
        """Return logits ``[B]``, numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]``."""
        return self.encode(*self.prepare(x_BLF))

    def prepare(self, x_BLF: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what depends on the windows alone; see :func:`prepare_windows`."""
        return prepare_windows(
            x_BLF,
            normalise=self.revin is not None,
            statistics=self.sizes.instance_stats,
            moments=self._undoes,
        )

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
        return self.revin is not None and self.sizes.head == "forecast"
