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

from finscale.scaling.fit import Fit, fit_form
from finscale.scaling.form_comparison import USUAL, FormScore, score_form
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.problem import Problem

#: By how much AICc has to be lower: "essentially no support" for the other (Burnham and Anderson
#: 2002, section 2.6).
FAR = 10.0
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

    def fitted(name: str) -> Fit:
        form = FORMS[name]
        form = form.relaxed(form.floor) if signed and form.floor else form
        return fit_form(form, problem, level=level)

    usual = fitted(USUAL[1])
    name, tested, num_sizes = usual.form.name, usual.lack_of_fit, problem.num_points
    if tested is not None and not tested.rejected:
        return FormChoice(usual, f"{name}, the usual form; the table does not reject it")
    if np.isnan(usual.objective) or problem.y_n.argmin() == problem.x_nd[:, 0].argmin():
        return FormChoice(usual, f"{name}, the usual form")
    judged = [other for other in OTHERS if _judged(FORMS[other], problem)]
    if not judged or not np.isfinite(usual.aicc):
        few = f"{num_sizes} sizes are too few for AICc to judge another"
        return FormChoice(usual, f"{name}, the usual form; {few}")
    largest_n = problem.x_nd[:, 0] == problem.x_nd[:, 0].max()
    fits = {other: fitted(other) for other in judged}
    scores = [score_form(other, fit, largest_n) for other, fit in fits.items()]
    own, best = score_form(name, usual, largest_n), min(scores, key=lambda score: score.aicc)
    if not best.aicc + FAR < own.aicc:
        return FormChoice(usual, f"{name}, the usual form; no other is far better by AICc")
    against = _against(fits[best.name], best, own)
    better = f"{best.name} is better by {own.aicc - best.aicc:.3g} in AICc"
    if against:
        return FormChoice(usual, f"{name}, the usual form; {better}, but {against}")
    return FormChoice(
        fits[best.name],
        f"{best.name}: better than {name}, the usual form, by {own.aicc - best.aicc:.3g} in AICc "
        "and at the largest size, held out",
    )


def _judged(form: Form, problem: Problem) -> bool:
    """Return whether AICc is finite: the points outnumber the parameters and the error's by two."""
    return problem.num_points > form.num_parameters + (problem.loss != "gls") + 1


def _against(fit: Fit, score: FormScore, usual: FormScore) -> str:
    """Return what speaks against a form of better AICc; empty if nothing does."""
    if not fit.identified:
        return f"not identified: {fit.reason}"
    if not score.heldout_error < usual.heldout_error:
        return "no better at the largest size, held out"
    size_n = fit.problem.x_nd[:, 0]
    if fit.form.name == "parabola":
        valley = float(fit.form.turning_point(fit.theta_p))
        if not size_n.min() < valley < size_n.max():
            return "its valley lies outside the sizes"
    return ""
