"""Read a panel: many symbols in one long table, or one column of closes a symbol.

Such files come from programs, so their cells are plain; what is not plain is refused with the way
out, which is to import that symbol by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import polars as pl

from finscale.data.bars import PRICES
from finscale.data.panel_names import FIELDS, pairs_of
from finscale.data.panel_read import BY_ITSELF, plain_numbers, read_table
from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.data.sources.csv_sheet import NO_VALUE
from finscale.data.sources.csv_words import meanings
from finscale.errors import DataError

#: What people call the column that says whose row it is, where the table of header words does not.
_SYMBOLS = ("symbol", "ticker", "tic", "code", "name", "asset", "instrument", "secid", "permno")
_WIDE = 2


@dataclass(frozen=True)
class PanelTable:
    """Rows of many symbols with what they hold, before they are checked."""

    rows: pl.DataFrame
    """``line`` (Int64), ``date`` (Date), ``symbol`` (String), Float64 fields; ``bad``: the first
    cell of the row that is no number, as ``column: cell``, null where all are."""
    place: str
    notes: dict[str, str] = field(default_factory=dict)
    """What the summary says: how the table was read."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in the order in which they come."""
        return tuple(self.rows["symbol"].unique(maintain_order=True))


def read_panel(path: Path, wishes: DateWishes, *, symbol: str | None = None) -> PanelTable:
    """Return the rows of a panel.

    Parameters
    ----------
    path : Path
        CSV, parquet, Feather or Arrow. Long: one row a symbol and day, with a column for the
        symbol, or a pandas MultiIndex. Wide: dates × symbols of closes, or of several fields, as
        yfinance has them.
    wishes : DateWishes
        What the user says about dates.
    symbol : str, optional
        Whose rows these are, where a file holds one symbol alone.

    Raises
    ------
    DataError
        If it is no such table.
    """
    table = read_table(path)
    if table.is_empty():
        raise DataError(f"{path} has no rows.")
    table = table.with_columns(line=pl.int_range(2, table.height + 2, dtype=pl.Int64))
    columns = [name for name in table.columns if name != "line"]
    dates = _date_column(table, columns, path)
    pairs = pairs_of(table, [name for name in columns if name != dates])
    fields = {name: found for name, (found, _) in pairs.items() if found}
    key = None if symbol is not None else _symbol_column(table, columns, dates, fields)
    if key is not None:
        long, how = _long(table, dates, key, fields, path), f"long, by {key!r}"
    elif symbol is not None:
        own = table.with_columns(symbol=pl.lit(symbol))
        long, how = _long(own, dates, "symbol", fields, path), "one symbol"
    else:
        long, how = _wide(table, dates, pairs, path)
    dated, notes = _with_dates(long, path, wishes)
    unread = [n for n in columns if n not in (dates, key, *fields) and (key or symbol)]
    if key is None and symbol is None:
        unread = [name for name, (_, ticker) in pairs.items() if not ticker]
        empty = [
            n
            for n, (_, ticker) in pairs.items()
            if ticker and table[n].null_count() == table.height
        ]
        if empty:
            notes["no values"] = _some(empty)
    if any(name.strip() for name in unread):
        notes["not read"] = _some([name for name in unread if name.strip()])
    dated, numbers = plain_numbers(dated, [name for name in FIELDS if name in dated.columns])
    if numbers:
        notes["numbers"] = numbers
    return PanelTable(_as_numbers(dated), str(path), {"panel": how, **notes})


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" … {len(names) - 8:,} more" if len(names) > 8 else "")


def _date_column(table: pl.DataFrame, columns: Sequence[str], path: Path) -> str:
    typed = [n for n in columns if table.schema[n] == pl.Date or table.schema[n].is_temporal()]
    said = {n: [each for each in meanings(n) if each.field == "date"] for n in columns}
    named = [n for n in columns if any(not each.weak for each in said[n])]
    weak = [n for n in columns if said[n]]  # T and DAY are tickers too
    index = [n for n in columns if n in ("", "index") or n.startswith("__index")]
    unnamed = [n for n in index if table.schema[n] == pl.String and _like_dates(table[n])]
    for found in ([n for n in named if n in typed], named, typed, unnamed, weak):
        if found:
            return found[0]
    raise DataError(
        f"{path} has no column of dates; it has {', '.join(columns[:8])}.", hint=BY_ITSELF
    )


def _like_dates(cells: pl.Series) -> bool:
    return bool(cells.head(50).str.contains(r"^\d{4}-\d\d-\d\d").fill_null(value=False).all())


def _symbol_column(
    table: pl.DataFrame, columns: Sequence[str], dates: str, fields: dict[str, str]
) -> str | None:
    """Return the column that says whose row it is; None where there is none."""
    rest = [name for name in columns if name != dates and name not in fields]
    named = [n for n in rest if n.strip().lower() in _SYMBOLS or _means_symbol(n)]
    index = [n for n in rest if n.startswith("__index") or n in ("", "index")]
    texts = [n for n in index if table.schema[n] == pl.String or table.schema[n].is_integer()]
    for name in (*named, *texts):
        if name in named or "close" in fields.values():
            return name
    if "close" not in fields.values():
        return None
    # by any other name: the one column of texts of which each has a day once
    days = table.height / max(1, table[dates].n_unique())
    told = [
        name
        for name in rest
        if table.schema[name] in (pl.String, pl.Categorical)
        and 1 < table[name].n_unique() <= 2 * days + 1
        and not table.select(dates, name).is_duplicated().any()
    ]
    return told[0] if len(told) == 1 else None


def _means_symbol(name: str) -> bool:
    return any(each.field == "symbol" and not each.weak for each in meanings(name))


def _long(
    table: pl.DataFrame, dates: str, key: str, fields: dict[str, str], path: Path
) -> pl.DataFrame:
    by_field: dict[str, str] = {}
    for name, found in fields.items():
        if found in by_field:
            raise DataError(
                f"{path}: {by_field[found]!r} and {name!r} are both named like the {found}.",
                hint="leave one of them out of the file",
            )
        by_field[found] = name
    if "close" not in by_field:
        raise DataError(
            f"{path} has no column for close; it has "
            f"{', '.join(name for name in table.columns[:9] if name != 'line')}.",
            hint="name it close, or " + BY_ITSELF,
        )
    partly = [name for name in PRICES[:3] if name in by_field]
    if partly and len(partly) < len(PRICES[:3]):
        lacking = [name for name in PRICES[:3] if name not in by_field]
        raise DataError(
            f"{path} has {', '.join(partly)} and no column for {', '.join(lacking)}.",
            hint="name them, or leave all of open, high and low out: closes alone are bars too",
        )
    kind = table.schema[key]
    whole = kind.is_float() and (table[key].drop_nulls() % 1 == 0).all()
    code = pl.col(key).cast(pl.Int64) if whole else pl.col(key)
    rows = table.select(
        "line",
        pl.col(dates).alias("date"),
        code.cast(pl.String).str.strip_chars().str.to_uppercase().alias("symbol"),
        *(pl.col(name).alias(found) for found, name in by_field.items()),
    )
    nameless = rows.filter(pl.col("symbol").is_null() | (pl.col("symbol") == ""))
    if nameless.height:
        raise DataError(
            f"{path} row {nameless['line'][0]}: {key} is empty"
            + (f", as in {nameless.height - 1:,} more." if nameless.height > 1 else "."),
            hint="say in each row whose it is, or leave the row out of the file",
        )
    return rows


def _wide(
    table: pl.DataFrame, dates: str, pairs: dict[str, tuple[str, str]], path: Path
) -> tuple[pl.DataFrame, str]:
    """Return the rows of a table with a column a symbol, or a column a field and symbol."""
    by_ticker: dict[str, dict[str, str]] = {}
    for name, (found, ticker) in pairs.items():
        if ticker and not ticker.startswith("__index"):
            own = by_ticker.setdefault(ticker.upper(), {})
            if (other := own.get(found or "close")) is not None:
                raise DataError(
                    f"{path}: {other!r} and {name!r} are both the {found or 'close'} of "
                    f"{ticker.upper()}.",
                    hint="leave one of them out of the file, or name them apart",
                )
            own[found or "close"] = name
    whole = {ticker: own for ticker, own in by_ticker.items() if "close" in own}
    if not whole and len(by_ticker) >= _WIDE:
        has = ", ".join(sorted({found for own in by_ticker.values() for found in own}))
        raise DataError(
            f"{path} has {has} of {len(by_ticker):,} symbols, and no close.",
            hint="closes are what a panel needs; name adjusted ones Close and say --adjustment",
        )
    nameless = [name for name, (_, ticker) in pairs.items() if not ticker]
    if (
        len(whole) < _WIDE
        or 2 * len(nameless) > len(pairs)
        or (nameless and not any(found and ticker for found, ticker in pairs.values()))
    ):
        raise DataError(
            f"{path} has no column that says whose row it is, and is no table of one column a "
            "symbol.",
            hint="--symbol NAME says whose bars these are; of a panel, name the column symbol",
        )
    fields = sorted({found for own in whole.values() for found in own}, key=FIELDS.index)
    parts = [
        table.select(
            "line",
            pl.col(dates).alias("date"),
            pl.lit(ticker).alias("symbol"),
            *(
                pl.col(own[name]).alias(name) if name in own else pl.lit(None).alias(name)
                for name in fields
            ),
        )
        for ticker, own in whole.items()
    ]
    rows = pl.concat(parts, how="vertical_relaxed")
    # before a listing, after an end, on another exchange's days a symbol has no cell
    texts = [pl.col(n).cast(pl.String).str.strip_chars().str.to_lowercase() for n in fields]
    empty = [text.is_null() | text.is_in(list(NO_VALUE)) for text in texts]
    return rows.filter(~pl.all_horizontal(empty)), f"wide, {len(whole):,} symbols of " + (
        "closes" if fields == ["close"] else ", ".join(fields)
    )


def _with_dates(
    rows: pl.DataFrame, path: Path, wishes: DateWishes
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the rows with dates; each text is read once, however many symbols share it."""
    kind = rows.schema["date"]
    if kind == pl.Datetime and (rows["date"].dt.time() != dt.time()).any():
        # moments: which session each belongs to is for the reader of dates
        zone = "%:z" if getattr(kind, "time_zone", None) else ""
        rows = rows.with_columns(pl.col("date").dt.to_string(f"%Y-%m-%d %H:%M:%S{zone}"))
    elif kind.is_temporal():
        return rows.with_columns(pl.col("date").cast(pl.Date)), {}
    texts = rows.select(pl.col("date").cast(pl.String), "line").unique(
        "date", keep="first", maintain_order=True
    )
    cells, lines = texts["date"].fill_null("").to_list(), texts["line"].to_list()
    try:
        days, notes = _days(tuple(cells), tuple(lines), wishes)
    except DataError:
        # once more, for a message that names the file
        days, notes = parse_dates(cells, lines, place=str(path), wishes=wishes)
    known = pl.DataFrame({"date": texts["date"], "day": pl.Series(days, dtype=pl.Date)})
    joined = rows.with_columns(pl.col("date").cast(pl.String)).join(
        known, on="date", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.drop("date").rename({"day": "date"}), notes


@lru_cache(maxsize=8)
def _days(
    cells: tuple[str, ...], lines: tuple[int, ...], wishes: DateWishes
) -> tuple[list[dt.date], dict[str, str]]:
    """Return the dates of a column; most files of a folder have the same."""
    return parse_dates(cells, lines, place="", wishes=wishes)


def _as_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the fields as numbers, and beside them the first cell of a row that is none."""
    fields = [name for name in FIELDS if name in rows.columns]
    numbers, bad = [], []
    for name in fields:
        if rows.schema[name] == pl.String:
            text = pl.col(name).str.strip_chars()
            number = text.cast(pl.Float64, strict=False)
            known = number.is_not_null() | text.is_null()
            known = known | text.str.to_lowercase().is_in(list(NO_VALUE))
            bad.append(pl.when(~known).then(pl.format("{}: {}", pl.lit(name), text)))
        else:
            number = pl.col(name).cast(pl.Float64, strict=False)
        numbers.append(number.alias(name))
    first_bad = pl.coalesce(bad) if bad else pl.lit(None, pl.String)
    return rows.select("line", "date", "symbol", *numbers, first_bad.alias("bad"))


def date_wishes(
    date_format: str | None, century: int | None, calendar: str, now: dt.datetime
) -> DateWishes:
    """Return what the user says about dates, as :func:`read_panel` takes it."""
    return DateWishes(date_format, century, None, calendar, now)
