"""What the encoded tokens become: one logit, some numbers, or a forecast of every channel."""

from __future__ import annotations

from torch import Tensor, nn

from finscale.models.output import one_number
from finscale.models.patchtst.sizes import PatchTSTSizes
from finscale.registry import Registry


class Head(nn.Module):
    """Dropout and one projection of a window's tokens; subclasses arrange what goes in and out."""

    def __init__(self, sizes: PatchTSTSizes) -> None:
        super().__init__()
        self.independent = sizes.channels == "independent"
        self.num_features = sizes.num_features
        self.drop = nn.Dropout(sizes.head_dropout)
        self.project = nn.Linear(sizes.head_inputs, sizes.head_outputs)

    def _project(self, features: Tensor) -> Tensor:
        result: Tensor = self.project(self.drop(features))
        return result


class NumberHead(Head):
    """``[B]``, or ``[B, Q]`` for Q numbers a window; a logit is such a number.

    Mixed channels: all tokens side by side. Independent channels: the mean of each channel's
    tokens, channels side by side.
    """

    def forward(self, x_STD: Tensor) -> Tensor:
        """Return one number per window and output."""
        if self.independent:
            x_STD = x_STD.mean(1).view(-1, self.num_features, x_STD.shape[2])
        return one_number(self._project(x_STD.flatten(1)))


class ForecastHead(Head):
    """``[B, H, F]``: H further rows of every channel, still normalised."""

    def forward(self, x_STD: Tensor) -> Tensor:
        """Return the forecast rows."""
        rows = self._project(x_STD.flatten(1))
        if self.independent:
            return rows.view(-1, self.num_features, rows.shape[1]).transpose(1, 2)
        return rows.view(rows.shape[0], -1, self.num_features)


HEADS: Registry[type[Head]] = Registry("head")
HEADS.add("classification", NumberHead)
HEADS.add("regression", NumberHead)
HEADS.add("forecast", ForecastHead)
