"""Every form on one table: AICc, and the error at the largest size, held out before fitting."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.files import null_for_nan
from finscale.scaling.dropping import read_runs
from finscale.scaling.fit import Fit, fit_form
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.misfit import REJECTED
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.sentences import p_text
from finscale.scaling.table import LawTable

#: The form that is fitted where none is named, by number of size axes.
USUAL = {1: "power_floor", 2: "hoffmann", 3: "data_constrained"}
#: Differences of AICc below this are too small to prefer a form (Burnham and Anderson 2002).
CLOSE = 2.0
#: By how much more: "essentially no support" for the other (ibid., section 2.6).
FAR = 10.0


@dataclass(frozen=True)
class FormScore:
    """How one form does on a table.

    It is named with its axis where the table has several: ``"power_floor(N)"``. The AICc is
    infinite where there are too few sizes for the correction; the mean absolute error at the sizes
    held out is NaN where the rest cannot be fitted; ``misfit_p`` is the p value of its lack of fit,
    NaN where nothing tells the error of the means; ``reason`` says why a form is not identified.
    """

    name: str
    num_parameters: int
    aicc: float
    weight: float
    heldout_error: float
    identified: bool
    reason: str
    misfit_p: float = float("nan")

    @property
    def rejected(self) -> bool:
        """Whether the form misses the means by more than their error explains."""
        return self.misfit_p < REJECTED


@dataclass(frozen=True)
class FormComparison:
    """Scores of all forms, the best AICc first; ``num_sizes`` is how many sizes they rest on."""

    scores: tuple[FormScore, ...]
    loss: str
    heldout_sizes: tuple[float, ...]
    num_sizes: int = 0

    @property
    def by_aicc(self) -> FormScore | None:
        """The form of least AICc, identified or not; None where no form has one."""
        found = [s for s in self.scores if np.isfinite(s.aicc)]
        return min(found, key=lambda s: s.aicc, default=None)

    @property
    def by_heldout(self) -> FormScore | None:
        """The identified form that predicts the held-out sizes best; None where there is none."""
        return _closest([s for s in self.scores if s.identified])

    @property
    def chosen(self) -> FormScore | None:
        """The form that both criteria choose; None where they differ or cannot tell.

        A form that is not identified, or rejected for lack of fit, is never chosen.
        """
        first = self.by_aicc
        if first is None or first is not self.by_heldout or first.rejected:
            return None
        return None if self.undecided or self._close else first

    @property
    def unranked(self) -> tuple[str, ...]:
        """Forms with too many parameters for AICc at so few sizes."""
        return tuple(s.name for s in self.scores if not np.isfinite(s.aicc))

    @property
    def sentence(self) -> str:
        """Return what both criteria say, whether they can decide, and which forms are rejected."""
        first, second = self.by_aicc, self.by_heldout
        if first is None:
            return "No form can be told from these sizes."
        if second is None:
            return f"No form is identified by these sizes; AICc is least for {first.name}."
        parts = [self._choice(first, second)]
        if first.rejected:
            parts.append(_weakness(first))
        elif second is not first and second.rejected:
            parts.append(_weakness(second))
        closer = _closest(self.scores)
        if closer is not None and closer is not first and not closer.identified:
            parts.append(f"{closer.name} predicts it more closely, but {_unchosen(closer)}.")
        simple = [s for s in self.scores if s.rejected and s is not first]
        if simple:
            told = ", ".join(f"{s.name} ({p_text(s.misfit_p)})" for s in simple)
            parts.append(f"Rejected for lack of fit: {told}.")
        if self.unranked and not self.undecided:
            few = f"{self.num_sizes} sizes are too few for AICc to judge"
            parts.append(f"{few} {', '.join(self.unranked)}.")
        return " ".join(parts)

    @property
    def undecided(self) -> bool:
        """Whether AICc's choice says little, because there are too few sizes for better forms.

        A form that is not rejected needs no better one; where nothing tests it, AICc has to be able
        to judge the usual form at least.
        """
        first = self.by_aicc
        if first is None or not self.unranked:
            return False
        untested = np.isnan(first.misfit_p) and not set(USUAL.values()).isdisjoint(self.unranked)
        return first.rejected or bool(untested)

    @property
    def _close(self) -> list[str]:
        """Identified forms whose AICc is too near the least one."""
        first = self.by_aicc
        others = [s for s in self.scores if s.identified and s is not first]
        return [s.name for s in others if first and s.aicc - first.aicc < CLOSE]

    def _choice(self, first: FormScore, second: FormScore) -> str:
        named = min((s for s in self.scores if s.identified), key=lambda s: s.aicc)
        if self.undecided:
            text = (
                f"AICc cannot decide: {self.num_sizes} sizes are too few for it to judge "
                f"{', '.join(self.unranked)}. Of the rest it prefers {named.name}; the held-out "
                f"size is predicted best by {second.name}."
            )
            return text if first.identified else f"{text} {first.name}: {_unchosen(first)}."
        if not first.identified:
            told = f"AICc is least for {first.name}, but {_unchosen(first)}. "
            if named.aicc - first.aicc > FAR:
                told += f"No other form is near it (AICc {named.aicc - first.aicc:.3g} higher). "
            return (
                f"{told}Of the forms that are identified AICc prefers {named.name}, and "
                f"{second.name} predicts the held-out size best."
            )
        if self._close:
            return (
                f"AICc cannot tell {first.name} from {', '.join(self._close)} (less than {CLOSE:g} "
                f"apart); the held-out size is predicted best by {second.name}."
            )
        if first is second:
            return f"Both AICc and the held-out size choose {first.name}."
        chosen = f"AICc chooses {first.name}, the held-out size {second.name}"
        return f"{chosen}: neither form is established."

    def summary(self) -> str:
        """Return the scores as a text table."""
        sizes = ", ".join(f"{size:.4g}" for size in self.heldout_sizes)
        head = f"{'form':<22} {'p':>2} {'AICc':>10} {'weight':>7} {'error at ' + sizes:>18}"
        rows = [f"{head} {'misfit p':>9}"]
        rows += [
            f"{s.name:<22} {s.num_parameters:>2} {_short(s.aicc):>10} {s.weight:>7.2f} "
            f"{_short(s.heldout_error):>18} {_short(s.misfit_p):>9}  {_remark(s)}".rstrip()
            for s in self.scores
        ]
        return "\n".join([*rows, *textwrap.wrap(self.sentence, 100)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "forms": [null_for_nan(vars(s) | {"rejected": s.rejected}) for s in self.scores],
            "loss": self.loss,
            "heldout_sizes": list(self.heldout_sizes),
            "unranked": list(self.unranked),
            "chosen": self.chosen.name if self.chosen else None,
            "sentence": self.sentence,
        }


def _short(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"


def _remark(score: FormScore) -> str:
    rejected = "rejected" if score.rejected else ""
    return ", ".join(filter(None, [rejected, "" if score.identified else "not identified"]))


def _weakness(score: FormScore) -> str:
    """Return why the best form is not established, in a sentence."""
    why = f"it misses the sizes' means (lack of fit, {p_text(score.misfit_p)})"
    return f"But {score.name} is not established: {why}."


def _unchosen(score: FormScore) -> str:
    return f"its parameters are not identified ({score.reason}): it cannot be chosen"


def _closest(scores: Sequence[FormScore]) -> FormScore | None:
    found = [s for s in scores if np.isfinite(s.heldout_error)]
    return min(found, key=lambda s: s.heldout_error, default=None)


def compare_forms(
    table: Any,
    x: str | Sequence[str] = "parameters",
    y: str = "loss",
    *,
    forms: Sequence[str | Form] | None = None,
    loss: str = "auto",
    holdout: int = 1,
    signed: bool = False,
    horizon: int = 1,
    **columns: Any,
) -> FormComparison:
    """Fit every form and rank them by AICc and by their error at the largest size.

    The covariance across sizes is estimated once and shared, so AICc values are comparable; the
    held-out size takes no part in the fits that predict it.

    Parameters
    ----------
    table, x, y, loss, signed, horizon
        As in :func:`fit_law`; ``columns`` names ``seed``, ``fold`` and ``day`` columns, and
        ``drop`` and ``seeds`` say which runs count.
    forms : sequence of str or Form, optional
        What to compare; every registered form that suits the axes by default, but none of three,
        which are named. On a table with several axes forms of one axis are fitted along each.
    holdout : int
        How many of the largest sizes (first axis) are held out.

    References
    ----------
    Hurvich and Tsai 1989 (AICc); Alabdulmohsin et al. 2022 (judge a law by extrapolation).
    """
    if not isinstance(table, LawTable):
        table = read_runs(table, x=x, y=y, signed=signed, **columns)
    signed = signed or table.signed
    problem = problem_of(table, loss, horizon=horizon, signed=signed)
    heldout_n = table.largest(holdout)
    scores = []
    for name, form, axes in candidates(forms, table, signed):
        own = replace(problem, x_nd=problem.x_nd[:, axes])
        scores.append(score_form(name, fit_form(form, own), heldout_n))
    if not scores:
        raise FinscaleError(f"no form has the {len(table.axes)} axes of this table.")
    scores.sort(key=lambda score: score.aicc)
    aicc = np.array([score.aicc for score in scores])
    weights = np.exp(-0.5 * (aicc - aicc[0])) if np.isfinite(aicc[0]) else np.zeros(len(aicc))
    weights = (weights / max(weights.sum(), 1.0)).tolist()
    weighted = tuple(replace(s, weight=w) for s, w in zip(scores, weights, strict=True))
    sizes = np.unique(table.x_nd[heldout_n, 0])
    return FormComparison(weighted, problem.loss, tuple(sizes.tolist()), problem.num_points)


def score_form(name: str, fit: Fit, heldout_n: NDArray[np.bool_]) -> FormScore:
    """Return the scores of a fit to all sizes, some of which (if any) are predicted by the rest."""
    aicc = fit.aicc if np.isfinite(fit.objective) else float("inf")
    error = float("nan")
    if heldout_n.any():
        error = heldout_error(fit.form, fit.problem, heldout_n)
    misfit = fit.lack_of_fit.p_value if fit.lack_of_fit else float("nan")
    parameters = fit.form.num_parameters
    return FormScore(name, parameters, aicc, 0.0, error, fit.identified, fit.reason, misfit)


def candidates(
    forms: Sequence[str | Form] | None, table: LawTable, signed: bool
) -> list[tuple[str, Form, list[int]]]:
    """Return (label, form, columns of x) for every form that suits the table."""
    found: list[tuple[str, Form, list[int]]] = []
    num_axes = len(table.axes)
    for entry in FORMS.values() if forms is None else forms:
        form = FORMS[entry] if isinstance(entry, str) else entry
        form = form.relaxed(form.floor) if signed and form.floor else form
        if forms is None and len(form.axes) > 1 and form.axes != ("N", "D"):
            continue  # what the axes stand for is not told by their number: such a form is named
        if len(form.axes) == num_axes:
            found.append((form.name, form, list(range(num_axes))))
        elif form.trend == "flat":
            found.append((form.name, form, [0]))
        elif len(form.axes) == 1:
            found += [(f"{form.name}({axis})", form, [i]) for i, axis in enumerate(table.axes)]
    return found


def heldout_error(form: Form, problem: Problem, heldout_n: NDArray[np.bool_]) -> float:
    """Return the mean absolute error at sizes that the rest predict; NaN if these are too few."""
    kept = problem.subset(~heldout_n)
    if len(np.unique(kept.x_nd, axis=0)) < form.num_parameters:
        return float("nan")
    predicted = kept.batch(form).predict(problem.x_nd[heldout_n])[0]
    return float(np.mean(np.abs(predicted - problem.y_n[heldout_n])))
