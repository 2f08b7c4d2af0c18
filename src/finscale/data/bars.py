"""Bars: one symbol's daily prices in one schema, with a record of all changes made to them."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import polars as pl

from finscale.data.parquet import frame_bytes
from finscale.errors import DataError

Adjustment = Literal["raw", "split", "split+dividend"]

#: What has been done to prices: nothing, splits, splits and dividends.
ADJUSTMENTS: tuple[Adjustment, ...] = ("raw", "split", "split+dividend")

PRICES = ("open", "high", "low", "close")

#: Columns of ``Bars.frame``, in order. No column holds a null or a NaN.
#: Those of :data:`OPTIONAL` are absent where the source has none.
SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "symbol": pl.String,
    **dict.fromkeys((*PRICES, "adj_close", "volume"), pl.Float64),
}

#: What a source may lack: closes alone, and closes with volume, are bars too.
OPTIONAL = ("open", "high", "low", "volume")

#: What is said of bars that have no range.
CLOSES_ALONE = "closes alone: no open, high, low, no volume"
CLOSES_AND_VOLUME = "closes and volume: no open, high, low"

#: What the name of a kept series begins with, behind the columns of :data:`SCHEMA`.
SERIES = "series:"

# As exchanges and vendors write them: BRK/B, M&M.NS, ES1!, NYSE:IBM, .DJI, $SPX, EUR/USD.
_SYMBOL = re.compile(r"[A-Z0-9^.$/#][A-Z0-9^=._\-/&!:+$#~']*")
_AS_IT_IS = re.compile(r"[A-Z0-9^=._-]")
# What Windows takes for a device, with any ending: CON.parquet.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\.|$)")
_METADATA_KEY = "finscale"


@dataclass(frozen=True)
class Repair:
    """One change made to the bars of a source before they were accepted."""

    row: int | None
    """Line in the source's file (the first line is 1), None where it has no lines."""
    date: dt.date | None
    """The bar's date; None where the whole series is meant or the row has no date."""
    reason: str
    """What was wrong and what was done."""

    def __str__(self) -> str:
        row = f"row {self.row}" if self.row is not None else ""
        place = " · ".join(filter(None, (row, str(self.date or ""))))
        return f"{place or 'all rows'}: {self.reason}"


@dataclass(frozen=True)
class Bars:
    """One symbol's daily bars as the source gave them, with the repairs listed."""

    symbol: str
    """Upper-case symbol."""
    frame: pl.DataFrame
    """Columns of :data:`SCHEMA`, one row a session, in date order; those of :data:`OPTIONAL` that
    the source has. ``open`` … ``close`` are the source's prices; ``adj_close`` is the close
    adjusted as far as the source knows how. Volume is in shares (of bars with a range 0 where the
    source has none). Behind them stand the columns of the source that
    the user keeps (``--keep``), ``series:NAME``, Float64, null where the source has no value."""
    adjustment: Adjustment
    """What has been done to ``open`` … ``close``."""
    source: str
    """Registered name of the source: ``bundled``, ``csv``, ``yahoo``."""
    repairs: tuple[Repair, ...] = ()
    """Every change made to the source's rows."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Where the bars come from and how their adjustment and calendar were decided."""
    splits: tuple[tuple[dt.date, float], ...] = ()
    """Splits that the prices do not account for yet: first date at the new price, new shares for
    one old. Only ``raw`` prices have any."""

    def __post_init__(self) -> None:
        known = present(self.frame, SCHEMA)
        needed = [name for name in SCHEMA if name in known or name not in OPTIONAL]
        schema = {name: SCHEMA[name] for name in needed}
        schema |= dict.fromkeys(series_columns(self.frame), pl.Float64)
        if dict(self.frame.schema) != schema:
            raise DataError(
                f"bars of {self.symbol} have columns {dict(self.frame.schema)}, not {schema}."
            )
        if self.frame.is_empty():
            raise DataError(f"{self.symbol} has no bars.")

    def __len__(self) -> int:
        return self.frame.height

    @property
    def first_date(self) -> dt.date:
        """Date of the first bar."""
        return cast(dt.date, self.frame["date"][0])

    @property
    def last_date(self) -> dt.date:
        """Date of the last bar."""
        return cast(dt.date, self.frame["date"][-1])

    @property
    def adjusted_to(self) -> Adjustment:
        """What has been done to the prices of :meth:`adjusted`."""
        if (self.frame["adj_close"] == self.frame["close"]).all():
            return self.adjustment
        return "split" if self.provenance.get("adj_close") == "splits" else "split+dividend"

    def adjusted(self) -> pl.DataFrame:
        """Return the bars with one factor, adj_close/close, on open, high, low and close.

        Volume is multiplied by the ratios of :attr:`splits` that lie ahead, so that it counts
        today's shares throughout; dividends leave it alone.

        Returns
        -------
        polars.DataFrame
            date, symbol, open, high, low, close, volume: those of them that the bars have.
        """
        factor = pl.col("adj_close") / pl.col("close")
        shares = pl.lit(1.0)
        for first_day, ratio in self.splits:
            shares = shares * pl.when(pl.col("date") < first_day).then(ratio).otherwise(1.0)
        return self.frame.select(
            "date",
            "symbol",
            *[pl.col(price) * factor for price in present(self.frame, PRICES[:3])],
            # the close is the adjusted close itself, not its product with a rounded quotient
            pl.col("adj_close").alias("close"),
            *[pl.col(name) * shares for name in present(self.frame, ("volume",))],
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Which of open, high, low, close and volume the bars have."""
        return present(self.frame, (*PRICES, "volume"))

    @property
    def series_names(self) -> tuple[str, ...]:
        """Names of the columns that were kept with the bars."""
        return tuple(name.removeprefix(SERIES) for name in series_columns(self.frame))

    def with_series(self, *, lag: int = 0) -> pl.DataFrame:
        """Return the adjusted bars and the kept series; each row knows the past only.

        Parameters
        ----------
        lag : int
            Sessions after the one that a value is dated with until it is known: 0 if it is known
            at that session's close, 1 if it is published before the next one's.

        Returns
        -------
        polars.DataFrame
            As :meth:`adjusted`, and one Float64 column ``series:NAME`` for each: the last value
            known at that row; NaN before the first.

        Raises
        ------
        DataError
            If ``lag`` is below zero: such values are not known yet.

        Examples
        --------
        A feature names such a column among its inputs: ``Feature("oi_change",
        ("series:oi",), …)``, computed by ``compute_features(bars.with_series(lag=1), […])``.
        """
        if lag < 0:
            raise DataError(f"a lag of {lag} sessions would show the future.", hint="0 or more")
        kept = series_columns(self.frame)
        known = self.frame.select(pl.col(kept).shift(lag).forward_fill().fill_null(float("nan")))
        return self.adjusted().hstack(known)

    def same_content(self, other: Bars) -> bool:
        """Tell whether both hold the same prices, with the same meaning and calendar."""
        return (
            self.symbol == other.symbol
            and self.adjustment == other.adjustment
            and self.adjusted_to == other.adjusted_to
            and self.source == other.source
            and self.repairs == other.repairs
            and self.splits == other.splits
            # audits and downloads use them to know which sessions the series should have, and which
            # strange prices are real
            and real_moves(self) == real_moves(other)
            and self.provenance.get("calendar") == other.provenance.get("calendar")
            and self.frame.equals(other.frame)
        )


def real_moves(bars: Bars) -> frozenset[dt.date]:
    """Return the days whose strange prices the user has called real."""
    listed = bars.provenance.get("real moves")
    days = listed.split(", ") if listed else []
    return frozenset(dt.date.fromisoformat(day) for day in days)


def normal_symbol(symbol: str) -> str:
    """Return a symbol in upper case, as exchanges write it: BRK/B, M&M.NS, ES1!, EUR/USD.

    Raises
    ------
    DataError
        If the symbol has no letter or digit, or holds anything but letters, digits and
        ``^ = . _ - / & ! : + $ # ~ '``.
    """
    normal = symbol.strip().upper()
    known = _SYMBOL.fullmatch(normal) and re.search("[A-Z0-9]", normal)
    if not known or ".." in normal or normal.startswith("./"):
        raise DataError(
            f"{symbol!r} is not a symbol.",
            hint="letters, digits and ^ = . _ - / & ! : + $ # ~ ' are allowed, such as SPY, BRK/B, "
            "^GSPC, M&M.NS, ES1! or NQ=F",
        )
    return normal


def file_name(symbol: str) -> str:
    """Return a symbol as part of a file's name on any system; no two symbols share one.

    Letters, digits and ``^ = . _ -`` stay; anything else, a first dot, and the first letter of what
    Windows takes for a device (CON, NUL) become ``%`` and their code: ``BRK%2FB``.
    :func:`urllib.parse.unquote` gives the symbol back.
    """
    first = symbol.startswith(".") or _DEVICE.match(symbol)
    return "".join(
        char if _AS_IT_IS.fullmatch(char) and (i or not first) else f"%{ord(char):02X}"
        for i, char in enumerate(symbol)
    )


def present(frame: pl.DataFrame, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some names that are columns of a frame, in the order of ``names``.

    Examples
    --------
    >>> present(pl.DataFrame({"close": [1.0], "volume": [0.0]}), ("open", "close"))
    ('close',)
    """
    columns = set(frame.columns)  # built once: polars makes a new list on every access
    return tuple(name for name in names if name in columns)


def opens(rows: pl.DataFrame) -> pl.Series:
    """Return the opens of rows; of closes alone the closes, since nothing else is known of a day.

    For checks that look at a day's first price; it is never kept with the bars.
    """
    return rows["open" if "open" in rows.columns else "close"]


def bars_in_words(columns: Collection[str]) -> str:
    """Say which of open, high, low, close and volume bars have.

    Examples
    --------
    >>> bars_in_words(("close", "volume")), bars_in_words(("close",))
    ('closes and volume', 'closes alone')
    """
    missing = [name for name in PRICES if name not in columns]
    if missing == ["open", "high", "low"]:
        return "closes and volume" if "volume" in columns else "closes alone"
    if missing:
        return ", ".join(name for name in (*PRICES, "volume") if name in columns)
    return "open, high, low, close" + (" and volume" if "volume" in columns else "")


def series_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns of kept series, in order."""
    return [name for name in frame.columns if name.startswith(SERIES)]


def conform(symbol: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` with exactly the columns of :data:`SCHEMA`, in order, and kept series.

    A missing adjusted close is the close. Open, high and low stay away where they are missing; so
    does volume beside closes alone, while that of bars with a range is 0.
    """
    frame = frame.with_columns(
        symbol=pl.lit(symbol),
        adj_close="adj_close" if "adj_close" in frame.columns else "close",
    )
    if "high" in frame.columns and "volume" not in frame.columns:
        frame = frame.with_columns(volume=0.0)
    return frame.select(
        *(pl.col(name).cast(SCHEMA[name]) for name in present(frame, SCHEMA)),
        *(pl.col(name).cast(pl.Float64) for name in series_columns(frame)),
    )


def write_bars(bars: Bars, path: Path) -> None:
    """Write bars as one parquet file; the same bars give the same bytes."""
    about = {
        "symbol": bars.symbol,
        "adjustment": bars.adjustment,
        "source": bars.source,
        "repairs": [[r.row, r.date, r.reason] for r in bars.repairs],
        "provenance": bars.provenance,
        "splits": bars.splits,
    }
    text = json.dumps(about, sort_keys=True, ensure_ascii=False, default=str)
    # encoded in memory first: a full disk then raises OSError instead of an error of polars
    path.write_bytes(frame_bytes(bars.frame, metadata={_METADATA_KEY: text}))


def read_bars(content: bytes, place: str) -> Bars:
    """Return the bars in the bytes of a parquet file written by :func:`write_bars`.

    Raises
    ------
    DataError
        If the bytes are something else; ``place`` names them in the message.
    """
    try:
        about = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_METADATA_KEY])
        frame = pl.read_parquet(io.BytesIO(content), use_pyarrow=False)
    except (pl.exceptions.PolarsError, OSError, KeyError) as error:
        raise DataError(f"{place} holds no bars ({error}).") from error
    date = dt.date.fromisoformat
    repairs = tuple(Repair(row, day and date(day), reason) for row, day, reason in about["repairs"])
    splits = tuple((date(day), ratio) for day, ratio in about["splits"])
    return Bars(**{**about, "frame": frame, "repairs": repairs, "splits": splits})
