"""Counts as people write them (2M, 250k, 1.5B) and seeds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
_COUNT = re.compile(r"^\s*([0-9][0-9_,]*\.?[0-9]*(?:e[0-9]+)?)\s*([kmbgt]?)\s*$", re.IGNORECASE)


def parse_count(value: Any) -> Any:
    """Return ``"2M"`` as 2000000; numbers pass through, anything else is a ValueError."""
    if not isinstance(value, str):
        return value
    match = _COUNT.match(value)
    if match is None:
        raise ValueError(f"{value!r} is not a count; write 250k, 2M, 1.5B or a whole number")
    number = float(match[1].replace("_", "").replace(",", "")) * _UNITS[match[2].lower()]
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def format_count(count: float) -> str:
    """Return 2000000 as ``2M``: at most three significant digits."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        # 999,600 reads 1M, not 1000k
        if count >= size * 0.9995:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"  # .005 of a column in millions is no 0


Count = Annotated[int, BeforeValidator(parse_count), Field(gt=0)]

#: What torch, numpy and a table's column of integers all take.
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
