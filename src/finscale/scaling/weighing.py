"""How much each point of a table counts: weights, standard errors, the run it is of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.scaling.forms.base import Array
from finscale.scaling.run_errors import RunRows
from finscale.scaling.table import LawTable


def point_weights(table: LawTable, loss: str) -> Array:
    """Return the weight of each point, ``[n]``: its runs, each 1 on average.

    Standard errors weigh by 1/s²; where logarithms are compared by (L/s)².
    """
    if table.errors_nS is not None and loss != "gls":
        weights_n = 1.0 / mean_variances(table)
        if loss in ("huber", "log_least_squares"):
            weights_n = weights_n * table.y_n**2
        return np.asarray(weights_n * table.seeds_n.sum() / weights_n.sum())
    if table.weights_nS is None or loss == "gls":
        return table.seeds_n.astype(np.float64)
    return np.asarray(np.nansum(table.weights_nS, axis=-1) / np.nanmean(table.weights_nS))


def mean_variances(table: LawTable) -> Array:
    """Return the variance of each size's mean, ``[n]``, from its runs' standard errors.

    Runs of one size may differ by more than their own errors explain: what is left of the pooled
    variance of seeds (method of moments, DerSimonian and Laird 1986) is added to every run's.
    """
    assert table.errors_nS is not None
    own_n = np.nansum(table.errors_nS**2, axis=-1) / table.seeds_n
    degrees_n = table.seeds_n - 1
    between = 0.0
    if degrees_n.sum():
        squares = float(np.nansum((table.runs_nS - table.y_n[:, None]) ** 2))
        between = max((squares - float(np.sum(degrees_n * own_n))) / float(degrees_n.sum()), 0.0)
    return np.asarray((own_n + between) / table.seeds_n)


def known_covariance(table: LawTable, loss: str) -> Array | None:
    """Return the covariance that standard errors tell; None where none are given."""
    if table.errors_nS is None:
        return None
    if table.losses_nST.shape[-1] > 1:
        raise FinscaleError(
            "the spread over days or folds already tells the error of each loss, and standard "
            "errors tell another.",
            hint="give the table without --stderr, or average the days: --average COLUMN",
        )
    return np.diag(mean_variances(table)) if loss in ("auto", "gls") else None


def point_groups(table: LawTable, loss: str) -> NDArray[np.int64] | None:
    """Return the run of each point; None where each is of a run of its own, or all of one."""
    if loss == "gls" and table.weights_nS is not None:
        raise FinscaleError(
            "gls weighs points by their covariance, and weights say something else.",
            hint="weights go with --loss least_squares, log_least_squares or huber",
        )
    if table.groups_nS is None:
        return None
    if table.losses_nST.shape[-1] > 1:
        raise FinscaleError(
            "runs are redrawn as wholes, and so are days; a table of checkpoints has one of both.",
            hint="leave --group away, or average the days: --average COLUMN",
        )
    if loss == "gls":
        raise FinscaleError(
            "checkpoints of one run move together, which gls by standard errors or seeds does not "
            "know.",
            hint="--group goes with --loss least_squares, log_least_squares or huber",
        )
    group_n = table.groups_nS[
        np.arange(len(table.groups_nS)), (table.groups_nS >= 0).argmax(axis=1)
    ]
    num = len(np.unique(table.groups_nS[table.groups_nS >= 0]))
    # a run of each point leaves nothing to tie together, one run nothing to compare
    return None if num in (1, int(table.seeds_n.sum())) else group_n


def run_rows(table: LawTable) -> RunRows:
    """Return the rows of a table of checkpoints."""
    assert table.groups_nS is not None
    point_J, column_J = np.nonzero(~np.isnan(table.runs_nS))
    weights_nS = np.ones_like(table.runs_nS) if table.weights_nS is None else table.weights_nS
    own_J = weights_nS[point_J, column_J]
    group_J = np.unique(table.groups_nS[point_J, column_J], return_inverse=True)[1]
    loss_J = table.runs_nS[point_J, column_J]
    return RunRows(point_J, group_J, loss_J, own_J / np.bincount(point_J, own_J)[point_J])


def check_plain(table: LawTable) -> None:
    """Refuse weights, standard errors and checkpoints for a verdict, which rests on days and seeds.

    Raises
    ------
    FinscaleError
        Naming the option.
    """
    given = {
        "--weights": table.weights_nS is not None,
        "--stderr": table.errors_nS is not None,
        "--group": table.groups_nS is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise FinscaleError(
                f"a verdict takes its errors from days and seeds, and knows nothing of {option}.",
                hint=f"finscale law fit … {option} describes the table; for a verdict give one row "
                "a run (--last COLUMN) or a run and day",
            )
