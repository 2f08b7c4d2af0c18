"""A summary of one version of a symbol's registered bars."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from finscale.data import calendar
from finscale.data.bars import Bars
from finscale.data.calendar import Gap
from finscale.data.losses import LEFT_OUT, UNFINISHED
from finscale.data.manifest import ManifestEntry


@dataclass(frozen=True)
class Summary:
    """Facts about one version of one symbol's bars."""

    entry: ManifestEntry
    bars: Bars
    calendar: str
    sessions: int
    """Sessions of the calendar from the first bar to the last, and to the source's last where its
    newest rows were left out; the bars themselves without a calendar."""
    gaps: tuple[Gap, ...]

    @property
    def num_missing(self) -> int:
        """Sessions without a bar."""
        return sum(gap.sessions for gap in self.gaps)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            **self.entry.model_dump(mode="json"),
            "adjusted_to": self.bars.adjusted_to,
            "splits": to_jsonable_python(self.bars.splits),
            "calendar": self.calendar,
            "sessions": self.sessions,
            "gaps": to_jsonable_python(self.gaps),
            "repairs": to_jsonable_python(self.bars.repairs),
            "provenance": self.bars.provenance,
        }


def summarise(bars: Bars, entry: ManifestEntry) -> Summary:
    """Return what is known of bars: their gaps against the exchange calendar included."""
    name = bars.provenance.get("calendar", calendar.NONE)
    if name == calendar.NONE:
        return Summary(entry, bars, name, len(bars), ())
    last = max([bars.last_date, *_days_left_out(bars)])
    sessions = calendar.sessions(name, bars.first_date, last)
    gaps = calendar.gaps(bars.frame["date"].to_list(), name)
    later = [day for day in sessions if day > bars.last_date]
    if later:
        gaps.append(Gap(later[0], later[-1], len(later)))
    return Summary(entry, bars, name, len(sessions), tuple(gaps))


def _days_left_out(bars: Bars) -> list[dt.date]:
    """Return the days whose rows were left out, without those whose session was not over."""
    return [
        repair.date
        for repair in bars.repairs
        if repair.date and repair.reason.endswith(LEFT_OUT) and UNFINISHED not in repair.reason
    ]
