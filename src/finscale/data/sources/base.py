"""What a source is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from finscale.data.bars import Bars
from finscale.errors import DataError
from finscale.registry import Registry


class SourceUnavailableError(DataError):
    """A source that does not answer for now: asking for the next symbol would not help."""


#: Symbol and the source's own options → validated bars.
Fetch = Callable[..., Bars]

#: Names of columns as Yahoo and arch write them.
COLUMNS = {
    "Date": "date",
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
}


@dataclass(frozen=True)
class Panel:
    """The bars of every symbol of an archive."""

    symbols: tuple[str, ...]
    bars: Callable[[str], Bars]
    """Symbol → its bars."""
    universe: dict[str, Any]
    """Who is a member, as a universe's file says it."""


@dataclass(frozen=True)
class Source:
    """A place that bars come from."""

    name: str
    """As ``--source`` names it."""
    summary: str
    """One line for people: what it has."""
    fetch: Fetch
    """Symbol and options → bars."""
    symbols: tuple[str, ...] = ()
    """What it has, where that is a fixed list."""
    incremental: bool = False
    """Whether ``fetch`` takes ``start``, so that only new bars need to be fetched."""
    panel: Callable[..., Panel] | None = None
    """``panel(folder, told=…)``: every symbol at once, of a source that comes as one archive, which
    is kept in ``folder``."""
    local: bool = False
    """Whether it needs neither network nor file, so that a run may fetch by itself."""

    def serves(self, symbol: str) -> bool:
        """Tell whether a run may fetch ``symbol`` here by itself."""
        return self.local and (not self.symbols or symbol in self.symbols)


#: All sources by name.
SOURCES = Registry[Source]("source")


def register(source: Source) -> Source:
    """Add a source to :data:`SOURCES`."""
    return SOURCES.add(source.name, source)
