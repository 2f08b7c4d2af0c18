"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Told what is at work, and how many of how many are done; 0 of 0 where nothing is counted.
Tell = Callable[[str, int, int], object]


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
