"""Every form judged by extrapolation: fitted to the smaller sizes, scored on the larger ones.

A curve that bends enough passes through any points; what a law is for is the sizes that were not
run. Each form is fitted to the smallest half, two thirds and four fifths of the sizes, and each
time it predicts all of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from finscale.errors import FinscaleError
from finscale.files import null_for_nan
from finscale.scaling.dropping import read_runs
from finscale.scaling.estimates import region_of
from finscale.scaling.fit import Fit, fit_form
from finscale.scaling.form_comparison import candidates
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.prediction import run_noise
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.table import LawTable

#: Shares of the sizes that forms are fitted to.
SHARES = (0.5, 0.65, 0.8)


@dataclass(frozen=True)
class Cut:
    """One place at which the sizes are parted.

    ``largest`` is the largest size below it (a product of sizes where there are several axes),
    ``reach`` how many times that the farthest one beyond is.
    """

    largest: float
    reach: float
    num_fitted: int
    num_predicted: int


@dataclass(frozen=True)
class ExtrapolationScore:
    """How one form extrapolates: at each cut its error, and how often its interval held.

    The error is the root mean square of ln predicted − ln measured, or of the plain differences
    where losses are signed; NaN where there are too few sizes for the form, infinite where it
    predicts a loss that is not positive. The coverage is the share of measured sizes inside the
    prediction interval; NaN where no interval is known. ``identified``: whether all sizes together
    tell its parameters, and ``reason`` why they do not.
    """

    name: str
    num_parameters: int
    errors: tuple[float, ...]
    coverages: tuple[float, ...]
    identified: bool = True
    reason: str = ""

    @property
    def error(self) -> float:
        """The error over all cuts, each counted alike; NaN unless the form was fitted at all."""
        return float(np.sqrt(np.mean(np.square(self.errors))))


@dataclass(frozen=True)
class Extrapolation:
    """Scores of all forms, the least error first; made by :func:`score_extrapolation`."""

    scores: tuple[ExtrapolationScore, ...]
    cuts: tuple[Cut, ...]
    along: str
    metric: str
    loss: str
    level: float

    @property
    def best(self) -> ExtrapolationScore | None:
        """The form of least error among those that are identified and were fitted at every cut."""
        fitted = (score for score in self.scores if np.isfinite(score.error))
        return next((score for score in fitted if score.identified), None)

    @property
    def sentence(self) -> str:
        """Return which form extrapolates best, and how much better than a constant."""
        best = self.best
        if best is None:
            return "No form that is identified could be fitted to the smaller sizes at every cut."
        first = self.scores[0]
        closer = ""
        if first is not best:
            closer = (
                f" {first.name} is closer ({first.error:.3g}), but its parameters are not "
                f"identified by all sizes ({first.reason}): it cannot be chosen."
            )
        least = [int(np.nanargmin([s.errors[i] for s in self.scores])) for i in range(self._num)]
        wins = sum(self.scores[at].name == best.name for at in least)
        told = (
            f"{best.name} extrapolates best: {self.metric} {best.error:.3g} over all cuts, least "
            f"at {wins} of {self._num}"
        )
        constant = next((s for s in self.scores if s.name == "constant"), None)
        if constant is None or constant is best or not np.isfinite(constant.error):
            return f"{told}.{closer}{self._closer_where_fitted(best)}"
        end = f"{closer}{self._closer_where_fitted(best)}"
        return f"{told}; a constant {constant.error:.3g}.{end}"

    def _closer_where_fitted(self, best: ExtrapolationScore) -> str:
        """Return which form is closer than the best at the only cuts with sizes enough for it."""
        found = []
        for score in self.scores:
            at = [i for i in range(self._num) if np.isfinite(score.errors[i])]
            if not score.identified or not 0 < len(at) < self._num:
                continue
            own, its = (float(np.hypot.reduce([s.errors[i] for i in at]) / len(at) ** 0.5)
                        for s in (score, best))  # fmt: skip
            if own < its:
                found.append((own, score.name, its, len(at)))
        if not found:
            return ""
        own, name, its, num = min(found)
        return (
            f" At the {num} of {self._num} cuts with sizes enough for it {name} is closer: "
            f"{own:.3g} against {its:.3g}."
        )

    @property
    def _num(self) -> int:
        return len(self.cuts)

    def summary(self) -> str:
        """Return the scores as a text table."""
        lines = [
            f"cut along {self.along}; loss by {self.loss}; {self.metric} beyond the cut, and how "
            f"often the {self.level:.0%} interval held",
            "",
            f"{'fitted up to':<24}" + "".join(f"{cut.largest:>16.3g}" for cut in self.cuts),
            f"{'sizes below, beyond':<24}"
            + "".join(f"{f'{c.num_fitted}, {c.num_predicted}':>16}" for c in self.cuts),
            f"{'farthest':<24}" + "".join(f"{f'{c.reach:.3g} ×':>16}" for c in self.cuts),
        ]
        for score in self.scores:
            cells = [
                f"{_short(error)} {_share(held)}"
                for error, held in zip(score.errors, score.coverages, strict=True)
            ]
            remark = "" if score.identified else "  not identified"
            lines.append(f"{score.name:<24}" + "".join(f"{c:>16}" for c in cells) + remark)
        return "\n".join([*lines, "", self.sentence])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; None where a number is not known."""
        told = ("along", "metric", "loss", "level", "sentence")
        scores = [{**vars(score), "error": score.error} for score in self.scores]
        return {
            **{name: getattr(self, name) for name in told},
            "cuts": [vars(cut) for cut in self.cuts],
            "forms": [null_for_nan(score) for score in scores],
        }


def score_extrapolation(
    table: Any,
    x: str | Sequence[str] = "parameters",
    y: str = "loss",
    *,
    forms: Sequence[str | Form] | None = None,
    shares: Sequence[float] = SHARES,
    loss: str = "auto",
    signed: bool = False,
    horizon: int = 1,
    level: float = 0.95,
    **reading: Any,
) -> Extrapolation:
    """Fit every form to the smaller sizes and score it on the larger ones, at several cuts.

    Parameters
    ----------
    table, x, y, forms, loss, signed, horizon
        As in :func:`compare_forms`.
    shares : sequence of float
        Shares of the distinct sizes (of the product of sizes where there are several axes) that
        forms are fitted to, each above 0 and below 1.
    level : float
        Of the prediction intervals whose coverage is counted.
    **reading
        What else :func:`read_table` is told; ``drop`` and ``seeds`` as in :func:`fit_law`.

    Raises
    ------
    FinscaleError
        If a share leaves nothing on one side.

    References
    ----------
    Alabdulmohsin et al. 2022: judge a law by extrapolation.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.geomspace(1e4, 1e7, 12)
    >>> rows = {"parameters": sizes, "loss": 0.5 + 4 * sizes**-0.4}
    >>> score_extrapolation(rows, forms=["constant", "power", "power_floor"]).best.name
    'power_floor'
    """
    if not isinstance(table, LawTable):
        table = read_runs(table, x=x, y=y, signed=signed, **reading)
    signed = signed or table.signed
    problem = problem_of(table, loss, horizon=horizon, signed=signed)
    parted = [_cut(table, share) for share in shares]
    scores = []
    for name, form, axes in candidates(forms, table, signed):
        own = replace(problem, x_nd=problem.x_nd[:, axes])
        own_table = replace(table, axes=tuple(table.axes[i] for i in axes), x_nd=own.x_nd)
        found = [_score(form, own, own_table, below_n, level, signed) for _, below_n in parted]
        errors, held = zip(*found, strict=True)
        whole = fit_form(form, own, level=level)
        told = whole.identified, whole.reason
        scores.append(ExtrapolationScore(name, form.num_parameters, errors, held, *told))
    if not scores:
        raise FinscaleError(f"no form has the {len(table.axes)} axes of this table.")
    scores.sort(key=lambda score: (not np.isfinite(score.error), score.error))
    return Extrapolation(
        tuple(scores),
        tuple(cut for cut, _ in parted),
        " × ".join(table.axes),
        "RMSE" if signed else "RMSLE",
        problem.loss,
        level,
    )


def _cut(table: LawTable, share: float) -> tuple[Cut, NDArray[np.bool_]]:
    """Return a cut and which points lie below it."""
    # rounded, so that one compute split in several ways is one size
    volume_n = np.round(np.log(table.x_nd).sum(axis=1), 6)
    sizes = np.unique(volume_n)
    num = round(share * len(sizes)) if 0 < share < 1 else 0
    if not 0 < num < len(sizes):
        raise FinscaleError(
            f"{share:g} of {len(sizes)} sizes leaves nothing to fit or nothing to predict.",
            hint="give shares above 0 and below 1: --share .5 --share .8",
        )
    below_n = volume_n <= sizes[num - 1]
    reach = float(np.exp(sizes[-1] - sizes[num - 1]))
    num_below = int(below_n.sum())
    return Cut(float(np.exp(sizes[num - 1])), reach, num_below, len(below_n) - num_below), below_n


def _score(
    form: Form,
    problem: Problem,
    table: LawTable,
    below_n: NDArray[np.bool_],
    level: float,
    signed: bool,
) -> tuple[float, float]:
    """Return the error beyond a cut, and the share of sizes inside the interval there."""
    kept = problem.subset(below_n)
    if len(np.unique(kept.x_nd, axis=0)) < form.num_parameters:
        return float("nan"), float("nan")
    fit = fit_form(form, kept, level=level)
    # too few sizes to identify a form are no reason not to see how far off it is
    theta_p = kept.batch(form).params_Rp[0] if np.isnan(fit.theta_p).any() else fit.theta_p
    beyond_md, measured_m = problem.x_nd[~below_n], problem.y_n[~below_n]
    predicted_m = form.predict(beyond_md, theta_p)
    if signed:
        error = float(np.sqrt(np.mean((predicted_m - measured_m) ** 2)))
    elif (predicted_m <= 0).any() or not np.isfinite(predicted_m).all():
        error = float("inf")
    else:
        error = float(np.sqrt(np.mean((np.log(predicted_m) - np.log(measured_m)) ** 2)))
    if np.isnan(fit.theta_p).any():
        return error, float("nan")
    low_m, high_m = _interval(fit, beyond_md, predicted_m, level)
    noise = run_noise(beyond_md, predicted_m, table.rows(below_n), fit)
    # the measured loss is a mean over its seeds
    deviation_m = noise.deviation_m / np.sqrt(table.seeds_n[~below_n])
    reach_m = stdtrit(noise.degrees_m, 0.5 + level / 2) * deviation_m
    low_m = predicted_m - np.hypot(predicted_m - low_m, reach_m)
    high_m = predicted_m + np.hypot(high_m - predicted_m, reach_m)
    if np.isnan(low_m).any():
        return error, float("nan")
    return error, float(np.mean((low_m <= measured_m) & (measured_m <= high_m)))


def _interval(fit: Fit, x_md: Array, mean_m: Array, level: float) -> tuple[Array, Array]:
    """Return the interval of the curve: by profile, or linearised where that is not scanned."""
    region = region_of(fit, level)
    x0_d = fit.form.reference_sizes(fit.problem.x_nd)
    if region is not None:
        own, scaled_md = fit.form.offset, x_md / x0_d
        offset_Gm = None if own is None else own(scaled_md, region.grid_GQ)
        return region.combination(fit.form.basis(scaled_md, region.grid_GQ), offset_Gm)
    problem, form = fit.problem, fit.form
    internal_p = form.internalise(fit.theta_p, x0_d)
    fitted_n = form.predict(problem.x_nd, fit.theta_p)
    slope_np = form.jacobian(problem.x_nd / x0_d, internal_p)
    left_over = max(problem.num_points - form.num_parameters, 1)
    if problem.is_logarithmic:
        # errors of one size, all relative: Huber's own weights say nothing of their spread
        squares = float(np.sum((np.log(fitted_n) - np.log(problem.y_n)) ** 2))
        slope_np, variance = slope_np / fitted_n[:, None], squares / left_over
    else:
        slope_np = problem.whitened(slope_np, fitted_n)
        variance = 1.0 if problem.loss == "gls" else fit.objective / left_over
    ahead_mp = form.jacobian(x_md / x0_d, internal_p) @ np.linalg.pinv(slope_np)
    reach_m = stdtrit(left_over, 0.5 + level / 2) * np.sqrt(variance * (ahead_mp**2).sum(axis=1))
    return mean_m - reach_m, mean_m + reach_m


def _short(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "∞" if np.isinf(value) else "–"


def _share(value: float) -> str:
    return f"({value:.0%})" if np.isfinite(value) else "(–)"
