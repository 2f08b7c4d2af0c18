"""From log returns to valid OHLCV bars: a Brownian path within the day, volume that follows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finscale.data.synthetic.processes import Draw, Float, Streams

#: Share of the day's variance that falls between the last close and the open.
OVERNIGHT_SHARE = 0.2
#: Close on the day before the first bar.
FIRST_PRICE = 100.0
#: Shares traded on an ordinary day.
ORDINARY_VOLUME = 1e6
_VOLUME_MEMORY, _VOLUME_NEWS, _VOLUME_NOISE = 0.7, 0.25, 0.2


@dataclass(frozen=True)
class Ohlcv:
    """Prices and volume ``[T, S]``; high and low enclose open and close on every day."""

    open_TS: Float
    high_TS: Float
    low_TS: Float
    close_TS: Float
    volume_TS: Float


def render(draw: Draw, streams: Streams) -> Ohlcv:
    """Return bars whose closes realise the returns of ``draw`` exactly.

    What the draw leaves open is filled from a Brownian motion from close to close: the open is the
    bridge at the overnight share of the variance, high and low are the bridge's extremes between
    open and close (each drawn from its exact marginal distribution).
    """
    gap_TS = draw.gap_TS if draw.gap_TS is not None else _gaps(draw, streams)
    session_TS = draw.return_TS - gap_TS
    variance_TS = (1 - OVERNIGHT_SHARE) * draw.volatility_TS**2
    upper_TS, lower_TS = draw.upper_TS, draw.lower_TS
    if upper_TS is None:
        upper_TS = _overshoot(session_TS, variance_TS, streams.uniform())
    if lower_TS is None:
        lower_TS = _overshoot(-session_TS, variance_TS, streams.uniform())
    log_close_TS = np.log(FIRST_PRICE) + np.cumsum(draw.return_TS, axis=0)
    log_open_TS = log_close_TS - session_TS
    open_TS, close_TS = np.exp(log_open_TS), np.exp(log_close_TS)
    log_volume_TS = draw.log_volume_TS
    if log_volume_TS is None:
        log_volume_TS = _log_volumes(draw, streams)
    return Ohlcv(
        open_TS=open_TS,
        # multiplying by factors >= 1 (<= 1) keeps high >= max (low <= min) in floating point too
        high_TS=np.maximum(open_TS, close_TS) * np.exp(upper_TS),
        low_TS=np.minimum(open_TS, close_TS) * np.exp(-lower_TS),
        close_TS=close_TS,
        volume_TS=np.rint(np.exp(log_volume_TS)),
    )


def _gaps(draw: Draw, streams: Streams) -> Float:
    bridge = np.sqrt(OVERNIGHT_SHARE * (1 - OVERNIGHT_SHARE))
    gap_TS: Float = bridge * draw.volatility_TS * streams.normal()
    gap_TS += OVERNIGHT_SHARE * draw.return_TS
    return gap_TS


def _overshoot(move_TS: Float, variance_TS: Float, uniform_TS: Float) -> Float:
    """Return how far a Brownian bridge from 0 to ``move`` rises above the higher of its ends.

    Its maximum M has ``P(M > m) = exp(-2 m (m - move) / variance)``.
    """
    peak_TS = 0.5 * (move_TS + np.sqrt(move_TS**2 - 2 * variance_TS * np.log(uniform_TS)))
    return np.maximum(peak_TS - np.maximum(move_TS, 0.0), 0.0)


def _log_volumes(draw: Draw, streams: Streams) -> Float:
    """Log volume: an AR(1) that large moves push up, as in real markets."""
    surprise_TS = np.abs(draw.return_TS) / draw.volatility_TS - np.sqrt(2 / np.pi)
    push_TS = _VOLUME_NEWS * surprise_TS + _VOLUME_NOISE * streams.normal()
    level_TS = np.empty(streams.shape)
    level_S = np.zeros(streams.shape[1])
    for day, push_S in enumerate(push_TS):
        level_S = _VOLUME_MEMORY * level_S + push_S
        level_TS[day] = level_S
    level_TS += np.log(ORDINARY_VOLUME)
    return level_TS
