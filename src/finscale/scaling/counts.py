"""Sizes as people write them: ``5k``, ``1.5B``, ``1e6``, ``1_000``."""

from __future__ import annotations

import re

from finscale.tables.numbers import plain_number, written_number

_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_SIZE = re.compile(
    r"(?P<number>\d{1,3}(?:[,_ ]\d{3})+(?:\.\d+)?|\d[\d_]*(?:\.\d+)?|\.\d+)"
    r"(?P<power>e[-+]?\d+)?\s*(?P<unit>[kmbgt]?)",
    re.IGNORECASE,
)


def size_number(text: str) -> float:
    """Return a size as a number.

    Parameters
    ----------
    text : str
        Digits, perhaps with a point, a power of ten or marks between thousands, and perhaps k, M,
        B (or G) or T behind them, small or large; or what ``written_number`` reads.

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> [size_number(text) for text in ("5k", "2M", "1e6", "1_000", "0.5B", "2×10^6")]
    [5000.0, 2000000.0, 1000000.0, 1000.0, 500000000.0, 2000000.0]
    """
    match = _SIZE.fullmatch(plain_number(text.strip()))
    if match is None:
        try:
            return written_number(text).value
        except ValueError:
            pass
        raise ValueError(f"{text!r} is not a size; write 5000, 5k, 2M, 1.5B or 1e6")
    digits = re.sub("[,_ ]", "", match["number"])
    return float(digits + (match["power"] or "")) * _FACTORS[match["unit"].lower()]
