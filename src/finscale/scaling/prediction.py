"""What a law says of sizes that were not run: the curve, and where one new run would fall.

The interval of the curve shrinks with every run that is added; that of a new run never becomes
narrower than the luck of a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from finscale.scaling.checkpoints import errors_of_runs
from finscale.scaling.covariance import seed_variances
from finscale.scaling.fit import Fit
from finscale.scaling.forms.base import Array
from finscale.scaling.measure import Measure
from finscale.scaling.table import LawTable

_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Prediction:
    """A law's loss at m sizes; three names can be unpacked: ``mean, low, high``.

    Where higher is better, that is what the law was fitted to: see :func:`as_outcome`.

    Parameters
    ----------
    mean : array, ``[m]``
        The curve.
    low, high : array, ``[m]``
        Confidence interval of the curve: where the mean of many runs would lie.
    run_low, run_high : array, ``[m]``
        Prediction interval of one new run; NaN where the table does not tell how runs of one size
        differ.
    beyond_md : array, ``[m, d]``
        How many times the largest fitted size of each axis; below 1 inside the sizes fitted.
    noise : str
        In words what a run's noise is told from, or why it is not.
    """

    mean: Array
    low: Array
    high: Array
    run_low: Array = field(default_factory=lambda: _NOTHING)
    run_high: Array = field(default_factory=lambda: _NOTHING)
    beyond_md: Array = field(default_factory=lambda: _NOTHING)
    noise: str = ""

    def __iter__(self) -> Iterator[Array]:
        return iter((self.mean, self.low, self.high))


def as_outcome(told: Prediction, measure: Measure) -> Prediction:
    """Return a prediction of losses in terms of the outcome: of ``1 - accuracy`` as accuracy."""
    low, high = measure.shown_ends(told.low, told.high)
    run_low, run_high = measure.shown_ends(told.run_low, told.run_high)
    mean = measure.shown(told.mean)
    return Prediction(mean, low, high, run_low, run_high, told.beyond_md, told.noise)


class RunNoise(NamedTuple):
    """Standard deviation ``[m]`` of one run about the mean of its size, and where it is from.

    NaN where the table does not tell it.
    """

    deviation_m: Array
    degrees_m: Array
    words: str


def with_new_run(
    curve: Prediction, x_md: Array, table: LawTable, fit: Fit, level: float
) -> Prediction:
    """Return the curve's prediction together with that of one new run.

    ``table`` holds the fitted sizes. The distances of the curve's ends and the noise of a run are
    joined as independent errors (MOVER: Zou and Donner 2008), so an interval of the curve that is
    longer on one side stays so.
    """
    noise = run_noise(x_md, curve.mean, table, fit)
    reach_m = stdtrit(noise.degrees_m, 0.5 + level / 2) * noise.deviation_m
    return Prediction(
        curve.mean,
        curve.low,
        curve.high,
        curve.mean - np.hypot(curve.mean - curve.low, reach_m),
        curve.mean + np.hypot(curve.high - curve.mean, reach_m),
        x_md / table.x_nd.max(axis=0),
        noise.words,
    )


def run_noise(x_md: Array, mean_m: Array, table: LawTable, fit: Fit) -> RunNoise:
    """Return how much one run differs from the mean of its size.

    From seeds, where sizes have several; along one axis their variance may follow a trend, which is
    not carried beyond the sizes fitted. Else from the distances of runs from the curve. A form that
    does not fit is as far off at new sizes as at the old ones. Errors are relative where the law
    was fitted to logarithms.
    """
    problem, num = fit.problem, len(x_md)
    unit_m = mean_m if problem.is_logarithmic else np.ones(num)
    about_curve, left_over = _about_curve(fit)
    if (table.seeds_n > 1).any() and problem.rows is None:
        variance_m, freedom_m = _seeds(x_md, table, relative=problem.is_logarithmic)
        words = f"seeds, {int((table.seeds_n - 1).sum())} degrees of freedom"
        if problem.error == "misfit" and problem.loss != "gls":
            variance_m = np.maximum(variance_m, about_curve)
            freedom_m = np.full(num, left_over)
            words = "distances from a curve that does not fit"
        return RunNoise(unit_m * np.sqrt(variance_m), freedom_m, words)
    unknown = np.full(num, np.nan)
    if problem.rows is not None:
        errors = errors_of_runs(fit.form, problem, fit.theta_p)
        if errors is None:
            return RunNoise(unknown, np.ones(num), "not told: no run is left over for noise")
        deviation = np.sqrt(errors.luck + errors.own)
        words = f"distances of {problem.rows.num_runs} runs' checkpoints from the curve"
        return RunNoise(unit_m * deviation, np.full(num, errors.degrees), words)
    if problem.loss == "gls":
        return RunNoise(unknown, np.ones(num), "not told: one seed a size")
    if not left_over > 0:
        return RunNoise(unknown, np.ones(num), "not told: no run is left over for noise")
    words = f"distances of {problem.num_points} runs from the curve"
    return RunNoise(unit_m * np.sqrt(about_curve), np.full(num, left_over), words)


def _about_curve(fit: Fit) -> tuple[float, float]:
    """Return the variance of runs about the curve, and its degrees of freedom; NaN if none."""
    problem = fit.problem
    left_over = float(problem.num_points - fit.form.num_parameters)
    if left_over <= 0:
        return float("nan"), 0.0
    squares = fit.objective
    if problem.loss == "huber":
        fitted_n = fit.form.predict(problem.x_nd, fit.theta_p)
        squares = float(np.sum((np.log(fitted_n) - np.log(problem.y_n)) ** 2))
    return squares / left_over, left_over


def _seeds(x_md: Array, table: LawTable, *, relative: bool) -> tuple[Array, Array]:
    """Return the variance over seeds at new sizes, and its degrees of freedom, ``[m]`` each."""
    degrees_n = table.seeds_n - 1
    squares_n = np.nansum((table.runs_nS - table.y_n[:, None]) ** 2, axis=-1)
    squares_n = squares_n / table.y_n**2 if relative else squares_n
    if len(table.axes) > 1:
        total = float(degrees_n.sum())
        return np.full(len(x_md), squares_n.sum() / total), np.full(len(x_md), total)
    sample_n = squares_n / np.maximum(degrees_n, 1)
    variance_n, freedom_n = (a[0] for a in seed_variances(sample_n[None], degrees_n))
    log_n, log_m = np.log(table.x_nd[:, 0]), np.log(x_md[:, 0])
    return np.interp(log_m, log_n, variance_n), np.interp(log_m, log_n, freedom_n)
