"""Several curves in one table: a law each, and what tells them apart.

Curves of one table (architectures, data sets, optimisers) are fitted one by one and compared pair
by pair: in their exponents, and in their loss at one size that all of them cover. Curves that were
scored on the same days are drawn together, so that what the days do to all of them cancels; seeds
are drawn apart. All comparisons of a table hold at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from finscale.errors import DataError, FinscaleError
from finscale.evaluation.bootstrap import optimal_block_length
from finscale.evaluation.simultaneous import balanced_intervals
from finscale.files import null_for_nan
from finscale.scaling.column_names import column_meant
from finscale.scaling.dropping import DROP_RULES, read_runs
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.law import Law, fit_law
from finscale.scaling.law_draws import redrawn
from finscale.scaling.table import LEFT_OUT, LawTable, frame_of

#: More values than this tell rows apart, not curves.
MOST_CURVES = 20


@dataclass(frozen=True)
class CurveDifference:
    """One number of two curves compared: the first's less the second's.

    Parameters
    ----------
    first, second : str
        The curves.
    quantity : str
        ``"alpha"`` or another exponent; ``"offset"``: loss at :attr:`Curves.at`.
    value, low, high : float
        The difference; all intervals of a table hold at once.
    p_value : float
        Two-sided, adjusted for all comparisons of the table.
    """

    first: str
    second: str
    quantity: str
    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Curves:
    """Laws of several curves and their differences; made by :func:`fit_curves`.

    Parameters
    ----------
    by : str
        The column that tells curves apart.
    laws : dict of str to Law
        One a value, in the order of the table.
    differences : tuple of CurveDifference
        Of every pair of identified curves.
    at : tuple of float
        The size at which offsets are taken; empty where no size lies within all curves.
    is_paired : bool
        Whether the curves were scored on the same days, and drawn together.
    level : float
        Of every interval.
    notes : tuple of str
        What was decided, and which curves are not compared.
    """

    by: str
    laws: dict[str, Law]
    differences: tuple[CurveDifference, ...]
    at: tuple[float, ...]
    is_paired: bool
    level: float
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Law:
        """Return the law of one curve."""
        return self.laws[name]

    def summary(self) -> str:
        """Return a table of the curves and one of their differences."""
        from finscale.scaling.curves_text import summary

        return summary(self)

    def save_plot(self, path: str | Path) -> None:
        """Write one figure of all curves; its ending names the format: png, svg or pdf."""
        from finscale.scaling.curves_plot import save

        save(self, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "by": self.by,
            "curves": {name: law.to_dict() for name, law in self.laws.items()},
            "differences": [null_for_nan(vars(each)) for each in self.differences],
            "offset_at": list(self.at),
            "paired_by_day": self.is_paired,
            "level": self.level,
            "notes": list(self.notes),
        }


def curve_tables(
    source: Any, by: str, *, x: str | Sequence[str], y: str, **reading: Any
) -> dict[str, LawTable]:
    """Return the table of each curve, by the value of the column that tells them apart.

    Parameters
    ----------
    source : as for :func:`read_table`
        The table with all curves.
    by : str
        The column.
    x, y, **reading
        As for :func:`read_runs`, which reads each curve.

    Raises
    ------
    DataError
        For one curve only, or more than 20; for a curve that cannot be read, naming it.
    """
    wanted = ((x,) if isinstance(x, str) else tuple(x)) + (y,)
    frame, place = frame_of(source, wanted, reading.get("sheet"), reading.get("member"))[:2]
    column = column_meant(by, frame.columns, place)
    if column in {column_meant(name, frame.columns, place) for name in wanted}:
        raise DataError(
            f"{place}: {column!r} is a size or the loss, and tells no curves apart.",
            hint="--by takes a column such as an architecture",
        )
    values = frame[column].unique(maintain_order=True)
    if values.null_count():
        raise DataError(
            f"{place}: {column} is empty in some rows.", hint=f"leave them out: --where {column}!="
        )
    names = [str(value) for value in values]
    if not 2 <= len(names) <= MOST_CURVES:
        some = f"{len(names)} values" if len(names) > 1 else f"one value, {names[0]}"
        raise DataError(
            f"{place}: column {column!r} has {some}; --by compares 2 to {MOST_CURVES} curves.",
            hint="name the column of the curves, or read some of them: --where COLUMN=VALUE",
        )
    folded = [name.strip().casefold() for name in names]
    if len(set(folded)) < len(names):
        raise DataError(
            f"{place}: values of {column!r} differ in capitals alone: {', '.join(sorted(names))}.",
            hint="write each curve's name in one way",
        )
    if single := next((rule for rule in reading.get("drop", ()) if rule not in DROP_RULES), None):
        raise FinscaleError(
            f"{single!r} is no rule for the runs of all curves: each curve may have such a run.",
            hint=f"rules: {', '.join(DROP_RULES)}; or read one curve: --where {column}={names[0]}",
        )
    kept = reading.pop("where", ())
    kept = (kept,) if isinstance(kept, str) else tuple(kept)
    tables = {}
    for name in names:
        try:
            where = (*kept, f"{column}={name}")
            read = read_runs(frame, x=x, y=y, where=where, **reading)
        except DataError as error:
            raise DataError(f"{column} {name}: {error.message}", hint=error.hint) from None
        lost = (f"{name}: {note}" if note.startswith(LEFT_OUT) else note for note in read.notes)
        tables[name] = replace(read, notes=tuple(lost))
    return tables


def fit_curves(
    table: Any,
    x: str | Sequence[str] = "parameters",
    y: str = "loss",
    *,
    by: str,
    form: str | Form = "auto",
    loss: str = "auto",
    signed: bool = False,
    holdout: int = 0,
    horizon: int = 1,
    num_replicates: int = 2000,
    level: float = 0.95,
    random_seed: int = 0,
    fix: Mapping[str, float | str] | None = None,
    **reading: Any,
) -> Curves:
    """Fit a law to each curve of a table and compare them pair by pair.

    Parameters
    ----------
    table, x, y, form, loss, signed, holdout, horizon, num_replicates, level, random_seed, fix
        As for :func:`fit_law`. All curves get one form.
    by : str
        Column that tells the curves apart.
    **reading
        What else :func:`read_table` is told; ``drop`` (rules alone) and ``seeds`` as for
        :func:`fit_law`.

    Raises
    ------
    DataError
        For a table that cannot be read as several curves.

    References
    ----------
    Beran (1988), Balanced simultaneous confidence sets; Westfall and Young (1993) for p-values.

    Examples
    --------
    >>> size = np.geomspace(1e4, 1e7, 7)
    >>> wiggle = 1e-4 * np.array([1, -1, 1, 0, -1, 1, -1])
    >>> loss = np.concatenate([0.5 + 4 * size**-0.3 + wiggle, 0.5 + 4 * size**-0.4 + wiggle])
    >>> rows = {"parameters": np.tile(size, 2), "model": ["mlp"] * 7 + ["tst"] * 7, "loss": loss}
    >>> curves = fit_curves(rows, by="model", num_replicates=200)
    >>> curves.differences[0].quantity, curves.differences[0].p_value < .05
    ('alpha', True)
    """
    tables = curve_tables(table, by, x=x, y=y, signed=signed, **reading)
    said = [note for each in tables.values() for note in each.notes]
    # each curve is read by a condition of its own, which is what was asked for
    notes = [note for note in dict.fromkeys(said) if not note.startswith(f"{by}=")]
    options: dict[str, Any] = {
        "loss": loss,
        "signed": signed,
        "holdout": holdout,
        "horizon": horizon,
        "num_replicates": num_replicates,
        "level": level,
        "random_seed": random_seed,
        "fix": fix,
    }
    is_paired = _share_days(tables)
    if is_paired:
        options["block_length"] = max(_block_length(each) for each in tables.values())
    laws = {name: fit_law(each, form=form, **options) for name, each in tables.items()}
    forms = {law.form.name for law in laws.values()}
    if len(forms) > 1:
        common = _common(laws, forms)
        notes.append(
            f"by themselves the curves ask for {' and '.join(sorted(forms))}; all are fitted by "
            f"{common}, so that exponents mean the same (--form names another)"
        )
        laws = {name: fit_law(each, form=common, **options) for name, each in tables.items()}
    left_out = [name for name, law in laws.items() if not law.identified]
    notes += [f"{name} is not compared: {laws[name].reason}" for name in left_out]
    told = {name: law for name, law in laws.items() if law.identified}
    at = _common_size(told)
    if len(told) > 1 and not at:
        notes.append("no size lies within all curves: offsets are not compared")
    if any(each.has_days for each in tables.values()) and not is_paired:
        notes.append("the curves were scored on different days: they are not paired by day")
    differences = _differences(told, at, options, num_replicates, level, random_seed)
    return Curves(by, laws, differences, at, is_paired, level, tuple(notes))


def _common(laws: Mapping[str, Law], forms: set[str]) -> str:
    """Return the form of most curves; of two with as many, the one with fewer parameters."""
    fitted = [law.form for law in laws.values()]
    size = {form.name: form.num_parameters for form in fitted}
    return min(forms, key=lambda name: (-sum(f.name == name for f in fitted), size[name], name))


def _share_days(tables: Mapping[str, LawTable]) -> bool:
    first, *others = tables.values()
    if not first.has_days or first.cells is None:
        return False
    return all(each.cells is not None and first.cells.equals(each.cells) for each in others)


def _block_length(table: LawTable) -> float:
    daily_nT = np.nanmean(table.losses_nST, axis=1)
    return float(optimal_block_length((daily_nT - daily_nT.mean(axis=0)).T))


def _common_size(laws: Mapping[str, Law]) -> tuple[float, ...]:
    """Return the middle, by ratio, of the sizes that all curves cover; empty if there is none."""
    if not laws:
        return ()
    sizes = [law.fit.problem.x_nd for law in laws.values()]
    low = np.max([x_nd.min(axis=0) for x_nd in sizes], axis=0)
    high = np.min([x_nd.max(axis=0) for x_nd in sizes], axis=0)
    return tuple(np.sqrt(low * high).tolist()) if (low <= high).all() else ()


def _differences(
    laws: Mapping[str, Law],
    at: tuple[float, ...],
    options: Mapping[str, Any],
    num_replicates: int,
    level: float,
    seed: int,
) -> tuple[CurveDifference, ...]:
    if len(laws) < 2:
        return ()
    drawn = {
        name: _Drawn.of(law, at, curve, options.get("block_length"), num_replicates, seed)
        for curve, (name, law) in enumerate(laws.items(), start=1)
    }
    labels, values, deviations = [], [], []
    for first, second in combinations(laws, 2):
        one, other = drawn[first], drawn[second]
        for quantity in one.value:
            if quantity in other.value:
                labels.append((first, second, quantity))
                values.append(one.value[quantity] - other.value[quantity])
                deviations.append(one.deviation_R[quantity] - other.deviation_R[quantity])
    if not labels:
        return ()
    metrics, p_C = balanced_intervals(np.array(values), np.stack(deviations, axis=1), level=level)
    return tuple(
        CurveDifference(*label, metric.value, metric.low, metric.high, float(p))
        for label, metric, p in zip(labels, metrics, p_C, strict=True)
    )


@dataclass(frozen=True)
class _Drawn:
    """Numbers of one curve, and by how much they are off by chance in each replicate."""

    value: dict[str, float]
    deviation_R: dict[str, Array]

    @classmethod
    def of(
        cls,
        law: Law,
        at: tuple[float, ...],
        curve: int,
        block_length: float | None,
        num_replicates: int,
        seed: int,
    ) -> _Drawn:
        kept, fit = law.table.rows(~law.heldout_n), law.fit
        known = fit.problem.covariance_nn if kept.errors_nS is not None else None
        draws, _ = redrawn(
            kept,
            fit,
            known,
            num_replicates=num_replicates,
            seed=seed,
            curve=curve,
            block_length=block_length,
        )
        batch = fit.problem.batch(fit.form, draws.y_Rn, draws.weights_Rn)
        value, deviation_R = {}, {}
        for name in law.form.exponents:
            estimate = law[name]
            if np.isfinite([estimate.value, *estimate.interval]).all():
                value[name] = estimate.value
                ends, own_R = estimate.interval, batch[name] - estimate.value
                deviation_R[name] = _stretched(own_R, ends, estimate.value, law.level)
        if at:
            mean, low, high = (float(part[0]) for part in law.predict([at]))
            own_R = law.form.predict([at], batch.params_Rp)[:, 0] - mean
            value["offset"] = mean
            deviation_R["offset"] = _stretched(own_R, (low, high), mean, law.level)
        return cls(value, deviation_R)


def _stretched(own_R: Array, ends: tuple[float, float], value: float, level: float) -> Array:
    """Return deviations whose quantiles on either side are those of the interval that is quoted.

    A bootstrap of few seeds or sizes is too narrow where the quoted interval is not.
    """
    tail = (1 - level) / 2
    below, above = np.quantile(own_R, [tail, 1 - tail])
    out = own_R.copy()
    for side, quantile, end in ((own_R < 0, below, ends[0]), (own_R > 0, above, ends[1])):
        if abs(quantile) > 0:
            out[side] *= max((end - value) / quantile, 0.0)
    return out
