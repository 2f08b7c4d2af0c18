"""Every form on one table: AICc, and the error at the largest size, held out before fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.files import null_for_nan
from finscale.scaling.fit import fit_form
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.table import LawTable, read_table


@dataclass(frozen=True)
class FormScore:
    """How one form does on a table.

    It is named with its axis where the table has several: ``"power_floor(N)"``. The AICc is
    infinite where there are too few sizes for the correction; the mean absolute error at the sizes
    held out is NaN where the rest cannot be fitted; ``reason`` says why a form is not identified.
    """

    name: str
    num_parameters: int
    aicc: float
    weight: float
    heldout_error: float
    identified: bool
    reason: str


@dataclass(frozen=True)
class FormComparison:
    """Scores of all forms, the best AICc first."""

    scores: tuple[FormScore, ...]
    loss: str
    heldout_sizes: tuple[float, ...]

    @property
    def by_aicc(self) -> FormScore | None:
        """The identified form of least AICc; None where no form is identified."""
        found = [s for s in self.scores if s.identified and np.isfinite(s.aicc)]
        return min(found, key=lambda s: s.aicc, default=None)

    @property
    def by_heldout(self) -> FormScore | None:
        """The identified form that predicts the held-out sizes best."""
        found = [s for s in self.scores if s.identified and np.isfinite(s.heldout_error)]
        return min(found, key=lambda s: s.heldout_error, default=None)

    @property
    def sentence(self) -> str:
        """Return what both criteria say, and whether they agree."""
        first, second = self.by_aicc, self.by_heldout
        if first is None or second is None:
            return "No form can be told from these sizes."
        if first.name == second.name:
            return f"Both AICc and the held-out size choose {first.name}."
        chosen = f"AICc chooses {first.name}, the held-out size {second.name}"
        return f"{chosen}: neither form is established."

    def summary(self) -> str:
        """Return the scores as a text table."""
        sizes = ", ".join(f"{size:.4g}" for size in self.heldout_sizes)
        rows = [f"{'form':<22} {'p':>2} {'AICc':>10} {'weight':>7} {'error at ' + sizes:>20}  "]
        rows += [
            f"{s.name:<22} {s.num_parameters:>2} {_short(s.aicc):>10} {s.weight:>7.2f} "
            f"{_short(s.heldout_error):>20}  {'' if s.identified else 'not identified'}".rstrip()
            for s in self.scores
        ]
        return "\n".join([*rows, self.sentence])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "forms": [null_for_nan(vars(score)) for score in self.scores],
            "loss": self.loss,
            "heldout_sizes": list(self.heldout_sizes),
            "sentence": self.sentence,
        }


def _short(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"


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
        As in :func:`fit_law`; ``columns`` names ``seed``, ``fold`` and ``day`` columns.
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
        table = read_table(table, x=x, y=y, signed=signed, **columns)
    signed = signed or table.signed
    problem = problem_of(table, loss, horizon=horizon, signed=signed)
    heldout_n = table.largest(holdout)
    scores = []
    for name, form, axes in _candidates(forms, table, signed):
        own = replace(problem, x_nd=problem.x_nd[:, axes])
        fit = fit_form(form, own)
        error = _heldout_error(form, own, heldout_n) if holdout else float("nan")
        own_aicc = fit.aicc if np.isfinite(fit.objective) else float("inf")
        scores.append(
            FormScore(name, form.num_parameters, own_aicc, 0.0, error, fit.identified, fit.reason)
        )
    if not scores:
        raise FinscaleError(f"no form has the {len(table.axes)} axes of this table.")
    scores.sort(key=lambda score: score.aicc)
    aicc = np.array([score.aicc for score in scores])
    weights = np.exp(-0.5 * (aicc - aicc[0])) if np.isfinite(aicc[0]) else np.zeros(len(aicc))
    weights = (weights / max(weights.sum(), 1.0)).tolist()
    weighted = tuple(replace(s, weight=w) for s, w in zip(scores, weights, strict=True))
    sizes = np.unique(table.x_nd[heldout_n, 0])
    return FormComparison(weighted, problem.loss, tuple(sizes.tolist()))


def _candidates(
    forms: Sequence[str | Form] | None, table: LawTable, signed: bool
) -> list[tuple[str, Form, list[int]]]:
    """Return (label, form, columns of x) for every form that suits the table."""
    found: list[tuple[str, Form, list[int]]] = []
    num_axes = len(table.axes)
    for entry in FORMS.values() if forms is None else forms:
        form = FORMS[entry] if isinstance(entry, str) else entry
        form = form.relaxed(form.floor) if signed and form.floor else form
        if forms is None and len(form.axes) > 2:
            continue  # three axes could stand for anything: such a form is named
        if len(form.axes) == num_axes:
            found.append((form.name, form, list(range(num_axes))))
        elif form.trend == "flat":
            found.append((form.name, form, [0]))
        elif len(form.axes) == 1:
            found += [(f"{form.name}({axis})", form, [i]) for i, axis in enumerate(table.axes)]
    return found


def _heldout_error(form: Form, problem: Problem, heldout_n: NDArray[np.bool_]) -> float:
    kept = problem.subset(~heldout_n)
    if len(np.unique(kept.x_nd, axis=0)) < form.num_parameters:
        return float("nan")
    predicted = kept.batch(form).predict(problem.x_nd[heldout_n])[0]
    return float(np.mean(np.abs(predicted - problem.y_n[heldout_n])))
