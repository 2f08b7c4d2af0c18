"""Predictions on bars whose labels are not known yet, from one run or the mean of several.

Each run's outputs are computed as they were in training. Logits are calibrated on the run's own
validation predictions, and become probabilities; those of several runs are averaged. Sets and
intervals are split-conformal, on validation too: the test part is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from finscale.config.losses import quantile_levels
from finscale.errors import DataError
from finscale.evaluation.blocks import Floats
from finscale.evaluation.calibrators import fit_calibrator
from finscale.evaluation.conformal import CONFIDENCE, adaptive_intervals, adaptive_sets
from finscale.evaluation.losses import probabilities
from finscale.evaluation.targets import QUANTILE_PREFIX, target_of
from finscale.experiment.forecast_words import label_words, question_words
from finscale.experiment.input_warnings import BeyondTraining, beyond_training, warnings_about

if TYPE_CHECKING:
    import datetime as dt

    from finscale.config import ExperimentConfig
    from finscale.data import DataStore
    from finscale.experiment.new_bars import NewBars
    from finscale.experiment.trained_run import TrainedRun

KEYS = ("date", "symbol")
#: How calibrated log odds are kept finite.
_SURELY = 1e-12
#: What runs whose forecasts are averaged have to see alike.
_SEEN = ("feature_set", "timescale", "quality", "series", "cross_section")


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What one run, or the mean of several, predicts on bars.

    Attributes
    ----------
    table : polars.DataFrame
        One row a date and symbol, in order: see :func:`forecast`.
    warnings : tuple of str
        What to be careful of.
    question : str
        What is forecast, in words.
    label : str
        What decides on the newest row, with its dates.
    facts : dict
        Runs, data with digests, calibration, confidence: plain values.
    """

    table: pl.DataFrame
    warnings: tuple[str, ...]
    question: str
    label: str
    facts: dict[str, Any]

    def __repr__(self) -> str:
        return "\n".join([self.question, str(self.table), self.label, *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "question": self.question,
            "label": self.label,
            "warnings": list(self.warnings),
            **self.facts,
            "rows": self.table.with_columns(pl.col("date").cast(pl.String)).to_dicts(),
        }


@dataclass(frozen=True, eq=False)
class _Member:
    """A run's part: a map of its outputs, and its validation rows mapped so."""

    run: TrainedRun
    link: Callable[[Floats], Floats]
    """Outputs to probabilities, or as they are."""
    validation: pl.DataFrame
    """date, symbol, target, and ``value``: what the run said, mapped."""


def forecast(
    runs: Sequence[TrainedRun],
    bars: Sequence[NewBars],
    *,
    last: int | None = None,
    calibration: str = "platt",
    confidence: float = CONFIDENCE,
    now: dt.datetime | None = None,
) -> Forecasts:
    """Predict on bars with one run, or with the mean of several that answer one question.

    Parameters
    ----------
    runs : sequence of TrainedRun
        Several are averaged: their probabilities, their numbers, their quantiles by level.
    bars : sequence of NewBars
        One a symbol.
    last : int, optional
        How many of each symbol's newest rows; all when absent.
    calibration : str
        ``platt``, ``temperature``, ``beta`` or ``isotonic``, fitted on validation; ``none`` leaves
        logits alone.
    confidence : float
        Of sets and intervals.
    now : datetime, optional
        The present, with a zone, that bars are old beside; for tests.

    Returns
    -------
    Forecasts
        Its table has date, symbol and ``part`` (whether the runs were trained on that day,
        validated on it, tested on it, or it is ``new``); of an event ``probability``, ``set`` (the
        outcomes that cannot be excluded), ``uncalibrated`` (the probability before calibration) and
        ``logit``; of a number ``value``, ``low`` and ``high``, and its quantiles; ``beyond``, how
        many columns of the window leave the range that training saw; ``run_<id>`` for each of
        several runs.

    Raises
    ------
    DataError
        If bars are too few, or the runs answer different questions.
    """
    _same_question(runs)
    notes: list[str] = []
    config, latest = runs[0].config, max(runs, key=lambda run: run.config.split.fold)
    is_event = target_of(config).is_event
    members = [_member(run, calibration if is_event else "none", notes) for run in runs]
    known = _known(members)
    parts, found = [], dict[str, BeyondTraining | None]()
    for one, rows in zip(bars, _rows(bars, config, latest.data), strict=True):
        num_rows = _num_predicted(runs, one, rows, last, notes)
        beyond = found[one.symbol] = beyond_training(latest, rows, num_rows)
        counts = [None] * num_rows if beyond is None else beyond.counts.tolist()
        table = _predicted(members, rows, num_rows).with_columns(
            _part(latest, rows[-num_rows:], one.symbol),
            pl.Series("beyond", counts, dtype=pl.Int64),
        )
        parts.append(table)
        notes += warnings_about(latest, one, rows, beyond, num_rows=num_rows, now=now)
    table = _with_regions(pl.concat(parts), known, confidence, notes, is_event=is_event)
    newest = max(bars, key=lambda one: one.frame["date"][-1])
    facts = {
        "runs": [_run_facts(run) for run in runs],
        "data": [one.facts() for one in bars],
        "calibration": {"method": calibration if is_event else None, "rows": known.height},
        "confidence": confidence,
        "beyond": {symbol: None if b is None else b.to_dict() for symbol, b in found.items()},
    }
    label = label_words(config, newest, table["date"][-1])
    return Forecasts(table, tuple(dict.fromkeys(notes)), question_words(config), label, facts)


def _rows(
    bars: Sequence[NewBars], config: ExperimentConfig, store: DataStore
) -> list[pl.DataFrame]:
    """Return each symbol's rows, compared with one another where the model reads that.

    Raises
    ------
    DataError
        If they are to be compared, and are not those that the model was trained beside.
    """
    data = config.data
    rows = [one.rows(data, store) for one in bars]
    if data.cross_section == "none":
        return rows
    from finscale.data.frames import relative_names
    from finscale.data.membership import universe_of, with_members
    from finscale.data.section_features import with_section

    missing = sorted(set(data.symbols) - {one.symbol for one in bars})
    if missing:
        raise DataError(
            f"the run reads every day's {len(data.symbols)} symbols beside one another "
            f"(data.cross_section: {data.cross_section}), and {len(missing)} have no bars here, "
            f"first {missing[0]}.",
            hint="predict on the store's bars of all of them, without --symbol or --file; or give "
            "a frame that holds all",
        )
    universe = universe_of(data, data.root)
    rows = [with_members(part, universe) for part in rows]
    groups = universe.groups if universe is not None else None
    return with_section(rows, relative_names(rows[0].columns), data.cross_section, groups)


def _same_question(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs whose predictions have no common mean."""
    for run in runs[1:]:
        for what in ("task", *(f"data.{name}" for name in _SEEN)):
            one, other = (_setting(each, what) for each in (runs[0], run))
            if one != other or quantile_levels(run.config) != quantile_levels(runs[0].config):
                raise DataError(
                    f"runs {runs[0].id[:8]} and {run.id[:8]} differ in {what}: their predictions "
                    "have no common mean."
                )


def _setting(run: TrainedRun, name: str) -> Any:
    value: Any = run.config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _member(run: TrainedRun, calibration: str, notes: list[str]) -> _Member:
    """Return a run with the map of its outputs, fitted on its own validation predictions."""
    validation = run.predictions("validation").sort(KEYS)
    target, output = (validation[name].cast(pl.Float64).to_numpy() for name in ("target", "logit"))
    link: Callable[[Floats], Floats] = np.asarray
    if target_of(run.config).is_event:
        link = probabilities
        if calibration != "none":
            try:
                calibrator = fit_calibrator(calibration, target, output)
                link = lambda logit: probabilities(calibrator(logit))  # noqa: E731
            except DataError as error:
                notes.append(f"run {run.id[:8]} is not calibrated: {error.message}")
    known = validation.select(*KEYS, "fold", "target", value=pl.Series(link(output)))
    return _Member(run, link, known)


def _known(members: Sequence[_Member]) -> pl.DataFrame:
    """Return validation rows with the mean of what the runs of their fold said.

    A run of another fold may have been trained on them, so each fold has its own.
    """
    rows = pl.concat([member.validation for member in members])
    return (
        rows.group_by("fold", *KEYS)
        .agg(pl.col("target").first(), pl.col("value").mean())
        .sort("fold", *KEYS)
    )


def _num_predicted(
    runs: Sequence[TrainedRun],
    bars: NewBars,
    rows: pl.DataFrame,
    last: int | None,
    notes: list[str],
) -> int:
    length = max(run.config.data.context_length for run in runs)
    num_windows = rows.height - length + 1
    if num_windows < 1:
        raise DataError(
            f"{bars.symbol} has {rows.height:,} rows after the warm-up of its features; a window "
            f"takes {length}.",
            hint=f"give at least {length - rows.height:,} bars more of its history",
        )
    if last is not None and last > num_windows:
        notes.append(
            f"{bars.symbol}: {last:,} rows were asked for, and its bars give {num_windows:,}."
        )
    return num_windows if last is None else min(last, num_windows)


def _predicted(members: Sequence[_Member], rows: pl.DataFrame, num_rows: int) -> pl.DataFrame:
    """Return the mean of what the runs say of the last rows, and each run's own."""
    config = members[0].run.config
    outputs = [member.run.outputs(rows, num_rows) for member in members]
    levels = quantile_levels(config)
    table = rows[-num_rows:].select(*KEYS)
    if levels:
        quantiles_NQ = np.mean(
            [output.reshape(num_rows, len(levels)) for output in outputs], axis=0
        )
        table = table.with_columns(
            pl.Series(f"{QUANTILE_PREFIX}{level:g}", quantiles_NQ[:, place])
            for place, level in enumerate(levels)
        )
        middle = int(np.abs(np.array(levels) - 0.5).argmin())
        outputs = [output.reshape(num_rows, len(levels))[:, middle] for output in outputs]
    values = [member.link(output) for member, output in zip(members, outputs, strict=True)]
    columns = {"value": np.mean(values, axis=0)}
    if target_of(config).is_event:
        columns["uncalibrated"] = np.mean([probabilities(output) for output in outputs], axis=0)
        columns["logit"] = np.mean(outputs, axis=0)
    if len(members) > 1:
        columns |= {f"run_{m.run.id[:8]}": v for m, v in zip(members, values, strict=True)}
    return table.with_columns(pl.Series(name, values) for name, values in columns.items())


def _with_regions(
    table: pl.DataFrame,
    known: pl.DataFrame,
    confidence: float,
    notes: list[str],
    *,
    is_event: bool,
) -> pl.DataFrame:
    """Add the sets or intervals of split-conformal prediction.

    All rows count as one day, the first after validation: no miss is known yet, and the adaptive
    sets of ``finscale evaluate`` are then the static ones.
    """
    target_M, value_M = (known[name].cast(pl.Float64).to_numpy() for name in ("target", "value"))
    value_N = table["value"].to_numpy()
    day_N, unknown_N = np.zeros(len(table), "datetime64[D]"), np.zeros(len(table))
    try:
        if is_event:
            outputs = _log_odds(value_M), day_N, unknown_N, _log_odds(value_N)
            sets_N2 = adaptive_sets(target_M, *outputs, confidence=confidence)
            words = np.array(["none", "no", "yes", "yes or no"])[sets_N2 @ np.array([1, 2])]
            table = table.with_columns(pl.Series("set", words))
        else:
            rows = target_M, value_M, day_N, unknown_N, value_N
            found = adaptive_intervals(*rows, confidence=confidence)
            table = table.with_columns(pl.Series("low", found.low), pl.Series("high", found.high))
    except DataError as error:
        notes.append(f"no {'sets' if is_event else 'intervals'}: {error.message}")
    first = ["probability", "set"] if is_event else ["value", "low", "high"]
    table = table.rename({"value": "probability"}) if is_event else table
    front = [*KEYS, "part", *(name for name in first if name in table.columns)]
    return table.select(*front, pl.exclude(front)).sort(KEYS)


def _log_odds(probability: Floats) -> Floats:
    inside = np.clip(probability, _SURELY, 1 - _SURELY)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _part(run: TrainedRun, rows: pl.DataFrame, symbol: str) -> pl.Series:
    """Return what a run did with each day: trained, validated or tested on it, or none of these."""
    if symbol not in run.config.data.symbols:
        return pl.Series("part", ["other symbol"] * rows.height)
    days = {part: _days(run, part, symbol) for part in ("validation", "test")}
    last = max((day for found in days.values() for day in found), default=None)

    def part_of(day: dt.date) -> str:
        if last is None or day > last:
            return "new"
        return next((part for part, found in days.items() if day in found), "train")

    return pl.Series("part", [part_of(day) for day in rows["date"]])


def _days(run: TrainedRun, part: str, symbol: str) -> set[dt.date]:
    decisions = run.decisions(part).filter(pl.col("symbol") == symbol)
    return set(decisions["date"].to_list())


def _run_facts(run: TrainedRun) -> dict[str, Any]:
    info, config = run.info, run.config
    return {
        "id": run.id,
        "model": config.model.kind,
        "parameters": info["parameters"].get("total"),
        "seed": config.seed,
        "fold": config.split.fold,
        "task": config.task.model_dump(mode="json"),
        "weights_sha256": info.get("files", {}).get("model.safetensors", {}).get("sha256"),
        "data": [
            {k: entry[k] for k in ("id", "version", "md5", "sha256")} for entry in info["data"]
        ],
    }
