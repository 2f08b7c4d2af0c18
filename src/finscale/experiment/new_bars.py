"""Bars to predict on: those of the store, of a file, or of a frame from memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.data import calendar
from finscale.data.bars import PRICES, Bars, normal_symbol, present
from finscale.data.parquet import encode_frame
from finscale.data.qualities import series_of, wanted_series
from finscale.data.series import read_series
from finscale.data.store import bars_id, dataset_id
from finscale.errors import DataError, did_you_mean
from finscale.features import dataset_rows
from finscale.features.feature import INPUTS
from finscale.features.needs import fitting_tiers, refuse_unfit

if TYPE_CHECKING:
    from finscale.config.data import DataConfig
    from finscale.data import DataStore
    from finscale.runs import Run

_NEEDED = ("date", *PRICES, "volume")


@dataclass(frozen=True, eq=False)
class NewBars:
    """One symbol's adjusted daily bars, and where they come from.

    Parameters
    ----------
    symbol : str
        Whose.
    frame : polars.DataFrame
        date, symbol, and what there is of open, high, low, close, volume; of a dataset that was
        registered without bars, its rows.
    about : dict
        Facts for people and programs: source, digests, rows.
    adjustment : str
        What has been done to the prices; empty where that is not known.
    calendar : str
        The exchange's; ``none`` where that is not known.
    ready : bool
        Whether the frame holds features already.
    is_assumed : bool
        Whether nobody said whose bars they are, so that they are taken for the run's own.
    """

    symbol: str
    frame: pl.DataFrame
    about: dict[str, Any] = field(default_factory=dict)
    adjustment: str = ""
    calendar: str = calendar.NONE
    ready: bool = False
    is_assumed: bool = False

    def rows(self, config: DataConfig, data: DataStore) -> pl.DataFrame:
        """Return the rows of a dataset of these bars: bars, features, relative columns.

        Parameters
        ----------
        config : DataConfig
            Of the run that reads them.
        data : DataStore
            Where its series lie, and what is known of the symbol's exchange.
        """
        if self.ready:
            return self.frame
        zone = self.calendar
        if zone == calendar.NONE and data.has_bars(self.symbol):
            zone = data.bars(self.symbol).provenance.get("calendar", zone)
        series = [
            read_series(data, entry.symbol, entry.version) for entry in wanted_series(data, config)
        ]
        columns = present(self.frame, INPUTS)
        fitting = ", ".join(fitting_tiers(columns)) or "none"
        refuse_unfit(
            config.tier,
            columns,
            whose=self.symbol,
            way=f"bring bars that have them, or train a model of a tier that fits: {fitting}",
        )
        rows: pl.DataFrame = dataset_rows(
            self.frame,
            tier=config.tier,
            timescale=config.timescale,
            series=series,
            calendar=zone,
        )
        return rows

    def facts(self) -> dict[str, Any]:
        """Return where the bars come from, as plain values."""
        return {
            "symbol": self.symbol,
            "first_date": str(self.frame["date"][0]),
            "last_date": str(self.frame["date"][-1]),
            "bars": self.frame.height,
            "adjustment": self.adjustment or None,
            "calendar": self.calendar,
            **self.about,
        }


def registered_new_bars(symbol: str, run: Run, data: DataStore) -> NewBars:
    """Return a symbol's newest bars in the store; what needs no network is fetched.

    Raises
    ------
    DataError
        If there are none; the hint says how to get some.
    """
    from finscale.data import SOURCES, fetch_bars

    config = run.config.data
    symbol = normal_symbol(symbol)
    if data.raw.has(bars_id(symbol)):
        entry = data.bars_entry(symbol)
        return _of_bars(
            data.bars(symbol, entry.version),
            {"source": entry.source, "id": entry.key, "md5": entry.md5, "sha256": entry.sha256},
        )
    if config.source in SOURCES and SOURCES[config.source].serves(symbol):
        return _of_bars(fetch_bars(config.source, symbol), {"source": config.source})
    name = dataset_id(symbol, config.feature_set, config.timescale, series=series_of(config))
    if data.processed.has(name):
        frame, found = data.frame(name)
        about = {"source": found.source, "id": found.key}
        about |= {"md5": found.md5, "sha256": found.sha256}
        return NewBars(symbol, frame, about, found.adjustment, ready=True)
    data.bars_entry(symbol)  # raises, with the way out
    raise AssertionError


def new_bars_from_file(file: Path | str, symbol: str, **options: Any) -> NewBars:
    """Return the bars of a file, read and checked as ``finscale data import`` reads it.

    Parameters
    ----------
    file : path
        A file of daily bars, in any form that can be imported.
    symbol : str
        Its symbol.
    **options
        Of the source; see :class:`finscale.data.acceptance.Wishes`.

    Raises
    ------
    DataError
        If the bars cannot be trusted.
    """
    from finscale.data import fetch_bars

    try:
        bars = fetch_bars("csv", symbol, file=Path(file), **options)
    except DataError as error:
        way = (
            "of these options predict has --adjustment and --calendar; `finscale data import` has "
            "all: import the file, then predict --symbol"
        )
        hint = f"{error.hint}\n       {way}" if "--" in error.hint else error.hint
        raise DataError(error.message, hint=hint) from error
    digest = bars.provenance.get("file sha256")
    about = {"source": "file", "file": str(file), "sha256": digest}
    return _of_bars(bars, about)


def _of_bars(bars: Bars, about: dict[str, Any]) -> NewBars:
    frame = bars.adjusted()
    if about.get("sha256") is None:
        digests = encode_frame(bars.frame).digests
        about = {**about, "md5": digests.md5, "sha256": digests.sha256}
    if bars.repairs:
        about["repairs"] = [str(repair) for repair in bars.repairs]
    zone = bars.provenance.get("calendar", calendar.NONE)
    return NewBars(bars.symbol, frame, about, bars.adjusted_to, zone)


def new_bars_from_frame(frame: Any, symbol: str = "") -> list[NewBars]:
    """Return the bars of a polars or pandas frame, one for each of its symbols.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        date (a column, or pandas' index), open, high, low, close, volume; or closes, with volume or
        without, for a run whose tier reads no more; names in any case.
        Adjusted prices; where there is an ``adj_close``, all prices are adjusted by it. Bars of
        several symbols have a column ``symbol``.
    symbol : str
        Whose bars they are, where the frame has no such column.

    Raises
    ------
    DataError
        If a column is missing, or rows are not one a day in order.
    """
    table = _polars(frame)
    table = table.rename({name: _usual(name) for name in table.columns})
    whole = present(table, PRICES[:3]) or "close" not in table.columns
    missing = [n for n in (_NEEDED if whole else ("date",)) if n not in table.columns]
    if missing:
        raise DataError(
            f"the frame has no column {', '.join(missing)}; it has {', '.join(table.columns)}.",
            hint=did_you_mean(missing[0], table.columns)
            if missing[0] != "volume"
            else "a market without volume has 0 in it",
        )
    if "symbol" not in table.columns:
        if not symbol:
            raise DataError(
                "the frame has no column symbol, and the run knows several.",
                hint="predict(frame, symbol='SPY')",
            )
        table = table.with_columns(symbol=pl.lit(symbol))
    table = _cast(table)
    if symbol and symbol not in table["symbol"]:
        raise DataError(f"the frame has no bars of {symbol}.", hint=_known(table))
    wanted = table.filter(pl.col("symbol") == symbol) if symbol else table
    return [_of_frame(part) for part in wanted.partition_by("symbol", maintain_order=True)]


def _polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if type(frame).__module__.partition(".")[0] != "pandas":
        raise DataError(
            f"bars come as a polars or pandas frame, not as {type(frame).__name__}.",
            hint="a file goes to `finscale predict RUN --file`, a symbol to predict(symbol=…)",
        )
    frame = _of_one_ticker(frame)
    named = [str(name).lower() for name in (*frame.columns, *frame.index.names)]
    dated = any(name in ("date", "datetime") for name in map(str.lower, map(str, frame.columns)))
    if not dated and (frame.index.names == [None] or any(n in ("date", "datetime") for n in named)):
        first = [name or "date" for name in frame.index.names]
        frame = frame.rename_axis(index=first).reset_index()
    table: pl.DataFrame = pl.from_pandas(frame)
    zoned = [name for name, kind in table.schema.items() if isinstance(kind, pl.Datetime)]
    table = table.with_columns(pl.col(name).dt.replace_time_zone(None) for name in zoned)
    return table


def _of_one_ticker(frame: Any) -> Any:
    """Return a pandas frame whose columns are pairs, as yfinance has them, with names alone."""
    if frame.columns.nlevels == 1:
        return frame
    levels = [frame.columns.get_level_values(level) for level in range(frame.columns.nlevels)]
    names = next((one for one in levels if "close" in {_usual(name) for name in one}), levels[0])
    others = {name for one in levels if one is not names for name in one if name}
    if len(others) != 1:
        some = ", ".join(sorted(map(str, others))[:5])
        raise DataError(
            f"the frame's columns are of several tickers: {some}.",
            hint="give it one at a time: frame.xs('SPY', axis=1, level='Ticker')",
        )
    frame = frame.set_axis(names, axis=1)
    return frame if "symbol" in names else frame.assign(symbol=others.pop())


def _cast(table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are read as what they are: a date, a name, numbers."""
    kinds: dict[str, type[pl.DataType]] = {"date": pl.Date, "symbol": pl.String}
    kinds |= dict.fromkeys((*PRICES, "volume", "adj_close"), pl.Float64)
    for name, kind in kinds.items():
        if name in table.columns:
            try:
                table = table.with_columns(_as(name, kind, table.schema[name]))
            except pl.exceptions.PolarsError as error:
                form = ", every cell as 2024-01-31" if name == "date" else ""
                raise DataError(
                    f"the frame's column {name} is {table.schema[name]} and cannot be read as "
                    f"{kind.__name__}{form}.",
                    hint="fs.import_frame(frame, symbol) reads bars as they come; then "
                    "predict(symbol=…)",
                ) from error
    return table


def _as(name: str, kind: type[pl.DataType], now: pl.DataType) -> pl.Expr:
    """Return a column as what it is; dates that are text, as pandas leaves a CSV's, are ISO's."""
    column = pl.col(name)
    if kind is pl.Date and now == pl.String:
        return column.str.strip_chars().str.slice(0, 10).str.to_date("%Y-%m-%d", strict=True)
    return column.cast(kind)


def _usual(name: str) -> str:
    usual = str(name).strip().lower().replace(" ", "_")
    return {"datetime": "date", "adjclose": "adj_close"}.get(usual, usual)


def _known(table: pl.DataFrame) -> str:
    return "it has " + ", ".join(table["symbol"].unique(maintain_order=True).head(5).to_list())


def _of_frame(part: pl.DataFrame) -> NewBars:
    symbol = str(part["symbol"][0])
    late = part.filter(pl.col("date") <= pl.col("date").shift(1))
    if late.height:
        raise DataError(
            f"the frame's row of {late['date'][0]} does not come after the one before it.",
            hint="sort by date and keep one row a day",
        )
    if "adj_close" in part.columns:
        factor = pl.col("adj_close") / pl.col("close")
        ranges = present(part, PRICES[:3])
        part = part.with_columns(*(pl.col(name) * factor for name in ranges)).with_columns(
            close="adj_close"
        )
    bars = part.select("date", "symbol", *present(part, (*PRICES, "volume")))
    _refuse_holes(bars)
    digests = encode_frame(bars).digests
    return NewBars(symbol, bars, {"source": "frame", "md5": digests.md5, "sha256": digests.sha256})


def _refuse_holes(bars: pl.DataFrame) -> None:
    for name in present(bars, (*PRICES, "volume")):
        least = pl.col(name) >= 0 if name == "volume" else pl.col(name) > 0
        good = pl.col(name).is_finite() & least
        bad = bars.filter(~good.fill_null(value=False))
        if bad.height:
            raise DataError(
                f"{name} is {bad[name][0]} on {bad['date'][0]}.",
                hint="prices are above 0, volumes 0 or more, and none is missing",
            )


def new_bars_of(
    run: Run,
    data: DataStore,
    *,
    frame: Any = None,
    symbol: str = "",
    file: Path | str | None = None,
    **options: Any,
) -> list[NewBars]:
    """Return the bars that a prediction is asked for: a frame's, a file's, or the store's.

    Of a run of several symbols the store gives all of them, unless one is named; ``options`` are
    those of :func:`new_bars_from_file`.
    """
    own: Sequence[str] = run.config.data.symbols
    alone = symbol or (own[0] if len(own) == 1 else "")
    if frame is not None and file is not None:
        raise DataError("a frame and a file were given.", hint="give one of the two")
    if frame is not None:
        has_symbol = any(_usual(name) == "symbol" for name in getattr(frame, "columns", ()))
        found = new_bars_from_frame(frame, symbol or ("" if has_symbol else alone))
        assumed = not (symbol or has_symbol)
        return [replace(one, is_assumed=assumed) for one in found]
    if file is not None:
        if not alone:
            raise DataError(
                f"the run knows {len(own)} symbols.", hint="--symbol says whose bars the file has"
            )
        bars = new_bars_from_file(file, alone, **options)
        return [replace(bars, is_assumed=not symbol)]
    return [registered_new_bars(name, run, data) for name in ([symbol] if symbol else own)]
