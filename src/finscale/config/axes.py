"""The scale axes that a study may vary, and how their sizes are written."""

from __future__ import annotations

from typing import Any

from finscale.config.data import QUALITIES
from finscale.config.names import AXIS_NAMES, TIER_NAMES
from finscale.config.quantities import parse_count

#: Axes whose sizes are written as counts: 250k, 2M, 1e15.
COUNTED = ("parameters", "compute")
#: Axes whose sizes are names.
NAMED = ("tier", "quality")


def parse_sizes(axis: str, sizes: Any) -> Any:
    """Return an axis' sizes as numbers, or as tier names; what is no list passes through.

    Examples
    --------
    >>> parse_sizes("parameters", ["10k", "2M"])
    (10000, 2000000)
    >>> parse_sizes("tier", "a20")
    ('a20',)

    Raises
    ------
    ValueError
        If there is no such axis, or a size is no size of it.
    """
    try:
        AXIS_NAMES.check(axis)
    except ValueError as error:
        raise ValueError(f"{axis!r} {error}") from None
    if isinstance(sizes, int | str):
        sizes = [sizes]
    if not isinstance(sizes, list | tuple):
        return sizes
    if axis in NAMED:
        return tuple(sizes)
    return tuple(_whole_number(axis, size) for size in sizes)


def _whole_number(axis: str, size: Any) -> int:
    number = parse_count(size) if axis in COUNTED or not isinstance(size, str) else None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{size!r} is no size of axis {axis}: write a whole number above 0")
    return number


def check_sizes(axis: str, sizes: tuple[int | str, ...]) -> None:
    """Refuse an axis without sizes, with one twice, or with a tier that nobody declares."""
    if not sizes or len(set(sizes)) != len(sizes):
        raise ValueError(f"axis {axis} needs at least one size, each once")
    if axis == "quality" and (wrong := [size for size in sizes if size not in QUALITIES]):
        raise ValueError(f"{wrong[0]!r} is not a quality (known: {', '.join(QUALITIES)})")
    for size in sizes if axis == "tier" else ():
        try:
            TIER_NAMES.check(str(size))
        except ValueError as error:
            raise ValueError(f"{size!r} {error}") from None
