"""Check and convert the frames of single symbols before they are stacked into a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.config.data import InputsName
from finscale.data.cross_section import MEMBER as MEMBER
from finscale.data.section_features import ACROSS
from finscale.data.targets import task_reach
from finscale.errors import DataError, did_you_mean

KEYS = ("date", "symbol")
#: Columns that begin so show a bar or a feature the way that is comparable across levels and
#: symbols; see ``finscale.features.relative``. They are no channel unless asked for.
RELATIVE = "rel_"

#: Columns of bars.
BARS = ("open", "high", "low", "close", "volume")

#: Float32 numbers in a cache line.
_TILE = 16


def bars_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a dataset's frame that are no features."""
    return frame.select(name for name in (*KEYS, MEMBER, *BARS) if name in frame.columns)


def channels(
    frames: Sequence[pl.DataFrame], features: Sequence[str] | None, inputs: InputsName = "level"
) -> tuple[str, ...]:
    """Return the channel names, after checking that every frame has them.

    ``inputs`` says which columns are channels where ``features`` names none.
    """
    if not frames:
        raise DataError("a dataset needs at least one symbol's frame.")
    names = features if features is not None else _names(frames[0].columns, inputs)
    for frame in frames:
        columns = set(frame.columns)  # built once: polars makes a new list on every access
        for name in (*KEYS, *names):
            if name not in columns:
                who = f"{frame['symbol'][0]} has" if "symbol" in frame.columns else "a frame has"
                raise DataError(f"{who} no column {name}.", hint=did_you_mean(name, frame.columns))
    return tuple(names)


def _names(columns: Sequence[str], inputs: InputsName) -> tuple[str, ...]:
    if inputs == "level":
        return level_names(columns)
    relative = relative_names(columns)
    if not relative:
        raise DataError(
            f"the data have no relative columns, which data.inputs: {inputs} reads.",
            hint="finscale features build makes them from the bars",
        )
    return relative if inputs == "relative" else (*level_names(columns), *relative)


def polars_frame(frame: Any, symbol: str | None = None) -> pl.DataFrame:
    """Return a pandas frame of one symbol's rows the way a dataset wants them.

    Parameters
    ----------
    frame : pandas.DataFrame
        Dates in a column ``date`` or in the index, whose zone is dropped; names of bars in any
        case (``Open``, ``Adj Close``).
    symbol : str, optional
        Put into a column ``symbol``, where the frame has none.

    Raises
    ------
    DataError
        If it has no dates, or no symbol and none is given.
    """
    import pandas as pd

    if isinstance(frame, pl.DataFrame):
        raise DataError(
            "a pandas frame is needed, and this is a polars frame.",
            hint="FinancialDataset.from_frames takes polars frames",
        )
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"a pandas frame is needed, not {_shown(frame)}.",
            hint="pandas.read_csv(FILE) makes one of a file",
        )
    if frame.empty:
        raise DataError("the frame has no rows.")
    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(
            f"the frame's columns have {frame.columns.nlevels} levels: {tuple(frame.columns[0])}.",
            hint='one symbol at a time: frame.xs("SPY", axis=1, level=…), as yfinance has them',
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"the frame has two columns {twice}.", hint="keep one of them")
    bars = {"date", "symbol", "open", "high", "low", "close", "volume", "adj close", "adj_close"}
    names = {c: str(c).lower().replace(" ", "_") for c in frame.columns if str(c).lower() in bars}
    frame = frame.rename(columns=names)
    if "date" not in frame.columns:
        # set_index("Date") of a CSV leaves texts
        named = str(frame.index.name).lower() == "date"
        if not (named or isinstance(frame.index, pd.DatetimeIndex)):
            raise DataError("the frame has no dates.", hint="a column date, or a DatetimeIndex")
        frame = frame.rename_axis("date").reset_index()
    if "symbol" not in frame.columns:
        if symbol is None:
            raise DataError("the frame has no column symbol.", hint='say it: symbol="SPY"')
        frame = frame.assign(symbol=symbol)
    try:
        dates = pd.to_datetime(frame["date"]).dt.tz_localize(None).dt.date
        rows: pl.DataFrame = pl.from_pandas(frame.assign(date=dates))
        return rows.with_columns(pl.col("date").cast(pl.Date))
    except (ValueError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"the column date cannot be read as dates: {reason}.",
            hint='pandas.to_datetime(frame["date"], format=…) says how they are written',
        ) from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def level_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that show bars and features as they are.

    Beside relative columns, one of bars that has none is no channel: labels and costs read it, and
    the tier does not.
    """
    known = set(columns)
    hidden = {*KEYS, MEMBER}
    if any(name.startswith(RELATIVE) for name in columns):
        hidden |= {name for name in BARS if RELATIVE + name not in known}
    return tuple(c for c in columns if c not in hidden and not c.startswith((RELATIVE, ACROSS)))


def relative_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the relative columns."""
    return tuple(c for c in columns if c.startswith(RELATIVE))


def prepared(
    frame: pl.DataFrame, names: tuple[str, ...], context_length: int, task: TaskConfig
) -> pl.DataFrame:
    """Check one symbol's frame and drop its warm-up; its values become float64."""
    if frame["symbol"].n_unique() != 1:
        found = ", ".join(map(str, frame["symbol"].unique(maintain_order=True).head(3)))
        raise DataError(
            f"a frame holds {frame['symbol'].n_unique()} symbols ({found}).",
            hint="give one frame a symbol: frame.partition_by('symbol')",
        )
    symbol = frame["symbol"][0]
    date_R = frame["date"].to_numpy().astype("datetime64[D]")
    late = np.flatnonzero(np.diff(date_R) <= np.timedelta64(0, "D"))
    if late.size:
        raise DataError(
            f"{symbol}: the row of {date_R[late[0] + 1]} follows that of {date_R[late[0]]}.",
            hint="sort by date and keep one row a session",
        )
    if MEMBER in frame.columns:
        _check_members(frame, symbol)
    columns = [name for name in frame.columns if name not in (*KEYS, MEMBER)]
    for name in columns:
        if not (frame[name].dtype.is_numeric() or frame[name].dtype in (pl.Boolean, pl.Null)):
            raise DataError(
                f"{symbol}: the column {name} holds {str(frame[name].dtype).lower()}, not numbers.",
                hint=f'frame.drop("{name}"), or cast it to numbers',
            )
    frame = frame.select(
        *(name for name in (*KEYS, MEMBER) if name in frame.columns),
        *(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in columns),
    )
    frame = frame[_warm_up(frame, symbol, names) :]
    reach = task_reach(task)
    needed = context_length + reach
    if frame.height < needed:
        raise DataError(
            f"{symbol} has {frame.height:,} complete rows; a window of {context_length} bars with "
            f"a label over the next {reach} needs at least {needed:,}.",
            hint="fetch more history, or lower data.context_length",
        )
    return frame


def _check_members(frame: pl.DataFrame, symbol: str) -> None:
    if frame[MEMBER].dtype != pl.Boolean or frame[MEMBER].null_count():
        raise DataError(
            f"{symbol}: the column {MEMBER} says whether the symbol belongs to the universe on "
            "each day: true or false, without holes.",
            hint=f'frame.drop("{MEMBER}"), or another name if it means something else',
        )


def _warm_up(frame: pl.DataFrame, symbol: str, names: tuple[str, ...]) -> int:
    """Return how many leading rows lack a feature; raise if a later row lacks one."""
    first_values = []
    for name in names:
        finite_R = np.isfinite(frame[name].to_numpy())
        if not finite_R.any():
            raise DataError(f"{symbol}: {name} has no value on any of {frame.height:,} rows.")
        first = int(finite_R.argmax())
        holes = first + np.flatnonzero(~finite_R[first:])
        if holes.size:
            row = int(holes[0])
            raise DataError(
                f"{symbol}: {name} is {frame[name][row]} on {frame['date'][row]}"
                + (f" and {holes.size - 1:,} rows more." if holes.size > 1 else "."),
                hint="mend the bars or the feature, or leave that feature out",
            )
        first_values.append(first)
    return max(first_values, default=0)


def stacked_array(frames: Sequence[pl.DataFrame], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the channels of several symbols below one another."""
    rows_RF = np.empty((sum(frame.height for frame in frames), len(names)), dtype=np.float32)
    first = 0
    for frame in frames:
        _fill(rows_RF[first : first + frame.height], frame, names)
        first += frame.height
    return rows_RF


def _fill(rows_RF: NDArray[np.float32], frame: pl.DataFrame, names: tuple[str, ...]) -> None:
    # copy 16 columns together: one write per row instead of one per channel
    tile_fR = np.empty((_TILE, frame.height), dtype=np.float32)
    for first in range(0, len(names), _TILE):
        together = names[first : first + _TILE]
        for row, name in enumerate(together):
            tile_fR[row] = frame[name].to_numpy()
        rows_RF[:, first : first + _TILE] = tile_fR[: len(together)].T
