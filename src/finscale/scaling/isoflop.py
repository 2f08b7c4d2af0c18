r"""IsoFLOP analysis: the best size at each compute, and how it grows with compute.

Runs of near equal compute form a level. At each level a parabola in log size, on a window around
its bottom, gives the best size; a line through the best sizes gives :math:`N_{opt} = k\,C^a` and
:math:`D_{opt} \propto C^b` (Hoffmann et al. 2022, approach 2). Whatever is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.scaling.compute import TOLERANCE, Compute, levels_of, with_compute
from finscale.scaling.dropping import read_runs
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import percentile_interval
from finscale.scaling.isoflop_draws import Draws, drawn_losses
from finscale.scaling.isoflop_result import Growth, IsoFlop, IsoLevel
from finscale.scaling.measure import Measure
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.table import LawTable
from finscale.scaling.valley import FEWEST_INSIDE, WINDOW, Valleys, valleys

#: Fewest levels for a line: its two coefficients, and one degree of freedom.
FEWEST_LEVELS = 3
#: Below this probability the best sizes scatter more than the noise of runs explains.
SCATTER = 0.05


@dataclass(frozen=True)
class _Bottoms:
    """Level and data of the R bottoms of one level of compute; row 0 is the table's own."""

    members: NDArray[np.int64]
    found: Valleys
    log_c: float
    log_data_R: Array


def fit_isoflop(
    table: Any,
    x: str | Sequence[str] = ("parameters", "tokens"),
    y: str = "loss",
    *,
    compute: str | None = None,
    formula: str | None = None,
    tolerance: float = TOLERANCE,
    window: float = WINDOW,
    loss: str = "auto",
    signed: bool = False,
    horizon: int = 1,
    num_replicates: int = 1000,
    level: float = 0.95,
    random_seed: int = 0,
    **columns: Any,
) -> IsoFlop:
    """Find the best size at each compute and the power of compute by which it grows.

    Parameters
    ----------
    table, x, y
        A table with the axes N and D, or with N and a compute column.
    compute : str, optional
        Column of compute.
    formula : str, optional
        ``"6ND"`` by default: C = 6·N·D. Any positive factor may stand in its place.
    tolerance : float
        Runs within so many per cent of a level's compute belong to it.
    window : float
        The parabola is fitted to sizes within this factor of the best one (and at least to the
        nearest five); infinite for all sizes, which is biased where the curve is lopsided.
    loss : str
        As in :func:`fit_law`; ``"auto"``: least squares.
    signed, horizon, columns
        As in :func:`read_table`; ``drop`` and ``seeds`` as in :func:`fit_law`.
    num_replicates, level, random_seed
        Of the bootstrap over runs (over days and seeds where the table has them).

    Raises
    ------
    FinscaleError
        If the compute cannot be told.

    References
    ----------
    Hoffmann et al. 2022, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> C = np.repeat(np.geomspace(1e12, 1e15, 4), 9)
    >>> N = 0.2 * C**0.5 * np.tile(np.geomspace(1 / 8, 8, 9), 4)
    >>> loss = 1.7 + 0.01 * np.log(N / (0.2 * C**0.5)) ** 2 + 100 * C**-0.15
    >>> found = fit_isoflop({"N": N, "C": C, "loss": loss}, x="N", compute="C", num_replicates=50)
    >>> round(found.exponent, 3)
    0.5
    """
    if not isinstance(table, LawTable):
        axes = (x,) if isinstance(x, str) else tuple(x)
        axes += (compute,) if compute and compute not in axes else ()
        table = read_runs(table, x=axes, y=y, signed=signed, **columns)
    if not window > 1:
        raise FinscaleError(f"a window of {window:g} times the best size holds nothing.")
    table, known = with_compute(table, compute, formula)
    loss = "least_squares" if loss == "auto" else loss
    problem = problem_of(table, loss, horizon=horizon, signed=signed or table.signed)
    return isoflop_of(
        table,
        known,
        problem,
        tolerance=tolerance,
        window=window,
        num_replicates=num_replicates,
        level=level,
        random_seed=random_seed,
    )


def isoflop_of(
    table: LawTable,
    compute: Compute,
    problem: Problem,
    *,
    tolerance: float = TOLERANCE,
    window: float = WINDOW,
    num_replicates: int = 1000,
    level: float = 0.95,
    random_seed: int = 0,
) -> IsoFlop:
    """Return the analysis of a table with the axes N and D under the loss of a problem."""
    log_n = np.log(table.x_nd[:, 0])
    runs_n = table.seeds_n
    groups = levels_of(compute.log_c_n, log_n, tolerance)
    alone = int(runs_n.sum() - sum(runs_n[members].sum() for members in groups))
    dropped: list[tuple[int, str]] = []
    notes = list(table.notes)
    if alone:
        why = f"at no level: fewer than 4 sizes within {tolerance:g} % of one compute"
        dropped.append((alone, why))
    kept: list[tuple[NDArray[np.int64], Valleys]] = []
    moved = problem
    for correcting in (False, True):
        y_n = problem.y_n
        if correcting:
            y_n = levelled(problem.y_n, compute.log_c_n, kept)
        moved = replace(problem, y_n=y_n)
        found = [(members, bottom(moved, members, window)) for members in groups]
        kept = [(m, v) for m, v in found if not np.isnan(v.log_size_R[0])]
        if len(kept) < 2:
            break
    for members, valley in found:
        if np.isnan(valley.log_size_R[0]):
            c = np.exp(compute.log_c_n[members].mean())
            dropped.append(
                (int(runs_n[members].sum()), f"of level {c:.3g}: {_why(valley, table.measure)}")
            )
    draws = drawn_losses(table, moved, kept, num_replicates, random_seed)
    bottoms = []
    for members, valley in kept:
        start_R = np.full(len(draws.y_Rn), valley.log_size_R[0])
        redrawn = bottom(moved, members, window, draws.y_Rn[:, members], start_R)
        joined = _joined(valley, redrawn)
        log_c = _mean(compute.log_c_n[members], valley.weights_Rn[0] * moved.weights_n[members])
        log_data_R = _data(table, compute, members, joined.log_size_R, log_c)
        bottoms.append(_Bottoms(members, joined, log_c, log_data_R))
    size, data, words = _growths(bottoms, draws, level)
    outside = sum(int(runs_n[m][v.weights_Rn[0] == 0].sum()) for m, v in kept)
    if outside:
        notes.append(
            f"{outside} runs lie outside of the windows (further than {window:g} × from the best "
            "size): they say where to look, and no more"
        )
    levels = tuple(_level(table, b, draws, level) for b in bottoms)
    wide = [lv for lv in levels if lv.reach > window * (1 + 1e-9)] if np.isfinite(window) else []
    if wide:
        notes.append(
            f"at {len(wide)} of {len(levels)} levels the window had to reach "
            f"{max(lv.reach for lv in wide):.3g} × to hold {FEWEST_INSIDE} sizes; sizes a factor "
            "of 2 apart would fit into it"
        )
    few = len(bottoms) < FEWEST_LEVELS
    reason = f"{len(bottoms)} usable levels of compute; a line needs {FEWEST_LEVELS}" if few else ""
    return IsoFlop(
        table,
        compute,
        problem.loss,
        levels,
        size,
        data,
        int(runs_n.sum()),
        tuple(dropped),
        (*notes, *words),
        draws.scheme,
        tolerance,
        window,
        level,
        draws,
        reason,
    )


def bottom(
    problem: Problem,
    members: NDArray[np.int64],
    window: float,
    y_Rm: Array | None = None,
    start_R: Array | None = None,
    multiples_Rm: Array | None = None,
) -> Valleys:
    """Return the valleys of one level, of the problem's own losses or of others ``[R, m]``."""
    mask = np.zeros(len(problem.y_n), dtype=bool)
    mask[members] = True
    own = problem.subset(mask)
    own = replace(own, x_nd=own.x_nd[:, :1])
    y_Rm = own.y_n[None] if y_Rm is None else y_Rm
    return valleys(own, y_Rm, multiples_Rm, window=window, start_R=start_R)


def levelled(
    y_n: Array, log_c_n: Array, kept: Sequence[tuple[NDArray[np.int64], Valleys]]
) -> Array:
    """Return the losses as they would be at exactly the compute of their level.

    A run with a little more compute than its neighbours looks better for it. At the best size the
    loss falls with compute as fast as the least loss does from level to level (envelope theorem),
    and by that slope the losses are moved.
    """
    log_c = np.array([log_c_n[members].mean() for members, _ in kept])
    least = np.array([valley.loss_R[0] for _, valley in kept])
    if len(kept) < 2 or not (np.diff(log_c) > 0).all():
        return y_n
    slope = np.gradient(least, log_c)
    moved = y_n.copy()
    for (members, _), own, centre in zip(kept, slope, log_c, strict=True):
        moved[members] -= own * (log_c_n[members] - centre)
    return moved


def line(log_c: Array, log_n_Rm: Array) -> tuple[Array, Array, Array]:
    """Return slope and intercept ``[R]`` of log N by log C, and the residuals ``[R, m]``.

    ``log_c`` is ``[m]`` or ``[R, m]``. Levels whose log N is NaN drop out of a replicate; below
    three levels it is NaN.
    """
    known_Rm = ~np.isnan(log_n_Rm)
    num_R = np.maximum(known_Rm.sum(axis=1), 1)
    c_R = (known_Rm * log_c).sum(axis=1) / num_R
    n_R = np.where(known_Rm, log_n_Rm, 0.0).sum(axis=1) / num_R
    c_Rm = known_Rm * (log_c - c_R[:, None])
    n_Rm = np.where(known_Rm, log_n_Rm - n_R[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_R = (c_Rm * n_Rm).sum(axis=1) / (c_Rm**2).sum(axis=1)
    slope_R = np.where(known_Rm.sum(axis=1) >= FEWEST_LEVELS, slope_R, np.nan)
    return slope_R, n_R - slope_R * c_R, n_Rm - slope_R[:, None] * c_Rm


def _growths(
    bottoms: Sequence[_Bottoms], draws: Draws, level: float
) -> tuple[Growth, Growth, tuple[str, ...]]:
    """Return the two powers of compute, and what there is to say of the line."""
    if len(bottoms) < FEWEST_LEVELS:
        nothing = Growth(np.nan, (np.nan, np.nan), np.nan, np.zeros(0), np.zeros(0))
        return nothing, nothing, ()
    log_c_m = np.array([b.log_c for b in bottoms])
    size_Rm = np.stack([b.found.log_size_R for b in bottoms], axis=1)
    data_Rm = np.stack([b.log_data_R for b in bottoms], axis=1)
    words: list[str] = []
    lost_m = np.isnan(size_Rm[1:]).mean(axis=0) if len(size_Rm) > 1 else np.zeros(len(bottoms))
    if (lost_m > SCATTER).any():
        at = int(np.argmax(lost_m))
        words.append(
            f"at level {np.exp(log_c_m[at]):.3g} the bottom is lost in {lost_m[at]:.0%} of the "
            "redraws: more sizes or seeds would hold it"
        )
    widen = 1.0
    if len(size_Rm) > 1:
        widen, probability = _scatter(log_c_m, size_Rm)
        if widen > 1:
            words.append(
                f"the best sizes scatter around the line {widen:.2g} × as much as the noise of "
                f"runs explains (p = {probability:.2g}): the intervals are widened by that"
            )
    growths = []
    for values_Rm in (size_Rm, data_Rm):
        slope_R, start_R, _ = line(log_c_m, values_Rm)
        slope, start, stretch = float(slope_R[0]), float(start_R[0]), widen * draws.stretch(level)
        interval = percentile_interval(slope + stretch * (slope_R[1:] - slope), level)
        growths.append(Growth(slope, interval, start, slope_R[1:], start_R[1:], stretch))
    return growths[0], growths[1], tuple(words)


def _scatter(log_c_m: Array, size_Rm: Array) -> tuple[float, float]:
    """Return by how much the scatter around the line exceeds that of redraws, and how rarely."""
    _, _, own_1m = line(log_c_m, size_Rm[:1])
    # redraws around an exact line: what the noise of runs alone would scatter
    _, _, noise_Rm = line(log_c_m, size_Rm[1:] - size_Rm[:1])
    own, noise_R = float((own_1m**2).sum()), (noise_Rm**2).sum(axis=1)
    noise_R = noise_R[np.isfinite(noise_R)]
    probability = float((1 + (noise_R >= own).sum()) / (1 + len(noise_R)))
    mean = float(noise_R.mean()) if len(noise_R) else 0.0
    if probability >= SCATTER or mean <= 0:
        return 1.0, probability
    return max(1.0, float(np.sqrt(own / mean))), probability


def _why(valley: Valleys, measure: Measure) -> str:
    if not valley.bends_R[0]:
        bend = "peak" if measure.higher_is_better else "valley"
        return f"the {measure.title} has no {bend} in size"
    return "the best size lies at the edge of those tried"


def _joined(own: Valleys, redrawn: Valleys) -> Valleys:
    pairs = zip(vars(own).values(), vars(redrawn).values(), strict=True)
    return Valleys(*(np.concatenate(pair) for pair in pairs))


def _mean(values: Array, weights: Array) -> float:
    return float(np.average(values, weights=weights))


def _data(
    table: LawTable, compute: Compute, members: NDArray[np.int64], log_size_R: Array, log_c: float
) -> Array:
    """Return log D at the best sizes: what compute leaves for data there."""
    log_n, log_d = np.log(table.x_nd[members]).T
    # C = k(N)·N·D: the logarithm of k between the sizes tried
    log_k = compute.log_c_n[members] - log_n - log_d
    order = np.argsort(log_n)
    return np.asarray(log_c - log_size_R - np.interp(log_size_R, log_n[order], log_k[order]))


def _level(table: LawTable, own: _Bottoms, draws: Draws, level: float) -> IsoLevel:
    size_R, runs = own.found.log_size_R, table.seeds_n[own.members]
    inside = own.found.weights_Rn[0] > 0
    away = np.abs(np.log(table.x_nd[own.members, 0]) - size_R[0])[inside].max()
    redrawn = size_R[0] + draws.stretch(level) * (size_R[1:] - size_R[0])
    low, high = percentile_interval(redrawn, level)
    return IsoLevel(
        float(np.exp(own.log_c)),
        float(np.exp(size_R[0])),
        float(np.exp(own.log_data_R[0])),
        float(own.found.loss_R[0]),
        (float(np.exp(low)), float(np.exp(high))),
        int(runs.sum()),
        int(runs[inside].sum()),
        float(np.exp(away)),
        tuple(own.members.tolist()),
        tuple(inside.tolist()),
        tuple(own.found.fitted_Rn[0].tolist()),
    )
