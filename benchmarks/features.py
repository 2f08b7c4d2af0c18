"""Tier a20 beside bare TA-Lib calls on the same arrays: what the engine adds.

    python benchmarks/features.py [ASSETS] [ROWS] [--rounds 25]

CPU time, interleaved rounds, medians. ``bare`` is the twenty TA-Lib calls with their results thrown
away; ``arrays`` is finscale's engine from arrays to arrays; ``frames`` from polars frame to polars
frame. Goal: frames within 1.5 × bare. Other libraries go from frame to frame too, on a twentieth of
the assets. The way from registered bars to registered datasets (two parquet files an asset, flushed
to disk, with digests) is wall time on all cores; goal: under 3 s for 100 assets of 8,000 rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import warnings
from typing import Any

import numpy as np
import polars as pl
import talib
from feature_peers import installed_peers
from machine import Seconds, rounds, write_results

from finscale.data import Bars, DataStore
from finscale.data.bars import conform
from finscale.features import build_datasets, compute_columns, compute_features, tier_features

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


def in_memory(frames: list[pl.DataFrame], num_rounds: int) -> dict[str, Any]:
    """Compare the engine with bare calls, both on all assets."""
    arrays = [{name: frame[name].to_numpy() for name in INPUTS} for frame in frames]
    features = tier_features("a20")
    return rounds(
        {
            "bare TA-Lib": lambda: [bare(columns) for columns in arrays],
            "finscale, arrays": lambda: [
                values.size
                for columns in arrays
                for _, values in compute_columns(columns, features)
            ],
            "finscale, frames": lambda: [compute_features(frame, "a20").width for frame in frames],
        },
        num_rounds,
        clock="cpu",
    )


def peers(frames: list[pl.DataFrame], num_rounds: int) -> tuple[dict[str, Any], list[str]]:
    """Compare other libraries with bare calls, on few assets: some are slow."""
    arrays = [{name: frame[name].to_numpy() for name in INPUTS} for frame in frames]
    found, missing = installed_peers()
    contenders: dict[str, Any] = {"bare TA-Lib": lambda: [bare(columns) for columns in arrays]}
    for name, compute in found.items():
        contenders[name] = lambda compute=compute: [compute(frame) for frame in frames]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rounds(contenders, num_rounds, clock="cpu"), missing


def end_to_end(frames: list[pl.DataFrame], num_rounds: int) -> Seconds:
    """Build registered datasets from registered bars: read, adjust, compute, encode, register."""
    with tempfile.TemporaryDirectory() as folder:
        store = DataStore(folder)
        symbols = [f"S{number:03d}" for number in range(len(frames))]
        for symbol, frame in zip(symbols, frames, strict=True):
            store.add_bars(Bars(symbol, conform(symbol, frame), "split", "synthetic"))

        def build() -> None:
            shutil.rmtree(store.processed.folder, ignore_errors=True)
            build_datasets(store, symbols)

        return rounds({"build": build}, num_rounds)["build"]


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assets", type=int, nargs="?", default=100)
    parser.add_argument("rows", type=int, nargs="?", default=8000)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    frames = [bars(options.rows, rng) for _ in range(options.assets)]
    own = in_memory(frames, options.rounds)
    print(f"a20, {options.assets} assets × {options.rows:,} rows, CPU time of one thread")
    _print(own)
    others, missing = peers(frames[: options.assets // 20 or 1], 3)
    print(f"others, {options.assets // 20 or 1} of these assets")
    _print(others)
    if missing:
        print(f"not installed and left out: {', '.join(missing)} (pip install 'finscale[bench]')")
    built = end_to_end(frames, 3)
    print(f"registered bars to registered datasets: {built.wall:.2f} s, CPU {built.cpu:.2f} s")
    path = write_results(
        "features",
        {
            "assets": options.assets,
            "rows": options.rows,
            "figures": {name: vars(seconds) for name, seconds in (own | others).items()},
            "peer_assets": options.assets // 20 or 1,
            "end_to_end": vars(built),
            "missing": missing,
        },
    )
    print(f"written to {path}")


def _print(found: dict[str, Seconds]) -> None:
    for name, seconds in found.items():
        print(f"{name:30} {seconds.cpu * 1e3:9.1f} ms   {seconds.ratio:6.2f} × bare")


if __name__ == "__main__":
    main()
