r"""Hoffmann's three estimates of the compute-optimal exponent, from one table.

If the best number of parameters grows as :math:`N_{opt} \propto C^a`, three readings of the same
runs should agree on a: the lower *envelope* of the losses, the minima of *IsoFLOP* parabolas, and
the *parametric* surface, where :math:`a = \beta/(\alpha+\beta)`. If they disagree, the table or the
form is wrong, and the disagreement is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.files import null_for_nan
from finscale.scaling.batch import fit_batch
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Interval, percentile_interval
from finscale.scaling.table import LawTable, read_table

#: Fewest runs at one compute for a parabola: its three coefficients, and one degree of freedom.
FEWEST_RUNS = 4
#: Fewest computes for a line: its two coefficients, and one degree of freedom.
FEWEST_LEVELS = 3


@dataclass(frozen=True)
class Approach:
    """One estimate of a in N_opt ∝ C^a, with its percentile bootstrap over runs.

    The exponent is NaN where it cannot be told, and ``reason`` says why. ``optima_m2`` are compute
    and best N that the line goes through, empty for the parametric estimate; ``discarded`` are the
    levels left out, each with its reason.
    """

    name: str
    exponent: float
    interval: Interval
    optima_m2: Array
    discarded: tuple[str, ...] = ()
    reason: str = ""

    @property
    def basis(self) -> str:
        """What the exponent rests on, in words."""
        return f"{len(self.optima_m2)} levels" if len(self.optima_m2) else "all runs"


@dataclass(frozen=True)
class Approaches:
    """The three side by side."""

    envelope: Approach
    isoflop: Approach
    parametric: Approach
    level: float

    @property
    def all(self) -> tuple[Approach, Approach, Approach]:
        """The three, in Hoffmann's order."""
        return self.envelope, self.isoflop, self.parametric

    @property
    def spread(self) -> float:
        """Largest minus smallest of the exponents that are known."""
        known = [a.exponent for a in self.all if np.isfinite(a.exponent)]
        return max(known) - min(known) if len(known) > 1 else float("nan")

    @property
    def disagree(self) -> tuple[tuple[str, str], ...]:
        """Pairs whose intervals do not overlap."""
        known = [a for a in self.all if np.isfinite(a.exponent)]
        return tuple(
            (a.name, b.name)
            for i, a in enumerate(known)
            for b in known[i + 1 :]
            if a.interval[1] < b.interval[0] or b.interval[1] < a.interval[0]
        )

    def summary(self) -> str:
        """Return the three exponents and whether they agree, as text."""
        rows = [f"{'approach':<12} {'a':>6}   {self.level:.0%} interval   optima"]
        for approach in self.all:
            low, high = approach.interval
            told = f"{approach.exponent:>6.3f}   [{low:.3f}, {high:.3f}]   {approach.basis}"
            untold = f"{'–':>6}   {approach.reason}"
            rows.append(f"{approach.name:<12} {untold if approach.reason else told}")
            rows += [f"{'':<12} left out: {why}" for why in approach.discarded]
        return "\n".join([*rows, self.sentence])

    @property
    def sentence(self) -> str:
        """Return whether the three agree, in one sentence."""
        if np.isnan(self.spread):
            return "Fewer than two approaches give an exponent: nothing to compare."
        if not self.disagree:
            return f"The approaches agree within their intervals; they differ by {self.spread:.3f}."
        pairs = "; ".join(f"{a} and {b}" for a, b in self.disagree)
        return f"The approaches DISAGREE by {self.spread:.3f}: {pairs} have intervals apart."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = {
            a.name: {
                "exponent": a.exponent,
                "interval": a.interval if np.isfinite(a.exponent) else None,
                "optima": a.optima_m2.tolist(),
                "discarded": a.discarded,
                "reason": a.reason,
            }
            for a in self.all
        }
        told = {"spread": self.spread, "disagree": self.disagree, "sentence": self.sentence}
        return {key: null_for_nan(value) for key, value in {"approaches": rows, **told}.items()}


def compare_approaches(
    table: Any,
    x: Sequence[str] = ("parameters", "tokens"),
    y: str = "loss",
    *,
    tolerance: float = 1.25,
    num_replicates: int = 1000,
    level: float = 0.95,
    random_seed: int = 0,
) -> Approaches:
    """Estimate the compute-optimal exponent in Hoffmann's three ways, and compare.

    Parameters
    ----------
    table, x, y
        A table with two size axes, N and D; compute is their product (times any constant).
    tolerance : float
        Runs whose compute lies within this factor of one another can be one IsoFLOP level.
    num_replicates, level, random_seed
        Of the bootstrap over runs (within levels for the first two approaches).

    References
    ----------
    Hoffmann et al. 2022, section 3: approaches 1, 2 and 3.
    """
    if not isinstance(table, LawTable):
        table = read_table(table, x=x, y=y)
    if len(table.axes) != 2:
        raise DataError(
            f"approaches need two size axes, N and D; the table has {len(table.axes)}.",
            hint='x=("parameters", "tokens")',
        )
    crowds = _crowds(np.log(table.x_nd).sum(axis=1), tolerance)
    rng = np.random.default_rng(random_seed)
    return Approaches(
        _envelope(table, crowds, rng, num_replicates, level),
        _isoflop(table, crowds, rng, num_replicates, level),
        _parametric(table, rng, num_replicates, level),
        level,
    )


def _crowds(log_c: Array, tolerance: float) -> list[NDArray[np.int64]]:
    """Return the runs of each level of compute.

    Levels are found where runs crowd: the run with most others within half the tolerance on either
    side starts a level and takes them; repeat while a crowd is large enough for a parabola.
    """
    near_nn = np.abs(log_c[:, None] - log_c) <= 0.5 * np.log(tolerance) + 1e-9
    free_n = np.ones(len(log_c), dtype=bool)
    crowds: list[NDArray[np.int64]] = []
    while True:
        crowd_n = (near_nn & free_n).sum(axis=1) * free_n
        if crowd_n.max() < FEWEST_RUNS:
            return crowds
        members = near_nn[np.argmax(crowd_n)] & free_n
        crowds.append(np.flatnonzero(members))
        free_n &= ~members


def _draws(num_runs: int, rng: np.random.Generator, num: int) -> Array:
    """Return how often each run counts: once in row 0, then as often as it is drawn."""
    counts = rng.multinomial(num_runs, np.full(num_runs, 1.0 / num_runs), size=num)
    return np.concatenate([np.ones((1, num_runs)), counts]).astype(np.float64)


def _slopes(optima_Rm2: Array) -> Array:
    """Return the least-squares slope of log N by log C of each replicate; NaN points drop out."""
    known_Rm1 = ~np.isnan(optima_Rm2).any(axis=-1, keepdims=True)
    num_R1 = known_Rm1.sum(axis=1)
    centre_R2 = np.where(known_Rm1, optima_Rm2, 0.0).sum(axis=1) / np.maximum(num_R1, 1)
    centred_Rm2 = np.where(known_Rm1, optima_Rm2 - centre_R2[:, None], 0.0)
    log_c, log_n = np.moveaxis(centred_Rm2, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.sum(log_c * log_n, axis=-1) / np.sum(log_c**2, axis=-1)
    return np.where(num_R1[:, 0] >= FEWEST_LEVELS, slopes, np.nan)


def _untold(name: str, reason: str, discarded: tuple[str, ...] = ()) -> Approach:
    unknown = (float("nan"), float("nan"))
    return Approach(name, float("nan"), unknown, np.zeros((0, 2)), discarded, reason)


def _through(
    name: str, optima: list[Array], level: float, discarded: tuple[str, ...] = ()
) -> Approach:
    """Return the approach whose line goes through the optima ``[R, 2]`` of each level."""
    if len(optima) < FEWEST_LEVELS:
        reason = f"{len(optima)} usable compute levels; a line needs {FEWEST_LEVELS}"
        return _untold(name, reason, discarded)
    optima_Rm2 = np.stack(optima, axis=1)
    slopes = _slopes(optima_Rm2)
    interval = percentile_interval(slopes[1:], level)
    return Approach(name, float(slopes[0]), interval, np.exp(optima_Rm2[0]), discarded)


def _envelope(
    table: LawTable,
    crowds: list[NDArray[np.int64]],
    rng: np.random.Generator,
    num: int,
    level: float,
) -> Approach:
    """Approach 1: the run of least loss at each compute."""
    log_x = np.log(table.x_nd)
    optima = []
    for crowd in crowds:
        drawn = _draws(len(crowd), rng, num) > 0
        best = crowd[np.argmin(np.where(drawn, table.y_n[crowd], np.inf), axis=-1)]
        optima.append(np.stack([log_x[best].sum(axis=-1), log_x[best, 0]], axis=-1))
    return _through("envelope", optima, level)


def _isoflop(
    table: LawTable,
    crowds: list[NDArray[np.int64]],
    rng: np.random.Generator,
    num: int,
    level: float,
) -> Approach:
    """Approach 2: the valley of a parabola in log N at each compute; edge valleys are discarded."""
    optima, discarded = [], []
    for crowd in crowds:
        found, why = _valleys(table, crowd, _draws(len(crowd), rng, num))
        if why:
            compute = np.exp(np.log(table.x_nd[crowd]).sum(axis=1).mean())
            discarded.append(f"level {compute:.2g}: {why}")
        else:
            optima.append(found)
    return _through("isoflop", optima, level, tuple(discarded))


def _valleys(table: LawTable, crowd: NDArray[np.int64], counts_Rm: Array) -> tuple[Array, str]:
    """Return (log C, log N) at the bottom of each replicate's parabola, or why there is none.

    A replicate whose valley moves out of the range of sizes is NaN: that level drops out of it.
    """
    size, nothing = table.x_nd[crowd, 0], np.zeros((0, 2))
    if len(np.unique(size)) < FEWEST_RUNS:
        return nothing, f"{len(np.unique(size))} sizes are too few for a parabola"
    batch = fit_batch("parabola", size, table.y_n[crowd], weights=counts_Rm)
    bottom_R = batch.form.turning_point(batch.params_Rp)
    if np.isnan(bottom_R[0]):
        return nothing, "the parabola has no valley"
    inside = (bottom_R > size.min()) & (bottom_R < size.max())
    if not inside[0]:
        return nothing, "the best size lies at the edge of those tried"
    log_c = counts_Rm @ np.log(table.x_nd[crowd]).sum(axis=1) / counts_Rm.sum(axis=-1)
    return np.stack([log_c, np.log(np.where(inside, bottom_R, np.nan))], axis=-1), ""


def _parametric(table: LawTable, rng: np.random.Generator, num: int, level: float) -> Approach:
    """Approach 3: a = beta/(alpha + beta) of the Hoffmann surface, Huber on log loss."""
    weights = _draws(table.num_sizes, rng, num)
    batch = fit_batch("hoffmann", table.x_nd, table.y_n, loss="huber", weights=weights)
    exponents = batch["beta"] / (batch["alpha"] + batch["beta"])
    exponents[batch.at_bound_Rp[:, 1:].any(axis=1)] = np.nan
    if np.isnan(exponents[0]):
        return _untold("parametric", "the surface rests on a bound")
    interval = percentile_interval(exponents[1:], level)
    return Approach("parametric", float(exponents[0]), interval, np.zeros((0, 2)))
