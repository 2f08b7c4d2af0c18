r"""Zipf motifs: bars of many kinds, each kind with its own drift, rare ones rarer by a power law.

The kind of today's bar says which way tomorrow drifts, and nothing else does. A model that knows
the N most frequent kinds leaves an excess loss :math:`\propto N^{-\alpha}`; a model that learns the
kinds from D days, :math:`\propto D^{-\alpha / (1 + \alpha)}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from finscale.data.synthetic.bars import ORDINARY_VOLUME
from finscale.data.synthetic.processes import DAILY_VOLATILITY, Draw, Float, Streams
from finscale.errors import ConfigError

# How a kind is written into a bar. The jitters stay well inside one step of the code, so that
# reading it back is exact.
_GAP, _WICKS = 0.004, 0.010
_VOLUME_STEP, _VOLUME_JITTER = 0.01, 0.003


@dataclass(frozen=True)
class ZipfMotifs:
    r"""Motifs with frequencies :math:`p_j \propto j^{-(1 + \alpha)}` rendered in OHLCV bars.

    The motif of bar t is written in the sign of its opening gap, the asymmetry of its wicks and
    the rank of its volume, and is independent of all closes up to t: past close-to-close returns
    hold no information about the next. The next return is normal with mean ± ``drift`` standard
    deviations. Each rank j has two motifs, numbers 2j - 2 and 2j - 1, equally frequent: one drifts
    up and one down, which one is drawn for the whole market. So "up" has probability one half, and
    still has among the motifs that a model does not know.

    References
    ----------
    Hutter (2021), "Learning curve theory", arXiv:2102.04074; Michaud et al. (2023), NeurIPS, "The
    quantization model of neural scaling".
    """

    alpha: float = 0.5
    """Tail exponent of the frequencies."""
    drift: float = 0.5
    """Absolute mean of the next return, in its standard deviations."""
    num_wicks: int = 16
    """Levels of the wicks' code; there are ``2 * num_wicks * num_volumes`` motifs."""
    num_volumes: int = 512
    """Levels of the volume's code."""
    volatility: float = DAILY_VOLATILITY
    """Daily standard deviation of the return around its drift."""

    def __post_init__(self) -> None:
        if not (1 <= self.num_volumes <= 1024 and 1 <= self.num_wicks <= 1024):
            raise ConfigError(
                f"{self.num_wicks} wicks and {self.num_volumes} volumes cannot be told apart in "
                "a bar.",
                hint="1 to 1,024 of each",
            )

    @property
    def num_motifs(self) -> int:
        """K, the number of motifs."""
        return 2 * self.num_wicks * self.num_volumes

    @cached_property
    def frequencies(self) -> Float:
        """Probability of each motif, most frequent first."""
        rank_K = np.arange(self.num_motifs) // 2 + 1.0
        frequencies: Float = np.power(rank_K, -(1 + self.alpha))
        frequencies /= frequencies.sum()
        return frequencies

    def signs(self, seed: int) -> NDArray[np.int8]:
        """Return the direction (-1 or 1) in which each motif drifts, ``[K]``."""
        first_up = np.random.default_rng([seed]).random(self.num_motifs // 2) < 0.5
        first = np.where(first_up, 1, -1).astype(np.int8)
        return np.stack([first, -first], axis=1).ravel()

    @property
    def hit_rate(self) -> float:
        """Probability that the next return has the sign of the motif's drift."""
        from scipy.special import ndtr

        return float(ndtr(self.drift))

    @property
    def bayes_loss(self) -> float:
        """Log loss (nats) of the best possible forecast of the next return's sign."""
        p = self.hit_rate
        return float(-p * np.log(p) - (1 - p) * np.log1p(-p))

    def size_excess(self, num_known: ArrayLike) -> Float:
        """Return the log loss above Bayes of a model that knows the N most frequent motifs.

        It forecasts one half for all others, so the excess is their total frequency times
        ``ln 2 - bayes_loss``.
        """
        tail_K = np.concatenate([np.cumsum(self.frequencies[::-1])[::-1], [0.0]])
        lost = np.log(2.0) - self.bayes_loss
        return np.asarray(lost * tail_K[np.asarray(num_known)], dtype=np.float64)

    def data_excess(self, num_days: ArrayLike) -> Float:
        r"""Return the expected log loss above Bayes of the best learner from D days.

        It knows the drift's size and learns each motif's sign: after n sightings with u rises its
        log odds of "up" are :math:`(2u - n) \ln(p / (1 - p))`. The sightings of a motif are
        binomial in D and its frequency; the expectation over them and over u is exact.
        """
        excess_M = self._sighting_excess()
        # the two motifs of a rank are equally frequent
        frequency_J = self.frequencies[::2]
        odds_J = frequency_J / (1 - frequency_J)
        curve_D = []
        for days in np.atleast_1d(np.asarray(num_days)):
            # probability of m sightings, from that of m - 1
            chance_J = np.exp(days * np.log1p(-frequency_J))
            expected_J = chance_J * excess_M[0]
            for m in range(1, min(excess_M.size, days + 1)):
                chance_J = chance_J * odds_J * ((days - m + 1) / m)
                expected_J += chance_J * excess_M[m]
            curve_D.append(2 * float(frequency_J @ expected_J))
        return np.array(curve_D)

    def _sighting_excess(self) -> Float:
        """Return the excess loss on a motif seen 0, 1, … times, as often as matters."""
        from scipy.stats import binom

        p = self.hit_rate
        # the Bhattacharyya coefficient of the two hypotheses bounds the error after n sightings:
        # beyond this many it is below 1e-12
        most = int(np.ceil(np.log(1e-12) / np.log(2 * np.sqrt(p * (1 - p)))))
        excess_M = np.empty(most + 1)
        for sightings in range(most + 1):
            rises = np.arange(sightings + 1)
            forecast = self.forecast(rises, sightings)
            loss = -p * np.log(forecast) - (1 - p) * np.log1p(-forecast)
            excess_M[sightings] = binom.pmf(rises, sightings, p) @ loss - self.bayes_loss
        return excess_M

    def forecast(self, rises: ArrayLike, sightings: ArrayLike) -> Float:
        """Return the best learner's probability of "up" after so many rises in so many sightings.

        The motif drifts up or down with equal prior probability.
        """
        from scipy.special import expit

        p = self.hit_rate
        balance = 2.0 * np.asarray(rises, dtype=np.float64) - np.asarray(sightings)
        knows_up = expit(balance * (np.log(p) - np.log1p(-p)))
        return np.asarray(p * knows_up + (1 - p) * (1 - knows_up), dtype=np.float64)

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        edges_K = np.cumsum(self.frequencies)
        # the last edge may fall short of one by rounding
        motif_TS = np.minimum(np.searchsorted(edges_K, streams.uniform()), self.num_motifs - 1)
        drift_TS = self.volatility * self.drift * self.signs(streams.seed)[motif_TS]
        # the first bar follows no motif
        mean_TS = np.vstack([np.zeros(streams.shape[1]), drift_TS[:-1]])
        volume_TS, rest_TS = np.divmod(motif_TS, 2 * self.num_wicks)
        wick_TS, sign_TS = np.divmod(rest_TS, 2)
        wicks_TS = _WICKS * (0.5 + streams.uniform())
        upper_share_TS = (wick_TS + 0.5) / self.num_wicks
        jitter_TS = _VOLUME_JITTER * (2 * streams.uniform() - 1)
        centred_TS = volume_TS - (self.num_volumes - 1) / 2
        return Draw(
            return_TS=mean_TS + self.volatility * streams.normal(),
            mean_TS=mean_TS,
            volatility_TS=np.full(streams.shape, self.volatility),
            gap_TS=_GAP * (2 * sign_TS - 1) * (0.5 + streams.uniform()),
            upper_TS=wicks_TS * upper_share_TS,
            lower_TS=wicks_TS * (1 - upper_share_TS),
            log_volume_TS=np.log(ORDINARY_VOLUME) + _VOLUME_STEP * centred_TS + jitter_TS,
        )

    def decode(self, frame: pl.DataFrame) -> NDArray[np.intp]:
        """Read the motif of each bar but the first (its gap is unknown) back from the bars."""
        names = ("open", "high", "low", "close", "volume")
        open_T, high_T, low_T, close_T, volume_T = (frame[name].to_numpy() for name in names)
        sign_T = (open_T[1:] > close_T[:-1]).astype(np.intp)
        upper_T = np.log(high_T / np.maximum(open_T, close_T))
        lower_T = np.log(np.minimum(open_T, close_T) / low_T)
        wick_T = np.floor(self.num_wicks * upper_T / (upper_T + lower_T)).astype(np.intp)
        level_T = np.log(volume_T / ORDINARY_VOLUME) / _VOLUME_STEP + (self.num_volumes - 1) / 2
        volume_rank_T = np.rint(level_T).astype(np.intp)
        motif_T: NDArray[np.intp] = (volume_rank_T * self.num_wicks + wick_T)[1:] * 2 + sign_T
        return motif_T
