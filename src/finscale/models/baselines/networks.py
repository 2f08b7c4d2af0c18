"""Two small networks of a given budget: a multilayer perceptron and DLinear.

Both see what a transformer sees: the whole window, each channel normalised by the window's own mean
and standard deviation (RevIN without its affine part), with the logs of those standard deviations
relative to the means beside it. They stop on the latest part of their own train windows; validation
and test stay untouched.
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

from finscale.models.baselines.baseline import Floats, Ints, Setting

_TREND = 25  # bars of DLinear's moving average
_BATCH = 64
_HELD_BACK = 0.15  # share of train windows, the latest, that decides when to stop
_PATIENCE = 5


class NetworkBaseline:
    """A small network on the normalised window.

    Parameters
    ----------
    setting : Setting
        The job; the seed fixes weights and order, the budget the width.
    network : type
        Built with ``(context_length, num_channels, budget)``; maps x_BLF and statistics to [B].
    epochs : int
        Most passes over the train windows.
    learning_rate : float
        Of AdamW.
    weight_decay : float
        Of AdamW.
    """

    def __init__(
        self,
        setting: Setting,
        network: type[MLP] | type[DLinear],
        *,
        epochs: int = 40,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
    ) -> None:
        self.setting = setting
        self.network = network
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Train with AdamW, keeping the weights that are best on the latest train windows."""
        ends = np.asarray(ends)
        order = np.argsort(frame["date"].to_numpy()[ends], kind="stable")
        ends = ends[order]
        y_W = torch.from_numpy(np.asarray(target, dtype=np.float32)[order])
        self.centre, self.spread = 0.0, 1.0
        if not self.setting.classifies:
            self.centre, self.spread = float(y_W.mean()), float(y_W.std(correction=0)) or 1.0
            y_W = (y_W - self.centre) / self.spread
        rows_RF = self._rows(frame)
        early, late = _two_parts(frame["date"].to_numpy()[ends], self.setting.task.horizon)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.setting.seed)
            self.model = self.network(
                self.setting.context_length, rows_RF.shape[1], self.setting.budget
            )
            self._train(rows_RF, torch.from_numpy(ends), y_W, early, late)
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window."""
        result_B = self._forward(self._rows(frame), torch.from_numpy(np.asarray(ends)))
        return result_B.double().numpy() * self.spread + self.centre

    def _train(self, rows_RF: Tensor, ends_W: Tensor, y_W: Tensor, early: int, late: int) -> None:
        loss = (
            functional.binary_cross_entropy_with_logits
            if self.setting.classifies
            else functional.mse_loss
        )
        optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        best, best_state, waited = math.inf, _copy(self.model), 0
        for _ in range(self.epochs):
            self.model.train()
            for index_B in torch.split(torch.randperm(early), _BATCH):
                predicted_B = self.model(*normalised(rows_RF, ends_W[index_B], self._length))
                optimiser.zero_grad()
                loss(predicted_B, y_W[index_B]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            held_back = loss(self._forward(rows_RF, ends_W[late:]), y_W[late:]).item()
            waited += 1
            if held_back < best:
                best, best_state, waited = held_back, _copy(self.model), 0
            if waited == _PATIENCE:
                break
        self.model.load_state_dict(best_state)

    @torch.no_grad()
    def _forward(self, rows_RF: Tensor, ends_W: Tensor) -> Tensor:
        self.model.eval()
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


def _two_parts(date_W: NDArray[Any], horizon: int) -> tuple[int, int]:
    """Return where the first part ends and the second, the latest days, begins.

    The gap of ``horizon`` days between them keeps the labels of the first out of the second.
    """
    days, day_W = np.unique(date_W, return_inverse=True)
    cut = min(round(days.size * (1 - _HELD_BACK)), days.size - 1)
    early, late = np.searchsorted(day_W, [max(cut - horizon, 1), cut])
    return int(early), int(late)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
