"""Training compute of the runs of a table, and the levels of near equal compute."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.scaling.forms.base import Array
from finscale.scaling.table import LawTable

#: Operations of a training: 2·N·D forward and twice that backward (Kaplan et al. 2020, table 1).
FORMULA = "6ND"
#: Runs whose compute lies within so many per cent of a level's centre belong to it.
TOLERANCE = 10.0
#: Fewest sizes at one compute for a parabola: its three coefficients, and one degree of freedom.
FEWEST_RUNS = 4

_FORMULA = re.compile(r"(\d+(?:\.\d+)?)?\s*\*?\s*N\s*\*?\s*D", re.IGNORECASE)


@dataclass(frozen=True)
class Compute:
    """The compute of each size of a table.

    Parameters
    ----------
    log_c_n : array, ``[n]``
        Natural logarithm of the compute.
    words : str
        Where it comes from: ``"6·N·D of parameters and tokens"``.
    formula : float
        k of C = k·N·D: the stated formula, or 6 where a column gives the compute.
    """

    log_c_n: Array
    words: str
    formula: float


def parse_formula(text: str) -> float:
    """Return the factor k of a formula k·N·D.

    Raises
    ------
    FinscaleError
        For a text that is no such formula.

    Examples
    --------
    >>> parse_formula("6ND"), parse_formula("ND"), parse_formula("7.5*N*D")
    (6.0, 1.0, 7.5)
    """
    match = _FORMULA.fullmatch(text.strip())
    factor = float(match[1] or 1.0) if match else 0.0
    if factor <= 0:
        raise FinscaleError(
            f"{text!r} is not a formula for compute.",
            hint="write a positive factor and ND (6ND, 2ND, ND); for any other rule put the "
            "compute into a column and name it: --compute COLUMN",
        )
    return factor


def with_compute(
    table: LawTable, compute: str | None = None, formula: str | None = None
) -> tuple[LawTable, Compute]:
    """Return the table with the axes N and D, and the compute of each of its sizes.

    Parameters
    ----------
    table : LawTable
        Two axes, N and D; or N, the compute and, perhaps, D.
    compute : str, optional
        The axis that is the compute. Where D is no axis it is taken from the formula, D = C/kN.
    formula : str, optional
        ``"6ND"`` where there is no such axis.

    Raises
    ------
    FinscaleError
        If the axes cannot be told.
    """
    factor = parse_formula(formula or FORMULA)
    told = f"{factor:g}·N·D"
    if compute is None:
        if len(table.axes) != 2:
            raise FinscaleError(
                f"an IsoFLOP analysis needs two size axes, N and D; the table has "
                f"{len(table.axes)}: {', '.join(table.axes)}.",
                hint='name two, x=("parameters", "tokens"), or one and compute="flops" (terminal: '
                "--x parameters --x tokens, or --x parameters --compute flops)",
            )
        log_c_n = np.log(table.x_nd).sum(axis=1) + np.log(factor)
        said = "" if formula else "; --compute or --compute-formula say otherwise"
        words = f"{told} with N = {table.axes[0]}, D = {table.axes[1]}{said}"
        return table, Compute(log_c_n, words, factor)
    at = table.axes.index(compute)
    others = [axis for axis in range(len(table.axes)) if axis != at]
    if len(others) not in (1, 2):
        raise FinscaleError(
            f"beside the compute {compute!r} there are {len(others)} size axes; one or two are N "
            "and D.",
            hint="--x parameters, or --x parameters --x tokens",
        )
    log_c_n, x_nd = np.log(table.x_nd[:, at]), table.x_nd[:, others]
    words, axes = f"column {compute}", tuple(table.axes[axis] for axis in others)
    if len(others) == 1:
        x_nd = np.stack([x_nd[:, 0], np.exp(log_c_n) / (factor * x_nd[:, 0])], axis=1)
        words += f"; no column of D is named: D = C/({factor:g}·{axes[0]})"
        axes = (axes[0], "D")
    return replace(table, axes=axes, x_nd=x_nd), Compute(log_c_n, words, factor)


def levels_of(
    log_c_n: Array, log_n: Array, tolerance: float = TOLERANCE
) -> list[NDArray[np.int64]]:
    """Return the points of each level of compute, in order of compute.

    The point with most others within ``tolerance`` per cent starts a level and takes them; repeat
    while what is taken has sizes enough for a parabola. So levels form where runs crowd, and a
    chain of runs with compute everywhere does not become one level.
    """
    if not tolerance >= 0:
        raise FinscaleError(f"a tolerance of {tolerance:g} per cent is negative.")
    near_nn = np.abs(log_c_n[:, None] - log_c_n) <= np.log1p(tolerance / 100) + 1e-9
    free_n = np.ones(len(log_c_n), dtype=bool)
    levels: list[NDArray[np.int64]] = []
    while free_n.any():
        crowd_n = (near_nn & free_n).sum(axis=1) * free_n
        members = np.flatnonzero(near_nn[np.argmax(crowd_n)] & free_n)
        free_n[members] = False
        if len(np.unique(log_n[members])) >= FEWEST_RUNS:
            levels.append(members)
    return sorted(levels, key=lambda members: float(log_c_n[members].mean()))
