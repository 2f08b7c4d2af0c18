"""Messages for Python: options of ``finscale data import`` written as keyword arguments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from finscale.errors import DataError

_DATE = r"\d{4}-\d{2}-\d{2}"
_WORDS = {
    # option: what its value looks like; the keyword is the option with underscores
    "columns": r"'[^']*'|(?!')[^\s`;()=]+=[^\s`;()]*",
    "where": r"'[^']*'|[^\s`;()=]+=[^\s`;()]*",
    "adjustment": r"raw\b|split\+dividend\b|split\b",
    "date-format": r"%\S*[^\s,;.)`]|(?!away|all|names)[a-z_]+\b",
    "session-of": r"open\b|close\b",
    "cadence": r"daily\b",
    "calendar": r"none\b|us_futures\b|[A-Z]{4}\b|24/[57]",
    "format": r"(?!away)[a-z]+\d?\b",
    "decimal": r"point\b|comma\b",
    "ticker": r"'[^']*'|(?!away|names)[^\s`;()]*[^\s`;(),.]",
    "keep": r"'[^']*'|[\w,]+",
    "symbol": r"'[^']*'|[^\s`;()]*[^\s`;(),.]",
    "century": r"\d{4}",
}
_FLAGS = ("leave-out-bad-rows", "fill-from-close", "strict")
# Option → keyword, and how one value is written; several become one list.
_LISTS = {
    "drop": ("drop", rf"({_DATE}):({_DATE})"),
    "real-move": ("real_moves", rf"({_DATE})"),
    "split": ("splits", rf"({_DATE}):([\d.]+(?:[:/][\d.]+)?)"),
}
_NO_VALUE = {"drop": "drop", "real-move": "real_moves", "split": "splits"}


def as_keywords(text: str) -> str:
    """Return a message whose options are keyword arguments.

    Examples
    --------
    >>> as_keywords("say `--real-move 2024-01-02 --real-move 2024-01-05` or --columns open=PX_OPEN")
    'say `real_moves=["2024-01-02", "2024-01-05"]` or columns="open=PX_OPEN"'
    >>> as_keywords("--split 2024-06-09:4:3; --leave-out-bad-rows imports the rest (--decimal)")
    'splits=[("2024-06-09", 4 / 3)]; leave_out_bad_rows=True imports the rest (decimal=)'
    """
    for option, (keyword, form) in _LISTS.items():
        run = re.compile(rf"--{option} {form}(?: --{option} {form})*")
        text = run.sub(partial(_listed, option=option, keyword=keyword), text)
    for option, form in _WORDS.items():
        keyword = option.replace("-", "_")
        text = re.sub(rf"--{option} ({form})", partial(_with_value, keyword=keyword), text)
    for option in _FLAGS:
        text = re.sub(rf"--{option}\b", f"{option.replace('-', '_')}=True", text)
    for option in (*_WORDS, *_NO_VALUE):
        keyword = _NO_VALUE.get(option, option.replace("-", "_"))
        text = re.sub(rf"--{option}(?![\w-])", f"{keyword}=", text)
    return text.replace("finscale data import FILE", "fs.import_frame(frame, symbol)")


def in_python(error: DataError) -> DataError:
    """Return the same error with keyword arguments in its words, in place of options."""
    error.message, error.hint = as_keywords(error.message), as_keywords(error.hint)
    error.args = (error.message,)
    return error


def with_dates(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments in which days may be texts: ``real_moves=["2024-01-02"]``.

    Raises
    ------
    DataError
        If a text is no date.
    """
    found = dict(options)
    for name in ("drop", "splits", "real_moves"):
        if found.get(name):
            found[name] = [
                _day(one) if isinstance(one, str | dt.date) else tuple(map(_day, one))
                for one in found[name]
            ]
    return found


def _day(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.date()
    if not isinstance(value, str):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise DataError(f"{value!r} is not a date.", hint='write it as "2026-06-03"') from None


def _with_value(match: re.Match[str], *, keyword: str) -> str:
    return f"{keyword}={_quoted(match[1])}"


def _listed(match: re.Match[str], *, option: str, keyword: str) -> str:
    values = [part.strip() for part in match[0].split(f"--{option} ") if part.strip()]
    if option == "real-move":
        written = [f'"{value}"' for value in values]
    else:
        pairs = [value.split(":", 1) for value in values]
        if option == "drop":
            written = [f'("{first}", "{last}")' for first, last in pairs]
        else:
            written = [f'("{day}", {re.sub("[:/]", " / ", ratio)})' for day, ratio in pairs]
    return f"{keyword}=[{', '.join(written)}]"


def _quoted(value: str) -> str:
    if re.fullmatch(r"\d{4}", value):
        return value  # a century
    inner = value[1:-1] if value[:1] == value[-1:] == "'" else value
    inner, tail = (inner[:-1], ",") if inner.endswith(",") else (inner, "")
    return f'"{inner}"{tail}'
