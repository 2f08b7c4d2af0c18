"""Resample daily bars to slower ones; each row may see only bars that are finished by then.

A slower bar is *finished* once no later session can belong to it. Bars of a fixed number of
sessions (``5d``) are finished with their last session. Calendar bars (``weekly``) are finished with
the last weekday of their period. If that day is a holiday, only the first session of the next
period proves that the bar is finished, so daily rows see it one session later. No exchange calendar
is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import series_columns
from finscale.errors import DataError
from finscale.registry import Registry

Days = NDArray[np.datetime64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timescale:
    """The length of one bar: a number of sessions, or a calendar period."""

    name: str
    sessions: int = 1
    """Sessions in one bar, counted from the first row; without a period."""
    period: str | None = None
    """Calendar period in polars' notation: ``1w`` (from Monday), ``2w``, ``1mo``."""
    bars_a_year: float = 252.0
    """Bars in a year of an exchange: 252 sessions, 52 weeks, 12 months."""


TIMESCALES: Registry[Timescale] = Registry("timescale")
for _scale in (
    Timescale("daily"),
    Timescale("2d", sessions=2, bars_a_year=126.0),
    Timescale("3d", sessions=3, bars_a_year=84.0),
    Timescale("5d", sessions=5, bars_a_year=50.4),
    Timescale("weekly", period="1w", bars_a_year=52.0),
    Timescale("2wk", period="2w", bars_a_year=26.0),
    Timescale("monthly", period="1mo", bars_a_year=12.0),
    # daily rows that see the last finished bars of the others too: the rows themselves are daily
    Timescale("daily+multi"),
):
    TIMESCALES.add(_scale.name, _scale)

#: The timescales whose last finished bars a row of ``daily+multi`` sees.
SLOWER = ("2d", "3d", "5d", "weekly", "2wk", "monthly")

#: How each column of a slower bar follows from the sessions in it.
_AGGREGATES = {
    "symbol": pl.col("symbol").last(),
    "open": pl.col("open").first(),
    "high": pl.col("high").max(),
    "low": pl.col("low").min(),
    "close": pl.col("close").last(),
    "adj_close": pl.col("adj_close").last(),
    "volume": pl.col("volume").sum(),
}

#: Array [bars' rows] and first row of each bar → that column of the bars.
_MERGE: dict[str, Callable[[Floats, Ints], Floats]] = {
    "open": lambda values, first: values[first],
    "high": lambda values, first: np.maximum.reduceat(values, first),
    "low": lambda values, first: np.minimum.reduceat(values, first),
    "volume": lambda values, first: np.add.reduceat(values, first),
}


@dataclass(frozen=True)
class SlowerBars:
    """Which rows make up each finished slower bar, and from which row on it is seen."""

    bar_R: Ints
    """[R], the bar that a row belongs to; -1 where that is not finished or not whole."""
    known_G: Ints
    """[G], the first row at whose close a bar is known to be finished, rising."""

    @classmethod
    def of_dates(cls, date_R: Days, scale: Timescale) -> SlowerBars:
        """Return the bars of sessions on strictly rising dates."""
        if scale.period is None:
            return cls.of_sessions(date_R.size, scale.sessions)
        return cls(*_calendar_bars(date_R, scale.period)) if date_R.size else cls.of_sessions(0, 1)

    @classmethod
    def of_sessions(cls, num_rows: int, sessions: int) -> SlowerBars:
        """Return the bars of so many consecutive rows, counted from the first."""
        bar_R = np.arange(num_rows, dtype=np.int64) // sessions
        num_bars = num_rows // sessions
        known_G = np.arange(1, num_bars + 1, dtype=np.int64) * sessions - 1
        return cls(np.where(bar_R < num_bars, bar_R, -1), known_G)

    def merged(self, values_R: Floats, column: str) -> Floats:
        """Return a column [G] of the bars: of a kept series, the last value that is known."""
        kept_R = np.flatnonzero(self.bar_R >= 0)
        if not kept_R.size:
            return np.empty(0)
        edges = np.flatnonzero(np.diff(self.bar_R[kept_R])) + 1
        if column in _MERGE:
            return np.asarray(_MERGE[column](values_R[kept_R], np.r_[0, edges]), np.float64)
        return np.asarray(values_R[kept_R][np.r_[edges, kept_R.size] - 1], np.float64)

    @property
    def last_R(self) -> Ints:
        """[R], the last bar that is finished at a row's close; -1 before the first."""
        rows = np.arange(self.bar_R.size)
        return np.searchsorted(self.known_G, rows, side="right").astype(np.int64) - 1

    def seen(self, values_G: Floats) -> Floats:
        """Return at each row [R] the value of the last finished bar; NaN before the first."""
        seen_R: Floats = np.r_[np.nan, values_G][self.last_R + 1]
        return seen_R


def resample(frame: pl.DataFrame, timescale: str) -> pl.DataFrame:
    """Return the finished slower bars of one symbol's daily bars.

    Parameters
    ----------
    frame : pl.DataFrame
        One symbol's bars, sorted by ``date``: any of symbol, open, high, low, close, adj_close,
        volume.
    timescale : str
        A name in ``TIMESCALES``.

    Returns
    -------
    pl.DataFrame
        The same columns, one row per finished bar, dated by the bar's **last session**. An
        unfinished last bar is left out; so is a first calendar bar whose beginning the data lack.

    Raises
    ------
    DataError
        If the dates do not strictly increase, or a column has no rule of aggregation.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, d) for d in (8, 9, 10, 11, 12, 15)]
    >>> resample(pl.DataFrame({"date": days, "high": [1.0, 3, 2, 2, 2, 9]}), "weekly").rows()
    [(datetime.date(2024, 1, 12), 3.0)]
    """
    columns = [name for name in frame.columns if name != "date"]
    rules = {**_AGGREGATES, **{name: pl.col(name).last() for name in series_columns(frame)}}
    unknown = [name for name in columns if name not in rules]
    if unknown:
        raise DataError(
            f"column {unknown[0]} has no meaning on slower bars.",
            hint="resample bars first, then compute features on the slower bars",
        )
    slower = slower_bars(frame, timescale)
    return (
        frame.with_columns(pl.Series("_bar", slower.bar_R))
        .filter(pl.col("_bar") >= 0)
        .group_by("_bar", maintain_order=True)
        .agg(pl.col("date").last(), *(rules[name] for name in columns))
        .select(frame.columns)
    )


def last_finished(frame: pl.DataFrame, timescale: str) -> NDArray[np.int64]:
    """Return, for every daily row, which slower bar it may see.

    [R], for one symbol's daily bars, sorted by ``date``: the row of ``resample(frame, timescale)``
    that holds the last bar finished at the close of the daily row; -1 where none is finished yet.
    It depends on no later row.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, 1) + dt.timedelta(d) for d in range(5)]
    >>> last_finished(pl.DataFrame({"date": days}), "2d").tolist()
    [-1, 0, 0, 1, 1]
    """
    return slower_bars(frame, timescale).last_R


def slower_bars(frame: pl.DataFrame, timescale: str) -> SlowerBars:
    """Return the slower bars of a frame of bars in order of ``date``.

    Raises
    ------
    DataError
        If the dates do not strictly increase.
    """
    scale = TIMESCALES[timescale]
    date_R = frame["date"].to_numpy().astype("datetime64[D]")
    late = np.flatnonzero(np.diff(date_R) <= np.timedelta64(0, "D"))
    if late.size:
        raise DataError(f"bars are not in order: {date_R[late[0] + 1]} follows {date_R[late[0]]}.")
    return SlowerBars.of_dates(date_R, scale)


def _calendar_bars(date_R: Days, period: str) -> tuple[Ints, Ints]:
    trades_weekends_R = _weekends_by_then(date_R, period)
    # until a market is known to trade on weekends, a bar ends with its last weekday, and a weekend
    # session belongs to the next bar: a finished bar was visible already and must not change
    weekday_R = np.busday_offset(date_R, 0, roll="forward")
    counted_R = np.where(trades_weekends_R, date_R, weekday_R)
    start_R = _period_start(counted_R, period)
    next_R = _period_start(counted_R, period, following=True)

    first_G = np.flatnonzero(np.r_[True, start_R[1:] != start_R[:-1]])
    last_G = np.r_[first_G[1:], date_R.size] - 1
    weekends_G = trades_weekends_R[last_G]
    last_weekday_G = np.busday_offset(next_R[first_G], -1, roll="forward")
    final_day_G = np.where(weekends_G, next_R[first_G] - np.timedelta64(1, "D"), last_weekday_G)
    known_G = np.where(date_R[last_G] >= final_day_G, last_G, last_G + 1)

    keep_G = known_G < date_R.size
    keep_G[0] &= date_R[0] <= np.busday_offset(start_R[0], 0, roll="forward")
    number_G = np.where(keep_G, np.cumsum(keep_G) - 1, -1).astype(np.int64)
    return np.repeat(number_G, last_G - first_G + 1), known_G[keep_G].astype(np.int64)


def _weekends_by_then(date_R: Days, period: str) -> NDArray[np.bool_]:
    """Tell for each row whether an earlier period has shown that the market trades on weekends."""
    weekends = np.flatnonzero(~np.is_busday(date_R))
    if not weekends.size:
        return np.zeros(date_R.size, dtype=bool)
    monday = np.busday_offset(date_R[weekends[:1]], 0, roll="forward")
    known: NDArray[np.bool_] = date_R >= _period_start(monday, period, following=True)[0]
    return known


def _period_start(date_R: Days, period: str, *, following: bool = False) -> Days:
    """Return the first day of each date's calendar period, or of the following one."""
    starts = pl.Series(date_R.astype("datetime64[D]")).cast(pl.Date).dt.truncate(period)
    days = starts.dt.offset_by(period) if following else starts
    return np.asarray(days.to_numpy(), "datetime64[D]")
