"""Find the columns and rows of a table that hold one symbol's dates, prices and volume."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from finscale.data.bars import SERIES
from finscale.data.sources.csv_choices import FIELDS, Choices, chosen, left_alone, position
from finscale.data.sources.csv_fields import group_columns, is_empty, pick_columns, split_ratio
from finscale.data.sources.csv_formats import VendorFormat, find_format
from finscale.data.sources.csv_keep import check_kept, kept_columns
from finscale.data.sources.csv_moments import DatesOf, find_dates
from finscale.data.sources.csv_rows import (
    choose_rows,
    filter_rows,
    keep_own_rows,
    leave_out_events,
)
from finscale.data.sources.csv_sheet import Sheet, make_sheet, parts_of
from finscale.data.sources.csv_tickers import quoted, refuse_others, same_ticker
from finscale.data.sources.csv_words import bare
from finscale.errors import DataError
from finscale.tables import CellTable


@dataclass(frozen=True)
class Columns:
    """The cells of one symbol's rows, by field, and what was decided to find them."""

    cells: dict[str, list[str]]
    """``date``, ``open`` … and what else is known, in the file's order, one cell a row."""
    lines: list[int]
    """Line of each row in the file."""
    notes: dict[str, str]
    """What the summary says: the columns that are not read, the rows, the format."""
    names: dict[str, str]
    """Each field's column as the file names it."""
    format: VendorFormat


def find_columns(
    table: CellTable,
    symbol: str,
    choices: Choices | None = None,
    dates_of: DatesOf | None = None,
) -> Columns:
    """Return the cells that hold the date, prices and volume of ``symbol``.

    One header line with the columns' names is enough; a second one may name a ticker for each
    column (yfinance), or a column may name a ticker for each row. ``choices`` are the user's own
    words; ``dates_of`` reads dates, to tell whether two columns hold the same.

    Raises
    ------
    DataError
        If a column is missing, several could be meant, or the file holds only other symbols.
    """
    choices = choices or Choices()
    form, names = find_format(table, choices, dates_of)
    sheet = make_sheet(table, names, symbol, choices)
    stated = _stated(sheet, form, choices)
    alone = left_alone(choices, sheet.names, sheet.place)
    notes = {"format": form.note} if form.name else {}
    filtered = filter_rows(sheet, choices)
    if filtered:
        notes["where"] = ", ".join(f"{name}={value}" for name, value in choices.where.items())
    own, groups = group_columns(sheet, choices.ticker or symbol, stated)
    values = {i for candidates in groups.values() for i, _ in candidates}
    notes |= leave_out_events(sheet, values)
    dates, used = find_dates(sheet, stated, own, dates_of)
    fields = {i for field, i in stated.items() if i is not None and field != "symbol"}
    kept = kept_columns(sheet, choices.keep)
    taken = filtered | used | values | fields | alone | {*kept.values()}
    if own:
        notes |= keep_own_rows(sheet, [*values, *(i for i in used if sheet.tickers[i])], own)
    in_rows, keys, about = choose_rows(sheet, dates, taken, stated, symbol, choices)
    notes |= about
    ticker = _check_ticker(sheet, in_rows or own, symbol, choices)
    if ticker and ticker.upper() != symbol:
        notes["ticker"] = f"{ticker} in the file"
    index = {"date": dates, **pick_columns(sheet, groups, stated, alone, form, choices)}
    check_kept(sheet, kept, index)
    index |= kept
    if kept:
        notes["kept"] = f"{', '.join(n.removeprefix(SERIES) for n in kept)}, as series"
    if not ticker:
        _refuse_namesake(sheet, {*index.values(), *alone}, symbol)
    unread = _unread(sheet, {*filtered, *used, *keys, *index.values()}, own)
    if unread:
        notes["not read"] = unread
    in_order = sorted(index.items(), key=lambda item: item[1])
    cells = {field: sheet.column(i) for field, i in in_order}
    if "splits" in cells:
        cells["splits"] = [split_ratio(cell) for cell in cells["splits"]]
    return Columns(
        cells=cells,
        lines=sheet.lines,
        notes=notes,
        names={field: sheet.names[i] for field, i in index.items() if i < len(sheet.names)},
        format=form,
    )


def field_of(name: str, symbol: str) -> str | None:
    """Return the field that a column's name means, with or without the symbol in it."""
    _, found = parts_of(name, symbol)
    fields = (*FIELDS, "settle", "tick_volume")
    return next((each.field for each in found if each.field in fields), None)


def _stated(sheet: Sheet, form: VendorFormat, choices: Choices) -> dict[str, int | None]:
    """Return the columns that the user names, and those that the format names otherwise."""
    found: dict[str, int | None] = {}
    for field, name in form.columns.items():
        if choices.format or any(bare(name) == bare(other) for other in sheet.names):
            found[field] = position(name, sheet.names, place=sheet.place, option="--format")
    return {**found, **chosen(choices, sheet.names, sheet.place)}


def _check_ticker(sheet: Sheet, found: str, symbol: str, choices: Choices) -> str:
    """Return the file's name for the symbol: in its columns, its rows, or a line above them."""
    if not found and sheet.title:
        if not same_ticker(sheet.title, choices.ticker or symbol):
            raise refuse_others([sheet.title], choices.ticker or symbol, place=sheet.place)
        found = sheet.title
    if choices.ticker and not found:
        raise DataError(
            f"{sheet.place} names no {choices.ticker} (--ticker).",
            hint="leave --ticker away, or say which column names it: --columns symbol=NAME",
        )
    return found


def _refuse_namesake(sheet: Sheet, known: Collection[int], symbol: str) -> None:
    """Raise if a column beside the bars has the symbol's very name: VIX beside bars of SPY."""
    for i, name in enumerate(sheet.names):
        if name == symbol and len(name) > 1 and i not in known and not is_empty(sheet, i):
            raise DataError(
                f"{sheet.place} has a column {name!r} beside open, high, low and close, so these "
                f"are hardly the bars of {name}.",
                hint=f"name the symbol that they are of, or, if they are {name}'s all the same: "
                f"--columns {quoted(name)}=",
            )


def _unread(sheet: Sheet, read: Collection[int], own: str) -> str:
    """Return the columns that are not read; those of other tickers in one go."""
    listed = []
    others = set()
    for i, name in enumerate(sheet.names):
        if i in read:
            continue
        if sheet.tickers[i] and own and sheet.tickers[i] != own:
            others.add(sheet.tickers[i])
        elif not is_empty(sheet, i):
            zeros = " (0 throughout)" if is_empty(sheet, i, zeros=True) else ""
            listed.append((name or f"column {i + 1} (no name)") + zeros)
        elif name:
            listed.append(f"{name} (empty)")
    if others:
        listed.append(f"the columns of {', '.join(sorted(others))}")
    return ", ".join(listed)
