"""Thirty years of 500 symbols through the backtest: `python benchmarks/backtest.py`."""

from __future__ import annotations

import time

import numpy as np

from finscale.evaluation.backtest import Strategy, backtest
from finscale.evaluation.market import Market

NUM_DAYS, NUM_SYMBOLS = 30 * 252, 500


def main() -> None:
    rng = np.random.default_rng(0)
    shape = (NUM_DAYS, NUM_SYMBOLS)
    close = 100 * np.exp(np.cumsum(0.015 * rng.standard_normal(shape), axis=0))
    dates = np.datetime64("1990-01-01") + np.arange(NUM_DAYS)
    names = tuple(f"S{i}" for i in range(NUM_SYMBOLS))
    market = Market(dates, names, close * (1 + 0.005 * rng.standard_normal(shape)), close)
    margin = rng.standard_normal(shape)
    print(f"{NUM_DAYS:,} sessions × {NUM_SYMBOLS} symbols, best of 3 runs")
    for rule in ("long_flat", "long_short", "volatility_scaled"):
        for entry in ("close", "open"):
            seconds = []
            for _ in range(3):
                started = time.perf_counter()
                backtest(market, margin, Strategy(rule, entry=entry))
                seconds.append(time.perf_counter() - started)
            print(f"{rule:18} {entry:6} {min(seconds):.2f} s")


if __name__ == "__main__":
    main()
