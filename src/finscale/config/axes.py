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
    if axis == "data":
        return tuple(_asset_days(size) for size in sizes)
    return tuple(_whole_number(axis, size) for size in sizes)


def _asset_days(size: Any) -> int | str:
    """Return a count of asset-days as a number, a share of all of them as ``25%``."""
    try:
        share = _share_or_count(size.strip()) if isinstance(size, str) else size
    except ValueError:
        share = 0
    if isinstance(share, int | float) and not isinstance(share, bool):
        if 0 < share <= 1:
            return f"{100 * share:.10g}%"
        if share > 1 and float(share).is_integer() and not str(size).endswith("%"):
            return int(share)
    raise ValueError(
        f"{size!r} is no size of axis data: write a share of all asset-days (0.25 or 25%), or a "
        "count of them (250k)"
    )


def _share_or_count(text: str) -> float:
    if text.endswith("%"):
        return float(text[:-1]) / 100
    try:
        return float(text)
    except ValueError:
        return float(parse_count(text))


def share_of_data(size: int | str) -> float | None:
    """Return a size of axis data as a share of all asset-days; None where it is a count of them.

    Examples
    --------
    >>> share_of_data("25%"), share_of_data(250_000)
    (0.25, None)
    """
    return float(size[:-1]) / 100 if isinstance(size, str) else None


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
    if axis == "data" and len({isinstance(size, str) for size in sizes}) > 1:
        raise ValueError("axis data has shares of all asset-days, or counts of them, not both")
    if axis == "quality" and (wrong := [size for size in sizes if size not in QUALITIES]):
        raise ValueError(f"{wrong[0]!r} is not a quality (known: {', '.join(QUALITIES)})")
    for size in sizes if axis == "tier" else ():
        try:
            TIER_NAMES.check(str(size))
        except ValueError as error:
            raise ValueError(f"{size!r} {error}") from None
