"""Every number of a law with its three intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from finscale.scaling.batch import BatchFit
from finscale.scaling.fit import Fit
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Estimate, Interval, bca_interval, percentile_interval
from finscale.scaling.profile import Region, confidence_region, exponent_interval
from finscale.scaling.quantities import Quantity, quantities_of, replicate_values
from finscale.scaling.resample import FitReplicates

#: The confidence set of a form with more exponents is not scanned.
_MOST_SCANNED = 2


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
    region = region_of(fit, level)
    return {
        quantity.name: _estimate(quantity, fit, batch, jackknife_Jp, region, level)
        for quantity in quantities_of(fit.form, fit.problem.x_nd, axes, fit.problem.measure)
    }


def unidentified_estimates(fit: Fit, axes: tuple[str, ...], level: float) -> dict[str, Estimate]:
    """Return no numbers, and the intervals inside which they lie, open ends included.

    That a profile does not close is itself what the table says: intervals of those laws alone that
    come out identified would be those of the lucky ones.
    """
    unknown = (float("nan"), float("nan"))
    region = region_of(fit, level) if fit.diagnostics.converged else None
    found = {}
    for quantity in quantities_of(fit.form, fit.problem.x_nd, axes, fit.problem.measure):
        profile = None if region is None else _inside(quantity, region)
        found[quantity.name] = Estimate(
            quantity.name,
            quantity.meaning,
            float("nan"),
            unknown,
            unknown,
            profile,
            "percentile" if profile is None else "profile",
        )
    return found


def region_of(fit: Fit, level: float) -> Region | None:
    """Return the confidence set of a fit by a quadratic loss; None where it is not scanned.

    Squares of ln L are those of relative errors near the fit. Checkpoints of one run have no
    likelihood of their own: they are redrawn.
    """
    problem, objective = fit.problem, fit.objective
    if problem.loss == "huber" or len(fit.form.nonlinear) > _MOST_SCANNED:
        return None
    if problem.group_n is not None:
        return None
    if problem.loss == "log_least_squares":
        fitted_n = fit.form.predict(problem.x_nd, fit.theta_p)
        weights_n = problem.weights_n / fitted_n**2
        problem = replace(problem, loss="least_squares", weights_n=weights_n)
        objective = float(problem.batch(fit.form).objective_R[0])
    region = confidence_region(fit.form, problem, objective, level)
    return region if region.known else None


def _estimate(
    quantity: Quantity,
    fit: Fit,
    batch: BatchFit,
    jackknife_Jp: Array,
    region: Region | None,
    level: float,
) -> Estimate:
    untold = quantity.name in fit.unidentified
    value = float("nan") if untold else float(quantity.of(fit.theta_p[None])[0])
    values_R = replicate_values(quantity, fit.form, batch.params_Rp, batch.at_bound_Rp)
    profile = None if untold else _profile(quantity, fit, region, level)
    return Estimate(
        quantity.name,
        quantity.meaning,
        value,
        percentile_interval(values_R, level),
        bca_interval(value, values_R, quantity.of(jackknife_Jp), level),
        profile,
        # under Huber's loss the profile assumes Laplace's law; the bootstrap assumes none
        "percentile" if profile is None or fit.problem.loss == "huber" else "profile",
    )


def _profile(quantity: Quantity, fit: Fit, region: Region | None, level: float) -> Interval | None:
    form, problem = fit.form, fit.problem
    if region is not None:
        return _inside(quantity, region)
    if problem.group_n is not None:
        return None
    internal = form.internalise(fit.theta_p, form.reference_sizes(problem.x_nd))
    if quantity.name in {p.name for p in form.nonlinear} and len(form.nonlinear) < 3:
        at = float(internal[form.index(quantity.name)])
        return exponent_interval(form, problem, quantity.name, at, fit.objective, level)
    return None


def _inside(quantity: Quantity, region: Region) -> Interval | None:
    """Return the extremes of a quantity over a confidence set; None where it has no closed form."""
    if quantity.of_q is not None:
        low, high = region.exponent(quantity.of_q)
        if quantity.exponent is None:
            return low, high
        below, above = region.open_Q2[quantity.exponent]
        return (-np.inf if below else low), (np.inf if above else high)
    if quantity.weights is None:
        return None
    shift_G1 = None if quantity.shift is None else quantity.shift(region.grid_GQ)[:, None]
    low_M, high_M = region.combination(quantity.weights(region.grid_GQ)[:, None], shift_G1)
    return float(low_M[0]), float(high_M[0])
