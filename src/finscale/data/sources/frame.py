"""Bars from a pandas or polars frame in memory."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import polars as pl

from finscale.data.bars import Bars
from finscale.data.keywords import in_python, with_dates
from finscale.data.sources.base import Source, register
from finscale.data.sources.csv import bars_in
from finscale.errors import DataError
from finscale.tables.columnar import columnar_table
from finscale.tables.content import Content

_PLACE = "the frame"


def fetch(symbol: str, *, frame: Any = None, **options: Any) -> Bars:
    """Return the bars of ``symbol`` in a frame, found and checked as those of a file are.

    Parameters
    ----------
    symbol : str
        Upper-case symbol; chooses among several in one frame.
    frame : pandas.DataFrame or polars.DataFrame
        With dates in a column or in the index.
    **options
        Those of :func:`finscale.data.sources.csv.bars_in`; days may be texts.

    Raises
    ------
    DataError
        If it is no frame of daily bars, or its bars cannot be trusted.
    """
    data = _parquet(frame)
    digest = hashlib.sha256(data).hexdigest()
    try:
        table = columnar_table(Content(data=data, place=_PLACE, name=_PLACE, sha256=digest))
        return bars_in(table, symbol, source="frame", **with_dates(options))
    except DataError as error:
        # the same object: what it is (AdjustmentNeededError) stays
        in_python(error)
        raise


def _parquet(frame: Any) -> bytes:
    """Return a frame as a parquet file, which keeps types, index and levels of names."""
    import pandas as pd

    buffer = io.BytesIO()
    try:
        if isinstance(frame, pl.DataFrame):
            frame.write_parquet(buffer)
        elif isinstance(frame, pd.DataFrame):
            # levels of names are kept as text: ('Close', 'SPY')
            columns = [column if isinstance(column, str) else str(column) for column in frame]
            frame.set_axis(columns, axis=1).to_parquet(buffer)
        else:
            raise DataError(
                f"a pandas or polars frame is needed, not {type(frame).__name__}.",
                hint="polars: .collect() a LazyFrame; else pandas.DataFrame(DATA), or to_pandas()",
            )
    except (pl.exceptions.PolarsError, ValueError, TypeError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{_PLACE} cannot be read: {reason}.") from error
    return buffer.getvalue()


register(Source("frame", "a pandas or polars frame in memory", fetch))
