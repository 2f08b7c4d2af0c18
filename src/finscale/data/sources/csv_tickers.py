"""Compare a file's tickers with the symbol asked for: as wholes, in the usual spellings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from finscale.errors import DataError

#: Two names of one exchange.
_SAME_EXCHANGE = {"SH": "SS", "XETRA": "DE", "XLON": "L"}
_DESCRIPTION = re.compile(r"( [A-Z]{2})? (equity|index|curncy|comdty)$", re.IGNORECASE)
_SHOWN = 8


@cache
def _exchanges() -> frozenset[str]:
    """Return what vendors append for an exchange: VOD.L, 600519.SS, SPY.US."""
    path = files("finscale.data.sources").joinpath("header_words.toml")
    return frozenset(tomllib.loads(path.read_text("utf-8"))["exchanges"]["suffixes"])


def upper(ticker: str) -> str:
    """Return a ticker in capitals without what only decorates it: ``$SPY``, ``^GSPC``."""
    return ticker.strip().strip("'\"").upper()


def _letters(ticker: str) -> str:
    """Return letters and digits only: BRK.B, BRK-B, BRK/B and BRK B are one name."""
    return re.sub(r"[^\w]|_", "", ticker)


def _forms(ticker: str) -> tuple[str, str]:
    """Return a ticker without decoration, and its exchange (empty if it names none)."""
    # a code of digits that pandas took for a number: 7203.0
    plain = re.sub(r"^(\d+)\.0$", r"\1", upper(ticker))
    # NASDAQ:AAPL, BINANCE:BTCUSDT
    plain = plain.rpartition(":")[2]
    # SPY US Equity, 7203 JT Equity, SPX Index
    plain = _DESCRIPTION.sub("", plain)
    plain = plain.lstrip("^$.#/@")
    # NQ=F, EURUSD=X, ES1!
    plain = re.sub(r"(=[FX]|\d!)$", "", plain)
    market = re.fullmatch(r"(SH|SZ|BJ)\.?(\d{6})", plain)
    if market:
        return market[2], _SAME_EXCHANGE.get(market[1], market[1])
    stem, dot, suffix = plain.rpartition(".")
    if dot and stem and suffix in _exchanges():
        return _letters(stem), _SAME_EXCHANGE.get(suffix, suffix)
    return _letters(plain), ""


def same_ticker(ticker: str, symbol: str) -> bool:
    """Tell whether a file's ticker is an obvious spelling of the symbol.

    Case, ``^``, separators (BRK.B, BRK-B, BRK/B), ``=F``, "US Equity" and an exchange's suffix that
    only one of the two has do not matter; 7203.T and 6758.T, or VOD.L and VOD.AS, are two.
    """
    if upper(ticker) == upper(symbol):
        return True
    (mine, exchange), (asked, wanted) = _forms(ticker), _forms(symbol)
    if not mine or mine != asked:
        return False
    return exchange == wanted or not exchange or not wanted


def spelled(tickers: Iterable[str], symbol: str, *, place: str) -> str | None:
    """Return the one of a file's tickers that means ``symbol``; None if none does.

    Raises
    ------
    DataError
        If several could be meant.
    """
    known = sorted(set(tickers) - {""})
    for same in (str.__eq__, lambda ticker, wanted: upper(ticker) == upper(wanted)):
        equal = [ticker for ticker in known if same(ticker, symbol)]
        if equal:
            return equal[0]
    alike = [ticker for ticker in known if same_ticker(ticker, symbol)]
    if len(alike) > 1:
        raise DataError(
            f"{place}: {some(alike)} could all be {symbol}.",
            hint=f"name the one that is meant: --ticker {quoted(alike[0])}",
        )
    return alike[0] if alike else None


def some(names: Sequence[str]) -> str:
    """Return up to eight names for a message."""
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def quoted(text: str) -> str:
    """Return a value as a shell takes it."""
    return (
        text if re.fullmatch(r"[\w.,:=/+%@^-]+", text) else "'" + text.replace("'", "'\\''") + "'"
    )


def refuse_others(tickers: Sequence[str], symbol: str, *, place: str) -> DataError:
    """Return the error for a file that holds only other symbols."""
    known = sorted(set(tickers) - {""})
    if len(known) == 1:
        own = _DESCRIPTION.sub("", known[0])
        return DataError(
            f"{place} holds {known[0]}, not {symbol}.",
            hint=f"--symbol {quoted(own)} imports it under its own name; "
            f"--ticker {quoted(known[0])} says that it is {symbol}",
        )
    return DataError(
        f"{place} holds {len(known)} symbols ({some(known)}), and {symbol} is none of them.",
        hint=f"choose one of them, such as --symbol {quoted(known[0])}",
    )
