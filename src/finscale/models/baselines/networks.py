"""Two small networks of a given budget: a multilayer perceptron and DLinear.

Both see what a transformer sees: the whole window, each channel normalised by the window's own mean
and standard deviation (RevIN without its affine part), with the logs of those standard deviations
relative to the means beside it. They start from the base rate and train for a fixed number of
epochs on a falling learning rate: no window is needed to decide when to stop.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from finscale.models.baselines.baseline import Floats, Ints, Setting, rate_logit

_TREND = 25  # bars of DLinear's moving average
_BATCH = 64


class NetworkBaseline:
    """A small network on the normalised window.

    Parameters
    ----------
    setting : Setting
        The job; the seed fixes weights and order, the budget the width.
    network : type
        Built with ``(context_length, num_channels, budget)``; maps x_BLF and statistics to [B].
    epochs : int
        Passes over the train windows.
    learning_rate : float
        Of AdamW at the start; it falls to zero along a cosine.
    weight_decay : float
        Of AdamW.
    """

    def __init__(
        self,
        setting: Setting,
        network: type[MLP] | type[DLinear],
        epochs: int,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        self.setting = setting
        self.network = network
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Train with AdamW on the windows that end at ``ends``."""
        y_W = torch.from_numpy(np.asarray(target, dtype=np.float32))
        self.centre, self.spread = 0.0, 1.0
        start = 0.0
        if self.setting.classifies:
            start = rate_logit(float(y_W.sum()), len(y_W))
        else:
            self.centre, self.spread = float(y_W.mean()), float(y_W.std(correction=0)) or 1.0
            y_W = (y_W - self.centre) / self.spread
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.setting.seed)
            self.model = self.network(
                self.setting.context_length, len(self.setting.features), self.setting.budget
            )
            nn.init.constant_(self.model.output.bias, start)
            self._train(self._rows(frame), torch.from_numpy(np.asarray(ends)), y_W)
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window."""
        result_B = self._forward(self._rows(frame), torch.from_numpy(np.asarray(ends)))
        return result_B.double().numpy() * self.spread + self.centre

    def _train(self, rows_RF: Tensor, ends_W: Tensor, y_W: Tensor) -> None:
        classifies = self.setting.classifies
        loss = functional.binary_cross_entropy_with_logits if classifies else functional.mse_loss
        optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        num_steps = self.epochs * math.ceil(len(y_W) / _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, num_steps)
        self.model.train()
        for _ in range(self.epochs):
            for index_B in torch.split(torch.randperm(len(y_W)), _BATCH):
                predicted_B = self.model(*normalised(rows_RF, ends_W[index_B], self._length))
                optimiser.zero_grad()
                loss(predicted_B, y_W[index_B]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        self.model.eval()

    @torch.no_grad()
    def _forward(self, rows_RF: Tensor, ends_W: Tensor) -> Tensor:
        parts = [
            self.model(*normalised(rows_RF, ends_B, self._length))
            for ends_B in torch.split(ends_W, 1024)
        ]
        return torch.cat(parts) if parts else torch.empty(0)

    @property
    def _length(self) -> int:
        return self.setting.context_length

    def _rows(self, frame: pl.DataFrame) -> Tensor:
        rows_RF = frame.select(self.setting.features).to_numpy()
        return torch.from_numpy(np.ascontiguousarray(rows_RF))


def normalised(rows_RF: Tensor, ends_B: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return windows normalised by their own statistics, x_BLF, and their log spreads, s_BF.

    The statistics are taken in the rows' float64, the result is float32.
    """
    x_BLF = rows_RF.unfold(0, length, 1)[ends_B - (length - 1)].transpose(1, 2)
    mean_B1F = x_BLF.mean(dim=1, keepdim=True)
    floor_B1F = 1e-6 * mean_B1F.abs() + 1e-12
    spread_B1F = x_BLF.std(dim=1, keepdim=True, correction=0).maximum(floor_B1F)
    level_B1F = mean_B1F.abs().maximum(floor_B1F)
    relative_BF = (spread_B1F / level_B1F).log().squeeze(1)
    return ((x_BLF - mean_B1F) / spread_B1F).float(), relative_BF.float()


class MLP(nn.Module):
    """One hidden layer on the flattened window and its statistics; the budget is its width."""

    def __init__(self, context_length: int, num_channels: int, budget: int) -> None:
        super().__init__()
        num_inputs = (context_length + 1) * num_channels
        width = max(round((budget - 1) / (num_inputs + 2)), 1)
        self.hidden = nn.Linear(num_inputs, width)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(width, 1)

    def forward(self, x_BLF: Tensor, s_BF: Tensor) -> Tensor:
        """Return one number for each window."""
        inputs = torch.cat([x_BLF.flatten(1), s_BF], dim=1)
        hidden = functional.gelu(self.hidden(inputs))
        return self.output(self.dropout(hidden)).squeeze(1)  # type: ignore[no-any-return]


class DLinear(nn.Module):
    """Linear maps of trend and remainder (Zeng et al. 2023), read out by one linear layer.

    Each channel's trend (moving average of 25 bars) and remainder go through one linear map each,
    shared by the channels, to d numbers; the budget is d.
    """

    def __init__(self, context_length: int, num_channels: int, budget: int) -> None:
        super().__init__()
        per_output = 2 * (context_length + 1) + num_channels
        width = max(round((budget - num_channels - 1) / per_output), 1)
        self.trend = nn.Linear(context_length, width)
        self.remainder = nn.Linear(context_length, width)
        self.output = nn.Linear((width + 1) * num_channels, 1)

    def forward(self, x_BLF: Tensor, s_BF: Tensor) -> Tensor:
        """Return one number for each window."""
        x_BFL = x_BLF.transpose(1, 2)
        around = (_TREND - 1) // 2
        padded = functional.pad(x_BFL, (around, _TREND - 1 - around), mode="replicate")
        trend_BFL = functional.avg_pool1d(padded, _TREND, stride=1)
        mapped_BFD = self.trend(trend_BFL) + self.remainder(x_BFL - trend_BFL)
        inputs = torch.cat([mapped_BFD.flatten(1), s_BF], dim=1)
        return self.output(inputs).squeeze(1)  # type: ignore[no-any-return]
