r"""Lack of fit: whether a curve misses the sizes' means by more than their own error explains.

Seeds of one size show how far a mean may lie from the truth without any curve. Where the curve
misses the means by more, it is the wrong curve (Fisher 1922; Draper and Smith 1998, section 2.1):

.. math:: F = \frac{\sum_i S_i (\bar y_i - \hat y_i)^2 / (n - p)}
                   {\sum_{is} (y_{is} - \bar y_i)^2 / (N - n)}

for n sizes, N runs and p parameters that are not held by a bound. Under GLS the distance itself is
Hotelling's, with the degrees of freedom of the covariance. Under Huber's loss the form is fitted
again by least squares on relative errors: the test asks about the form, not about the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from finscale.scaling.forms import Form
from finscale.scaling.problem import Problem, SeedError

#: A form whose lack of fit is less probable than this is called rejected.
REJECTED = 0.05


@dataclass(frozen=True)
class LackOfFit:
    """A test of a form.

    Parameters
    ----------
    statistic : float
        F: the mean square of the misfit over that of the error.
    degrees : (float, float)
        Degrees of freedom of both; the second is infinite where the error is known.
    p_value : float
        Probability of an F this large if the form is right.
    against : str
        What the error was told from, in words.
    """

    statistic: float
    degrees: tuple[float, float]
    p_value: float
    against: str

    @property
    def rejected(self) -> bool:
        """Whether the form is rejected."""
        return self.p_value < REJECTED

    def to_dict(self) -> dict[str, float | str | bool | list[float | None]]:
        """Return plain values for JSON; an infinite number of degrees is None."""
        return {
            "statistic": self.statistic,
            "degrees": [None if np.isinf(each) else each for each in self.degrees],
            "p_value": self.p_value,
            "rejected": self.rejected,
            "against": self.against,
        }


def lack_of_fit(
    form: Form, problem: Problem, objective: float, at_bound: tuple[str, ...]
) -> LackOfFit | None:
    """Test a fitted form; None where nothing tells the error, or no degree of freedom is left.

    ``objective`` is the least one; ``at_bound`` are the parameters that rest on a bound.
    """
    if problem.loss == "huber":
        if problem.seeds is None:
            return None
        relative = _relative(problem, problem.seeds)
        batch = relative.batch(form)
        at_bound = tuple(np.array(form.names)[batch.at_bound_Rp[0]])
        return lack_of_fit(form, relative, float(batch.objective_R[0]), at_bound)
    misfit = problem.num_points - form.num_parameters + len(at_bound)
    if misfit <= 0:
        return None
    if problem.loss == "gls":
        # the days' part is a whole matrix that is estimated, and its inverse is biased upwards
        days = problem.day_degrees - misfit + 1
        if days < 1:
            return None
        scale = 1.0 if np.isinf(days) else days / problem.day_degrees
        error = min(problem.covariance_degrees, days)
        return _tested(objective * scale / misfit, misfit, error, "the covariance of the sizes")
    seeds = problem.seeds
    if seeds is None or seeds.squares <= 1e-24 * float(np.sum(problem.y_n**2)):
        return None
    ratio = objective / misfit / (seeds.squares / seeds.degrees)
    return _tested(ratio, misfit, seeds.degrees, "the spread of seeds")


def _relative(problem: Problem, seeds: SeedError) -> Problem:
    return replace(
        problem,
        loss="least_squares",
        weights_n=problem.weights_n / problem.y_n**2,
        seeds=SeedError(seeds.squares_n / problem.y_n**2, seeds.degrees_n),
    )


def _tested(ratio: float, misfit: float, error: float, against: str) -> LackOfFit:
    from scipy.stats import chi2, f

    known = np.isinf(error)
    p_value = chi2.sf(ratio * misfit, misfit) if known else f.sf(ratio, misfit, error)
    return LackOfFit(float(ratio), (float(misfit), float(error)), float(p_value), against)
