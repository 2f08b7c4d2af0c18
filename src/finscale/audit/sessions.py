"""Rows against the exchange's sessions, and bars that are not finished."""

from __future__ import annotations

import datetime as dt

import numpy as np

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence
from finscale.data.calendar import NONE, gaps, sessions, unfinished
from finscale.data.timescales import resample

#: A hole of this many sessions makes "the next bar" something else than the task says.
_LONG_GAP = 5
#: Share of sessions that may be missing one by one.
_MISSING = 0.01
#: Calendar days between rows that count as a hole where no exchange calendar is known.
_LONG_BREAK = 10
#: A last bar with less than this share of the usual volume is taken for a partial one.
_PARTIAL_VOLUME = 0.1


def examine_calendar(evidence: Evidence) -> CheckOutcome:
    """Compare the rows with the exchange's sessions."""
    findings: list[str] = []
    compared, missing, without = 0, 0, 0
    for symbol in evidence.dataset.symbols:
        dates: list[dt.date] = _daily_dates(evidence, symbol)
        calendar = evidence.calendars.get(symbol, NONE)
        compared += len(dates)
        if calendar == NONE:
            without += 1
            findings += _long_breaks(symbol, dates, evidence.timescale)
            continue
        holes = gaps(dates, calendar)
        lacking = sum(hole.sessions for hole in holes)
        missing += lacking
        findings += [
            f"{symbol} lacks {hole}: windows and labels reach across it"
            for hole in holes
            if hole.sessions >= _LONG_GAP
        ]
        if lacking > _MISSING * len(dates):
            findings.append(
                f"{symbol} lacks {lacking:,} of {calendar}'s sessions, first {holes[0].first}"
            )
        foreign = sorted(set(dates) - set(sessions(calendar, dates[0], dates[-1])))
        if foreign:
            findings.append(
                f"{symbol} has {len(foreign):,} bars, first {foreign[0]}, on days without a "
                f"session of {calendar}"
            )
    note = f"; {_number(missing, 'session')} missing one by one" if missing else ""
    if without:
        symbols = _number(without, "symbol")
        note += f"; {symbols} without a calendar: breaks over {_LONG_BREAK} days only"
    return CheckOutcome(
        "calendar",
        f"{compared:,} bars compared with the exchange's sessions"
        + f": no hole of {_LONG_GAP} or more, no bar on a day without a session" * (not findings)
        + note,
        tuple(findings),
        mend="finscale data show SYMBOL lists the gaps; fetch the bars again or split around them",
    )


def examine_finished(evidence: Evidence) -> CheckOutcome:
    """Look for a last bar that was not over when it was registered, or a slower bar cut short."""
    findings: list[str] = []
    for symbol in evidence.dataset.symbols:
        known_at = min(evidence.registered.get(symbol, evidence.now), evidence.now)
        first_open = unfinished(evidence.calendars.get(symbol, NONE), known_at)
        dates = _daily_dates(evidence, symbol)
        if dates[-1] >= first_open:
            findings.append(
                f"{symbol}: the bar of {dates[-1]} was not finished when it was registered, "
                f"{known_at:%Y-%m-%d %H:%M} UTC"
            )
        findings += _thin_last_bar(evidence, symbol)
        if evidence.timescale != "daily" and symbol in evidence.bars:
            whole = resample(evidence.bars[symbol], evidence.timescale)["date"]
            days = evidence.part(symbol)["date"]
            for day in days.filter(~days.is_in(whole.implode())).head(1):
                findings.append(f"{symbol}: the {evidence.timescale} bar of {day} is not finished")
    slower = f" and every {evidence.timescale} bar is whole" * (evidence.timescale != "daily")
    return CheckOutcome(
        "finished",
        f"the last bar of {_number(len(evidence.dataset.symbols), 'symbol')} compared with the "
        "clock and the usual volume"
        + (f": over before it was registered, not thin{slower}" if not findings else ""),
        tuple(findings),
        mend="leave the last bar out: finscale data import FILE --drop FROM:TO",
    )


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _daily_dates(evidence: Evidence, symbol: str) -> list[dt.date]:
    """Return the days of a symbol's bars within the dataset; its rows' where there are no bars."""
    part = evidence.part(symbol)["date"]
    if symbol in evidence.bars and evidence.timescale != "daily":
        days = evidence.bars[symbol]["date"]
        return days.filter((days >= part[0]) & (days <= part[-1])).to_list()
    return part.to_list()


def _long_breaks(symbol: str, dates: list[dt.date], timescale: str) -> list[str]:
    if timescale != "daily":
        return []
    apart = np.diff(np.array(dates, dtype="datetime64[D]")).astype(int)
    return [
        f"{symbol} has no bar between {dates[row]} and {dates[row + 1]}: windows and labels reach "
        "across it"
        for row in np.flatnonzero(apart > _LONG_BREAK)
    ]


def _thin_last_bar(evidence: Evidence, symbol: str) -> list[str]:
    part = evidence.part(symbol)
    if "volume" not in part.columns:
        return []
    volume = part["volume"].tail(61).to_numpy()
    usual = np.median(volume[:-1]) if volume.size > 1 else 0.0
    if volume[-1] >= _PARTIAL_VOLUME * usual:
        return []
    return [
        f"{symbol}: the last bar has {volume[-1] / usual:.0%} of the usual volume: a partial bar"
    ]
