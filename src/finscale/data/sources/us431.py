"""Closes and volume of 431 US stocks 2007–2016, from the source distribution of cvxportfolio.

Its examples hold the data of Boyd et al. (2017), "Multi-Period Trading via Convex Optimization":
total returns, dollar volumes and |log(open / close)| of the members of the S&P 500 of 2016. Three
files are read out of the archive; no code of it runs, and nothing of it is installed.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from finscale.data.bars import SERIES, Bars, conform
from finscale.data.package_index import fetch_file
from finscale.data.sources.base import Archive, Source, register
from finscale.errors import DataError, did_you_mean

PACKAGE, VERSION = "cvxportfolio", "1.5.1"
SHA256 = "d62b3663da9634d92fdfbe78f31bbfbdd6313237d7600d6a86adf4862d1a9378"
FILE = f"{PACKAGE}-{VERSION}.tar.gz"
_FOLDER = f"{PACKAGE}-{VERSION}/examples/paper_examples"
#: The file's column of cash, which is no stock.
_CASH = "USDOLLAR"
#: Of the index of a close on its first day.
_START = 100.0
#: Moves that look like splits and are none: days of October 2008 and of single companies' news.
_REAL_MOVES = {
    "CCE": "2008-10-23",
    "CF": "2008-10-02",
    "FITB": "2008-09-29",
    "HAL": "2010-06-01",
    "HAR": "2008-02-06",
    "MS": "2008-10-13",
    "NFLX": "2011-10-25",
    "NVDA": "2008-07-03",
    "WMB": "2016-02-08",
}
#: Days on which a part of the company was handed to its owners, or shares were exchanged, which the
#: archive counts as a fall or a rise. Five days of a million: they are kept as they are, and said.
_SPIN_OFFS = {
    "CAG": "2016-11-10",
    "COP": "2012-05-01",
    "DISCA": "2008-09-19",
    "EXPE": "2011-12-21",
    "FIS": "2008-07-03",
}
_ABOUT = (
    "431 US stocks 2007-01-03 to 2016-12-30, members of the S&P 500 of 2016: closes are an index "
    "of the total return, volume is dollar volume over that index"
)


def panel(folder: Path, *, told: Callable[[int, int], None] = lambda *done: None) -> Archive:
    """Return the panel; the archive is fetched into ``folder`` unless it is there.

    Parameters
    ----------
    folder : Path
        Where the archive is kept.
    told : callable, optional
        Told how many bytes have come, of how many.

    Raises
    ------
    SourceUnavailableError
        If it is not there and the package index does not answer.
    DataError
        If what is there, or what came, is another file.
    """
    path = fetch_file(PACKAGE, FILE, SHA256, folder, told=told)
    tables = {name: _table(path, name) for name in ("returns", "volumes", "sigmas")}
    symbols = tuple(name for name in tables["volumes"].columns if name != "Date")
    universe = {
        "about": _ABOUT,
        "source": "us431",
        "calendar": "XNYS",
        "survivors": True,
        "members": list(symbols),
    }
    return Archive(symbols, partial(_bars, tables), universe)


def fetch(symbol: str, **options: Any) -> Bars:
    """Refuse: its symbols come together.

    Raises
    ------
    DataError
        With the command that brings them.
    """
    raise DataError(
        f"us431 comes as one archive, and {symbol} is not here yet.",
        hint="finscale data download --source us431",
    )


def _table(path: Path, name: str) -> pl.DataFrame:
    try:
        with tarfile.open(path) as archive:
            file = archive.extractfile(f"{_FOLDER}/{name}.csv.gz")
            assert file is not None
            content = gzip.decompress(file.read())
        return pl.read_csv(io.BytesIO(content), infer_schema_length=None).with_columns(
            pl.col("Date").str.to_date()
        )
    except (KeyError, OSError, tarfile.TarError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} has no table {name} that can be read ({error}).") from error


def _bars(tables: dict[str, pl.DataFrame], symbol: str) -> Bars:
    if symbol == "Date" or symbol not in tables["volumes"].columns:
        known = [n for n in tables["volumes"].columns if n != "Date"]
        raise DataError(f"{symbol} is not in us431.", hint=did_you_mean(symbol, known))
    days = tables["volumes"]["Date"]
    returned = days.to_frame().join(
        tables["returns"].select("Date", symbol), on="Date", how="left", maintain_order="left"
    )[symbol]
    # the first day has no return yet: the index begins there
    return_T = np.nan_to_num(returned.fill_null(0.0).to_numpy())
    close_T = _START * np.cumprod(1.0 + return_T)
    dollars_T = tables["volumes"][symbol].cast(pl.Float64).fill_null(0.0).to_numpy()
    frame = pl.DataFrame(
        {
            "date": days,
            "close": close_T,
            "volume": dollars_T / close_T,
            f"{SERIES}open_close": tables["sigmas"][symbol].cast(pl.Float64),
        }
    )
    moves: dict[str, str] = {}
    if day := (_REAL_MOVES | _SPIN_OFFS).get(symbol):
        moves["real moves"] = day
    if symbol in _SPIN_OFFS:
        moves["spin-off"] = f"counted as a move of {day}"
    return Bars(
        symbol=symbol,
        frame=conform(symbol, frame),
        adjustment="split+dividend",
        source="us431",
        provenance={
            "about": "an index of the total return, 100 on the first day",
            "from": f"{FILE}, examples/paper_examples (Boyd et al. 2017)",
            "calendar": "XNYS",
            "columns": "closes and volume: no open, high, low",
            "volume": "dollar volume over the index: close times volume is what was traded",
            "kept": "open_close, as series: |log(open / close)| of the day",
            "survivors": "members of the S&P 500 of 2016: those that failed before are missing",
            **moves,
        },
    )


register(Source("us431", "closes and volume of 431 US stocks 2007–2016", fetch, panel=panel))
