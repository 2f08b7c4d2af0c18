"""Sizes as people write them: 1e9, 2M, 1.5B, 512; several axes as N=1e9,D=2e10."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from finscale.errors import FinscaleError, did_you_mean
from finscale.scaling.counts import size_number
from finscale.scaling.forms.base import Array


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


def _point(text: str, axes: list[str], aliases: dict[str, str]) -> list[float]:
    wanted = ",".join(f"{axis}=…" for axis in axes)
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        if len(parts) != len(axes):
            raise FinscaleError(
                f"--at {text}: {len(parts)} numbers for {len(axes)} axes ({', '.join(axes)}).",
                hint=f"write --at {wanted}" if len(axes) > 1 else "repeat --at for several sizes",
            )
        return [parse_size(part) for part in parts]
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
        found[axis] = parse_size(value)
    missing = [axis for axis in axes if axis not in found]
    if missing:
        raise FinscaleError(
            f"--at {text}: {', '.join(missing)} is not given.", hint=f"write --at {wanted}"
        )
    return [found[axis] for axis in axes]
