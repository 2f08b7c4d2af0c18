"""Controls in simulated markets, with the house's own baselines as learners.

The size axis is the number of random Fourier features: a learner whose whole curve takes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.controls.case import CONTROLS, Control, ControlCheck, Float, Losses
from finscale.data.synthetic import simulate
from finscale.data.targets import label
from finscale.models.baselines import Baseline, make_baseline
from finscale.scaling.covariance import long_run_covariance

_COMPLEXITIES = (4, 8, 16, 32)
_NUM_SEEDS = 3
_TRAIN_DAYS, _TEST_DAYS = 1500, 1000
_WARM_UP = 40
#: Length of the blocks within which labels are permuted: a quarter.
_BLOCK = 63
#: A ridge strong enough that noise costs less than any effect of interest.
_RIDGE = 64.0
_LAGS = (0, 1, 2, 3, 4)
_FEATURES = (*(f"r{lag}" for lag in _LAGS), "log_volatility")


@dataclass(frozen=True)
class ControlWindows:
    """One simulated market cut into train and test decisions, symbols stacked."""

    frame: pl.DataFrame
    train_B: NDArray[np.int64]
    test_B: NDArray[np.int64]
    target_R: Float

    @classmethod
    def draw(
        cls, market: str, task: TaskConfig, rng: np.random.Generator, num_symbols: int
    ) -> ControlWindows:
        """Simulate a market and label it."""
        num_days = _WARM_UP + _TRAIN_DAYS + _TEST_DAYS + task.horizon
        panel = simulate(market, num_symbols, seed=int(rng.integers(2**31)), num_days=num_days)
        frame = pl.concat(_with_features(frame) for frame in panel.frames())
        target_R = np.concatenate(
            [label(part, task).target_R for part in frame.partition_by("symbol")]
        ).astype(np.float64)
        first_S1 = np.arange(num_symbols)[:, None] * num_days + _WARM_UP
        train = first_S1 + np.arange(_TRAIN_DAYS - task.horizon)
        test = first_S1 + _TRAIN_DAYS + np.arange(_TEST_DAYS)
        return cls(frame, train.ravel(), test.ravel(), target_R)

    def permuted(self, rng: np.random.Generator) -> ControlWindows:
        """Return the same market with labels shuffled within quarters: no signal is left."""
        target_R = self.target_R.copy()
        for rows_B in (self.train_B, self.test_B):
            for start in range(0, len(rows_B), _BLOCK):
                block = rows_B[start : start + _BLOCK]
                target_R[block] = rng.permutation(target_R[block])
        return ControlWindows(self.frame, self.train_B, self.test_B, target_R)

    def daily_loss(self, logit_B: Float) -> Float:
        """Return the log loss of each test day, averaged over symbols, ``[T]``."""
        loss_B = np.logaddexp(0.0, logit_B) - self.target_R[self.test_B] * logit_B
        return np.asarray(loss_B.reshape(-1, _TEST_DAYS).mean(axis=0))

    def scored(self, baseline: Baseline) -> Float:
        """Fit a baseline on train and return its daily test losses, ``[T]``."""
        baseline.fit(self.frame, self.train_B, self.target_R[self.train_B])
        return self.daily_loss(baseline.predict(self.frame, self.test_B))


def _with_features(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the last returns in units of volatility, and log volatility."""
    move = pl.col("close").log().diff().fill_null(0.0)
    volatility = move.pow(2).ewm_mean(alpha=0.06).sqrt().clip(lower_bound=1e-6)
    lagged = [(move.shift(lag) / volatility.shift(lag)).alias(f"r{lag}") for lag in _LAGS]
    return frame.with_columns(*lagged, volatility.log().alias("log_volatility"))


def _beats(
    name: Literal["base_rate", "volatility"],
    windows: ControlWindows,
    task: TaskConfig,
    losses_GST: Float,
) -> bool:
    """Tell whether the largest learner has significant skill over a baseline."""
    plain = make_baseline(name, task=task, context_length=1, features=())
    return _skilful(windows.scored(plain), losses_GST[-1].mean(axis=0))


def _grid(windows: ControlWindows, task: TaskConfig, ridge: float = _RIDGE) -> Float:
    """Return the losses ``[G, S, T]`` of learners of all sizes."""

    def scored(complexity: int, seed: int) -> Float:
        learner = make_baseline(
            "random_fourier",
            task=task,
            context_length=1,
            features=_FEATURES,
            seed=seed,
            complexity=complexity,
            ridge=ridge,
            view="last",
        )
        return windows.scored(learner)

    return np.array([[scored(size, s) for s in range(_NUM_SEEDS)] for size in _COMPLEXITIES])


def _skilful(base_T: Float, model_T: Float) -> bool:
    """Tell whether a model's skill is significant: one-sided 5 %, days as they depend."""
    gain_T = base_T - model_T
    error = np.sqrt(long_run_covariance(gain_T[None])[0][0, 0])
    return bool(gain_T.mean() > 1.645 * error)


_DIRECTION = TaskConfig(name="direction")
_SIZES = np.array(_COMPLEXITIES, dtype=np.float64)


def _direction(market: str, *, permute: bool = False) -> Control:
    def draw(rng: np.random.Generator) -> Losses:
        windows = ControlWindows.draw(market, _DIRECTION, rng, 1)
        windows = windows.permuted(rng) if permute else windows
        losses_GST = _grid(windows, _DIRECTION)
        skill = _beats("base_rate", windows, _DIRECTION, losses_GST)
        return Losses(losses_GST, _SIZES, {"skill over base rate": skill})

    suffix = ", labels permuted" if permute else ""
    return Control(
        name=f"{market}{suffix}, direction",
        about=f"random Fourier features on a simulated {market} market{suffix}: direction cannot "
        "be predicted",
        kind="market",
        draw=draw,
        checks=(
            ControlCheck("LAW", at_most=0.05),
            ControlCheck("skill over base rate", at_most=0.05),
        ),
    )


def _volatility_timing(rng: np.random.Generator) -> Losses:
    task = TaskConfig(name="threshold_1pct", touch="close")
    windows = ControlWindows.draw("garch", task, rng, 2)
    losses_GST = _grid(windows, task, ridge=4.0)
    measures = {
        "skill over base rate": _beats("base_rate", windows, task, losses_GST),
        "skill over volatility": _beats("volatility", windows, task, losses_GST),
    }
    return Losses(losses_GST, _SIZES, measures)


def _reversal(rng: np.random.Generator) -> Losses:
    windows = ControlWindows.draw("reversal", _DIRECTION, rng, 2)
    losses_GST = _grid(windows, _DIRECTION, ridge=4.0)
    plain = make_baseline("base_rate", task=_DIRECTION, context_length=1, features=())
    base_T = windows.scored(plain)
    last_move_B = windows.frame["r0"].to_numpy()[windows.test_B]
    follower_T = windows.daily_loss(0.1 * np.sign(last_move_B))
    return Losses(
        losses_GST,
        _SIZES,
        {
            "momentum looks skilful": _skilful(base_T, follower_T),
            "skill over base rate": _skilful(base_T, losses_GST[-1].mean(axis=0)),
        },
    )


for _control in (
    _direction("student"),
    _direction("garch"),
    _direction("reversal", permute=True),
    Control(
        name="garch, > 1 %",
        about="will the close rise by more than 1 %, on GARCH: skill is volatility timing",
        kind="market",
        draw=_volatility_timing,
        checks=(
            ControlCheck("skill over base rate", at_least=0.80),
            ControlCheck("skill over volatility", at_most=0.05),
        ),
    ),
    Control(
        name="reversal, direction",
        about="moves are partly taken back: buying momentum must look bad, learning must not",
        kind="market",
        draw=_reversal,
        checks=(
            ControlCheck("momentum looks skilful", at_most=0.05),
            ControlCheck("skill over base rate", at_least=0.80),
        ),
    ),
):
    CONTROLS.add(_control.name, _control)
