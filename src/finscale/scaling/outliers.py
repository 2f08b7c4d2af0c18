r"""Runs that stand apart from the other seeds of their size: blown up, or too good to be true.

A run's distance is measured from the median of its size, in units of the seed noise. That noise
comes from the differences between runs of one size,

.. math:: \hat\sigma = \operatorname{median}_{n,\,i<j} |y_{ni} - y_{nj}| / (\sqrt 2\,\Phi^{-1}(3/4))

(Shamos 1976, pooled over sizes). A difference of two runs has the variance :math:`2\sigma^2`
whatever the number of seeds, so that two or three of them need no small-sample correction, as a
median absolute deviation would; a quarter of the runs may be bad before the estimate follows them.
Along one axis the noise may follow a trend over sizes, as in ``finscale.scaling.covariance``.

A run stands apart where normal seeds of the same design would put *any* run that far in one table
of a hundred (simulated tables of that design), and beyond six deviations in any case: honest seeds
have fatter tails than the normal's. A size of which half the runs or more stand apart (both of two)
shows that something is wrong, not which run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from finscale.config.quantities import format_count

Float = NDArray[np.float64]

#: One sound table in a hundred has a run that is named.
FALSE_ALARMS = 0.01
#: No run nearer than this is named, in deviations: Student-t5 seeds go beyond in 1 of 500.
LEAST_CUT = 6.0
#: A normal difference of two runs lies within this many σ in half of the cases.
_HALF = float(np.sqrt(2.0) * ndtri(0.75))
#: Each run is compared with this many neighbours on either side: all others, up to 13 seeds.
_REACH = 6


@dataclass(frozen=True)
class OutlyingRun:
    """A run that stands apart from the other seeds of its size.

    Parameters
    ----------
    size : str
        Where, in words: ``1M``, ``1M × 20M``.
    seed : str
        Its seed as the table has it.
    loss : float
        Its loss.
    distance : float
        From its size's median, in standard deviations of the seed noise; positive where it is
        worse.
    told : bool
        Whether it can be told from its size's other runs: not where half of them stand apart.
    """

    size: str
    seed: str
    loss: float
    distance: float
    told: bool

    def __str__(self) -> str:
        how = "worse" if self.distance > 0 else "better"
        return (
            f"{self.size}, seed {self.seed}: {self.loss:.4g}, {abs(self.distance):.0f} deviations "
            f"{how} than its size's median"
        )


@dataclass(frozen=True)
class Apart:
    """How far each run of a table stands from its size's median, arrays ``[n, S]``.

    ``distance_nS`` is in standard deviations of the seed noise (NaN: no such run); beyond ``cut`` a
    run stands apart; ``noise_n`` is the standard deviation of the seeds at each size, NaN where no
    size has two.
    """

    distance_nS: Float
    cut: float
    noise_n: Float

    @property
    def apart_nS(self) -> NDArray[np.bool_]:
        """Runs beyond the cut."""
        return np.asarray(np.abs(self.distance_nS) > self.cut)

    @property
    def told_nS(self) -> NDArray[np.bool_]:
        """Runs beyond the cut that are fewer than half of their size's."""
        present_n = (~np.isnan(self.distance_nS)).sum(axis=1)
        few_n = 2 * self.apart_nS.sum(axis=1) < present_n
        return np.asarray(self.apart_nS & few_n[:, None])


def stand_apart(runs_nS: Float, *, trend: bool = True) -> Apart:
    """Return how far each run stands from its size's other seeds.

    Parameters
    ----------
    runs_nS : array, ``[n, S]``
        Mean loss of each run, sizes rising; NaN where a size lacks a seed.
    trend : bool
        Whether the seed noise may rise or fall along the sizes.
    """
    runs_nS = np.asarray(runs_nS, dtype=np.float64)
    present_nS = ~np.isnan(runs_nS)
    nothing = Apart(np.where(present_nS, 0.0, np.nan), np.inf, np.full(len(runs_nS), np.nan))
    if present_nS.sum(axis=1).max() < 2:
        return nothing
    # where most seeds agree to the last digit, one step of rounding is the least that is noise
    steps = np.diff(np.unique(runs_nS[present_nS]))
    if not len(steps):
        return nothing
    distance_1nS, noise_1n = _distances(runs_nS[None], float(steps.min()), trend)
    present = tuple(tuple(row) for row in present_nS.tolist())
    return Apart(distance_1nS[0], max(LEAST_CUT, _cut(present, trend)), noise_1n[0])


def _distances(runs_BnS: Float, least: float, trend: bool) -> tuple[Float, Float]:
    """Return distances of B tables and the noise at each of their sizes, ``[B, n]``."""
    width = runs_BnS.shape[2]
    # neighbours around a circle: each pair once while there are no more than 2 · reach + 1 seeds
    shifts = range(1, min(width // 2, _REACH) + 1)
    pairs_BnP = np.concatenate(
        [_differences(runs_BnS, shift, half=2 * shift == width) for shift in shifts], axis=2
    )
    noise_B1 = _nanmedian(pairs_BnP.reshape(len(runs_BnS), -1))[:, None] / _HALF
    shape_Bn = np.ones(runs_BnS.shape[:2])
    if trend:
        shape_Bn = _trend(_nanmedian(pairs_BnP), noise_B1)
        scaled_BnP = pairs_BnP / shape_Bn[:, :, None]
        noise_B1 = _nanmedian(scaled_BnP.reshape(len(runs_BnS), -1))[:, None] / _HALF
    noise_Bn = np.maximum(noise_B1 * shape_Bn, least)
    middle_Bn1 = _nanmedian(runs_BnS)[:, :, None]
    return (runs_BnS - middle_Bn1) / noise_Bn[:, :, None], noise_Bn


def _differences(runs_BnS: Float, shift: int, *, half: bool) -> Float:
    pairs_BnS = np.abs(runs_BnS - np.roll(runs_BnS, shift, axis=2))
    return pairs_BnS[:, :, :shift] if half else pairs_BnS


def _nanmedian(values: Float) -> Float:
    """Return medians over the last axis, NaN where all is NaN (numpy's own warns, and is slow)."""
    ordered = np.sort(values, axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1)[..., None]
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, np.maximum(count - 1, 0))
    pair = np.take_along_axis(ordered, low, -1), np.take_along_axis(ordered, high, -1)
    return np.asarray(((pair[0] + pair[1]) / 2)[..., 0])


def _trend(typical_Bn: Float, noise_B1: Float) -> Float:
    """Return how the noise changes over sizes: a line in its logarithm, shrunk as it is unsure.

    The slope is Theil and Sen's, the median of the slopes between two sizes, which one bad size
    does not bend. It is shrunk as the seed variance's is in ``finscale.scaling.covariance``.
    """
    known_Bn = np.where(typical_Bn > 1e-9 * noise_B1, typical_Bn, np.nan)
    rank_n = np.arange(typical_Bn.shape[1]) - (typical_Bn.shape[1] - 1) / 2
    first, second = np.triu_indices(len(rank_n), 1)
    with np.errstate(invalid="ignore"):
        log_Bn = np.log(known_Bn)
    if len(rank_n) < 4:  # three sizes show no trend
        return np.ones_like(typical_Bn)
    slopes_BP = (log_Bn[:, second] - log_Bn[:, first]) / (rank_n[second] - rank_n[first])
    slope_B1 = _nanmedian(slopes_BP)[:, None]
    residual_Bn = log_Bn - slope_B1 * rank_n
    residual_Bn = np.abs(residual_Bn - _nanmedian(residual_Bn)[:, None])
    error_B1 = _nanmedian(residual_Bn)[:, None] / float(ndtri(0.75)) / np.sqrt((rank_n**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        kept_B1 = np.maximum(0.0, 1 - 2 * error_B1**2 / slope_B1**2)
    return np.asarray(np.exp(np.nan_to_num(kept_B1 * slope_B1) * rank_n))


@cache
def _cut(present: tuple[tuple[bool, ...], ...], trend: bool) -> float:
    """Return the distance that one sound table of a hundred exceeds, for a design of runs."""
    there_nS = np.array(present)
    pairs = there_nS.shape[0] * there_nS.shape[1] * min(there_nS.shape[1] // 2, _REACH)
    num_tables = int(np.clip(4_000_000 / max(pairs, 1), 300, 8000))
    rng = np.random.default_rng(0)
    runs_BnS = rng.standard_normal((num_tables, *there_nS.shape))
    distance_BnS, _ = _distances(np.where(there_nS, runs_BnS, np.nan), 0.0, trend)
    furthest_B = np.nanmax(np.abs(distance_BnS).reshape(num_tables, -1), axis=1)
    return float(np.quantile(furthest_B, 1 - FALSE_ALARMS))


def outlying_runs(
    runs_nS: Float,
    x_nd: Float,
    labels: Sequence[Sequence[object]] = (),
) -> tuple[OutlyingRun, ...]:
    """Return the runs that stand apart from the other seeds of their size, the furthest first.

    Parameters
    ----------
    runs_nS : array, ``[n, S]``
        Mean loss of each run; NaN where a size lacks a seed.
    x_nd : array, ``[n, d]``
        Sizes, rising.
    labels : sequence, ``[n][S]``
        Seeds as the table names them; their places when empty.
    """
    found = stand_apart(runs_nS, trend=x_nd.shape[1] == 1)
    told_nS = found.told_nS
    runs = [
        OutlyingRun(
            size_words(x_nd[n]),
            str(labels[n][s]) if labels else str(s),
            float(runs_nS[n, s]),
            float(found.distance_nS[n, s]),
            bool(told_nS[n, s]),
        )
        for n, s in np.argwhere(found.apart_nS).tolist()
    ]
    return tuple(sorted(runs, key=lambda run: -abs(run.distance)))


def size_words(x_d: Float) -> str:
    """Return a size as people write it: ``1M``, ``1M × 20M``."""
    return " × ".join(format_count(v) if v >= 999.5 else f"{v:.3g}" for v in np.atleast_1d(x_d))


def outlying_ways(runs: Sequence[OutlyingRun]) -> str:
    """Return the options that keep runs which stand apart from deciding; empty where none does."""
    ways = []
    if any(run.told for run in runs):
        ways.append(
            "--drop diverged (the worse ones) or outlying (both) leaves them out, --seeds median "
            "lets none decide"
        )
    if untold := [run for run in runs if not run.told]:
        name = f"{untold[0].size.replace(' × ', ':')}:{untold[0].seed}"
        ways.append(f"one that is known to have failed is left out by name: --drop {name}")
    return "; ".join(ways)


def outlying_words(runs: Sequence[OutlyingRun], most: int = 3) -> str:
    """Return one sentence that names runs which stand apart; empty where none does."""
    told = [run for run in runs if run.told]
    untold = list(dict.fromkeys(run.size for run in runs if not run.told))
    parts = []
    if told:
        count = "1 run stands" if len(told) == 1 else f"{len(told)} runs stand"
        rest = f"; and {len(told) - most} more" if len(told) > most else ""
        named = "; ".join(map(str, told[:most]))
        parts.append(f"{count} apart from the other seeds of their size ({named}{rest}).")
    if untold:
        at = ", ".join(untold)
        parts.append(
            f"At {at} the seeds lie further apart than elsewhere, and too few of them agree to "
            "tell which is wrong."
        )
    return " ".join(parts)
