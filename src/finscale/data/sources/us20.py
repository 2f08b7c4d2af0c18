"""Daily closes of 20 US stocks and of the S&P 500, 1990–2022, inside skfolio; no network needed.

The files are read where skfolio is installed; skfolio itself, which is slow to import, is not.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import polars as pl

from finscale.data.bars import CLOSES_ALONE, Bars, conform
from finscale.data.sources.base import Source, register
from finscale.errors import DataError, did_you_mean

_PACKAGE, _FOLDER = "skfolio", "skfolio/datasets/data"
_STOCKS, _INDEX = "sp500_dataset.csv.gz", "sp500_index.csv.gz"
#: The index by a name of its own: SP500 are the whole bars of 1999–2018 in the source ``bundled``.
INDEX = "SPX"
# fmt: off
STOCKS = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)
# fmt: on
#: Falls that look like splits and are none: Apple's warning of the evening before, and a stock of
#: twelve ticks that fell to four (three days later it stood at five).
_REAL_MOVES = {"AAPL": "2000-09-29", "RRC": "1990-04-10"}
_SURVIVORS = "20 companies that were large and alive in 2022: their returns are those of survivors"


def fetch(symbol: str, **options: Any) -> Bars:
    """Return the closes of one of the 20 stocks, or of the index ``SPX``.

    Raises
    ------
    DataError
        If the symbol is not among them, an option is given (there are none), or skfolio is not
        installed.
    """
    symbols = (*STOCKS, INDEX)
    if symbol not in symbols:
        raise DataError(f"{symbol} is not in us20.", hint=did_you_mean(symbol, symbols))
    if options:
        raise DataError(f"the us20 source takes no option {sorted(options)[0]}.")
    is_index = symbol == INDEX
    name = _INDEX if is_index else _STOCKS
    column = "SP500" if is_index else symbol
    frame = _table(name).select("date", close=column).drop_nulls()
    about = "S&P 500, a price index: dividends are not reinvested"
    provenance = {
        "about": about if is_index else f"{symbol}, adjusted for splits and dividends",
        "from": f"{_PACKAGE} {distribution(_PACKAGE).version}, {name}",
        "calendar": "XNYS",
        "columns": CLOSES_ALONE,
        **({} if is_index else {"survivors": _SURVIVORS}),
        **({"real moves": _REAL_MOVES[symbol]} if symbol in _REAL_MOVES else {}),
    }
    return Bars(
        symbol=symbol,
        frame=conform(symbol, frame),
        adjustment="split" if is_index else "split+dividend",
        source="us20",
        provenance=provenance,
    )


@cache
def _table(name: str) -> pl.DataFrame:
    try:
        path = Path(str(distribution(_PACKAGE).locate_file(f"{_FOLDER}/{name}")))
        frame = pl.read_csv(path, glob=False)
    except (PackageNotFoundError, OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"us20 is read from the package skfolio, and {name} cannot be found there.",
            hint="pip install skfolio",
        ) from error
    return frame.rename({"Date": "date"}).with_columns(pl.col("date").str.to_date())


register(
    Source(
        "us20",
        "closes of 20 US stocks and the S&P 500 (SPX) 1990–2022, inside skfolio",
        fetch,
        (*STOCKS, INDEX),
        local=True,
    )
)
