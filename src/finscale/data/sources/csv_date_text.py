"""Take the written date of one cell apart: year, month and day, time of day, offset."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass

from finscale.data.sources.csv_date_words import month_and_weekday

UTC = dt.timedelta(0)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212\u2019\u00b4`", "------'''")
# ="2024-01-02"; a leading apostrophe alone is how a spreadsheet marks text
_QUOTED = re.compile(r"=?\s*(?:[\"\u201c\u201d\u201e]+(.*?)[\"\u201c\u201d]+|'+(.*?)'*)")
_KANJI = str.maketrans(dict.fromkeys("年月日년월일", "-"))
_EAST_WEEKDAY = re.compile(
    r"(?:星期|周|週)([一二三四五六日天])|([月火水木金土日])曜日?|([월화수목금토일])요일"
    r"|\(([月火水木金土日월화수목금토일一二三四五六])\)"
)
_EAST_WEEKDAYS = ("一二三四五六日", "月火水木金土日", "월화수목금토일", "一二三四五六天")
_NOON = re.compile(r"(上午|午前|오전|下午|午後|오후)\s*([\d:.]+)")
_CLOCK = re.compile(
    r"(?<!\d)(\d{1,2})[:h](\d{2})(?::(\d{2}))?(?:[.,](\d+))?\s*([AaPp]\.?\s?[Mm]\b\.?)?(?!\d)"
    r"|(?<!\d)(\d{1,2})()()()\s*([AaPp]\.?[Mm]\b\.?)"
)
# 20240102T160000, 20240102 1600, 2024-01-02T160000
_BASIC = re.compile(
    r"(?:(?<=\d{8})[ _-]|(?<=\d)[Tt])(\d{2})(\d{2})(\d{2})?(?:[.,](\d+))?(?=$|[Zz +-])"
)
_AFTER_TIME = re.compile(
    r"\s*(?P<word>[Zz]|UTC|GMT|[A-Z]{2,5}|[A-Z]\w+/[\w/+-]+)?\s*"
    r"(?P<offset>[+-]\d{1,2}(?::?\d{2}){0,2})?(?![\d/.-])(?P<zone>\s*[\[(][^\])]*[\])])?"
)
_NOT_UTC = re.compile(r"[A-Z]{3,5}$|[A-Z]\w+/")
_UTC_WORDS = ("Z", "z", "UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "UCT", "Universal")
_ISO_WEEK = re.compile(r"(\d{4})-?W(\d{2})(?:-?([1-7]))?")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_BETWEEN = re.compile(r"[\s,./\-_':\u00ba\u00aa|()]*")
_PERIOD = re.compile(r"(?:\d{4}[-/. ]?[QqMm]\d{1,2}|[QqMm]\d[-/. ]?\d{4})")


class NoDayError(ValueError):
    """A cell names a month, a quarter or a week, and no day; the message says so."""


@dataclass(frozen=True)
class DateParts:
    """What one cell says, before the order of its numbers is decided."""

    numbers: tuple[str, ...]
    """Digits of year, month and day in the cell's order; without the month if that is a word."""
    month: int | None = None
    weekday: int | None = None
    year_first: bool = False
    """Whether 年 says that the first number is the year."""
    exact: dt.date | None = None
    """The date, where the form leaves no question."""
    time: dt.time | None = None
    offset: dt.timedelta | None = None
    """From UTC; zero for a zone called UTC or GMT, None where none is given or it has a name."""
    separator: str = "/"


def normal(cell: str) -> str:
    """Return a cell with plain digits, blanks and dashes, and without quotes around it."""
    if not cell.isascii():
        cell = unicodedata.normalize("NFKC", cell).translate(_DASHES)
        # ٢٠٢٤, २०२४: digits of other scripts
        cell = "".join(str(unicodedata.decimal(char, char)) for char in cell)
    cell = " ".join(cell.split())
    match = _QUOTED.fullmatch(cell)
    return (match[1] or match[2] or "").strip() if match else cell


def take_apart(cell: str) -> DateParts:
    """Return what a normal cell says; see :func:`normal`.

    Raises
    ------
    NoDayError
        If it names a month or a quarter without a day.
    ValueError
        If it is no date in a known form.
    """
    text, time, offset = _without_time(cell)
    week = _ISO_WEEK.fullmatch(text)
    if week:
        if week[3] is None:
            raise NoDayError("names a week and no day")
        exact = dt.date.fromisocalendar(int(week[1]), int(week[2]), int(week[3]))
        return DateParts((), exact=exact, time=time, offset=offset)
    if _PERIOD.fullmatch(text):
        what = "quarter" if "q" in text.casefold() else "month"
        raise NoDayError(f"names a {what} and no day")
    east = _EAST_WEEKDAY.search(text)
    weekday = None
    if east:
        sign = next(filter(None, east.groups()))
        weekday = next(signs.index(sign) for signs in _EAST_WEEKDAYS if sign in signs)
        text = _EAST_WEEKDAY.sub(" ", text)
    year_first = "年" in text or "년" in text
    text = text.translate(_KANJI)
    if not _BETWEEN.fullmatch(_TOKEN.sub("", text)):
        raise ValueError(cell)
    tokens = _TOKEN.findall(text)
    numbers = tuple(token for token in tokens if token.isdecimal())
    month, named = month_and_weekday([token for token in tokens if not token.isdecimal()])
    _check_count(numbers, month, cell)
    mark = re.search(r"[-/.]", text)
    return DateParts(
        numbers,
        month,
        weekday if named is None else named,
        year_first,
        _ordinal(numbers) if month is None and len(numbers) == 2 else None,
        time,
        offset,
        mark[0] if mark else " ",
    )


def _check_count(numbers: tuple[str, ...], month: int | None, cell: str) -> None:
    """Raise unless the numbers can be a year, a month (or its name) and a day."""
    lengths = [len(number) for number in numbers]
    years = lengths.count(4)
    if (month and lengths == [4]) or (not month and sorted(lengths) in ([1, 4], [2, 4])):
        raise NoDayError("names a month and no day")
    if month and lengths in ([1], [2]):
        raise NoDayError("lacks a day or a year")
    fits = (
        (month is not None and len(lengths) == 2 and max(lengths) <= 4 and 3 not in lengths)
        or (month is None and len(lengths) == 3 and max(lengths) <= 4 and 3 not in lengths)
        or (month is None and lengths in ([8], [4, 3]))
    )
    if not fits or years > 1 or (len(lengths) == 3 and lengths[1] > 2):
        raise ValueError(cell)


def _ordinal(numbers: tuple[str, ...]) -> dt.date:
    """Return the date of 2024-002, the second day of 2024."""
    year, day = (int(number) for number in numbers)
    found = dt.date(year, 1, 1) + dt.timedelta(days=day - 1)
    if day < 1 or found.year != year:
        raise ValueError(day)
    return found


def _without_time(cell: str) -> tuple[str, dt.time | None, dt.timedelta | None]:
    """Return the cell's date, its time of day, and its offset from UTC."""
    cell = _NOON.sub(lambda m: f" {m[2]} {'AM' if m[1] in '上午午前오전' else 'PM'}", cell)
    match = _CLOCK.search(cell) or _BASIC.search(cell)
    if match is None:
        date, offset = _split_offset(cell)
        return date, None, offset
    groups = [group or "" for group in match.groups()]
    if match.re is _CLOCK and match[6]:
        groups = groups[5:]
    hour, minute, second, fraction, half = (*groups, "")[:5]
    number = int(hour)
    if half:
        if not 1 <= number <= 12:
            raise ValueError(cell)
        number = number % 12 + (12 if half[0] in "pP" else 0)
    micro = int((fraction + "000000")[:6])
    # 24:00 is the end of the day
    late = number == 24 and int(minute or 0) == 0
    time = (
        dt.time(23, 59, 59, 999_999)
        if late
        else dt.time(number, int(minute or 0), min(int(second or 0), 59), micro)
    )
    after = _AFTER_TIME.match(cell, match.end())
    end, offset = match.end(), None
    if after and after[0].strip() and (after["offset"] or after["zone"] or _is_zone(after["word"])):
        offset = _offset(after["word"], after["offset"], after["zone"])
        end = after.end()
    before = re.sub(r"[TtD]$", "", cell[: match.start()].rstrip(" ,:+-_"))
    return f"{before} {cell[end:]}".strip(" ,"), time, offset


def _is_zone(word: str | None) -> bool:
    """Tell whether a word after the time is a zone's name, rather than a month or a weekday."""
    if word is None:
        return False
    if word in _UTC_WORDS:
        return True
    try:
        month_and_weekday([word])
    except ValueError:
        return _NOT_UTC.match(word) is not None
    return False


def _offset(word: str | None, offset: str | None, zone: str | None) -> dt.timedelta | None:
    if offset:
        digits = offset[1:].replace(":", "")
        hours, minutes = int(digits[:2]), int(digits[2:4] or 0)
        if hours > 14 or minutes > 59:
            raise ValueError(offset)
        return dt.timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    name = word or (zone or "").strip("[]() ")
    return UTC if name in _UTC_WORDS else None


def _split_offset(date: str) -> tuple[str, dt.timedelta | None]:
    """Return a date without the zone behind it: 2024-01-02Z, 2024-01-02 UTC."""
    match = re.fullmatch(r"(.*\d)\s?(?:Z|UTC|GMT)", date)
    return (match[1], UTC) if match else (date, None)
