"""Files of series: FRED's CSV and ALFRED's vintages, Google Trends exports, plain tables."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.releases import (
    Frequency,
    ReleaseRule,
    Transform,
    moments,
    release_rule,
    usual_frequency,
)
from finscale.data.series import Series, make_frame, series_name, unknown_rule
from finscale.data.series_cells import comma_in, read_periods, read_values
from finscale.errors import DataError, did_you_mean
from finscale.tables.read import read_table
from finscale.tables.table import CellTable

#: What the columns of periods, releases and values are called where they have no name of a series.
_PERIOD = ("date", "observation_date", "period", "month", "week", "day", "time", "quarter", "datum")
_RELEASED = ("realtime_start", "realtime_start_date", "released", "release_date", "vintage_date")
_OTHER = ("realtime_end", "realtime_end_date")
_VALUE = ("value", "close", "index", "adj_close")
_VINTAGE = re.compile(r"(?P<name>.+)_(?P<day>\d{8})")
_TERM = re.compile(r"(?P<term>.+): \((?P<place>.*)\)")

Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class SeriesWishes:
    """What the user says of a series' file."""

    name: str | None = None
    """Of the series; that of the column or of the file when absent."""
    column: str | None = None
    """Of the values, where a file has several."""
    released: str | None = None
    """Column of release dates or moments."""
    lag: int | None = None
    """Days from a period's end to its release, over any declared rule."""
    hour: str | None = None
    """Of the release; the rule's, or the end of the day, when absent."""
    zone: str | None = None
    """Time zone of releases; the rule's, or New York's, when absent."""
    frequency: Frequency | None = None
    transform: Transform | None = None
    date_format: str | None = None
    """Of periods, where these could have the day or the month first."""
    is_final: bool | None = None
    """Whether values are never revised; the rule says, or they count as revised."""


def read_series_file(path: Path | str, wishes: SeriesWishes | None = None) -> Series:
    """Return the series in a file.

    Understood are FRED's CSV (``observation_date,CPIAUCSL`` or ``DATE,VALUE``; ``.`` for no value),
    ALFRED's vintages (a column ``realtime_start``, or a column for each vintage,
    ``GDP_20240125``), Google Trends exports, and any table with a column of dates and one of
    values, in any form that bars are read in.

    Raises
    ------
    DataError
        If the file holds no series, or nothing says when its values are published.
    """
    path, wishes = Path(path), wishes or SeriesWishes()
    table = read_table(path)
    if not table.headers:
        raise DataError(
            f"{table.place} has no header.",
            hint="its first line names the columns: date,value or observation_date,CPIAUCSL",
        )
    headers = [cell.strip() for cell in table.headers[-1]]
    found = _columns(headers, table, wishes)
    period_P = read_periods([row[found.period] for row in table.rows], table, wishes.date_format)
    about = {"file": path.name, "file sha256": table.sha256}
    if found.vintages:
        name = series_name(wishes.name or found.vintages[0][2])
        period_P, value_P, day_P = _unpivoted(table, period_P, found.vintages)
    else:
        name = _name(path, headers[found.value], wishes)
        cells = [row[found.value] for row in table.rows]
        value_P = read_values(cells, table, headers[found.value])
        if comma_in(cells, table, headers[found.value]) == "thousands":
            about["numbers"] = "a comma stands between thousands"
        day_P = None
    about["column"] = headers[found.value]
    named = {found.period, found.value, found.released, *(at for at, _, _ in found.vintages)}
    unread = [h for at, h in enumerate(headers) if at not in named and h.lower() not in _OTHER]
    if unread:
        about["not read"] = ", ".join(unread[:8]) + (" …" if len(unread) > 8 else "")
    rule = release_rule(name)
    term = _TERM.fullmatch(headers[found.value])
    frequency = _frequency(period_P, name, rule, wishes)
    if term is not None:
        about["search term"] = f"{term['term']}, {term['place']}"
        if frequency == "weekly":
            period_P = period_P + np.timedelta64(6, "D")
            about["weeks"] = "dated by their last day: the export dates them by the first"
    has_releases = found.released is not None or bool(found.vintages)
    rule = _rule(path, name, rule, frequency, wishes, has_releases=has_releases)
    if day_P is not None:
        released_P, release = moments(day_P, rule.hour, rule.zone), _of_vintages(rule)
    elif found.released is not None:
        cells = [row[found.released] for row in table.rows]
        released_P = _moments(cells, rule, table)
        release = f"the file's column {headers[found.released]}, {rule.hour} where it has no hour"
    else:
        released_P, release = rule.released(period_P), rule.describe()
    _refuse_doubles(period_P, released_P, value_P, table.place)
    frame = make_frame(period_P, released_P, value_P)
    missing = len(value_P) - int(np.isfinite(value_P).sum())
    if missing:
        about["no value"] = f"{missing:,} periods or cells have none and were left out"
    published = frame["period"].n_unique() < frame.height
    return Series(
        name,
        frame,
        frequency,
        wishes.transform or rule.transform,
        published or not rule.is_revised,
        release,
        provenance=about,
    )


@dataclass(frozen=True)
class _Columns:
    """Places of a file's columns."""

    period: int
    value: int
    released: int | None
    vintages: tuple[tuple[int, str, str], ...]
    """Place, day and name of each vintage's column."""


def _refuse_doubles(
    period_P: Days, released_P: NDArray[np.datetime64], value_P: NDArray[np.float64], place: str
) -> None:
    """Refuse a period that has two values of one moment: which of them holds, nothing says."""
    rows = pl.DataFrame(
        {"period": period_P.astype("datetime64[D]"), "released": released_P, "value": value_P}
    ).filter(pl.col("value").is_finite())
    number = rows.group_by("period", "released", maintain_order=True).agg(pl.col("value").unique())
    twice = number.filter(pl.col("value").list.len() > 1)
    if twice.height:
        one, other = sorted(twice["value"][0].to_list())[:2]
        raise DataError(
            f"{place}: {twice['period'][0]} has two values, {one:g} and {other:g}, published at "
            "the same time.",
            hint="leave one of them out of the file, or name their releases with --released",
        )


def _columns(headers: Sequence[str], table: CellTable, wishes: SeriesWishes) -> _Columns:
    lower = [header.lower().replace(" ", "_") for header in headers]
    place = table.place
    period = next((lower.index(name) for name in _PERIOD if name in lower), 0)
    released = next((lower.index(name) for name in _RELEASED if name in lower), None)
    if wishes.released is not None:
        released = _named(wishes.released, headers, place, "--released")
    matches = [(at, _VINTAGE.fullmatch(header)) for at, header in enumerate(headers)]
    vintages = tuple((at, m["day"], m["name"]) for at, m in matches if m and at != period)
    if wishes.column is not None:
        return _Columns(period, _named(wishes.column, headers, place, "--column"), released, ())
    if len(vintages) > 1 and len({name for _, _, name in vintages}) == 1:
        return _Columns(period, vintages[0][0], None, vintages)
    used = {period, released}
    left = [at for at in range(len(headers)) if at not in used and lower[at] not in _OTHER]
    wanted = [at for at in left if wishes.name and headers[at].upper() == wishes.name.upper()]
    usual = [at for name in _VALUE for at in left if lower[at] == name]
    if len(left) == 1 or wanted or usual:
        value = (wanted or (left if len(left) == 1 else usual))[0]
        return _Columns(period, value, released, ())
    if not left:
        raise DataError(f"{place} has no column of values beside {headers[period]}.")
    names = ", ".join(headers[at] for at in left)
    raise DataError(f"{place} has several columns of values: {names}.", hint="--column names one")


def _named(name: str, headers: Sequence[str], place: str, option: str) -> int:
    lower = [header.lower() for header in headers]
    if name.lower() not in lower:
        raise DataError(
            f"{place} has no column {name!r} ({option}).", hint=did_you_mean(name, headers)
        )
    return lower.index(name.lower())


def _name(path: Path, header: str, wishes: SeriesWishes) -> str:
    if wishes.name:
        return series_name(wishes.name)
    if _TERM.fullmatch(header):
        return "TRENDS"
    if header.lower().replace(" ", "_") not in (*_VALUE, ""):
        return series_name(header)
    stem = re.split(r"[.\s(]", path.name)[0]
    first = series_name(re.split(r"[_-]", stem)[0])  # VIX9D_History.csv, as CBOE calls it
    return first if release_rule(first) else series_name(stem)


def _unpivoted(
    table: CellTable, period_P: Days, vintages: Sequence[tuple[int, str, str]]
) -> tuple[Days, NDArray[np.float64], Days]:
    """Return periods, values and days of publication of a table with a column for each vintage."""
    parts = []
    before = np.full(period_P.size, np.nan)
    for place, day, name in sorted(vintages, key=lambda vintage: vintage[1]):
        value_P = read_values([row[place] for row in table.rows], table, f"{name}_{day}")
        # a value that is published again unchanged is known already
        new = np.isfinite(value_P) & (value_P != before)
        before = np.where(np.isfinite(value_P), value_P, before)
        released = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        parts.append((period_P[new], value_P[new], np.full(int(new.sum()), released)))
    periods, values, days = (np.concatenate(column) for column in zip(*parts, strict=True))
    return periods, values, days


def _of_vintages(rule: ReleaseRule) -> str:
    return f"the day of each vintage, {rule.hour} {rule.zone}"


def _frequency(
    period_P: Days, name: str, rule: ReleaseRule | None, wishes: SeriesWishes
) -> Frequency:
    if wishes.frequency is not None:
        return wishes.frequency
    different = np.unique(period_P)
    if different.size < 2:
        if rule is not None:
            return rule.frequency
        raise DataError(
            f"one period does not say how far apart those of {name} are.",
            hint="--frequency daily, weekly, monthly or quarterly",
        )
    found = usual_frequency(different)
    if rule is not None and found != rule.frequency and name != "TRENDS":
        raise DataError(
            f"{name} is {rule.frequency}, and the file's periods are {found}.",
            hint=f"--name for another series; --frequency {rule.frequency} if it is so after all",
        )
    return found


def _rule(
    path: Path,
    name: str,
    rule: ReleaseRule | None,
    frequency: Frequency,
    wishes: SeriesWishes,
    *,
    has_releases: bool,
) -> ReleaseRule:
    """Return the declared rule with the user's words over it, or one that these make alone.

    Raises
    ------
    DataError
        If nothing says when values are published.
    """
    if rule is None:
        if wishes.lag is None and not has_releases:
            raise unknown_rule(name, path)
        rule = ReleaseRule(name, "", frequency, 0, "", "", transform="difference")
    rule = replace(rule, frequency=frequency)
    if wishes.lag is not None:
        if wishes.lag < 0:
            raise DataError(
                f"a lag of {wishes.lag} days would show the future.", hint="--lag 0 or more"
            )
        hour = wishes.hour or ReleaseRule.hour
        rule = replace(rule, days=wishes.lag, is_business=False, late={}, hour=hour)
    rule = replace(rule, hour=wishes.hour or rule.hour, zone=wishes.zone or rule.zone)
    if wishes.is_final is not None:
        rule = replace(rule, is_revised=not wishes.is_final)
    try:
        moments(np.array(["2024-01-02"], "datetime64[D]"), rule.hour, rule.zone)
    except Exception:
        raise DataError(
            f"{rule.hour} {rule.zone} is no hour of a time zone.",
            hint="--hour 08:30 --zone America/New_York",
        ) from None
    return rule


def _moments(cells: Sequence[str], rule: ReleaseRule, table: CellTable) -> NDArray[np.datetime64]:
    """Return releases as they stand in a file; a date alone counts from the rule's hour on."""
    found = []
    for line, cell in zip(table.lines, cells, strict=True):
        text = cell.strip()
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            raise DataError(
                f"{table.place} line {line}: {cell!r} is no date or moment of release.",
                hint="write it as 2024-01-11, 2024-01-11 08:30 or 2024-01-11T13:30+00:00",
            ) from None
        if moment.tzinfo is not None:
            found.append(np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None), "us"))
            continue
        hour = rule.hour if len(text) <= 10 else f"{moment:%H:%M}"
        found.append(moments(np.array([moment.date()], "datetime64[D]"), hour, rule.zone)[0])
    return np.array(found, "datetime64[us]")
