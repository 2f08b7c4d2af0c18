"""What moved goes on moving, what happened happens again."""

from __future__ import annotations

import polars as pl

from finscale.models.baselines.baseline import Floats, Ints, Setting, columns_at
from finscale.models.baselines.constant import realised_labels
from finscale.models.baselines.linear import LinearBaseline
from finscale.models.baselines.volatility import LOG_VOLATILITY

#: Day, week, month and quarter, in sessions.
LOOKBACKS = (1, 5, 21, 63)


def persistence(setting: Setting) -> LinearBaseline:
    """Return the logistic on the newest label that has come true, that of t-H."""

    def last_label(frame: pl.DataFrame, ends: Ints) -> Floats:
        return realised_labels(frame, setting)[ends, None]

    return LinearBaseline(setting, last_label)


def momentum(setting: Setting) -> LinearBaseline:
    """Return the logistic on past returns in units of volatility.

    Log returns over a day, a week, a month and a quarter, each divided by EWMA volatility and the
    square root of its length (Moskowitz, Ooi and Pedersen 2012). Where history is shorter than
    the look-back, the return since the first bar stands in.
    """
    log_close = pl.col("close").log()
    since_first = log_close - log_close.first()
    expressions = [
        pl.coalesce(log_close.diff(days), since_first) / (LOG_VOLATILITY.exp() * days**0.5)
        for days in LOOKBACKS
    ]
    return LinearBaseline(setting, lambda frame, ends: columns_at(frame, expressions, ends))
