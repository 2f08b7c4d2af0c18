"""Every number of a law with its three intervals."""

from __future__ import annotations

import numpy as np

from finscale.scaling.batch import BatchFit
from finscale.scaling.fit import Fit
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Estimate, Interval, bca_interval, percentile_interval
from finscale.scaling.profile import exponent_interval, region_interval
from finscale.scaling.quantities import Quantity, quantities_of, replicate_values
from finscale.scaling.resample import FitReplicates


def estimates_of(
    fit: Fit, batch: BatchFit, left_out: FitReplicates | None, axes: tuple[str, ...], level: float
) -> dict[str, Estimate]:
    """Return parameters and derived numbers by name.

    ``batch`` is the identified fit's refits to bootstrap replicates; ``left_out`` its jackknife for
    the acceleration of BCa intervals, None where replicates are parametric; ``axes`` names the
    size columns, for the words.
    """
    jackknife_Jp = np.zeros((0, fit.form.num_parameters))
    if left_out is not None:
        jackknife_Jp = fit.problem.batch(fit.form, left_out.y_Rn, left_out.weights_Rn).params_Rp
    return {
        quantity.name: _estimate(quantity, fit, batch, jackknife_Jp, level)
        for quantity in quantities_of(fit.form, fit.problem.x_nd, axes)
    }


def _estimate(
    quantity: Quantity, fit: Fit, batch: BatchFit, jackknife_Jp: Array, level: float
) -> Estimate:
    untold = quantity.name in fit.unidentified
    value = float("nan") if untold else float(quantity.of(fit.theta_p[None])[0])
    values_R = replicate_values(quantity, fit.form, batch.params_Rp, batch.at_bound_Rp)
    return Estimate(
        quantity.name,
        quantity.meaning,
        value,
        percentile_interval(values_R, level),
        bca_interval(value, values_R, quantity.of(jackknife_Jp), level),
        None if untold else _profile(quantity, fit, level),
    )


def _profile(quantity: Quantity, fit: Fit, level: float) -> Interval | None:
    form, problem = fit.form, fit.problem
    quadratic = problem.loss != "huber" and len(form.nonlinear) in (1, 2)
    if quadratic and (quantity.of_q or quantity.weights):
        return region_interval(
            form, problem, fit.objective, level, weights=quantity.weights, value=quantity.of_q
        )
    internal = form.internalise(fit.theta_p, form.reference_sizes(problem.x_nd))
    if quantity.name in {p.name for p in form.nonlinear} and len(form.nonlinear) < 3:
        at = float(internal[form.index(quantity.name)])
        return exponent_interval(form, problem, quantity.name, at, fit.objective, level)
    return None
