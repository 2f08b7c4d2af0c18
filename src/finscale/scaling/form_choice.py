"""Which form a table of one size axis is fitted by, where none is named.

A power law with a floor is the usual one, and it stays unless the table rejects it: its exponent
has a meaning, and a form chosen by its fit has intervals that know nothing of the choice. So
another form has to be *identified*, *far better by AICc* and *better at the largest size*, held
out. A pure power is never chosen: where a floor cannot be told from zero, leaving it out makes the
exponent look sure and biased.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finscale.scaling.fit import Fit, aicc, fit_form
from finscale.scaling.form_comparison import FAR, USUAL, heldout_error
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.problem import Problem

#: Forms that may take the place of the usual one.
OTHERS = ("parabola", "m4", "broken_power")


@dataclass(frozen=True)
class FormChoice:
    """The fit of the chosen form to all points, and by what it was chosen, in a sentence."""

    fit: Fit
    sentence: str


def choose_form(problem: Problem, *, signed: bool, level: float) -> FormChoice:
    """Fit the form that a table of one size axis asks for.

    Parameters
    ----------
    problem : Problem
        The points, those that are held out left out.
    signed : bool
        Floors may be negative.
    level : float
        As in :func:`finscale.scaling.fit.fit_form`.
    """

    def form(name: str) -> Form:
        return (
            FORMS[name].relaxed(FORMS[name].floor) if signed and FORMS[name].floor else FORMS[name]
        )

    usual = fit_form(form(USUAL[1]), problem, level=level)
    name, tested, num_sizes = usual.form.name, usual.lack_of_fit, problem.num_points
    if tested is not None and not tested.rejected:
        return FormChoice(usual, f"{name}, the usual form; the table does not reject it")
    kept = f"{name}, the usual form"
    kept += ", though lack of fit rejects it" if tested is not None else ""
    if np.isnan(usual.objective) or problem.y_n.argmin() == problem.x_nd[:, 0].argmin():
        return FormChoice(usual, kept)
    judged = [form(other) for other in OTHERS if _judged(form(other), problem)]
    if not judged or not np.isfinite(usual.aicc):
        few = f"{num_sizes} sizes are too few for AICc to judge another"
        return FormChoice(usual, f"{kept}; {few}")
    by_aicc = {
        each: aicc(each, problem, float(problem.batch(each).objective_R[0])) for each in judged
    }
    best = min(by_aicc, key=lambda each: by_aicc[each])
    lead = usual.aicc - by_aicc[best]
    if not lead > FAR:
        return FormChoice(usual, f"{kept}; no other is far better by AICc")
    fit = fit_form(best, problem, level=level)
    better = f"{best.name} is better by {lead:.3g} in AICc"
    if against := _against(fit, usual):
        return FormChoice(usual, f"{kept}; {better}, but {against}")
    return FormChoice(
        fit,
        f"{best.name}: better than {name}, the usual form, by {lead:.3g} in AICc and at the "
        "largest size, held out",
    )


def _judged(form: Form, problem: Problem) -> bool:
    """Return whether AICc is finite: the points outnumber the parameters and the error's by two."""
    return problem.num_points > form.num_parameters + (problem.loss != "gls") + 1


def _against(fit: Fit, usual: Fit) -> str:
    """Return what speaks against a form of better AICc; empty if nothing does."""
    if not fit.identified:
        return f"not identified: {fit.reason}"
    size_n = fit.problem.x_nd[:, 0]
    largest_n = size_n == size_n.max()
    own, other = (heldout_error(each.form, each.problem, largest_n) for each in (fit, usual))
    if not own < other:
        return "no better at the largest size, held out"
    if fit.form.name == "parabola":
        valley = float(fit.form.turning_point(fit.theta_p))
        if not size_n.min() < valley < size_n.max():
            return "its valley lies outside the sizes"
    return ""
