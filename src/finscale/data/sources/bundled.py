"""Daily bars that ship inside arch: S&P 500, Nasdaq Composite and VIX; no network needed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from finscale.data.bars import CLOSES_ALONE, Adjustment, Bars, Repair, conform
from finscale.data.sources.base import COLUMNS, Source, register
from finscale.errors import DataError, did_you_mean


@dataclass(frozen=True)
class BundledSeries:
    """One bundled series: its module in ``arch.data``, and what its numbers are."""

    module: str
    adjustment: Adjustment
    about: str
    close_only: bool = False


_PRICE_INDEX = "a price index: its divisor absorbs splits, dividends are not reinvested"

SERIES = {
    "SP500": BundledSeries("sp500", "split", f"S&P 500, {_PRICE_INDEX}"),
    "NASDAQ": BundledSeries("nasdaq", "split", f"Nasdaq Composite, {_PRICE_INDEX}"),
    "VIX": BundledSeries("vix", "raw", "CBOE volatility index: nothing to adjust", close_only=True),
}


def fetch(symbol: str, **options: Any) -> Bars:
    """Return a bundled series: SP500 and NASDAQ 1999–2018, VIX closes 2014–2019.

    VIX is published here as closes alone; rows of days without a session, which hold no value, are
    left out and listed as repairs.

    Raises
    ------
    DataError
        If the symbol is not bundled, or an option is given: there are none.
    """
    if symbol not in SERIES:
        raise DataError(f"{symbol} is not bundled.", hint=did_you_mean(symbol, SERIES))
    if options:
        raise DataError(f"the bundled source takes no option {sorted(options)[0]}.")
    series = SERIES[symbol]
    loaded = importlib.import_module(f"arch.data.{series.module}").load().reset_index()
    frame = pl.from_pandas(loaded).rename(lambda name: {**COLUMNS, "vix": "close"}[name])
    frame = frame.with_columns(pl.col("date").cast(pl.Date))
    repairs: list[Repair] = []
    if series.close_only:
        empty = frame.filter(pl.col("close").is_null())["date"]
        repairs += [Repair(None, day, "no value: row left out") for day in empty]
        frame = frame.drop_nulls("close")
    return Bars(
        symbol=symbol,
        frame=conform(symbol, frame),
        adjustment=series.adjustment,
        source="bundled",
        repairs=tuple(repairs),
        provenance={
            "about": series.about,
            "from": f"arch.data.{series.module}",
            "calendar": "XNYS",
            **({"columns": CLOSES_ALONE} if series.close_only else {}),
        },
    )


register(Source("bundled", "S&P 500, Nasdaq and VIX inside arch", fetch, tuple(SERIES), local=True))
