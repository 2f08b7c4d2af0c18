r"""Hoffmann's three estimates of the compute-optimal exponent, from one table.

If the best number of parameters grows as :math:`N_{opt} \propto C^a`, three readings of the same
runs should agree on a: the lower *envelope* of the losses, the minima of *IsoFLOP* parabolas, and
the *parametric* surface, where :math:`a = \beta/(\alpha+\beta)`. Whether two of them differ by more
than chance is asked of the difference itself, on the same redrawn runs for both: estimates from the
same runs err together, and intervals that overlap say nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.files import null_for_nan
from finscale.scaling.compute import TOLERANCE, Compute, levels_of, with_compute
from finscale.scaling.dropping import read_runs
from finscale.scaling.forms import FORMS
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Interval, percentile_interval
from finscale.scaling.isoflop import FEWEST_LEVELS, isoflop_of, line
from finscale.scaling.isoflop_draws import Draws
from finscale.scaling.isoflop_result import IsoFlop
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.resample import scheme_of
from finscale.scaling.table import LawTable
from finscale.scaling.valley import WINDOW


@dataclass(frozen=True)
class Approach:
    """One estimate of a in N_opt ∝ C^a, with its interval.

    The exponent is NaN where it cannot be told, and ``reason`` says why. ``optima_m2`` are compute
    and best N that the line goes through, empty for the parametric estimate; ``discarded`` is what
    was left out, each with its reason.
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
class Difference:
    """The first approach's exponent minus the second's, on the same redrawn runs.

    The interval holds for all pairs at once (Bonferroni); it is NaN where one of the exponents is
    not known.
    """

    first: str
    second: str
    value: float
    interval: Interval

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval[0] > 0 or self.interval[1] < 0


@dataclass(frozen=True)
class Approaches:
    """The three side by side; ``loss`` is the one by which parabolas and surface are fitted."""

    envelope: Approach
    isoflop: Approach
    parametric: Approach
    differences: tuple[Difference, ...]
    loss: str
    compute: str
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
        """Pairs whose difference is more than chance."""
        return tuple((pair.first, pair.second) for pair in self.differences if pair.apart)

    def summary(self) -> str:
        """Return the three exponents and whether they agree, as text."""
        rows = [
            f"compute = {self.compute}; loss by {self.loss}",
            f"{'approach':<12} {'a':>6}   {self.level:.0%} interval   optima",
        ]
        for approach in self.all:
            low, high = approach.interval
            told = f"{approach.exponent:>6.3f}   [{low:.3f}, {high:.3f}]   {approach.basis}"
            untold = f"{'–':>6}   {approach.reason}"
            rows.append(f"{approach.name:<12} {untold if approach.reason else told}")
            rows += [f"{'':<12} left out: {why}" for why in approach.discarded]
        for pair in self.differences:
            low, high = pair.interval
            name = f"{pair.first} − {pair.second}"
            rows.append(f"{name:<23} {pair.value:+.3f}   [{low:+.3f}, {high:+.3f}]")
        return "\n".join([*rows, self.sentence])

    @property
    def sentence(self) -> str:
        """Return whether the three agree, in one sentence."""
        told = [pair for pair in self.differences if not np.isnan(pair.interval).any()]
        if not told:
            return "Fewer than two approaches give an exponent: nothing to compare."
        if not self.disagree:
            return (
                f"The approaches agree: they differ by up to {self.spread:.3f}, and no difference "
                f"is more than redrawing the same runs makes ({self.level:.0%}, all pairs at once)."
            )
        pairs = "; ".join(f"{a} and {b}" for a, b in self.disagree)
        return (
            f"The approaches DISAGREE by up to {self.spread:.3f}: {pairs} differ by more than "
            f"redrawing the same runs makes ({self.level:.0%}, all pairs at once)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = {
            a.name: {
                "exponent": a.exponent,
                "interval": a.interval if np.isfinite(a.interval).all() else None,
                "optima": a.optima_m2.tolist(),
                "discarded": a.discarded,
                "reason": a.reason,
            }
            for a in self.all
        }
        told = ("loss", "compute", "level", "spread", "disagree", "sentence")
        content = {
            "approaches": rows,
            "differences": [vars(pair) for pair in self.differences],
            **{name: getattr(self, name) for name in told},
        }
        return {key: null_for_nan(value) for key, value in content.items()}


def compare_approaches(
    table: Any,
    x: Sequence[str] = ("parameters", "tokens"),
    y: str = "loss",
    *,
    compute: str | None = None,
    formula: str | None = None,
    tolerance: float = TOLERANCE,
    window: float = WINDOW,
    loss: str = "auto",
    horizon: int = 1,
    num_replicates: int = 1000,
    level: float = 0.95,
    random_seed: int = 0,
    **columns: Any,
) -> Approaches:
    """Estimate the compute-optimal exponent in Hoffmann's three ways, and compare.

    Parameters
    ----------
    table, x, y
        A table with the axes N and D, or with N and a compute column.
    compute, formula, tolerance, window
        As in :func:`fit_isoflop`; the levels serve the envelope as well.
    loss, horizon
        As in :func:`fit_law`: parabolas and surface are fitted by the same loss.
    num_replicates, level, random_seed
        Of the bootstrap: days and seeds where the table has them, else runs.
    **columns
        As in :func:`read_table`; ``drop`` and ``seeds`` as in :func:`fit_law`.

    Raises
    ------
    FinscaleError
        If the table's axes are not N and D, or compute cannot be told.

    References
    ----------
    Hoffmann et al. 2022, section 3: approaches 1, 2 and 3.
    """
    if not isinstance(table, LawTable):
        axes = (*x, compute) if compute and compute not in x else tuple(x)
        table = read_runs(table, x=axes, y=y, **columns)
    table, known = with_compute(table, compute, formula)
    problem = problem_of(table, loss, horizon=horizon)
    found = isoflop_of(
        table,
        known,
        problem,
        tolerance=tolerance,
        window=window,
        num_replicates=num_replicates,
        level=level,
        random_seed=random_seed,
    )
    groups = levels_of(known.log_c_n, np.log(table.x_nd[:, 0]), tolerance)
    envelope, envelope_R = _envelope(table, known, groups, found.draws, random_seed, level)
    parametric, parametric_R = _parametric(
        table, problem, found.draws, num_replicates, random_seed, level
    )
    isoflop = _isoflop(found)
    isoflop_R = found.size.exponents_R
    parts = ((envelope, envelope_R), (isoflop, isoflop_R), (parametric, parametric_R))
    stretch = found.size.stretch
    pairs = list(combinations(parts, 2))
    each = 1 - (1 - level) / len(pairs)
    differences = tuple(
        _difference(one, other, stretch * (one_R - other_R), each)
        for (one, one_R), (other, other_R) in pairs
        if len(one_R) and len(other_R)
    )
    return Approaches(envelope, isoflop, parametric, differences, problem.loss, known.words, level)


def _difference(one: Approach, other: Approach, values_R: Array, level: float) -> Difference:
    """Return the difference with the interval that redraws of both make around it."""
    value = one.exponent - other.exponent
    around_R = value + values_R - np.nanmedian(values_R)
    return Difference(one.name, other.name, value, percentile_interval(around_R, level))


def _untold(name: str, reason: str) -> tuple[Approach, Array]:
    unknown = (float("nan"), float("nan"))
    return Approach(name, float("nan"), unknown, np.zeros((0, 2)), (), reason), np.zeros(0)


def _isoflop(found: IsoFlop) -> Approach:
    """Approach 2: the bottom of a parabola in log N at each compute."""
    discarded = tuple(f"{num} runs {why}" for num, why in found.dropped)
    optima_m2 = np.array([[one.compute, one.size] for one in found.levels]).reshape(-1, 2)
    return Approach("isoflop", found.exponent, found.interval, optima_m2, discarded, found.reason)


def _envelope(
    table: LawTable,
    compute: Compute,
    groups: list[NDArray[np.int64]],
    draws: Draws,
    seed: int,
    level: float,
) -> tuple[Approach, Array]:
    """Approach 1: the run of least loss at each compute.

    The best size lies somewhere between the middles to its neighbours on the grid of those tried;
    redraws place it there at random.
    """
    if len(groups) < FEWEST_LEVELS:
        reason = f"{len(groups)} usable levels of compute; a line needs {FEWEST_LEVELS}"
        return _untold("envelope", reason)
    y_Rn = np.concatenate([table.y_n[None], draws.y_Rn])
    rng = np.random.default_rng(seed)
    log_n, best, placed = np.log(table.x_nd[:, 0]), [], []
    for members in groups:
        best_R = members[np.argmin(y_Rn[:, members], axis=-1)]
        sizes = np.unique(log_n[members])
        steps = np.diff(sizes)
        # at either end of the grid there is as much room outside as inside
        below, above = np.append(steps[0], steps) / 2, np.append(steps, steps[-1]) / 2
        at_R = np.searchsorted(sizes, log_n[best_R])
        shift_R = rng.uniform(-below[at_R], above[at_R])
        shift_R[0] = 0.0
        best.append(best_R)
        placed.append(log_n[best_R] + shift_R)
    log_c_Rm, log_n_Rm = compute.log_c_n[np.stack(best, axis=1)], np.stack(placed, axis=1)
    slopes_R, _, _ = line(log_c_Rm, log_n_Rm)
    optima_m2 = np.exp(np.stack([log_c_Rm[0], log_n_Rm[0]], axis=-1))
    interval = percentile_interval(slopes_R[1:], level)
    return Approach("envelope", float(slopes_R[0]), interval, optima_m2), slopes_R[1:]


def _parametric(
    table: LawTable, problem: Problem, draws: Draws, num: int, seed: int, level: float
) -> tuple[Approach, Array]:
    """Approach 3: a = beta/(alpha + beta) of the Hoffmann surface.

    Its own interval is that of :func:`fit_law` where points are redrawn.
    """
    own_R = _exponents(problem, table.y_n[None], None)
    if np.isnan(own_R[0]):
        return _untold("parametric", "the surface rests on a bound")
    redrawn_R = _exponents(problem, draws.y_Rn, None) if len(draws.y_Rn) else np.zeros(0)
    interval_R = redrawn_R
    if scheme_of(table) in ("points", "residuals") and problem.loss != "gls":
        rng, n = np.random.default_rng(seed), table.num_sizes
        counts_Rn = rng.multinomial(n, np.full(n, 1.0 / n), size=num).astype(np.float64)
        interval_R = _exponents(problem, table.y_n[None], counts_Rn)
    interval = percentile_interval(interval_R, level)
    return Approach("parametric", float(own_R[0]), interval, np.zeros((0, 2))), redrawn_R


def _exponents(problem: Problem, y_Rn: Array, multiples_Rn: Array | None) -> Array:
    batch = problem.batch(FORMS["hoffmann"], y_Rn, multiples_Rn)
    exponents_R = batch["beta"] / (batch["alpha"] + batch["beta"])
    exponents_R[batch.at_bound_Rp[:, 1:].any(axis=1)] = np.nan
    return np.asarray(exponents_R)
