"""Momentum: ten oscillators of eight periods, each beside its own past."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.classic import MOMENTUM
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.oscillators import RELATIONS, Oscillator, declare
from finscale.features.declared.parts import COMMON
from finscale.features.feature import Array

#: In the order in which tiers take them in.
PERIODS = (14, 28, 7, 50, 100, 20, 10)

FAMILY = Family("momentum", COMMON)
FAMILY.take(MOMENTUM)


def _rate_of_change(close: Array, *, timeperiod: int) -> Array:
    """Return the log return over a period over its usual size, √period × 1 %."""
    past = relations.lag(close, timeperiod)
    return np.asarray(relations.gap(close, past) / (0.01 * np.sqrt(timeperiod)))


def _directional(high: Array, low: Array, close: Array, *, timeperiod: int) -> Array:
    import talib

    up = talib.PLUS_DI(high, low, close, timeperiod)
    return np.asarray(up - talib.MINUS_DI(high, low, close, timeperiod))


def _vortex(high: Array, low: Array, close: Array, *, timeperiod: int) -> Array:
    import talib

    up, down = talib.VORTEX(high, low, close, timeperiod)
    return np.asarray(up - down)


def _signed_efficiency(close: Array, *, timeperiod: int) -> Array:
    import talib

    sign = np.sign(close - relations.lag(close, timeperiod))
    return np.asarray(sign * talib.ER(close, timeperiod))


_RANGES = "high low close"
_OSCILLATORS = (
    Oscillator("rsi", "RSI", "close", lambda p: p, "RSI", None, 50, 50, recursive=True),
    Oscillator("roc", "log return in units of √period %", "close", lambda p: p, _rate_of_change),
    Oscillator(
        "stoch",
        "stochastic %K",
        _RANGES,
        lambda p: p - 1,
        "STOCHF",
        0,
        50,
        50,
        period="fastk_period",
        more=MappingProxyType({"fastd_period": 1}),
    ),
    Oscillator("di", "+DI − −DI", _RANGES, lambda p: p, _directional, None, 0, 50, recursive=True),
    Oscillator("cci", "CCI", _RANGES, lambda p: p - 1, "CCI", None, 0, 200),
    Oscillator("adx", "ADX", _RANGES, lambda p: 2 * p - 1, "ADX", None, 25, 25, recursive=True),
    Oscillator("aroon", "Aroon oscillator", "high low", lambda p: p, "AROONOSC", None, 0, 100),
    Oscillator("er", "signed efficiency ratio", "close", lambda p: p, _signed_efficiency),
    Oscillator("imi", "intraday momentum", "open close", lambda p: p - 1, "IMI", None, 50, 50),
    Oscillator("vortex", "vortex, + less −", _RANGES, lambda p: p, _vortex),
)
for _period, _relation, _oscillator in by_priority(PERIODS, tuple(RELATIONS), _OSCILLATORS):
    declare(FAMILY, _oscillator, _period, _relation)
