"""Daily bars from Yahoo Finance through yfinance: unadjusted, with retries."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from finscale.data.acceptance import accept, wishes_from
from finscale.data.bars import Bars
from finscale.data.calendar import NONE
from finscale.data.sources.base import COLUMNS, Source, SourceUnavailableError, register
from finscale.errors import DataError, missing_extra

#: Yahoo's exchange codes → calendars. What is not here gets none, so that no bar is lost.
CALENDARS = {
    **dict.fromkeys(("NYQ", "NMS", "NGM", "NCM", "PCX", "ASE", "BTS", "NIM", "SNP"), "XNYS"),
    **dict.fromkeys(("CXI", "DJI", "WCB"), "XNYS"),
    "LSE": "XLON",
    "GER": "XETR",
    "PAR": "XPAR",
    "AMS": "XAMS",
    "MIL": "XMIL",
    "EBS": "XSWX",
    "TOR": "XTSE",
    "JPX": "XTKS",
    "HKG": "XHKG",
    "ASX": "XASX",
}


def fetch(
    symbol: str,
    *,
    start: dt.date | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    **options: Any,
) -> Bars:
    """Return the daily bars of ``symbol``: split-adjusted prices with an adjusted close.

    Parameters
    ----------
    symbol : str
        As Yahoo writes it: SPY, BRK-B, ^GSPC, NQ=F.
    start : datetime.date, optional
        First date; all that Yahoo has when absent.
    attempts : int
        How often a request that fails for now is made.
    pause : float
        Seconds before the second attempt; doubled before each further one.
    **options
        See :class:`finscale.data.acceptance.Wishes`; the calendar is that of Yahoo's exchange when
        absent.

    Raises
    ------
    FinscaleError
        If yfinance is not installed.
    DataError
        If Yahoo cannot be reached, limits requests, does not know the symbol, or gives bars that
        cannot be trusted.
    """
    try:
        import yfinance
    except ImportError:
        raise missing_extra("yfinance", "yahoo") from None
    ticker = yfinance.Ticker(symbol)
    span = {"period": "max"} if start is None else {"start": start.isoformat()}

    def request() -> Any:
        # yfinance caches answers, failures included
        ticker._data.cache_get.cache_clear()
        return ticker.history(
            **span, interval="1d", auto_adjust=False, actions=True, keepna=True, timeout=30
        )

    with _raising(yfinance):
        history = _retry(request, yfinance, symbol, attempts=attempts, pause=pause)
    if history.empty:
        raise DataError(f"Yahoo has no daily bars of {symbol}{f' from {start}' if start else ''}.")
    about = ticker.history_metadata
    exchange = str(about.get("exchangeName", ""))
    options = {"adjustment": "split", "calendar": CALENDARS.get(exchange, NONE), **options}
    provenance = {
        "from": "Yahoo Finance, daily chart",
        "about": f"{about.get('longName') or symbol}, {about.get('instrumentType', 'unknown')}, "
        f"{exchange}, in {about.get('currency', 'unknown')}",
    }
    return accept(
        symbol,
        _rows(history),
        wishes_from(options, "yahoo"),
        source="yahoo",
        place=f"Yahoo's {symbol}",
        provenance=provenance,
    )


def _rows(history: Any) -> pl.DataFrame:
    """Return yfinance's frame as rows; the session's date is the one in the exchange's zone."""
    return pl.DataFrame(
        {
            "line": pl.Series([None] * len(history), dtype=pl.Int64),
            "date": pl.Series([moment.date() for moment in history.index], dtype=pl.Date),
            **{
                field: pl.Series(history[name].to_numpy(dtype=float, na_value=float("nan")))
                for name, field in COLUMNS.items()
                if name in history.columns
            },
        }
    )


@contextmanager
def _raising(yfinance: Any) -> Iterator[None]:
    """Make yfinance raise its errors instead of printing them."""
    debug, log = yfinance.config.debug, logging.getLogger("yfinance")
    before = debug.hide_exceptions, log.level
    debug.hide_exceptions = False
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        debug.hide_exceptions, level = before
        log.setLevel(level)


def _retry(
    request: Callable[[], Any], yfinance: Any, symbol: str, *, attempts: int, pause: float
) -> Any:
    """Repeat a request until it succeeds, with growing pauses; raise the last failure."""
    errors = yfinance.exceptions
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            return request()
        except (errors.YFTzMissingError, errors.YFPricesMissingError) as error:
            raise _unknown(symbol, error.rationale) from error
        except errors.YFRateLimitError:
            failure = SourceUnavailableError(
                f"Yahoo limits requests: {symbol} was refused {attempts} times.",
                hint="wait some minutes and give the same command again: it goes on where it "
                "stopped",
            )
        except (OSError, ValueError, errors.YFDataException) as error:
            if getattr(getattr(error, "response", None), "status_code", None) == 404:
                raise _unknown(symbol, "not found") from error
            failure = _unreachable(symbol, error)
    raise failure


def _unknown(symbol: str, reason: str) -> DataError:
    return DataError(
        f"Yahoo has no bars of {symbol} ({reason}).",
        hint="look the symbol up at finance.yahoo.com; share classes are written BRK-B, "
        "indices ^GSPC",
    )


def _unreachable(symbol: str, error: Exception) -> SourceUnavailableError:
    # curl adds an address to read about its error numbers
    reason = str(error).partition(" See http")[0].partition("\n")[0].rstrip(".")
    return SourceUnavailableError(
        f"Yahoo did not answer for {symbol}: {reason or type(error).__name__}.",
        hint="check the network; the same command goes on where it stopped. The bundled source "
        "needs none: SP500, NASDAQ, VIX",
    )


register(Source("yahoo", "Yahoo Finance through yfinance", fetch, incremental=True))
