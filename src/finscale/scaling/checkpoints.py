"""What checkpoints identify, and whether a form fits them: the luck of a run counts once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from finscale.scaling.batch import BatchFit
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.misfit import LackOfFit, lack_of_fit
from finscale.scaling.problem import Problem
from finscale.scaling.run_errors import RunErrors


def by_runs(
    form: Form, problem: Problem, batch: BatchFit
) -> tuple[Problem, float, LackOfFit | None]:
    """Return the problem that weighs checkpoints by what they share with others of their run.

    It tells what the table identifies: its profile takes the luck of a run for one error, which
    blurs what differs between runs and not what differs along one. With it its least objective, and
    the test of the form against the spread of runs at the same points (None where these have one).

    ``batch`` is the form's fit to ``problem``, whose points are checkpoints.
    """
    assert problem.rows is not None
    plain = replace(problem, loss="gls", rows=None, group_n=None)

    def weighed(errors: RunErrors) -> tuple[Problem, BatchFit]:
        own = replace(plain, covariance_nn=errors.matrix_nn, covariance_degrees=errors.degrees)
        return own, own.batch(form)

    tested = None
    fitted_n = batch.fitted_Rn[0]
    spread = problem.rows.of_replicates(fitted_n, relative=problem.is_logarithmic)
    if spread is not None:
        own, found = weighed(spread)
        resting = tuple(np.array(form.names)[found.at_bound_Rp[0]])
        tested = lack_of_fit(form, own, float(found.objective_R[0]), resting)
        tested = tested and replace(tested, against="the spread of runs")
    errors = errors_of_runs(form, problem, batch.params_Rp[0])
    if errors is None:
        return problem, float(batch.objective_R[0]), tested
    own, found = weighed(errors)
    return own, float(found.objective_R[0]), tested


def errors_of_runs(form: Form, problem: Problem, theta_p: Array) -> RunErrors | None:
    """Return how far checkpoints are off a fitted curve, together with their run and alone.

    None where there are no more runs than the curve has numbers that differ between them.
    """
    assert problem.rows is not None
    x0_d = form.reference_sizes(problem.x_nd)
    slope_np = form.jacobian(problem.x_nd / x0_d, form.internalise(theta_p, x0_d))
    fitted_n = form.predict(problem.x_nd, theta_p)
    return problem.rows.of_curve(fitted_n, slope_np, relative=problem.is_logarithmic)
