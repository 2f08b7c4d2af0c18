"""Another symbol in a column of any name: MSFT throughout under ``Paper``, and not SPY."""

from __future__ import annotations

import re
from collections.abc import Collection

from finscale.data.sources.csv_sheet import Sheet
from finscale.data.sources.csv_tickers import quoted, same_ticker
from finscale.data.sources.csv_words import means
from finscale.errors import DataError

# MSFT.O, NASDAQ:MSFT, MSFT US Equity
_WITH_EXCHANGE = re.compile(
    r"[A-Z0-9]{1,6}\.[A-Z]{1,4}|[A-Z]{3,9}:[A-Z0-9.]{1,6}|[A-Z0-9/]{1,8} [A-Z]{2} (Equity|Index)"
)
# Two letters are a country, a board or a state as often as a ticker.
_ALONE = re.compile(r"[A-Z]{3,5}")
_NO_TICKERS = frozenset(
    (
        *("USD", "EUR", "GBP", "GBX", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "HKD", "SGD"),
        *("INR", "KRW", "TWD", "BRL", "MXN", "ZAR", "PLN", "CZK", "HUF", "RUB", "TRY", "SEK"),
        *("NOK", "DKK", "ILS", "THB", "IDR", "MYR", "PHP", "CLP", "COP", "ARS", "USDT", "SAR"),
        *("USA", "GBR", "DEU", "FRA", "JPN", "CHN", "IND", "DAY", "DAILY", "EOD", "OHLC", "ETH"),
        *("RTH", "UTC", "GMT", "EST", "EDT", "CET", "TRUE", "FALSE", "YES", "NAN", "NULL", "NONE"),
        *("EQT", "STK", "COM", "IND", "FUT", "OPT", "CASH", "SPOT", "CFD", "LIVE", "FINAL", "LAST"),
        *("TRADE", "ASK", "BID", "MID", "RAW", "ADJ", "SPLIT", "REAL", "TEST", "CSV", "API"),
    )
)
_NAMES = ("other", "attribute", "unit", "qualifier")
_WORDS = (*_NAMES, "title")


def ticker_on_every_row(sheet: Sheet, free: Collection[int], wanted: str) -> tuple[str, set[int]]:
    """Return the one ticker that a column of any name holds throughout, and the column.

    Empty where no column does.

    ``free`` are the columns that hold no field of bars. A column whose name says that it holds
    an exchange, a currency or a state is none; neither is one of words that are no tickers.

    Raises
    ------
    DataError
        If it is not the one wanted: with both names, and how to say that the column means
        something else.
    """
    for i in free:
        name, values = sheet.names[i], set(sheet.column(i))
        explained = any(each.field != "symbol" for each in sheet.meanings[i])
        if len(values) > 1 or explained or sheet.tickers[i] or (name and means(name, *_NAMES)):
            continue
        (only,) = values
        alone = _ALONE.fullmatch(only) and only not in _NO_TICKERS and not _is_known(only)
        if not (alone or _WITH_EXCHANGE.fullmatch(only)):
            continue
        if same_ticker(only, wanted):
            return only, {i}
        without = f"--columns {quoted(f'{name}=')}" if name else "name the column in the file"
        raise DataError(
            f"{sheet.place}: {name or f'column {i + 1}'!r} holds {only} on every row, and {wanted} "
            f"was asked for.",
            hint=f"--symbol {quoted(only)} imports it under its own name, --ticker {quoted(only)} "
            f"says that it is {wanted}; if the column names no instrument: {without}",
        )
    return "", set()


def _is_known(word: str) -> bool:
    """Tell whether a word stands in the table of header words as an exchange, a unit or a title."""
    return means(word, *_WORDS)
