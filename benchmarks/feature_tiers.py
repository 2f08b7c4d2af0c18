"""The large tiers: seconds of one symbol, of many over cores, and bare calls beside a200."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
import talib
from machine import rounds, write_results

from finscale.features import compute_columns, compute_features

ROWS = 8400
INPUTS = ("open", "high", "low", "close", "volume")
Make = Callable[[int, np.random.Generator], pl.DataFrame]


def bare_pairs(close: np.ndarray, periods: tuple[int, ...] = (10, 20, 50, 100, 200)) -> int:
    """Compute with bare TA-Lib and polars the means, RSIs and deviations that a200 is made of."""
    count, returns = 0, pl.Series(np.diff(np.log(close), prepend=np.nan))
    for period in periods:
        for kind in (talib.SMA, talib.EMA, talib.DEMA, talib.WMA):
            count += np.log(close / kind(close, period)).size
        count += talib.RSI(close, period).size
        count += (returns**2).rolling_mean(period).sqrt().len()
    return count


def own_pairs(arrays: dict[str, np.ndarray], names: list[str]) -> int:
    """Compute the same columns with the engine."""
    from finscale.features import FEATURES

    return sum(len(values) for _, values in compute_columns(arrays, [FEATURES[n] for n in names]))


def same_names() -> list[str]:
    """Return the engine's columns for :func:`bare_pairs`."""
    from finscale.features import FEATURES

    wanted = [
        f"{kind}_{period}_gap"
        for period in (10, 20, 50, 100, 200)
        for kind in ("sma", "ema", "dema", "wma")
    ]
    wanted += [f"rsi_{period}_value" for period in (10, 20, 50, 100, 200)]
    wanted += [f"vol_cc_{period}_value" for period in (10, 20, 50, 100, 200)]
    return [name for name in wanted if name in FEATURES]


def one_symbol(seed: int, make: Make, tier: str = "a2000") -> float:
    """Return CPU seconds of one symbol's tier, bars made beforehand."""
    frame = make(ROWS, np.random.default_rng(seed))
    started = time.process_time()
    compute_features(frame, tier)
    return time.process_time() - started


def many(assets: int, workers: int, make: Make) -> dict[str, float]:
    """Return wall seconds and the largest memory of a worker, in GiB."""
    started = time.perf_counter()
    # a forked child of polars would wait for locks that nobody holds
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        cpu = list(pool.map(partial(one_symbol, make=make), range(assets)))
        peak = max(pool.map(_peak, range(4 * workers)))
    wall = time.perf_counter() - started
    return {"assets": assets, "workers": workers, "wall": wall, "cpu": sum(cpu), "peak": peak}


def _peak(_: int) -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure_tiers(*, assets: int, make: Make) -> None:
    """Print and write what the large tiers take."""
    frame = make(ROWS, np.random.default_rng(0))
    tiers: dict[str, float] = {}
    for tier in ("a20", "a200", "a2000"):
        compute_features(frame, tier)
        started = time.process_time()
        compute_features(frame, tier)
        tiers[tier] = time.process_time() - started
        print(f"{tier:6} {ROWS:,} rows: {tiers[tier]:.2f} s of one core")
    arrays = {name: frame[name].to_numpy() for name in INPUTS}
    names = same_names()
    share = len(names) / 30
    pairs = rounds(
        {
            "bare": lambda: bare_pairs(arrays["close"]),
            "finscale": lambda: own_pairs(arrays, names),
        },
        9,
        clock="cpu",
    )
    print(f"{len(names)} of 30 columns, finscale over bare: {pairs['finscale'].ratio / share:.2f}")
    scaled: list[dict[str, Any]] = []
    for workers in sorted({1, os.cpu_count() or 1}):
        scaled.append(many(assets, workers, make))
        one = scaled[-1]
        print(
            f"a2000, {assets} symbols, {workers} workers: {one['wall']:.1f} s, "
            f"{one['peak']:.2f} GiB a worker"
        )
    figures = {name: vars(seconds) for name, seconds in pairs.items()}
    content = {"rows": ROWS, "seconds": tiers, "same": names, "bare": figures, "many": scaled}
    print(f"written to {write_results('feature_tiers', content)}")
