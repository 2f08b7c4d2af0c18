"""One size that stands apart from the curve through the others: a suspicion, and no verdict.

Seeds tell a bad run by its neighbours. Where each size has one, only the curve is left: if without
one size the others follow some smooth curve far better than with it, that size is named. The drop
of the residual sum of squares over what is left is Student's t of that size, squared (the deleted
residual of Cook and Weisberg 1982, section 2.2.2), for the likeliest of the sizes (Bonferroni).
Smooth curves are falling, rising and ever faster power laws and a parabola in ln x; a law that is
steep at its smallest size is one of them, and a single far end that starts or ends one is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finscale.scaling.covariance import Float
from finscale.scaling.outliers import LEAST_CUT, size_words
from finscale.scaling.problem import Problem
from finscale.scaling.sentences import p_text
from finscale.scaling.table import LawTable
from finscale.scaling.trend import SizeAxis

#: One sound table in a hundred has a size that is named: with luck that is normal.
FALSE_ALARMS = 0.01
#: Each curve has as many numbers; two more sizes tell the size of the error once one is left out.
_CURVE = 3
FEWEST_SIZES = 6


@dataclass(frozen=True)
class OutlyingSize:
    """A size that stands apart.

    Parameters
    ----------
    size : float
        Which.
    value : float
        Its loss.
    expected : float
        What the curve through the others says there.
    deviations : float
        How far that is apart, in standard errors of the distance.
    p_value : float
        Probability of the like at any size where all follow the curve.
    """

    size: float
    value: float
    expected: float
    deviations: float
    p_value: float


def outlying_size(problem: Problem) -> OutlyingSize | None:
    """Return the one size that stands apart; None where none does, or it cannot be told.

    Under six sizes, on several axes, and among checkpoints of runs nothing is told.
    """
    if problem.x_nd.shape[1] > 1 or problem.rows is not None or problem.loss == "huber":
        return None
    num = len(problem.y_n)
    if num < FEWEST_SIZES:
        return None
    y_n = np.log(problem.y_n) if problem.is_logarithmic else problem.y_n
    covariance_nn = problem.covariance_nn
    if problem.loss != "gls" or covariance_nn is None:
        covariance_nn = np.diag(1.0 / problem.weights_n)
    axis = SizeAxis(tuple(problem.x_nd[:, 0].tolist()))
    left, _ = _best_curve(axis, y_n, covariance_nn, axis.size_G)
    rest = []
    for index in range(num):
        kept = np.delete(np.arange(num), index)
        own = y_n[kept], covariance_nn[np.ix_(kept, kept)]
        rest.append(_best_curve(axis.without(index), *own, axis.size_G[[index]]))
    rest_n = np.array([found[0] for found in rest])
    at = int(rest_n.argmin())
    ratio, p_value = _tested(problem, left, float(rest_n[at]))
    p_value = min(p_value * num, 1.0)
    if p_value >= FALSE_ALARMS or ratio < LEAST_CUT**2:
        return None
    expected = float(rest[at][1][0])
    expected = float(np.exp(expected)) if problem.is_logarithmic else expected
    value = float(problem.y_n[at])
    return OutlyingSize(axis.sizes[at], value, expected, float(np.sqrt(ratio)), p_value)


def _tested(problem: Problem, left: float, rest: float) -> tuple[float, float]:
    """Return F of one size, from the sums of squares with it and without, and its p value."""
    from scipy.stats import chi2, f

    degrees = len(problem.y_n) - 1 - _CURVE
    if problem.loss == "gls":
        ratio = (left - rest) / max(rest / degrees, 1.0)
        told = problem.covariance_degrees
        known = np.isinf(told)
        return ratio, float(chi2.sf(ratio, 1) if known else f.sf(ratio, 1, told))
    squares, more = problem.pooled
    least = 1e-26 * float(np.sum(problem.weights_n * problem.y_n**2))
    ratio = (left - rest) / (max(rest + squares, least) / (degrees + more))
    return ratio, float(f.sf(ratio, 1, degrees + more))


def _best_curve(axis: SizeAxis, y_n: Float, covariance_nn: Float, at: Float) -> tuple[float, Float]:
    """Return the least sum of squares of any smooth curve, and that curve's values ``at`` sizes."""
    trends = axis.fit(y_n[None], covariance_nn[None], zoom=True)
    around = float(trends.around_constant_B[0])
    curves = [(around - float(c.statistic_B[0]), c.predict(at)[0])
              for c in (trends.fall, trends.rise, trends.late)]  # fmt: skip
    log_n, log_m = np.log(axis.size_G), np.log(at)
    middle = log_n.mean()
    design_n3, design_m3 = (np.vander(each - middle, _CURVE) for each in (log_n, log_m))
    root = np.linalg.cholesky(covariance_nn)
    white_n3, white_n = np.linalg.solve(root, design_n3), np.linalg.solve(root, y_n)
    bend = np.linalg.lstsq(white_n3, white_n)[0]
    curves.append((float(np.sum((white_n - white_n3 @ bend) ** 2)), design_m3 @ bend))
    left, values = min(curves, key=lambda curve: curve[0])
    return max(left, 0.0), np.asarray(values)


def outlying_size_words(found: OutlyingSize, table: LawTable) -> str:
    """Return the suspicion in a sentence, with the ways out."""
    measure, where = table.measure, size_words(np.array([found.size]))
    off = found.value - found.expected
    side = "above" if (off > 0) != measure.higher_is_better else "below"
    at = int(np.argmin(np.abs(table.x_nd[:, 0] / found.size - 1)))
    way = "run it again"
    if table.seeds_n[at] == 1:
        seed = table.labels[at][0] if table.labels else "0"
        way += f", or leave it out: --drop {where}:{seed}"
    asks = "trained worse" if off > 0 else "trained or scored otherwise"
    return (
        f"one size stands apart: at {where} {table.axes[0]} the {measure.title} is "
        f"{measure.shown(found.value):.4g}, {abs(off):.2g} {side} the curve through the other "
        f"sizes ({p_text(found.p_value)}): was it {asks}? {way}"
    )
