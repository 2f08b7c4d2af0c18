"""Return processes: what tomorrow's log return is drawn from, and what could be known of it.

Arrays are ``[T, S]``: days by symbols. Row t of a conditional moment is what the close of t - 1
knows about the return from t - 1 to t.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

#: Daily volatility that every market shares unless told otherwise (S&P 500, long run).
DAILY_VOLATILITY = 0.011


class Streams:
    """Independent random streams, one a symbol: a symbol's draws do not depend on its neighbours.

    Parameters
    ----------
    seed : int
        Seed of the whole market.
    symbols : sequence of str
        The name is the stream: the same seed and symbol draw the same numbers.
    num_days : int
        T, the rows that a draw has unless it asks for more.
    """

    def __init__(self, seed: int, symbols: Sequence[str], num_days: int) -> None:
        self.seed = seed
        self.symbols = tuple(symbols)
        self.num_days = num_days
        names = [hashlib.sha256(symbol.encode()).digest()[:8] for symbol in symbols]
        streams = [int.from_bytes(name, "little") for name in names]
        self._generators = [np.random.default_rng([seed, stream]) for stream in streams]

    @property
    def shape(self) -> tuple[int, int]:
        """``(T, S)``."""
        return self.num_days, len(self.symbols)

    def normal(self, extra_days: int = 0) -> Float:
        """Return standard normals ``[extra + T, S]``."""
        rows = self.num_days + extra_days
        return np.stack([g.standard_normal(rows) for g in self._generators], axis=1)

    def uniform(self) -> Float:
        """Return uniforms on (0, 1), ``[T, S]``; zero cannot occur, so their log is finite."""
        return np.stack([1.0 - g.random(self.num_days) for g in self._generators], axis=1)

    def student(self, degrees: float) -> Float:
        """Return Student-t draws scaled to unit variance, ``[T, S]``."""
        draws = [g.standard_t(degrees, self.num_days) for g in self._generators]
        student_TS: Float = np.stack(draws, axis=1)
        student_TS *= np.sqrt((degrees - 2.0) / degrees)
        return student_TS

    def shared(self) -> np.random.Generator:
        """Return the stream of what all symbols share: the teacher, the motifs' signs."""
        return np.random.default_rng([self.seed])


@dataclass(frozen=True)
class Draw:
    """Log returns, the truth about them, and whatever the process says about a bar's shape."""

    return_TS: Float
    """Log returns, close to close."""
    mean_TS: Float
    """Mean of the return given everything up to the close before."""
    volatility_TS: Float
    """Its standard deviation, given the same."""
    gap_TS: Float | None = None
    """Log return from the last close to the open."""
    upper_TS: Float | None = None
    """Log length of the wick above the bar's body."""
    lower_TS: Float | None = None
    """Log length of the wick below it."""
    log_volume_TS: Float | None = None
    """Natural log of the volume."""


class Process(Protocol):
    """Anything that draws returns from streams."""

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""


@dataclass(frozen=True)
class StudentT:
    """Independent, identically distributed Student-t returns: nothing can be predicted."""

    degrees: float = 5.0
    """Degrees of freedom, above 2."""
    volatility: float = DAILY_VOLATILITY
    """Daily standard deviation of the log return."""

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        volatility_TS = np.full(streams.shape, self.volatility)
        return Draw(
            volatility_TS * streams.student(self.degrees), np.zeros(streams.shape), volatility_TS
        )


@dataclass(frozen=True)
class Garch:
    r"""GJR-GARCH(1,1) with Student-t innovations; GARCH(1,1) where ``leverage`` is zero.

    .. math:: \sigma_t^2 = \omega + (\alpha + \gamma [r_{t-1} < 0]) r_{t-1}^2 + \beta \sigma_{t-1}^2

    with :math:`\omega` set so that the unconditional volatility is ``volatility``. Its direction
    cannot be predicted, the size of its moves can.

    References
    ----------
    Bollerslev (1986), J. Econometrics 31; Glosten, Jagannathan and Runkle (1993), J. Finance 48.
    """

    alpha: float = 0.08
    """News; ``alpha + beta + leverage / 2 < 1``."""
    beta: float = 0.90
    """Memory."""
    leverage: float = 0.0
    """Extra news of a fall."""
    degrees: float = 5.0
    """Degrees of freedom of the innovations."""
    volatility: float = DAILY_VOLATILITY
    """Unconditional daily standard deviation."""

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        shock_TS = streams.student(self.degrees)
        persistence = self.alpha + self.beta + self.leverage / 2
        omega = self.volatility**2 * (1 - persistence)
        return_TS, variance_TS = np.empty(streams.shape), np.empty(streams.shape)
        variance_S = np.full(streams.shape[1], self.volatility**2)
        for day, shock_S in enumerate(shock_TS):
            variance_TS[day] = variance_S
            return_S = np.sqrt(variance_S) * shock_S
            return_TS[day] = return_S
            news_S = self.alpha + self.leverage * (return_S < 0)
            variance_S = omega + news_S * return_S**2 + self.beta * variance_S
        return Draw(return_TS, np.zeros(streams.shape), np.sqrt(variance_TS))


@dataclass(frozen=True)
class RegimeSwitching:
    """A calm and a turbulent regime, each with its drift and volatility, in a Markov chain.

    The regime is hidden. The truth recorded here is that of an observer who sees yesterday's
    regime: no forecaster can know more.

    References
    ----------
    Hamilton (1989), Econometrica 57.
    """

    volatilities: tuple[float, float] = (0.007, 0.020)
    """Daily standard deviation of the log return, calm and turbulent."""
    drifts: tuple[float, float] = (0.0006, -0.0010)
    """Daily mean of the log return, calm and turbulent."""
    stay: tuple[float, float] = (0.99, 0.96)
    """Probability that tomorrow's regime is today's."""
    degrees: float = 5.0
    """Degrees of freedom of the innovations."""

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        switch_TS, shock_TS = streams.uniform(), streams.student(self.degrees)
        stay, volatility = np.asarray(self.stay), np.asarray(self.volatilities)
        drift = np.asarray(self.drifts)
        regime_TS = np.empty(streams.shape, dtype=np.intp)
        turbulent_share = (1 - stay[0]) / (2 - stay[0] - stay[1])
        # the day before the first is drawn from the chain's stationary distribution
        regime_S = (streams.uniform()[0] < turbulent_share).astype(np.intp)
        first_S = regime_S
        for day, switch_S in enumerate(switch_TS):
            regime_S = np.where(switch_S < stay[regime_S], regime_S, 1 - regime_S)
            regime_TS[day] = regime_S
        return_TS = drift[regime_TS] + volatility[regime_TS] * shock_TS
        before_TS = np.vstack([first_S, regime_TS[:-1]])
        stay_TS = stay[before_TS]
        mean_TS = stay_TS * drift[before_TS] + (1 - stay_TS) * drift[1 - before_TS]
        second_TS = stay_TS * (volatility**2 + drift**2)[before_TS]
        second_TS += (1 - stay_TS) * (volatility**2 + drift**2)[1 - before_TS]
        return Draw(return_TS, mean_TS, np.sqrt(second_TS - mean_TS**2))


@dataclass(frozen=True)
class Reversal:
    """Every move is partly taken back the day after: a model that buys momentum loses."""

    strength: float = 0.15
    """Share of a return that the next day is expected to take back, in [0, 1)."""
    degrees: float = 5.0
    """Degrees of freedom of the innovations."""
    volatility: float = DAILY_VOLATILITY
    """Unconditional daily standard deviation."""

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        innovation = self.volatility * np.sqrt(1 - self.strength**2)
        shock_TS = innovation * streams.student(self.degrees)
        return_TS, mean_TS = np.empty(streams.shape), np.empty(streams.shape)
        mean_S = np.zeros(streams.shape[1])
        for day, shock_S in enumerate(shock_TS):
            mean_TS[day] = mean_S
            return_TS[day] = mean_S + shock_S
            mean_S = -self.strength * return_TS[day]
        return Draw(return_TS, mean_TS, np.full(streams.shape, innovation))
