"""Tier a20 beside bare TA-Lib calls on the same arrays: what the engine adds.

    python benchmarks/features.py [ASSETS] [ROWS]

CPU time of one thread, interleaved rounds, medians. ``bare`` is the twenty TA-Lib calls with their
results thrown away; ``arrays`` is finscale's engine from arrays to arrays; ``frames`` from polars
frame to polars frame, which adds fresh memory for every column.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import polars as pl
import talib

from finscale.features import compute_columns, compute_features, tier_features

ROUNDS = 25
INPUTS = ("open", "high", "low", "close", "volume")


def bars(num_rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return a random walk as daily bars."""
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, num_rows)))
    days = np.busday_offset("1990-01-01", np.arange(num_rows), roll="forward")
    return pl.DataFrame(
        {
            "date": days.astype("datetime64[D]"),
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": rng.integers(1, 10**7, num_rows).astype(float),
        }
    )


def bare(columns: dict[str, np.ndarray]) -> None:
    """Compute what a20 holds with TA-Lib alone."""
    high, low, close, volume = (columns[name] for name in INPUTS[1:])
    for period in (9, 10, 20, 25, 90):
        talib.DEMA(close, period)
    for period in (12, 50, 100, 200):
        talib.SMA(close, period)
    weekly = close[4::5].copy()
    for prices in (close, weekly):
        talib.RSI(prices, 14)
        talib.STOCHRSI(prices)
    talib.MACD(close)
    talib.OBV(close, volume)
    talib.ADOSC(high, low, close, volume)
    talib.ATR(high, low, close)
    talib.ADX(high, low, close)
    talib.BBANDS(close, 20)
    np.divide(talib.SUM((high + low + close) / 3 * volume, 20), talib.SUM(volume, 20))


def main(num_assets: int = 100, num_rows: int = 8000) -> None:
    """Print the medians and their ratios."""
    rng = np.random.default_rng(0)
    frames = [bars(num_rows, rng) for _ in range(num_assets)]
    arrays = [{name: frame[name].to_numpy() for name in INPUTS} for frame in frames]
    features = tier_features("a20")
    contenders = {
        "bare": lambda: [bare(columns) for columns in arrays],
        "arrays": lambda: [
            values.size for columns in arrays for _, values in compute_columns(columns, features)
        ],
        "frames": lambda: [compute_features(frame, "a20").width for frame in frames],
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    print(f"a20, {num_assets} assets × {num_rows:,} rows, CPU time, {ROUNDS} interleaved rounds")
    for name, taken in seconds.items():
        ratio = statistics.median(
            one / other for one, other in zip(taken, seconds["bare"], strict=True)
        )
        print(f"{name:7} {statistics.median(taken) * 1e3:7.1f} ms   {ratio:.2f} × bare")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
