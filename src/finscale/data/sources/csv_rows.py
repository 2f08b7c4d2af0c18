"""Choose the rows that are the symbol's in a table of several instruments, boards or contracts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from finscale.data.sources.csv_another import ticker_on_every_row
from finscale.data.sources.csv_choices import Choices, position
from finscale.data.sources.csv_sheet import NO_VALUE, Sheet, looks_like_ticker
from finscale.data.sources.csv_tickers import quoted, refuse_others, some, spelled, upper
from finscale.data.sources.csv_words import means
from finscale.errors import DataError
from finscale.tables.table import looks_like_date

_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d[\d.,]*\s*[KMBkmb%]?")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?( ?[AP]M)?", re.IGNORECASE)
_EVENT = re.compile(r"(dividend|(stock )?splits?|distribution|capital gains?)$", re.IGNORECASE)
# A key's values come again and again: each on this many dates at least, on average.
_OFTEN = 2
_LONGEST_NAME = 6
# Of open, high, low, close and volume: with these, rows are fields, not instruments.
_FIELDS = 4
_BLOCK = 5
_MOSTLY = 0.9
# What follows from the date: 2024-01, FY23, 2024Q1, Jan, Monday.
_CALENDAR = re.compile(
    r"((fy|q|h|w|m)?\s?\d{1,4}([\s/_-]?(q|h|w|m|fy)?\d{1,4})?"
    r"|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*"
    r"([\s/_-]\d{2,4})?)",
    re.IGNORECASE,
)


def leave_out_events(sheet: Sheet, columns: Collection[int]) -> dict[str, str]:
    """Take out rows that hold a dividend or a split in words, and tell which they were."""
    if not any(row[i][-1:].isalpha() for row in sheet.rows for i in columns):
        return {}
    events = [next((row[i] for i in columns if _EVENT.search(row[i])), "") for row in sheet.rows]
    if not any(events):
        return {}
    found = [f"{line}: {event}" for line, event in zip(sheet.lines, events, strict=True) if event]
    sheet.keep([not event for event in events])
    rows = "1 row that is no bar" if len(found) == 1 else f"{len(found)} rows that are no bars"
    return {"events": f"{rows} left out (row {some(found)})"}


def filter_rows(sheet: Sheet, choices: Choices) -> set[int]:
    """Keep the rows that ``--where`` names; return the columns that were read for it.

    Raises
    ------
    DataError
        If a column does not exist, or never holds the value.
    """
    read = set()
    for name, value in choices.where.items():
        column = position(name, sheet.names, place=sheet.place, option="--where")
        cells = sheet.column(column)
        kept = [cell.casefold() == value.casefold() for cell in cells]
        if not any(kept):
            raise DataError(
                f"{sheet.place} has no row with {value!r} in {sheet.names[column]!r}.",
                hint=f"it holds {some(sorted(set(cells) - {''}))}",
            )
        sheet.keep(kept)
        read.add(column)
    return read


def keep_own_rows(sheet: Sheet, columns: Collection[int], ticker: str) -> dict[str, str]:
    """Take out rows of a table of several tickers that hold nothing of this one.

    They are the days of the others: before a listing, after its end, on another exchange.
    """
    if not any(other not in ("", ticker) for other in sheet.tickers):
        return {}
    total = len(sheet.rows)
    sheet.keep([any(row[i].lower() not in NO_VALUE for i in columns) for row in sheet.rows])
    if len(sheet.rows) == total:
        return {}
    return {"rows": f"{len(sheet.rows):,} of {total:,}: those with values of {ticker}"}


def choose_rows(
    sheet: Sheet,
    dates: int,
    used: Collection[int],
    stated: Mapping[str, int | None],
    symbol: str,
    choices: Choices,
) -> tuple[str, set[int], dict[str, str]]:
    """Keep the symbol's rows; return its name in the file, the columns read, and notes.

    ``dates`` is the column of dates and ``used`` are the columns that hold fields of bars. First
    the columns that are named like a symbol's are tried; then, where dates repeat or one text
    follows another, columns of any name.

    Raises
    ------
    DataError
        If the file holds other symbols only, or rows of several instruments that nothing tells
        apart.
    """
    total = len(sheet.rows)
    wanted = choices.ticker or symbol
    ticker, column, merged, refusal = _by_named_column(sheet, stated, wanted, dates, used)
    read = set() if column is None else {column}
    without = "symbol" in stated and stated["symbol"] is None
    free = [
        i
        for i in range(len(sheet.names))
        if i not in {*used, *read} and not (without and means(sheet.names[i], "symbol"))
    ]
    ticker, others = _by_any_column(sheet, dates, free, wanted, ticker, refusal)
    read |= others
    if len(sheet.rows) == total or not ticker:
        return ticker, read, {}
    names = " and ".join(repr(sheet.names[i]) for i in sorted(read))
    filled = ", whose blank cells mean what stands above them" if merged else ""
    note = f"{len(sheet.rows):,} of {total:,}: those with {ticker} in {names}{filled}"
    return ticker, read, {"rows": note}


def _by_named_column(
    sheet: Sheet,
    stated: Mapping[str, int | None],
    wanted: str,
    dates: int,
    used: Collection[int],
) -> tuple[str, int | None, bool, DataError | None]:
    """Keep the rows that a column named like a symbol's gives to the one wanted.

    Returned are the ticker, the column, whether merged cells were filled, and the refusal that is
    due unless another column names the symbol.
    """
    column = stated.get("symbol")
    if column is not None:
        candidates = [(column, "symbol", False)]
    elif "symbol" in stated:
        return "", None, False, None
    else:
        named = [(i, each.field, each.weak) for i, each in sheet.named("symbol", "id")]
        candidates = sorted(named, key=lambda one: (one[2], one[1] == "id"))
    filled, refusal = [], None
    for i, field, weak in candidates:
        cells = sheet.column(i)
        if i == dates or i in used or not any(cells):
            continue
        try:
            filled.append((i, field, weak, *_fill(sheet, i, cells)))
        except DataError as error:
            # holes do not matter if another column names the symbol
            if field == "symbol" and not weak:
                refusal = refusal or error
    for i, _, _, cells, merged in filled:
        ticker = spelled(cells, wanted, place=sheet.place)
        if ticker is not None:
            _keep(sheet, i, cells, ticker)
            return ticker, i, merged, None
    for i, field, weak, cells, _ in filled:
        if field == "symbol" and _are_tickers(sheet, dates, i, cells, weak=weak):
            refusal = refusal or refuse_others(sorted(set(cells)), wanted, place=sheet.place)
    return "", None, False, refusal


def _are_tickers(
    sheet: Sheet, dates: int, column: int, cells: Sequence[str], *, weak: bool
) -> bool:
    """Tell whether the cells of a column that is named like a symbol's are other tickers."""
    known = set(cells)
    if len(known) > 1:
        return not weak or _tells_apart(sheet, dates, column) or _blocks(cells)
    (only,) = known
    # Apple Inc. in a column "name" is no ticker, and a number says nothing about AAPL
    longest = _LONGEST_NAME if weak else len(only)
    return looks_like_ticker(only) and not only.isdigit() and len(only) <= longest


def _fill(sheet: Sheet, column: int, cells: list[str]) -> tuple[list[str], bool]:
    """Fill blank cells below a name as Excel writes merged cells; refuse other blanks."""
    if all(cells):
        return cells, False
    names = [cell for cell in cells if cell]
    if len(set(names)) == 1 and cells[0]:
        return [names[0]] * len(cells), False
    starts_named, each_once = bool(cells[0]), len(set(names)) == len(names)
    if not (starts_named and each_once):
        row = cells.index("")
        raise DataError(
            f"{sheet.place} row {sheet.lines[row]} has no {sheet.names[column] or 'symbol'}, and "
            f"the file holds {len(set(names))} ({some(sorted(set(names)))}).",
            hint=f"fill the cell in, or keep the rows of one: --where "
            f"{quoted(f'{sheet.names[column]}={names[0]}')}",
        )
    found: list[str] = []
    for cell in cells:
        found.append(cell or found[-1])
    return found, True


def _keep(sheet: Sheet, column: int, cells: Sequence[str], ticker: str) -> None:
    sheet.replace(column, cells)
    sheet.keep([upper(cell) == upper(ticker) for cell in cells])


def _by_any_column(
    sheet: Sheet,
    dates: int,
    free: Sequence[int],
    wanted: str,
    ticker: str,
    refusal: DataError | None,
) -> tuple[str, set[int]]:
    """Tell instruments apart by a column of any name: by the symbol in it, or by asking."""
    for i in free:
        _fill_if_merged(sheet, i)
    keys = [i for i in free if _may_tell(sheet, i)]
    apart = [i for i in keys if _tells_apart(sheet, dates, i)]
    joined = [i for i in keys if i not in apart and _are_joined(sheet, i)]
    if not ticker:
        for i in (*apart, *joined):
            mine = spelled(sheet.column(i), wanted, place=sheet.place)
            if mine is not None:
                _keep(sheet, i, sheet.column(i), mine)
                # what is left may still differ, by board or by contract
                free = [other for other in free if other != i]
                return mine, {i, *_by_any_column(sheet, dates, free, wanted, mine, None)[1]}
    if refusal is not None:
        raise refusal
    if apart:
        raise _which(sheet, dates, apart[0], wanted, ticker)
    if ticker:
        # its name or sector may change; its number, or its contract, may not
        joined = [i for i in joined if means(sheet.names[i], "id", "contract")]
    if joined:
        raise _joined(sheet, joined[0])
    if not ticker:
        return ticker_on_every_row(sheet, free, wanted)
    return ticker, set()


def _are_joined(sheet: Sheet, column: int) -> bool:
    cells, name = sheet.column(column), sheet.names[column]
    if len(set(cells)) > 1 and means(name, "contract"):
        return True
    if means(name, "attribute"):
        return False
    is_key = means(name, "symbol") or means(name, "id")
    return _blocks(cells) and (is_key or not all(map(_CALENDAR.fullmatch, set(cells))))


def _fill_if_merged(sheet: Sheet, column: int) -> None:
    """Fill a column of any name that looks like merged cells: a few texts over many blanks."""
    cells = sheet.column(column)
    names = [cell for cell in cells if cell]
    few = 1 < len(names) <= len(cells) / _BLOCK and cells[0] and len(set(names)) == len(names)
    if few and all(map(looks_like_ticker, names)) and not means(sheet.names[column], "other"):
        sheet.replace(column, _fill(sheet, column, cells)[0])


def _may_tell(sheet: Sheet, column: int) -> bool:
    """Tell whether a column can hold keys: the same few texts, or whole numbers, on many rows."""
    name = sheet.names[column]
    if means(name, "other") and name:
        return False
    cells = sheet.column(column)
    values = set(cells)
    if "" in values or not 1 < len(values) <= len(cells) / _OFTEN:
        return False
    if any(_CLOCK.fullmatch(value) for value in values):
        return False
    if means(name, "contract"):
        return True
    if all(value.isdigit() for value in values):
        return not sheet.meanings[column] or means(name, "id") or means(name, "symbol")
    if all(_NUMBER.fullmatch(value) or looks_like_date(value) for value in values):
        return False
    return not {value.casefold() for value in values} <= {"true", "false", "yes", "no", "y", "n"}


def _tells_apart(sheet: Sheet, dates: int, column: int) -> bool:
    """Tell whether dates repeat, and the rows of one date differ in this column."""
    rows_of = defaultdict(list)
    for row in sheet.rows:
        rows_of[row[dates]].append(row[column])
    repeated = [values for values in rows_of.values() if len(values) > 1]
    if len(repeated) < max(1, len(rows_of) // 20):
        return False
    different = sum(len(set(values)) == len(values) for values in repeated)
    return different >= _MOSTLY * len(repeated)


def _blocks(cells: Sequence[str]) -> bool:
    """Tell whether each value stands in one run of rows, or tickers stand in long runs."""
    runs = [value for value, _ in groupby(cells)]
    values = set(runs)
    long = len(runs) <= len(cells) / _BLOCK and all(map(looks_like_ticker, values))
    return len(values) > 1 and (len(runs) == len(values) or long)


def _which(sheet: Sheet, dates: int, column: int, wanted: str, ticker: str) -> DataError:
    day, count = Counter(row[dates] for row in sheet.rows).most_common(1)[0]
    name, values = sheet.names[column], sorted(set(sheet.column(column)))
    if sum(means(value, "open", "high", "low", "close", "volume") for value in values) >= _FIELDS:
        return DataError(
            f"{sheet.place} has a row for each field of a bar: {name!r} holds {some(values)}.",
            hint=f"make columns of them first, such as with pandas: df.pivot(index="
            f"{sheet.names[dates]!r}, columns={name!r}, values=…).to_csv(NEW); of several symbols "
            "keep one",
        )
    where = quoted(f"{name}={values[0]}")
    start = f"{sheet.place} has {count} rows for {day}, which differ in {name!r} ({some(values)})"
    if ticker:
        others = " or ".join(f"--where {quoted(f'{name}={value}')}" for value in values[:3])
        return DataError(f"{start}: which of them?", hint=others)
    return DataError(
        f"{start}: several instruments, and {wanted} is none of them.",
        hint=f"choose one: --symbol {quoted(values[0])}, or --where {where} under any symbol",
    )


def _joined(sheet: Sheet, column: int) -> DataError:
    name, values = sheet.names[column], list(dict.fromkeys(sheet.column(column)))
    kind = "contracts" if means(name, "contract") else "instruments"
    return DataError(
        f"{sheet.place} holds {len(values)} values of {name!r} one after another "
        f"({some(values)}): prices of different {kind} would be joined end to end.",
        hint=f"keep one of them, --where {quoted(f'{name}={values[0]}')}, or, if they are one "
        f"series all the same, --columns {quoted(f'{name}=')}",
    )
