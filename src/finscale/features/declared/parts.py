"""Parts that every family may use: logs, returns, the typical price, the usual spread."""

from __future__ import annotations

import numpy as np

from finscale.features.declared.family import Family
from finscale.features.feature import Array
from finscale.features.indicators import talib_function
from finscale.features.views import log_return


def _typical(high: Array, low: Array, close: Array) -> Array:
    return (high + low + close) / 3.0


def _log_range(high: Array, low: Array) -> Array:
    return np.log(high / low)


COMMON = Family("common")
COMMON.part("log_close", "close", np.log)
COMMON.part("return_1", "close", log_return, extra=1)
COMMON.part("typical", "high low close", _typical)
COMMON.part("log_range", "high low", _log_range)
COMMON.part("true_range", "high low close", talib_function("TRANGE"), extra=1)
COMMON.part(
    "spread_14",
    "high low close",
    talib_function("ATR"),
    extra=14,
    recursive=True,
    timeperiod=14,
)
