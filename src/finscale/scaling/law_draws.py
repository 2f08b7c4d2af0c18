"""Replicates of a table around its fit, by whatever its rows are: days, seeds, runs, points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finscale.scaling.fit import Fit
from finscale.scaling.forms.base import Array
from finscale.scaling.grouped import run_replicates, without_each_run
from finscale.scaling.resample import FitReplicates, left_out, resample
from finscale.scaling.table import LawTable


class LawDraws(NamedTuple):
    """Replicates, and the table without each of its parts; None where errors are known."""

    replicates: FitReplicates
    left_out: FitReplicates | None


def redrawn(
    table: LawTable,
    fit: Fit,
    known_nn: Array | None = None,
    *,
    num_replicates: int,
    seed: int = 0,
    curve: int = 0,
    block_length: float | None = None,
) -> LawDraws:
    """Draw replicates of a fitted table.

    Parameters
    ----------
    table : LawTable
        The fitted points.
    fit : Fit
        Their fit.
    known_nn : array, ``[n, n]``, optional
        A covariance that was given, not estimated.
    num_replicates, seed, block_length
        Of the bootstrap.
    curve : int
        Which of several curves this is: of curves with the same ``seed`` the days are drawn
        together, and everything else apart.
    """
    problem, theta_p = fit.problem, fit.theta_p
    if problem.group_n is not None:
        own = (seed, curve)
        runs = run_replicates(table, fit.form, problem, theta_p, num_replicates, own)
        return LawDraws(runs, without_each_run(table))
    draws = resample(
        table,
        num_replicates=num_replicates,
        seed=seed,
        curve=curve,
        block_length=block_length,
        fitted_n=fit.form.predict(problem.x_nd, theta_p),
        leverage_n=fit.diagnostics.leverage_n,
        covariance_nn=known_nn,
        weights_n=problem.weights_n,
        is_relative=problem.loss == "log_least_squares",
        **spread_of(fit),
    )
    return LawDraws(draws, None if known_nn is not None else left_out(table))


def spread_of(fit: Fit) -> dict[str, float]:
    """Return from how many degrees of freedom a fit's error is told, and its widening.

    A misfit is larger than the error by F, and is told from its own degrees of freedom.
    """
    problem, tested = fit.problem, fit.lack_of_fit
    if problem.error == "misfit" and tested is not None:
        return {"degrees": tested.degrees[0], "widening": float(np.sqrt(tested.statistic))}
    if problem.loss == "gls":
        return {"degrees": problem.covariance_degrees}
    seeds = problem.seeds
    left_over = max(problem.num_points - fit.form.num_parameters, 1)
    return {"degrees": float(left_over if seeds is None else seeds.degrees)}
