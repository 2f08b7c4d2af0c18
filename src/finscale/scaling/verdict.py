"""What a study may claim: LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE, in a sentence to quote.

======================= ==========================================================================
TURNS                   a curve with a valley inside the range beats both monotone ones, and the
                        loss at its bottom is lower than at both ends
LAW                     a falling power law beats the constant, its exponent's interval is finite
                        and off its bounds, and fitted without the largest size it predicts that
                        size better than the constant does
INVERSE                 the same with a rising loss
NO-LAW                  every size lies within ± the smallest effect of interest of every other:
                        so does the 90 % interval of every difference, for tests at 5 %
                        (``finscale.scaling.equivalence``)
INDETERMINATE           none of these; then the verdict says what would settle it
======================= ==========================================================================

Means that no curve here describes (lack of fit, p < .001) are neither LAW nor INVERSE nor NO-LAW:
the verdict names what they look like, a hump, a step, one size that stands out
(``finscale.scaling.misfit_shape``). A valley counts where it is seen without the size that stands
out.

Without daily losses nothing is decided beyond the test days at hand: runs of one size share their
luck, which no difference between seeds shows (TURNS in 19 % of worlds without an effect). The
verdict is INDETERMINATE then, and says what these days alone show, unless it is stated that runs
share no such luck (``shared_days=False``: test sets drawn anew for each run, or so large that their
luck is none).

All tests are likelihood ratios by generalised least squares with the covariance of
``finscale.scaling.covariance``; their critical values come from a parametric bootstrap that
estimates the covariance anew in each replicate. An outcome for which higher is better (AUC, R², a
Sharpe ratio) is judged as a loss and reported in its own terms (``finscale.scaling.measure``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from finscale.errors import FinscaleError
from finscale.scaling.claim import Statement, Verdict
from finscale.scaling.covariance import SizeCovariance, size_covariance
from finscale.scaling.dropping import drops_unfinished, settle_runs
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
    signed: bool = False,
    shared_days: bool = True,
    level: float = 0.05,
    horizon: int = 1,
    exclusions: Sequence[str] = (),
    drop: Sequence[str] = (),
    seeds: Literal["mean", "median"] = "mean",
    nested: bool = False,
    labels: Sequence[object] = (),
    measure: Measure | None = None,
    num_replicates: int = NUM_REPLICATES,
    settle: bool = True,
    seed: int = 0,
    **reading: Any,
) -> Verdict:
    """Decide which claim the losses of a grid of runs support.

    Parameters
    ----------
    losses : array [G, S, T], array [G, S], or a table
        Loss of each size, seed and test day, or its mean over days; a seed that a size lacks is
        NaN. Or a table (data frame, mapping, CSV or parquet file) with the columns ``axis``,
        ``seed``, ``loss`` and, better, ``day``. Losses of an array may be differences from a
        baseline; those of a table only with ``signed``.
    sizes : array [G], optional
        The sizes of an array's rows.
    sesoi : float
        Smallest effect of interest: a smaller gain over the whole range would not be worth having.
    axis, loss : str
        What grows; and the table's column of losses.
    signed : bool
        The table's losses are differences, or an outcome, and may be zero or negative.
    shared_days : bool
        Whether runs of one size may share luck of the test days. Say no only where each run was
        tested on data of its own, or on so many that their luck is none.
    level : float
        Significance level.
    horizon : int
        Bars that a label looks ahead; neighbouring days' losses overlap over ``horizon`` - 1.
    exclusions : sequence of str
        Runs left out by a rule stated before.
    drop : sequence of str
        Rules by which runs are left out here, or single runs (:func:`dropped_runs`); the sentence
        counts them.
    seeds : {"mean", "median"}
        What a size's loss is: over its seeds.
    nested : bool
        Whether replicates go on from size to size, as nestings of features do
        (``finscale.scaling.nested``).
    labels : sequence
        Names of an array's seeds, for words; their places when empty.
    measure : Measure, optional
        What an array's losses stand for, for the words and numbers of the verdict; convert an
        outcome for which higher is better with :meth:`Measure.as_loss` first. A table's is its own.
    num_replicates, seed : int
        Of the parametric bootstrap.
    settle : bool
        Whether an INDETERMINATE verdict works out what would settle it (some tenths of a second).
    **reading
        What else :func:`read_table` is told of a table:
        ``higher_is_better``, ``average``, ``where``, the column of ``day`` …

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
    unread: tuple[str, ...] = ()
    seeds_GS: Sequence[Sequence[object]] = ()
    if not isinstance(losses, np.ndarray):
        from finscale.scaling.table import LEFT_OUT, read_table
        from finscale.scaling.weighing import check_plain

        unfinished = drops_unfinished(drop)
        table = read_table(losses, x=axis, y=loss, signed=signed, unfinished=unfinished, **reading)
        check_plain(table)
        losses = table.losses_nST if table.has_days else table.runs_nS
        sizes, measure, seeds_GS = table.x_nd[:, 0], measure or table.measure, table.labels
        lost = (note.partition(LEFT_OUT) for note in table.notes)
        unread = tuple(what for _, said, what in lost if said)
    measure = measure or LOSS
    losses_GS, size_G = _array_and_sizes(losses, sizes)
    seeds_GS = [labels] * len(size_G) if labels else seeds_GS
    losses_GS, size_G, seen = settle_runs(losses_GS, size_G, seeds_GS, drop, measure)
    if not sesoi > 0:
        raise FinscaleError(f"the smallest effect of interest must be positive, not {sesoi:g}.")
    covariance = size_covariance(losses_GS, horizon=horizon, seeds=seeds, nested=nested)
    if np.ptp(covariance.mean_G) == 0 and not covariance.seed_variance_G.any():
        raise FinscaleError(
            f"all {measure.many} are equal: these are the same run over and over.",
            hint="check that the axis reaches the model and that seeds differ; networks that no "
            "epoch improved on validation are all their linear start (model.linear_path)",
        )
    _check_distinct(covariance, size_G, measure)
    grid, num_seeds = tuple(size_G.tolist()), int(covariance.seeds_G.min())
    left_out = (*exclusions, *unread, *seen.left_out)
    statement = Statement(
        axis, grid, num_seeds, float(sesoi), level, left_out, measure, shared_days
    )
    judged = Judge(statement, covariance, num_replicates, seed).verdict(settle=settle)
    said = (judged.sentence, *seen.sentences(left_out, seeds))
    return replace(judged, sentence=" ".join(said), outlying=seen.outlying)


def _array_and_sizes(losses: Float, sizes: ArrayLike | None) -> tuple[Float, Float]:
    """Return losses and sizes, rising."""
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
    """Refuse two sizes that differ alike in every run and on every day: by no error at all."""
    own_GG = covariance.matrix_GG
    variance_G = np.diag(own_GG)
    difference_GG = variance_G[:, None] + variance_G - 2 * own_GG
    same = np.argwhere(np.triu(difference_GG <= 1e-12 * variance_G.max(), 1))
    if not len(same):
        return
    first, second = (f"{size_G[index]:g}" for index in same[0])
    where = "in every run and on every day" if covariance.num_days else "in every run"
    if np.ptp(covariance.mean_G[same[0]]) == 0:
        raise FinscaleError(
            f"sizes {first} and {second} have the same {measure.title} {where}.",
            hint="is it one run read twice?",
        )
    raise FinscaleError(
        f"sizes {first} and {second} differ by exactly the same {where}: how much of it is luck "
        "cannot be told.",
        hint="does the seed reach the model? are rows of one run read as several seeds?",
    )
