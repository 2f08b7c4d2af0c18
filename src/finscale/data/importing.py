"""Bars from a frame in memory, registered as a file's are."""

from __future__ import annotations

from typing import Any

import polars as pl

from finscale.calling import spoken
from finscale.data.bars import normal_symbol
from finscale.data.manifest import ManifestEntry
from finscale.data.sources.frame import fetch
from finscale.data.store import DataStore


@spoken('import_frame(frame, "SPY")')
def import_frame(
    frame: pl.DataFrame | Any, symbol: str, *, store: DataStore | None = None, **options: Any
) -> ManifestEntry:
    """Check, repair and register the daily bars of one symbol, as ``finscale data import`` does.

    Parameters
    ----------
    frame : pandas.DataFrame or polars.DataFrame
        Daily bars with a date (pandas: a column or the index) and open, high, low, close; adjusted
        close, volume and dividends are used where they are. Names are found as in a file. Several
        symbols may be in it.
    symbol : str
        The one to import.
    store : DataStore, optional
        Where bars are kept; ``data/`` when absent.
    **options
        Those of ``finscale data import`` as keywords, which messages name: adjustment, splits,
        drop, real_moves (days as dates or as ``"2024-01-02"``), columns, where, ticker, format,
        decimal, keep, calendar, cadence, date_format, century, session_of, leave_out_bad_rows,
        fill_from_close, strict.

    Returns
    -------
    ManifestEntry
        Of the registered bars; the same bars give the same version.

    Raises
    ------
    DataError
        If the frame holds no daily bars of the symbol, or they cannot be trusted.

    Examples
    --------
    >>> import finscale as fs
    >>> fs.import_frame(yfinance.download("SPY"), "SPY")  # doctest: +SKIP
    """
    bars = fetch(normal_symbol(symbol), frame=frame, **options)
    return (store or DataStore()).add_bars(bars)
