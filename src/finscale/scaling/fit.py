"""Fit one form to one table, and judge which of its parameters the table identifies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finscale.files import null_for_nan
from finscale.scaling.checkpoints import by_runs
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.misfit import LackOfFit, lack_of_fit
from finscale.scaling.problem import Problem
from finscale.scaling.profile import open_ends
from finscale.scaling.sentences import p_text

#: A law through fewer sizes is a guess, whatever its form.
FEWEST_SIZES = 4
#: Sizes that span less than this say little of a power.
LEAST_SPAN = 4.0
#: A point with more leverage than this is fitted by itself.
HIGH_LEVERAGE = 0.95
#: A loss whose correlation with ln x exceeds this is called rising.
RISING = 0.7
#: Beyond this condition number parameters can be traded off against each other.
ILL_CONDITIONED = 1e7


@dataclass(frozen=True)
class Diagnostics:
    """What a reader needs in order to believe a fit.

    Whether the search converged; parameters that rest on a bound, and those whose profile
    likelihood does not close before one (``"alpha below"``); the condition number of the whitened
    Jacobian with columns of unit length (near 1 is good); and how much each point fits itself, 0 to
    1, which sum to the number of parameters.
    """

    converged: bool
    at_bound: tuple[str, ...]
    open_profile: tuple[str, ...]
    condition_number: float
    leverage_n: Array


@dataclass(frozen=True)
class Fit:
    """A form at its best parameters for one problem.

    Parameters
    ----------
    form, problem : Form, Problem
        What was fitted, to what and in which metric.
    theta_p : array, ``[p]``
        Where the search ended; ``params`` has NaN where a parameter is not identified.
    objective : float
        Least value of the loss function.
    diagnostics : Diagnostics
        See there.
    unidentified : dict of str to str
        Parameter to the reason why the table does not identify it.
    flags : tuple of str
        Warnings, as sentences.
    lack_of_fit : LackOfFit or None
        Whether the form misses the means by more than their error; None where nothing tells it.
    """

    form: Form
    problem: Problem
    theta_p: Array
    objective: float
    diagnostics: Diagnostics
    unidentified: dict[str, str]
    flags: tuple[str, ...]
    lack_of_fit: LackOfFit | None = None

    @property
    def identified(self) -> bool:
        """Whether all parameters but nuisances and a floor that rests at zero are identified."""
        return not self.reason

    @property
    def params(self) -> dict[str, float]:
        """Parameters by name; NaN where the table does not identify them."""
        return {
            name: float("nan") if name in self.unidentified else float(value)
            for name, value in zip(self.form.names, self.theta_p, strict=True)
        }

    @property
    def reason(self) -> str:
        """Why the fit is not identified, in one sentence; empty when it is."""
        key = [p.name for p in self.form.parameters if not p.nuisance and p.name != self.form.floor]
        key = key or list(self.form.names)
        return next((self.unidentified[name] for name in key if name in self.unidentified), "")

    @property
    def aicc(self) -> float:
        """Corrected Akaike criterion; infinite when there are too few points for it.

        -2 ln L + 2k + 2k(k+1)/(n-k-1) (Hurvich and Tsai 1989), k counting the error's variance
        where it is estimated. The points are the sizes: seeds say nothing of a curve between them;
        and where these are checkpoints, their runs.
        """
        return aicc(self.form, self.problem, self.objective)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that JSON can hold; None where a number is not identified."""
        found = self.diagnostics
        told = ("identified", "params", "unidentified", "flags", "objective", "aicc")
        content: dict[str, Any] = {
            "form": self.form.as_dict(),
            "loss": self.problem.loss,
            **{name: getattr(self, name) for name in told},
            "lack_of_fit": self.lack_of_fit and self.lack_of_fit.to_dict(),
            "diagnostics": {
                "converged": found.converged,
                "at_bound": found.at_bound,
                "open_profile": found.open_profile,
                "condition_number": found.condition_number,
                "leverage": found.leverage_n.tolist(),
            },
        }
        return {key: null_for_nan(value) for key, value in content.items()}


def aicc(form: Form, problem: Problem, objective: float) -> float:
    """Return the corrected Akaike criterion of a form's least objective; see :attr:`Fit.aicc`."""
    k = form.num_parameters + (problem.loss != "gls")
    problem = replace(problem, error="points")
    n = problem.num_points
    if problem.rows is not None:
        n = min(n, problem.rows.num_runs)
    if n - k - 1 <= 0:
        return float("inf")
    deviance = float(problem.deviance(objective, n))
    return deviance + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def fit_form(form: Form, problem: Problem, *, level: float = 0.95) -> Fit:
    """Fit a form and judge which of its parameters the points identify.

    A profile that does not close at the confidence ``level`` is unbounded.
    """
    hopeless = _hopeless(form, problem)
    if hopeless:
        nothing = np.full(form.num_parameters, np.nan)
        untold = dict.fromkeys(form.names, hopeless)
        unknown = Diagnostics(False, (), (), float("nan"), np.full(len(problem.y_n), np.nan))
        return Fit(form, problem, nothing, float("nan"), unknown, untold, ())
    batch = problem.batch(form)
    theta_p, fitted_n = batch.params_Rp[0], batch.fitted_Rn[0]
    objective = float(batch.objective_R[0])
    at_bound = tuple(name for name, at in zip(form.names, batch.at_bound_Rp[0], strict=True) if at)
    judged, least, tested = problem, objective, None
    if problem.rows is not None:
        judged, least, tested = by_runs(form, problem, batch)
    else:
        tested = lack_of_fit(form, problem, objective, at_bound)
    if tested is not None and tested.rejected:
        problem, judged = (replace(each, error="misfit") for each in (problem, judged))
    resting = set(at_bound) - {form.floor}
    openings = () if resting else open_ends(form, judged, least, level)
    condition, leverage_n = _geometry(form, problem, batch.internal_Rp[0], fitted_n)
    diagnostics = Diagnostics(bool(batch.converged_R[0]), at_bound, openings, condition, leverage_n)
    reason = _reason(form, problem, diagnostics, level)
    unidentified = dict.fromkeys(form.names, reason) if reason else _untold(form, diagnostics)
    flags = _flags(form, problem, diagnostics, tested)
    return Fit(form, problem, theta_p, objective, diagnostics, unidentified, flags, tested)


def _hopeless(form: Form, problem: Problem) -> str:
    """Return why no fit is possible; empty if one is."""
    num_sizes = len(np.unique(problem.x_nd, axis=0))
    wanted = form.num_parameters + 1
    if form.held and (problem.pooled[1] or problem.loss == "gls"):
        # where the error is known apart from the curve, as many points as numbers will do
        wanted = form.num_parameters
    if form.trend != "flat":
        wanted = wanted if form.held else max(wanted, FEWEST_SIZES)
        low, high = problem.y_n.min(), problem.y_n.max()
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            same = f"every {problem.measure.title} is the same"
            return f"{same}: there is nothing that size explains"
    if num_sizes < wanted:
        return (
            f"{num_sizes} sizes cannot tell the {form.num_parameters} parameters of {form.name} "
            f"from noise; {wanted} are the fewest"
        )
    return ""


def _reason(form: Form, problem: Problem, diagnostics: Diagnostics, level: float) -> str:
    """Return why no parameter is identified; empty if any may be."""
    ignored = {parameter.name for parameter in form.parameters if parameter.nuisance}
    resting = [name for name in diagnostics.at_bound if name not in ignored | {form.floor}]
    opening = [end for end in diagnostics.open_profile if end.split()[0] not in ignored]
    if not diagnostics.converged:
        return "the search did not come to rest"
    if resting:
        # the correlation of the loss with the logarithm of the first size
        towards = np.corrcoef(np.log(problem.x_nd[:, 0]), problem.y_n)[0, 1]
        if form.trend != "falling" or towards < 0:
            where = "rest on bounds of their" if len(resting) > 1 else "rests on a bound of its"
            return f"{', '.join(resting)} {where} range{'s' if len(resting) > 1 else ''}"
        measure = problem.measure
        verb, worse = measure.moves(better=False), "; power_rising is the form for that"
        if towards <= RISING:
            verb, worse = f"does not {measure.improves}", ""
        law = f"a falling law of {measure.fitted}" if measure.higher_is_better else "a falling law"
        return (
            f"the {measure.title} {verb} with {form.axes[0]}: {law} rests on its bound "
            f"({', '.join(resting)}){worse}"
        )
    if opening:
        ends = ", ".join(opening)
        return f"the profile likelihood is unbounded ({ends}) at {level:.0%} confidence"
    if diagnostics.condition_number > ILL_CONDITIONED:
        return f"parameters trade off freely (condition number {diagnostics.condition_number:.1e})"
    return ""


def _untold(form: Form, diagnostics: Diagnostics) -> dict[str, str]:
    """Return the parameters that an identified law leaves open, each with the reason."""
    loose = {*diagnostics.at_bound, *(end.split()[0] for end in diagnostics.open_profile)}
    found = {
        parameter.name: f"{parameter.name} may be anything in its range"
        for parameter in form.parameters
        if parameter.nuisance and parameter.name in loose
    }
    if form.floor in diagnostics.at_bound:
        found[form.floor] = "no floor can be told from zero: the best one rests on 0"
    return found


def _flags(
    form: Form, problem: Problem, diagnostics: Diagnostics, tested: LackOfFit | None
) -> tuple[str, ...]:
    flags = []
    if tested is not None and tested.rejected:
        flags.append(
            f"{form.name} is not the shape of this curve: it misses the sizes' means by more than "
            f"{tested.against} explains (lack of fit, {p_text(tested.p_value)}); intervals are "
            "widened to the size of the misfit and hold for the best curve of this form, no more"
        )
    for name, column in zip(form.axes, problem.x_nd.T, strict=True):
        span = column.max() / column.min()
        if span < LEAST_SPAN:
            flags.append(
                f"sizes ({name}) span a factor of {span:.3g}; under {LEAST_SPAN:g} an exponent is "
                "an extrapolation of noise"
            )
    leverage_n = diagnostics.leverage_n
    for i in np.flatnonzero(leverage_n > HIGH_LEVERAGE):
        size = " × ".join(f"{value:.4g}" for value in problem.x_nd[i])
        flags.append(f"the point at {size} is fitted by itself (leverage {leverage_n[i]:.2f})")
    left_over = problem.num_points - form.num_parameters
    if problem.loss == "least_squares" and problem.error == "points" and left_over == 1:
        flags.append(
            "the size of the error is told from 1 degree of freedom: points that happen to lie on "
            "the curve look precise"
        )
    if form.floor in diagnostics.at_bound:
        flags.append("the floor rests on 0: power without a floor fits as well")
    return tuple(flags)


def _geometry(
    form: Form, problem: Problem, internal_p: Array, fitted_n: Array
) -> tuple[float, Array]:
    """Return the condition number of the scaled Jacobian, and the leverage of each point.

    Leverage is the diagonal of the hat matrix where points are in units of their own error: each is
    between 0 and 1, and they sum to the number of parameters.
    """
    scaled_nd = problem.x_nd / form.reference_sizes(problem.x_nd)
    slope = _by_point(problem, form.jacobian(scaled_nd, internal_p), fitted_n)
    length = np.linalg.norm(slope, axis=0)
    moving = length > 1e-14 * max(length.max(), 1e-300)
    left, singular, _ = np.linalg.svd(slope[:, moving] / length[moving], full_matrices=False)
    kept = singular > 1e-13 * singular[0]
    known = moving.all() and kept.all()
    leverage_n = np.sum(left[:, kept] ** 2, axis=1)
    return float(singular[0] / singular[-1] if known else np.inf), leverage_n


def _by_point(problem: Problem, slope_np: Array, fitted_n: Array) -> Array:
    """Return slopes in units of error, one row a point.

    A Cholesky factor of the covariance mixes each point with those before it; the symmetric root
    stays closest to the points themselves.
    """
    if problem.covariance_nn is None or problem.loss != "gls":
        return problem.whitened(slope_np, fitted_n)
    variance, axes = np.linalg.eigh(problem.covariance_nn)
    return np.asarray(axes @ ((axes.T @ slope_np) / np.sqrt(variance)[:, None]))
