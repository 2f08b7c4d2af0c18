"""Choose the column of each price, of volume, and of dividends and splits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from finscale.data.sources.csv_choices import Choices
from finscale.data.sources.csv_formats import VendorFormat
from finscale.data.sources.csv_sheet import NO_VALUE, Sheet, need
from finscale.data.sources.csv_tickers import quoted, refuse_others, same_ticker, spelled
from finscale.data.sources.csv_words import bare
from finscale.errors import DataError

PRICES = ("open", "high", "low", "close")
#: What closes alone lack.
RANGE = PRICES[:3]
OPTIONAL = ("adj_close", "volume", "dividends", "splits", "price_factor")
# An adjusted close of nought is none.
_POSITIVE = ("adj_close", "price_factor")
# Columns that are left alone where they hold words.
_EVENTS = ("dividends", "splits", "price_factor")
_RATIO = re.compile(r"[$€£]?\d*[.,]?\d+([:/]\d+)?")
# Parts of a volume's name, and of names that count something else.
_VOLUME = re.compile(
    r"volum|wolum|vol$|^vol|qty|qnt|quantit|shares|stuck|stueck|anzahl|aantal|titres|titulos|akcji"
    r"|量|売買高|出来高|股数|股數"
)
_NO_VOLUME = re.compile(
    r"volat|ma$|^ma|avg|average|mean|deliv|pct|chg|change|ratio|outst|float|rel|prev|tick|bid|ask"
    r"|buy|sell|adj|quote|usd|eur|value|turnover|short|imbal|profile|osc|量比|均量"
)
_HAS_DIGIT = re.compile(r"\d").search
_ZERO = re.compile(r"0+([.,]0*)?")

#: Field → its columns, each with whether its name is a weak one.
Groups = Mapping[str, Sequence[tuple[int, bool]]]


def group_columns(
    sheet: Sheet, wanted: str, stated: Mapping[str, int | None]
) -> tuple[str, Groups]:
    """Return the ticker whose columns are the symbol's (empty: the table's own) and the columns.

    Columns named for the symbol count if there is one for each price, so that ``pre_close`` does
    not become the close of PRE.

    Raises
    ------
    DataError
        If only other tickers have columns.
    """
    groups: dict[str, dict[str, list[tuple[int, bool]]]] = defaultdict(lambda: defaultdict(list))
    for i, meanings in enumerate(sheet.meanings):
        for each in meanings:
            if each.field in (*PRICES, *OPTIONAL, "settle", "tick_volume"):
                groups[sheet.tickers[i]][each.field].append((i, each.weak))
    plain = groups.pop("", {})
    whole = [ticker for ticker, group in groups.items() if _is_whole(group, stated)]
    if not whole and not _has_close(plain, stated):
        # a panel of closes: ('Close', 'SPY'), ('Close', 'QQQ')
        whole = [t for t, group in groups.items() if "close" in group and not {*RANGE} & {*group}]
    own = spelled(whole, wanted, place=sheet.place)
    if own is not None:
        # what is not named for a ticker belongs to the only one
        return own, {**(plain if len(whole) == 1 else {}), **groups[own]}
    if not _is_whole(plain, stated):
        if whole:
            raise refuse_others(whole, wanted, place=sheet.place)
        for ticker, group in groups.items():
            if same_ticker(ticker, wanted):
                plain = {**group, **plain}
    if "volume" not in plain:
        # Volume BTC and Volume USDT of BTCUSDT: the first counts coins
        coins = [t for t, group in groups.items() if "volume" in group and _starts(wanted, t)]
        if len(coins) == 1:
            plain = {**plain, "volume": groups[coins[0]]["volume"]}
    return "", plain


def _is_whole(group: Groups, stated: Mapping[str, int | None]) -> bool:
    return all(
        field in group or stated.get(field) is not None or (field == "close" and "settle" in group)
        for field in PRICES
    )


def _has_close(group: Groups, stated: Mapping[str, int | None]) -> bool:
    return stated.get("close") is not None or "close" in group or "settle" in group


def _starts(symbol: str, coin: str) -> bool:
    return re.sub(r"\W", "", symbol).upper().startswith(coin.upper())


def pick_columns(
    sheet: Sheet,
    groups: Groups,
    stated: Mapping[str, int | None],
    alone: Collection[int],
    form: VendorFormat,
    choices: Choices,
) -> dict[str, int]:
    """Return the column of each price and of what else is known.

    Raises
    ------
    DataError
        If a price has no column or an empty one while others of the range have one, or several
        columns could be meant.
    """
    given = {i for i in (*stated.values(), *alone) if i is not None}
    free = {
        field: [(i, weak) for i, weak in candidates if i not in given]
        for field, candidates in groups.items()
    }
    if not free.get("close"):
        # open=Close,high=Close,low=Close of a fund: the close stays the close
        free["close"] = [one for one in groups.get("close", ()) if one[0] not in alone]
    index = {field: i for field, i in stated.items() if i is not None}
    for field in (*PRICES, *OPTIONAL):
        if field not in stated:
            found = _pick(sheet, field, free.get(field, ()))
            if found is not None:
                index[field] = found
    if "close" not in stated:
        _settle(sheet, index, free.get("settle", ()))
    missing = [field for field in PRICES if field not in index]
    if missing and tuple(missing) != RANGE:  # closes alone are bars
        raise _missing(sheet, missing, groups)
    if "volume" not in stated:
        _tick_volume(sheet, index, free.get("tick_volume", ()), form, choices)
        _unknown_volume(sheet, {*index.values(), *given}, index)
    return {field: index[field] for field in (*PRICES, *OPTIONAL) if field in index}


def _pick(sheet: Sheet, field: str, candidates: Sequence[tuple[int, bool]]) -> int | None:
    """Return the one column of a field that holds values; strong names come before weak ones."""
    zeros = field in _POSITIVE
    filled = [(i, weak) for i, weak in candidates if not is_empty(sheet, i, zeros=zeros)]
    if field == "adj_close":  # "adjusted: yes" is no price
        filled = [(i, weak) for i, weak in filled if any(map(_HAS_DIGIT, sheet.column(i)))]
    if field in _EVENTS:
        filled = [(i, weak) for i, weak in filled if _holds_ratios(sheet.column(i))]
    mine = [i for i, weak in filled if not weak] or [i for i, _ in filled]
    if len(mine) > 1 and any(sheet.column(i) != sheet.column(mine[0]) for i in mine[1:]):
        listed = " and ".join(repr(sheet.names[i]) for i in mine)
        unique = len({bare(sheet.names[i]) for i in mine}) == len(mine)
        first = sheet.names[mine[0]] if unique else str(mine[0] + 1)
        raise DataError(
            f"{sheet.place}: columns {listed} are all named like the {field} and differ.",
            hint=f"say which one is meant: --columns {quoted(f'{field}={first}')}"
            + ("" if unique else " (a column by its number)"),
        )
    return mine[0] if mine else None


def is_empty(sheet: Sheet, column: int, *, zeros: bool = False) -> bool:
    """Tell whether a column holds no value, or nothing but noughts either."""
    return all(
        cell.lower() in NO_VALUE or (zeros and _ZERO.fullmatch(cell) is not None)
        for cell in sheet.column(column)
    )


def _holds_ratios(cells: Sequence[str]) -> bool:
    return all(cell.lower() in NO_VALUE or _RATIO.fullmatch(cell) for cell in cells)


def split_ratio(cell: str) -> str:
    """Return ``4`` for ``4:1``: new shares for one old."""
    new, mark, old = cell.replace("/", ":").partition(":")
    return f"{float(new) / float(old):.10g}" if mark and float(old) else cell


def _settle(sheet: Sheet, index: dict[str, int], candidates: Sequence[tuple[int, bool]]) -> None:
    settle = _pick(sheet, "settle", candidates)
    if settle is None:
        return
    close = index.setdefault("close", settle)
    if close != settle and sheet.column(close) != sheet.column(settle):
        name, other = sheet.names[settle], sheet.names[close]
        raise DataError(
            f"{sheet.place} has {other!r} and {name!r}, and they differ: which one is the close?",
            hint=f"--columns {quoted(f'close={name}')} (what a future is settled at each day) or "
            f"--columns {quoted(f'close={other}')}",
        )


def _tick_volume(
    sheet: Sheet,
    index: dict[str, int],
    candidates: Sequence[tuple[int, bool]],
    form: VendorFormat,
    choices: Choices,
) -> None:
    """Ask whether changes of the price count as volume where there is no other."""
    volume, ticks = index.get("volume"), _pick(sheet, "tick volume", candidates)
    if ticks is None or (volume is not None and not is_empty(sheet, volume, zeros=True)):
        return
    if choices.format and bare(form.volume) == bare(sheet.names[ticks]):
        index["volume"] = ticks
        return
    name = sheet.names[ticks].strip("<>")
    what = "no volume" if volume is None else f"only noughts in {sheet.names[volume]!r}"
    raise DataError(
        f"{sheet.place} has {what} and a {sheet.names[ticks]!r}, which counts changes of the "
        "price, not shares: is it to be the volume?",
        hint=f"--columns {quoted(f'volume={name}')} takes it, --columns volume= goes without",
    )


def _unknown_volume(sheet: Sheet, known: Collection[int], index: Mapping[str, int]) -> None:
    """Ask about a column that is named nearly like a volume, where no other is the volume."""
    if "volume" in index:
        return
    for i, name in enumerate(sheet.names):
        plain = bare(name)
        counts = _VOLUME.search(plain) and not _NO_VOLUME.search(plain)
        if i in known or sheet.tickers[i] or not counts or is_empty(sheet, i, zeros=True):
            continue
        raise DataError(
            f"{sheet.place} has no column that is surely the volume, and {name!r} could be it.",
            hint=f"--columns {quoted(f'volume={name}')} takes it, --columns volume= goes without",
        )


def _missing(sheet: Sheet, missing: Sequence[str], groups: Groups) -> DataError:
    empty = [i for i, _ in groups.get(missing[0], ()) if is_empty(sheet, i, zeros=False)]
    close = [i for i, _ in groups.get("close", ()) if not is_empty(sheet, i, zeros=True)]
    if empty and close and "close" not in missing:
        name = sheet.names[close[0]]
        every = ",".join(f"{field}={name}" for field in missing)
        return DataError(
            f"{sheet.place}: the column {sheet.names[empty[0]]!r} is empty.",
            hint=f"bars need {', '.join(missing)}; if other columns hold them: --columns "
            f"{missing[0]}=NAME; index levels and funds: --columns {quoted(every)}",
        )
    if empty:
        return DataError(
            f"{sheet.place}: the column {sheet.names[empty[0]]!r} is empty.",
            hint=f"bars need {missing[0]}; if another column holds it: --columns {missing[0]}=NAME"
            "; closes alone are read with --columns open=,high=,low=",
        )
    return need(sheet, missing)
