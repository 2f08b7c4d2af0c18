"""A summary of one version of a symbol's registered bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from finscale.data import calendar
from finscale.data.bars import Bars
from finscale.data.calendar import Gap
from finscale.data.manifest import ManifestEntry


@dataclass(frozen=True)
class Summary:
    """Facts about one version of one symbol's bars."""

    entry: ManifestEntry
    bars: Bars
    calendar: str
    sessions: int
    """Sessions of the calendar from the first bar to the last; the bars themselves without one."""
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
    sessions = (
        len(bars)
        if name == calendar.NONE
        else len(calendar.sessions(name, bars.first_date, bars.last_date))
    )
    gaps = calendar.gaps(bars.frame["date"].to_list(), name)
    return Summary(entry, bars, name, sessions, tuple(gaps))
