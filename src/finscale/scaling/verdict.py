"""What a study may claim: LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE, in a sentence to quote.

======================= ==========================================================================
TURNS                   a curve with a valley inside the range beats both monotone ones, and the
                        loss at its bottom is lower than at both ends
LAW                     a falling power law beats the constant, its exponent's interval is finite
                        and off its bounds, and fitted without the largest size it predicts that
                        size better than the constant does
INVERSE                 the same with a rising loss
NO-LAW                  the gain from smallest to largest size lies within ± the smallest effect of
                        interest (two one-sided tests)
INDETERMINATE           none of these; then the verdict says what would settle it
======================= ==========================================================================

All tests are likelihood ratios by generalised least squares with the covariance of
``finscale.scaling.covariance``; their critical values come from a parametric bootstrap that
estimates the covariance anew in each replicate. An outcome for which higher is better (AUC, R², a
Sharpe ratio) is judged as a loss and reported in its own terms (``finscale.scaling.measure``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from finscale.errors import FinscaleError
from finscale.scaling.claim import Statement, Verdict
from finscale.scaling.covariance import SizeCovariance, size_covariance
from finscale.scaling.judge import Judge
from finscale.scaling.measure import LOSS, Measure
from finscale.scaling.trend import Float

__all__ = ["NUM_REPLICATES", "Measure", "Statement", "Verdict", "decide"]

#: Replicates of the parametric bootstrap.
NUM_REPLICATES = 2000


def decide(
    losses: Any,
    sizes: ArrayLike | None = None,
    *,
    sesoi: float,
    axis: str = "parameters",
    loss: str = "loss",
    level: float = 0.05,
    horizon: int = 1,
    exclusions: Sequence[str] = (),
    measure: Measure = LOSS,
    num_replicates: int = NUM_REPLICATES,
    settle: bool = True,
    seed: int = 0,
) -> Verdict:
    """Decide which claim the losses of a grid of runs support.

    Parameters
    ----------
    losses : array [G, S, T], array [G, S], or a table
        Loss of each size, seed and test day, or its mean over days; a seed that a size lacks is
        NaN. Or a table (data frame, mapping, CSV or parquet file) with the columns ``axis``,
        ``seed``, ``loss`` and, better, ``day``. Losses may be differences from a baseline.
    sizes : array [G], optional
        The sizes of an array's rows.
    sesoi : float
        Smallest effect of interest: a smaller gain over the whole range would not be worth having.
    axis, loss : str
        What grows; and the table's column of losses.
    level : float
        Significance level.
    horizon : int
        Bars that a label looks ahead; neighbouring days' losses overlap over ``horizon`` - 1.
    exclusions : sequence of str
        Runs left out by a rule stated before.
    measure : Measure
        What the losses stand for, for the words and numbers of the verdict; convert an outcome for
        which higher is better with :meth:`Measure.as_loss` first.
    num_replicates, seed : int
        Of the parametric bootstrap.
    settle : bool
        Whether an INDETERMINATE verdict works out what would settle it (some tenths of a second).

    Raises
    ------
    FinscaleError
        For losses that cannot be judged: one size, one seed, NaN, all equal, repeated sizes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size = np.geomspace(1e4, 1e7, 7)
    >>> curve = 0.55 + 0.05 * (size / 1e4) ** -0.3
    >>> noise = 0.02 * rng.standard_normal((7, 5, 1000))
    >>> decide(curve[:, None, None] + noise, size, sesoi=0.005).name
    'LAW'
    """
    losses_GS, size_G = _array_and_sizes(losses, sizes, axis, loss)
    if not sesoi > 0:
        raise FinscaleError(f"the smallest effect of interest must be positive, not {sesoi:g}.")
    covariance = size_covariance(losses_GS, horizon=horizon)
    if np.ptp(covariance.mean_G) == 0 and not covariance.seed_variance_G.any():
        raise FinscaleError(
            f"all {measure.many} are equal: these are the same run over and over.",
            hint="check that the axis reaches the model and that seeds differ; networks that no "
            "epoch improved on validation are all their linear start (model.linear_path)",
        )
    _check_distinct(covariance, size_G, measure)
    grid, num_seeds = tuple(size_G.tolist()), int(covariance.seeds_G.min())
    statement = Statement(axis, grid, num_seeds, float(sesoi), level, tuple(exclusions), measure)
    return Judge(statement, covariance, num_replicates, seed).verdict(settle=settle)


def _array_and_sizes(
    losses: Any, sizes: ArrayLike | None, axis: str, loss: str
) -> tuple[Float, Float]:
    """Return losses and sizes, rising, of an array or a table."""
    if not isinstance(losses, np.ndarray):
        from finscale.scaling.table import read_table
        from finscale.scaling.weighing import check_plain

        table = read_table(losses, x=axis, y=loss, signed=True)
        check_plain(table)
        array = table.losses_nST if table.has_days else table.runs_nS
        return array, table.x_nd[:, 0]
    if sizes is None or np.shape(sizes) != losses.shape[:1]:
        raise FinscaleError(
            f"losses of {losses.shape[0]} sizes need as many sizes.",
            hint="decide(losses, sizes, sesoi=...)",
        )
    size_G = np.asarray(sizes, dtype=np.float64)
    order_G = np.argsort(size_G)
    size_G = size_G[order_G]
    if len(size_G) < 2 or not (np.diff(size_G) > 0).all() or not size_G[0] > 0:
        raise FinscaleError(
            "a verdict needs two sizes or more, positive and each once.",
            hint="runs of one size are its seeds",
        )
    return losses[order_G], size_G


def _check_distinct(covariance: SizeCovariance, size_G: Float, measure: Measure) -> None:
    """Refuse two sizes whose runs are the same on every day: their difference has no error."""
    own_GG = covariance.matrix_GG
    variance_G = np.diag(own_GG)
    difference_GG = variance_G[:, None] + variance_G - 2 * own_GG
    same = np.argwhere(np.triu(difference_GG <= 1e-12 * variance_G.max(), 1))
    if len(same):
        first, second = (f"{size_G[index]:g}" for index in same[0])
        raise FinscaleError(
            f"sizes {first} and {second} have the same {measure.title} in every run and on every "
            "day.",
            hint="is it one run read twice?",
        )
