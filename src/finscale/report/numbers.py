"""Format numbers: three significant digits, an interval beside the estimate, always a unit."""

from __future__ import annotations

import math

from finscale.evaluation.bootstrap import Metric
from finscale.scaling.digits import MINUS, decimals, fixed, flops
from finscale.scaling.digits import number as plain

__all__ = ["MINUS", "duration", "fixed", "flops", "interval", "number", "percent", "probability"]


def number(value: float | None, *, sign: bool = False) -> str:
    """Return three significant digits, ``.0123``; what is not known is an n-dash.

    Examples
    --------
    >>> number(-0.01234)
    '−.0123'
    >>> number(0.25, sign=True)
    '+.25'
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,.0f}" if abs(value) >= 1000 else plain(float(f"{value:.3g}"))
    text = text.rstrip(".").replace("-", MINUS)
    return f"+{text}" if sign and value > 0 else text


def interval(metric: Metric, *, sign: bool = False, digits: int | None = None) -> str:
    """Return ``.0123 [.0046, .0201]``: as many decimals at the ends as the estimate deserves.

    Parameters
    ----------
    metric : Metric
        Estimate and interval; not known ends leave the estimate alone.
    sign : bool
        Whether a plus is written.
    digits : int, optional
        Decimals; three significant digits of the estimate, or of half the interval where that is
        wider, when absent.

    Examples
    --------
    >>> interval(Metric(0.0142, -0.00643, 0.0349), sign=True)
    '+.0142 [−.0064, +.0349]'
    >>> interval(Metric(0.0147, 6e-8, 0.0237))
    '.0147 [.0000, .0237]'
    """
    own = decimals(metric)
    if own is None:
        return number(metric.value, sign=sign)
    digits = own if digits is None else max(0, digits)
    values = (metric.value, metric.low, metric.high)
    value, low, high = (fixed(v, digits, sign=sign) for v in values)
    return f"{value} [{low}, {high}]"


def probability(p: float) -> str:
    r"""Return a p value in two significant digits: ``.031``, or ``< .001``.

    Examples
    --------
    >>> probability(0.0312), probability(2e-9), probability(1.0)
    ('.031', '<\xa0.001', '1')
    """
    return "<\N{NO-BREAK SPACE}.001" if p < 0.001 else number(float(f"{p:.2g}"))


def percent(value: float | None, *, sign: bool = False) -> str:
    """Return a share as per cent: ``21.8 %``.

    Examples
    --------
    >>> percent(0.2178)
    '21.8 %'
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{100 * value:.3g}" if abs(value) < 10 else f"{100 * value:,.0f}"
    text = text.replace("-", MINUS)
    return f"+{text} %" if sign and value > 0 else f"{text} %"


def duration(seconds: float) -> str:
    """Return a time in the unit that people would use.

    Examples
    --------
    >>> duration(107)
    '107 s'
    >>> duration(540)
    '9 min'
    >>> duration(400_000)
    '4.63 days'
    """
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:,.3g} days"
