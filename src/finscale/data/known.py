"""What is known of a series at a moment: never a value before its release.

Measures are computed release by release, from the values that were known then, so they need no rows
of bars before the first: a z-score over five years is there on the first day. A row takes the last
release at or before its own decision time, the close of its session.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data import calendar, exchanges
from finscale.data.bars import SERIES
from finscale.data.series import Series
from finscale.errors import DataError
from finscale.registry import Registry

Floats = NDArray[np.float64]
Moments = NDArray[np.datetime64]

#: Fewest past values that say what is usual.
_FEWEST = 8
#: A value further from its past than so many deviations is held there.
_FURTHEST = 10.0

#: Measure → its function of known values [N, W]: of N moments the newest W, in order of their
#: periods, the newest last. It returns [N]; NaN where there are too few.
MEASURES: Registry[Callable[[Floats], Floats]] = Registry("measure of a series")


def _change(values_NW: Floats) -> Floats:
    if values_NW.shape[1] < 2:
        return np.full(values_NW.shape[0], np.nan)
    changed: Floats = values_NW[:, -1] - values_NW[:, -2]
    return changed


def _zscore(values_NW: Floats) -> Floats:
    return _deviations(values_NW[:, -1], values_NW)


def _surprise(values_NW: Floats) -> Floats:
    changes_NC = np.ascontiguousarray(np.diff(values_NW, axis=1))
    if changes_NC.shape[1] == 0:
        return np.full(values_NW.shape[0], np.nan)
    return _deviations(changes_NC[:, -1], np.ascontiguousarray(changes_NC[:, :-1]))


def _deviations(value_N: Floats, past_NW: Floats) -> Floats:
    """Return how many of their standard deviations values lie above past ones."""
    if past_NW.shape[1] < _FEWEST:
        return np.full(value_N.size, np.nan)
    spread_N = past_NW.std(axis=1)
    # a spread that is rounding alone, or none, says nothing
    still_N = spread_N <= 1e-12 * np.abs(past_NW).max(axis=1)
    far_N = (value_N - past_NW.mean(axis=1)) / np.where(still_N, 1.0, spread_N)
    return np.where(still_N, 0.0, np.clip(far_N, -_FURTHEST, _FURTHEST))


MEASURES.add("change", _change)
MEASURES.add("zscore", _zscore)
MEASURES.add("surprise", _surprise)


@lru_cache(maxsize=32)
def known_values(series: Series) -> pl.DataFrame:
    """Return what is known from each moment of release on.

    Returns
    -------
    polars.DataFrame
        One row for each moment of release: ``released`` (UTC); ``value``, the newest period's;
        ``period`` and ``since``, that period and when its first value came, in days since 1970;
        and one column for each of ``MEASURES``. A row depends on no later release.
    """
    return _known_values(series.frame, series.usual, series.transform == "log", series.name)


def _known_values(frame: pl.DataFrame, usual: int, is_log: bool, name: str) -> pl.DataFrame:
    if is_log and (frame["value"] < 0).any():
        raise DataError(
            f"series {name} has values below zero, whose logarithm is nothing.",
            hint="finscale series import FILE --transform difference",
        )
    number_P = frame["period"].to_physical().to_numpy().astype(np.int64)
    moment_P = frame["released"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    value_P = frame["value"].to_numpy()
    # no search at all is less than the least that an export shows, 1
    level_P = np.log(np.where(value_P > 0, value_P, 0.5)) if is_log else value_P
    periods: list[int] = []
    levels: list[float] = []
    rows: list[tuple[float, float, float]] = []
    moments_E: list[np.datetime64] = []
    windows: dict[int, dict[int, list[float]]] = {}  # length → event → newest levels
    newest, since, at_newest = -(1 << 60), 0.0, np.nan
    level_of, value_of = level_P.tolist(), value_P.tolist()
    day_P = moment_P.astype("datetime64[D]").astype(np.int64).tolist()
    is_last_P = np.r_[moment_P[1:] != moment_P[:-1], True].tolist()
    for place, period in enumerate(number_P.tolist()):
        if period > newest:
            periods.append(period)
            levels.append(level_of[place])
            newest, since = period, float(day_P[place])
        else:
            at = bisect_left(periods, period)
            if periods[at] != period:
                periods.insert(at, period)
                levels.insert(at, level_of[place])
            levels[at] = level_of[place]
        if period == newest:
            at_newest = value_of[place]
        if is_last_P[place]:  # of what is published at one moment
            recent = levels[-(usual + 2) :]
            windows.setdefault(len(recent), {})[len(rows)] = recent
            rows.append((at_newest, float(newest), since))
            moments_E.append(moment_P[place])
    measured = {name: np.full(len(rows), np.nan) for name in MEASURES}
    for found in windows.values():
        events, values_NW = list(found), np.array(list(found.values()))
        for name, measure in MEASURES.items():
            measured[name][events] = measure(values_NW)
    table = pl.DataFrame(np.array(rows), schema=["value", "period", "since"], orient="row")
    released = pl.Series("released", np.array(moments_E))
    return table.insert_column(0, released).with_columns(**measured)


def decision_moments(date_R: NDArray[np.datetime64], name: str) -> Moments:
    """Return when rows are decided, in UTC by the microsecond: the close of each session.

    Parameters
    ----------
    date_R : ndarray of datetime64[D]
        Dates of rows, rising.
    name : str
        The bars' exchange calendar. Without one (``none``), and on days that are no session of it,
        nothing is known of when the bar closed: the day's first moment stands for it, so that
        releases of the same day are known to the next row only.
    """
    date_R = date_R.astype("datetime64[D]")
    moment_R = date_R.astype("datetime64[us]")
    if name == calendar.NONE or not date_R.size:
        return moment_R
    years = date_R[[0, -1]].astype("datetime64[Y]").astype(int) + 1970
    day_S, close_S = _closes(calendar._name(name), int(years[0]), int(years[1]))
    place_R = np.searchsorted(day_S, date_R)
    found_R = place_R < day_S.size
    found_R[found_R] = day_S[place_R[found_R]] == date_R[found_R]
    moment_R[found_R] = close_S[place_R[found_R]]
    return moment_R


@lru_cache(maxsize=32)
def _closes(name: str, first: int, last: int) -> tuple[NDArray[np.datetime64], Moments]:
    """Return the sessions of whole years and their closes, in UTC."""
    least, most = exchanges.bounds(name)
    start, end = max(dt.date(first, 1, 1), least), min(dt.date(last, 12, 31), most)
    if start > end:
        return np.empty(0, "datetime64[D]"), np.empty(0, "datetime64[us]")
    closes = exchanges.library().get_calendar(name, start=str(start), end=str(end)).closes
    days = closes.index.to_numpy().astype("datetime64[D]")
    return days, closes.dt.tz_convert(None).to_numpy().astype("datetime64[us]")


def join_series(frame: pl.DataFrame, series: Iterable[Series], calendar_name: str) -> pl.DataFrame:
    """Return rows of bars with what each knew of some series at its decision time.

    Parameters
    ----------
    frame : polars.DataFrame
        One symbol's bars in order of ``date``, daily or slower.
    series : iterable of Series
        Which.
    calendar_name : str
        Of the bars' exchange; see :func:`decision_moments`.

    Returns
    -------
    polars.DataFrame
        The frame and, for each series, Float64 columns ``series:NAME`` (the newest period's value),
        ``series:NAME:since`` (day on which that was first published, since 1970) and
        ``series:NAME:…`` for each of ``MEASURES``; NaN before the first release.
    """
    moment_R = decision_moments(frame["date"].to_numpy(), calendar_name)
    columns = []
    for one in series:
        known = known_values(one)
        moment_E = known["released"].to_numpy().astype("datetime64[us]")
        place_R = np.searchsorted(moment_E, moment_R, side="right") - 1
        for column in ("value", "since", *MEASURES):
            value_E = np.r_[np.nan, known[column].to_numpy()]
            suffix = "" if column == "value" else f":{column}"
            columns.append(pl.Series(f"{SERIES}{one.name}{suffix}", value_E[place_R + 1]))
    return frame.hstack(columns)


def refuse_ended(frame: pl.DataFrame, series: Iterable[Series]) -> None:
    """Raise a DataError if a series ended long before the bars did: its last value says nothing."""
    last = frame["date"][-1]
    for one in series:
        released = one.frame["released"].max()
        assert isinstance(released, dt.datetime)
        if (last - released.date()).days > one.stale:
            raise DataError(
                f"series {one.name} ends with {one.span[1]}, and the bars go on to {last}.",
                hint=f"import a newer file of it (finscale series import, finscale series fetch "
                f"{one.name}), or leave it out of data.series and data.quality",
            )
