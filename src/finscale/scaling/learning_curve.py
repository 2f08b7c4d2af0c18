"""Learning curves: the loss along the steps of a run.

The rows of one run are one training seen many times. Their errors move together, so a hundred rows
may be worth ten, and intervals from rows as if they were runs are far too narrow. Here the errors
around a run's own curve are redrawn for the run as a whole, as correlated as they are; over several
runs, each run is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from finscale.errors import DataError, FinscaleError
from finscale.files import null_for_nan
from finscale.scaling.column_choice import ROW, kept_rows
from finscale.scaling.column_names import column_meant
from finscale.scaling.fit import Fit, fit_form
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Interval, percentile_interval
from finscale.scaling.learning_curve_text import CAVEAT, summary
from finscale.scaling.measure import Measure
from finscale.scaling.problem import Problem
from finscale.scaling.serial import SerialErrors, serial_errors
from finscale.scaling.table import frame_of
from finscale.scaling.table_values import (
    as_losses,
    check_sizes,
    sizes_as_numbers,
    told_numbers,
)

#: Longer runs are averaged to so many points, evenly spaced in the logarithm of the steps.
MOST_POINTS = 200


@dataclass(frozen=True)
class LearningCurve:
    """One run's curve.

    ``fit`` is that of its points ``x_n, y_n``; ``intervals`` are of its parameters, from ``errors``
    that are redrawn for the run as a whole; ``num_rows`` were read.
    """

    name: str
    x_n: Array
    y_n: Array
    fit: Fit
    intervals: dict[str, Interval]
    num_rows: int
    errors: SerialErrors | None

    @property
    def exponent(self) -> float:
        """The form's exponent; NaN where the curve does not tell it."""
        return self.fit.params[self.fit.form.exponent] if self.fit.form.exponent else float("nan")


@dataclass(frozen=True)
class LearningCurves:
    """The curves of all runs; made by :func:`fit_learning_curves`.

    ``mean`` and ``interval`` are of the exponent over runs, by Student's t with a run as one
    number; the interval is NaN for one run.
    """

    curves: tuple[LearningCurve, ...]
    along: str
    loss: str
    mean: float
    interval: Interval
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return runs, exponents and the caveat, as text."""
        return summary(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; None where a number is not known."""
        rows = [
            {
                "run": one.name,
                "rows": one.num_rows,
                "points": len(one.x_n),
                "params": one.fit.params,
                "intervals": one.intervals,
                "identified": one.fit.identified,
                "reason": one.fit.reason,
                "correlation_of_errors": one.errors and one.errors.correlation,
                "effective_rows": one.errors and one.errors.num_effective,
            }
            for one in self.curves
        ]
        told = ("along", "loss", "mean", "interval", "level", "notes")
        content = {name: getattr(self, name) for name in told}
        form = self.curves[0].fit.form.as_dict()
        content |= {"runs": rows, "form": form, "caveat": CAVEAT}
        return {key: null_for_nan(value) for key, value in content.items()}


def fit_learning_curves(
    table: Any,
    along: str = "step",
    y: str = "loss",
    *,
    group: str | None = None,
    form: str | Form = "power_floor",
    skip: float = 0.0,
    where: str | Sequence[str] = (),
    signed: bool = False,
    higher_is_better: bool | None = None,
    best: float | None = None,
    unit: str | None = None,
    num_replicates: int = 500,
    level: float = 0.95,
    random_seed: int = 0,
) -> LearningCurves:
    """Fit a form to the loss, or another outcome, along the steps of each run.

    Parameters
    ----------
    table : path, polars or pandas DataFrame, or mapping of columns
        One row a run and step; rows without a loss (a tracker's other metrics) are left out.
    along : str
        Column of steps or tokens.
    y : str
        Loss column.
    group : str, optional
        Column that tells runs apart; without it all rows are of one run.
    form : str or Form
        A form of one axis.
    skip : float
        Steps up to here are left out: a warm-up follows no law.
    where : str or sequence of str
        Rows to read: ``COLUMN=VALUE`` or ``COLUMN!=VALUE``.
    signed : bool
        Losses may be zero or negative.
    higher_is_better, best, unit : optional
        What ``y`` is: see ``measure_of_column``.
    num_replicates, level, random_seed
        Of the bootstrap.

    Raises
    ------
    DataError
        For a table that cannot be read, a step that stands twice in one run, or an outcome of which
        more is usually better and nobody says so.

    References
    ----------
    Hoffmann et al. 2022, section 3.1: why a point on the way is no finished run.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.geomspace(100, 1e5, 60)
    >>> noise = 0.001 * np.random.default_rng(0).standard_normal(60)
    >>> found = fit_learning_curves({"step": step, "loss": 0.5 + 3 * step**-0.3 + noise})
    >>> round(found.mean, 1)
    0.3
    """
    form = FORMS[form] if isinstance(form, str) else form
    if len(form.axes) != 1:
        raise FinscaleError(
            f"{form.name} has {len(form.axes)} axes; a learning curve has one.",
            hint="power_floor, power, broken_power …",
        )
    where = (where,) if isinstance(where, str) else tuple(where)
    frame, place, notes = _rows(table, along, y, group, where)
    frame, said = _usable(frame, along, y, group, place, skip=skip)
    notes += said
    frame, measure, signed, said = as_losses(
        frame,
        y,
        place,
        signed=signed,
        higher_is_better=higher_is_better,
        best=best,
        unit=unit,
    )
    notes += said
    form = form.relaxed(form.floor) if signed and form.floor else form
    curves = []
    for key, rows in frame.group_by(group or pl.lit("all rows").alias("_run"), maintain_order=True):
        x_n, y_n = rows.select(along, y).sort(along).to_numpy().T
        own = _curve(str(key[0]), x_n, y_n, form, measure, num_replicates, level, random_seed)
        curves.append(own)
    binned = [one for one in curves if len(one.x_n) < one.num_rows]
    if binned:
        most = max(one.num_rows for one in binned)
        notes.append(
            f"{len(binned)} runs of up to {most:,} rows are averaged to {MOST_POINTS} points at "
            f"most, evenly spaced in ln {along}"
        )
    exponents = np.array([one.exponent for one in curves])
    known = exponents[np.isfinite(exponents)]
    if len(known) < len(curves):
        notes.append(f"{len(curves) - len(known)} of {len(curves)} runs tell no exponent")
    mean = float(known.mean()) if len(known) else float("nan")
    interval = (float("nan"), float("nan"))
    if len(known) > 1:
        error = known.std(ddof=1) / np.sqrt(len(known))
        reach = float(stdtrit(len(known) - 1, 0.5 + level / 2) * error)
        interval = (mean - reach, mean + reach)
    return LearningCurves(tuple(curves), along, measure.fitted, mean, interval, level, tuple(notes))


def _rows(
    table: Any, along: str, y: str, group: str | None, where: Sequence[str]
) -> tuple[pl.DataFrame, str, list[str]]:
    """Return the columns that matter under the names that were asked for."""
    wanted = [along, y, *([group] if group else [])]
    frame, place, notes = frame_of(table, wanted)
    frame, left_out = kept_rows(frame.with_row_index(ROW, 1), where, place)
    meant = {name: column_meant(name, frame.columns, place) for name in wanted}
    if len(set(meant.values())) < len(wanted):
        raise DataError(f"{place}: {', '.join(wanted)} name one column twice.")
    frame = frame.select(ROW, *(pl.col(column).alias(name) for name, column in meant.items()))
    return frame, place, [*notes, *left_out]


def _usable(
    frame: pl.DataFrame,
    along: str,
    y: str,
    group: str | None,
    place: str,
    *,
    skip: float,
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of curves as numbers, and which were left out."""
    notes = []
    kept = frame.filter(pl.col(y).is_not_null())
    if num := frame.height - kept.height:
        notes.append(f"{num} rows without a {y} are left out")
    if kept.is_empty():
        raise DataError(f"{place}: no row has a {y}.", hint="--y names the column of losses")
    kept, told = told_numbers(sizes_as_numbers(kept, [along], place), y, place)
    notes += told
    begun = kept.filter(pl.col(along) != 0)
    if num := kept.height - begun.height:
        notes.append(f"{num} rows at {along} 0 are left out: a power law has no value there")
    kept = begun
    if skip > 0:
        kept = kept.filter(pl.col(along) > skip)
        notes.append(f"{begun.height - kept.height} rows up to {along} {skip:g} are skipped")
    if kept.is_empty():
        raise DataError(f"{place}: no row is left beyond {along} {skip:g}.", hint="lower --skip")
    check_sizes(kept, [along], place)
    keys = [along, *([group] if group else [])]
    twice = kept.filter(pl.struct(keys).is_duplicated())
    if len(twice):
        same = twice.filter(pl.struct(keys) == twice.select(pl.struct(keys)).item(0, 0))
        whose = f" of {group} {same[group][0]}" if group else ""
        raise DataError(
            f"{place}: {along} {same[along][0]:g}{whose} stands in rows {same[ROW][0]} and "
            f"{same[ROW][1]}: are these two runs?",
            hint="--group COLUMN tells runs apart",
        )
    return kept, notes


def _curve(
    name: str,
    x_n: Array,
    y_n: Array,
    form: Form,
    measure: Measure,
    num: int,
    level: float,
    seed: int,
) -> LearningCurve:
    num_rows = len(x_n)
    x_n, y_n = _averaged(x_n, y_n)
    weights_n = np.ones(len(x_n))
    problem = Problem(x_n[:, None], y_n, "least_squares", weights_n, measure=measure)
    fit = fit_form(form, problem, level=level)
    unknown = dict.fromkeys(form.names, (float("nan"), float("nan")))
    if np.isnan(fit.theta_p).any():
        return LearningCurve(name, x_n, y_n, fit, unknown, num_rows, None)
    fitted_n = form.predict(x_n, fit.theta_p)
    x0_d = form.reference_sizes(problem.x_nd)
    slope_np = form.jacobian(problem.x_nd / x0_d, form.internalise(fit.theta_p, x0_d))
    errors = serial_errors(y_n - fitted_n, slope_np)
    batch = problem.batch(form, fitted_n + errors.draw(len(x_n), num, seed))
    intervals = {}
    for i, parameter in enumerate(form.names):
        known = parameter not in fit.unidentified
        intervals[parameter] = (
            percentile_interval(batch.params_Rp[:, i], level) if known else unknown[parameter]
        )
    return LearningCurve(name, x_n, y_n, fit, intervals, num_rows, errors)


def _averaged(x_n: Array, y_n: Array) -> tuple[Array, Array]:
    """Return means over bins that are evenly spaced in the logarithm of x, where rows are many."""
    if len(x_n) <= MOST_POINTS:
        return x_n, y_n
    edges = np.geomspace(x_n[0], x_n[-1], MOST_POINTS + 1)
    at_n = np.clip(np.searchsorted(edges, x_n, side="right") - 1, 0, MOST_POINTS - 1)
    counts = np.bincount(at_n, minlength=MOST_POINTS)
    some = counts > 0
    log_x = np.bincount(at_n, np.log(x_n), MOST_POINTS)[some] / counts[some]
    return np.exp(log_x), np.bincount(at_n, y_n, MOST_POINTS)[some] / counts[some]
