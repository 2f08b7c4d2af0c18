"""Sizes as people write them: 1e9, 2M, 1.5B, 512; several axes as N=1e9,D=2e10."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from finscale.errors import FinscaleError, did_you_mean
from finscale.scaling.counts import size_number
from finscale.scaling.forms.base import Array

#: The end of a column's name that says which multiple it counts: ``size [M]``, ``tokens_B``.
_UNIT = re.compile(
    r"[\[(]\s*(?:[kKMBT]|million|billion|(?:10\^|1e)\d+)\s*[\])]\s*$"
    r"|[ _](?:[kMBT]|million|billion)$"
)


def parse_size(text: str) -> float:
    """Return ``"1.5B"`` as 1.5e9.

    Raises
    ------
    FinscaleError
        For a text that is no positive size.

    Examples
    --------
    >>> parse_size("2M"), parse_size("1e9"), parse_size(".5")
    (2000000.0, 1000000000.0, 0.5)
    """
    try:
        value = size_number(text)
    except ValueError as error:
        raise FinscaleError(f"{error}.") from None
    if not (value > 0 and math.isfinite(value)):
        raise FinscaleError(f"{text.strip()!r} is no positive size.", hint="write 2M, 1.5B or 1e9")
    return value


def parse_sizes(
    texts: Sequence[str], axes: Sequence[str], aliases: Mapping[str, str] | None = None
) -> Array:
    """Return sizes ``[m, d]`` from texts like ``"1e9"`` or ``"N=1e9,D=2e10"``.

    Parameters
    ----------
    texts : sequence of str
        One text for each point.
    axes : sequence of str
        Names of the size columns, in the order of the table.
    aliases : mapping, optional
        Other names of the axes: ``{"N": "parameters"}``.

    Raises
    ------
    FinscaleError
        For an axis that is not there, named twice or left out.
    """
    return np.array([_point(text, list(axes), dict(aliases or {})) for text in texts])


def _size_of(axis: str, value: str, text: str) -> float:
    """Return a size; one with a letter is refused where the column itself counts in such units.

    In a column ``size [M]`` the size of 1B may be a billion, or a billion millions.
    """
    size, found = parse_size(value), _UNIT.search(axis)
    if found is None or not re.search(r"[^\W\deE_]", value):
        return size
    unit = found.group().strip(" _[]()")
    own = size / size_number(unit if unit[0].isdigit() else f"1{unit}")
    raise FinscaleError(
        f"--at {text}: the column {axis!r} counts in {unit}, and {value} may be meant in that unit "
        "or without it.",
        hint=f"write a plain number in the column's own unit: {own:g} for {value} in all",
    )


def _point(text: str, axes: list[str], aliases: dict[str, str]) -> list[float]:
    wanted = ",".join(f"{axis}=…" for axis in axes)
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        if len(parts) != len(axes):
            raise FinscaleError(
                f"--at {text}: {len(parts)} numbers for {len(axes)} "
                f"{'axis' if len(axes) == 1 else 'axes'} ({', '.join(axes)}).",
                hint=f"write --at {wanted}" if len(axes) > 1 else "repeat --at for several sizes",
            )
        return [_size_of(axis, part, text) for axis, part in zip(axes, parts, strict=True)]
    found: dict[str, float] = {}
    for part in parts:
        name, _, value = (piece.strip() for piece in part.partition("="))
        axis = name if name in axes else aliases.get(name, name)
        if axis not in axes:
            raise FinscaleError(
                f"--at {text}: {name!r} is no size axis of this law.",
                hint=did_you_mean(name, [*axes, *aliases]),
            )
        if axis in found:
            raise FinscaleError(f"--at {text}: {axis} is given twice.", hint=f"--at {wanted}")
        found[axis] = _size_of(axis, value, text)
    missing = [axis for axis in axes if axis not in found]
    if missing:
        raise FinscaleError(
            f"--at {text}: {', '.join(missing)} is not given.", hint=f"write --at {wanted}"
        )
    return [found[axis] for axis in axes]
