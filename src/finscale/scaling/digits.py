"""Format numbers: three significant digits, intervals with the decimals of their estimate."""

from __future__ import annotations

import math

from finscale.evaluation.bootstrap import Metric

MINUS = "−"
#: More decimals than these are written in scientific form.
_MOST_DECIMALS = 8


def number(value: float) -> str:
    """Return three significant digits without a leading zero: ``.0123``."""
    text = f"{value:.3g}"
    if "e" in text:
        text = _scientific(value, 2) if abs(value) < 1e-5 else f"{value:.5f}".rstrip("0")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def decimals(metric: Metric) -> int | None:
    """Return how many decimals to show of an estimate and its interval; None if an end is unknown.

    Three significant digits of the estimate, or of half the interval where that is wider; more
    where its ends would read the same.
    """
    if not all(map(math.isfinite, (metric.value, metric.low, metric.high))):
        return None
    width = metric.high - metric.low
    scale = max(abs(metric.value), width / 2)
    if scale <= 0:
        return 3
    digits = max(0, 2 - math.floor(math.log10(scale)))
    apart = 1 - math.floor(math.log10(width)) if width > 0 else 0
    return max(digits, min(apart, _MOST_DECIMALS)) if apart > digits + 1 else digits


def signed(metric: Metric, digits: int | None = None) -> str:
    """Return a difference, a plus where it is one: ``+.0012 [−.0003, +.0027]``.

    ``digits`` are decimals; those of :func:`decimals` when absent.

    Examples
    --------
    >>> signed(Metric(0.0012, -0.0003, 0.0027))
    '+.00120 [−.00030, +.00270]'
    """
    own = decimals(metric)
    if own is None:
        return number(metric.value).replace("-", MINUS)
    digits = own if digits is None else digits
    value, low, high = (
        fixed(each, digits, sign=True) for each in (metric.value, metric.low, metric.high)
    )
    return f"{value} [{low}, {high}]"


def fixed(value: float, digits: int, *, sign: bool = False) -> str:
    """Return a number with so many decimals and no zero before the point.

    More than eight decimals cannot be read: such numbers are in scientific form, to the same place.

    Examples
    --------
    >>> fixed(-0.36684, 4), fixed(0.02, 2, sign=True), fixed(1234.5, 0)
    ('−.3668', '+.02', '1,234')
    >>> fixed(6.0712e-9, 11), fixed(-1.2e-10, 11), fixed(0.0, 11)
    ('6.07e-9', '−1.2e-10', '0')
    """
    text = f"{abs(value):,.{digits}f}"
    if digits > _MOST_DECIMALS:
        rounded = round(abs(value), digits)
        places = digits + math.floor(math.log10(rounded)) if rounded else 0
        text = _scientific(rounded, max(places, 0)) if rounded else "0"
    zero = not text.strip("0.,")
    if zero and digits == 1:
        return "0"  # a lone point and zero reads as a slip
    text = text.replace("0.", ".", 1) if text.startswith("0.") else text
    before = "" if zero else MINUS if value < 0 else "+" if sign else ""
    return before + text


def _scientific(value: float, places: int) -> str:
    """Return ``6.07e-9``."""
    digits, exponent = f"{value:.{places}e}".split("e")
    return f"{digits}e{int(exponent)}"


def flops(value: float) -> str:
    """Return a count of operations: ``6.18e11 FLOP``."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)} FLOP"
