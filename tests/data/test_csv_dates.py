"""Dates in the forms that vendors and programs write: read rightly, or refused."""

import contextlib
import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.errors import DataError

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
DAYS = [day.item() for day in np.busday_offset("2024-01-02", np.arange(30))]
EPOCH = dt.date(1970, 1, 1)

_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "de short": "Jän. Feb. Mrz. Apr. Mai Jun. Jul. Aug. Sep. Okt. Nov. Dez.",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "fr short": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
    "es short": "ene feb mar abr may jun jul ago sep oct nov dic",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "it short": "gen feb mar apr mag giu lug ago set ott nov dic",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
    "dezembro",
    "pt short": "jan fev mar abr mai jun jul ago set out nov dez",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
    "listopada grudnia",
    "pl short": "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "ru short": "янв. февр. мар. апр. мая июня июля авг. сент. окт. нояб. дек.",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
}
_FRENCH_DAYS = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")


def _english(form):
    return lambda day: day.strftime(form)


def _named(language, form="{day} {month} {year}"):
    months = _MONTHS[language].split()
    return lambda day: form.format(day=day.day, month=months[day.month - 1], year=day.year)


def _count(since, digits=""):
    return lambda day: f"{(day - since).days}{digits}"


def _seconds(unit):
    return lambda day: str((day - EPOCH).days * 86_400 * unit)


#: Forms that leave no question, whatever the rows.
CLEAR = {
    **{form: _english(form) for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y %m %d")},
    **{form: _english(form) for form in ("%Y%m%d 00:00", "%Y%m%dT000000", "%Y%m%d  00:00:00 ")},
    **{form: _english(form) for form in ("%Y%m%d.0", "%Y%m%d160000", "%Y-%m-%dZ", "%Y-%j")},
    **{form: _english(form) for form in ("%d %b %Y", "%d-%B-%Y", "%b-%d-%Y", "%Y-%b-%d", "%d%b%Y")},
    **{form: _english(form) for form in ("%B %d, %Y", "%a, %b %d, %Y", "%A, %B %d, %Y")},
    **{form: _english(f"%Y-%m-%d 00:00:00{zone}") for form in ("a",) for zone in ("+00",)},
    **{f"offset {z}": _english(f"%Y-%m-%dT00:00:00{z}") for z in ("Z", "+0000", "+00:00", " UTC")},
    **{f"zone {z}": _english(f"%Y-%m-%d 16:00 {z}") for z in ("EST", "CET", "America/New_York")},
    "fractions": _english("%Y-%m-%d 00:00:00.000000000"),
    "RFC 2822": _english("%a, %d %b %Y 00:00:00 GMT"),
    "ctime": _english("%a %b %d 00:00:00 EST %Y"),
    "JavaScript": _english("%a %b %d %Y 00:00:00 GMT+0000 (Coordinated Universal Time)"),
    "Java": _english("%Y-%m-%dT00:00:00-05:00[America/New_York]"),
    "JSON": lambda day: f"/Date({(day - EPOCH).days * 86_400_000})/",
    "SAS": lambda day: f"{day:%d%b%Y}:00:00:00".upper(),
    "kdb": _english("%Y.%m.%dD00:00:00.000000000"),
    "Excel text": _english('="%Y-%m-%d"'),
    "full width": lambda day: str(day).translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"}),
    "week": lambda day: "{}W{:02}-{}".format(*day.isocalendar()),
    "week, dashes": lambda day: "{}-W{:02}-{}".format(*day.isocalendar()),
    "Chinese": lambda day: f"{day.year}年{day.month}月{day.day}日",
    "Chinese weekday": lambda d: f"{d:%Y年%m月%d日} 星期{'一二三四五六日'[d.weekday()]}",
    "Japanese": lambda day: f"{day:%Y年%m月%d日}({'月火水木金土日'[day.weekday()]})",
    "Korean": lambda day: f"{day.year}년 {day.month}월 {day.day}일",
    "Korean dots": lambda day: f"{day.year}. {day.month}. {day.day}.",
    "Chinese Excel": lambda day: f"{day.year}/{day.month}/{day.day} 上午 12:00:00",
    "English 2nd": lambda day: (
        f"{day:%B} {day.day}{'stndrdth'[2 * min(day.day, 4) - 2 :][:2]}, {day.year}"
    ),
    **{language: _named(language) for language in _MONTHS},
    "de dot": _named("de", "{day}. {month} {year}"),
    "es de": _named("es", "{day} de {month} de {year}"),
    "ru г.": _named("ru", "{day} {month} {year} г."),
    "fr weekday": lambda day: f"{_FRENCH_DAYS[day.weekday()]} {_named('fr short')(day)}",
}
#: Forms that only many rows, in order and on weekdays, can settle; some never are.
OPEN = {
    **{form: _english(form) for form in ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y 16:00")},
    **{form: _english(form) for form in ("%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%d.%m.%y")},
    **{form: _english(form) for form in ("%d-%b-%y", "%b-%d-%y", "%y-%b-%d", "%d%b%y")},
    **{form: _english(form) for form in ("%y%m%d", "%d%m%y", "%m%d%y", "%d%m%Y", "%m%d%Y", "%Y%j")},
    "AM": lambda day: f"{day.month}/{day.day}/{day.year} 12:00:00 AM",
    "PM": lambda day: f"{day.month}/{day.day}/{day.year} 4:00 PM",
    "Chinese, two digits": lambda day: f"{day:%y}年{day.month}月{day.day}日",
    "seconds": _seconds(1),
    "milliseconds": _seconds(10**3),
    "microseconds": _seconds(10**6),
    "nanoseconds": _seconds(10**9),
    "numpy": lambda day: f"{(day - EPOCH).days * 86_400:.18e}",
    "Excel": _count(dt.date(1899, 12, 30)),
    "Excel afternoon": _count(dt.date(1899, 12, 30), ".6666666667"),
    "Excel thousands": lambda day: f"{(day - dt.date(1899, 12, 30)).days:,}",
    "Excel 1904": _count(dt.date(1904, 1, 1)),
    "Matlab": lambda day: str(day.toordinal() + 366),
    "ordinal": lambda day: f"{day.toordinal()}.0",
    "Julian": lambda day: str(day.toordinal() + 1_721_424.5),
    "Julian number": lambda day: str(day.toordinal() + 1_721_425),
    "days of 1970": _count(EPOCH),
}


def _read(cells, *, date_format=None, century=None, calendar="none", now=NOW):
    wishes = DateWishes(date_format, century, None, calendar, now)
    lines = list(range(2, len(cells) + 2))
    return parse_dates(cells, lines, place="bars.csv", wishes=wishes)


@pytest.mark.parametrize("form", [*CLEAR, *OPEN])
def test_thirty_days_of_2024(form):
    write = {**CLEAR, **OPEN}[form]
    assert _read([write(day) for day in DAYS])[0] == DAYS
    assert _read([write(day) for day in reversed(DAYS)])[0] == DAYS[::-1]


@pytest.mark.parametrize("form", CLEAR)
@settings(max_examples=10, deadline=None)
@given(first=st.dates(dt.date(1930, 1, 1), dt.date(2026, 10, 1)), count=st.integers(1, 20))
def test_clear_forms_come_back(form, first, count):
    days = [day.item() for day in np.busday_offset(first, np.arange(count), roll="forward")]
    assert _read([CLEAR[form](day) for day in days])[0] == days


@pytest.mark.parametrize("form", OPEN)
@settings(max_examples=20, deadline=None)
@given(
    first=st.dates(dt.date(1930, 1, 1), dt.date(2026, 10, 1)),
    steps=st.lists(st.integers(1, 2), min_size=0, max_size=30),
    every_day=st.booleans(),
)
def test_open_forms_come_back_or_are_refused(form, first, steps, every_day):
    mask = "1111111" if every_day else "1111100"
    offsets = np.cumsum([0, *(1 if step == 1 or every_day else 2 for step in steps)])
    days = [
        day.item()
        for day in np.busday_offset(first, offsets, roll="forward", weekmask=mask)
        if day.item() < NOW.date()
    ]
    with contextlib.suppress(DataError):
        assert _read([OPEN[form](day) for day in days])[0] == days


@pytest.mark.parametrize(
    ("form", "first", "last"),
    [
        ("%m/%d/%y", "1962-01-02", "1974-12-31"),
        ("%d-%b-%y", "1988-01-04", "2026-11-27"),
        ("%y%m%d", "1999-06-01", "2001-06-01"),
        ("%y/%m/%d", "1970-01-02", "1971-01-04"),
    ],
)
def test_two_digit_years_go_by_their_neighbours(form, first, last):
    days = [day.item() for day in np.arange(first, last, dtype="datetime64[D]")]
    days = [day for day in days if day.weekday() < 5]
    assert _read([day.strftime(form) for day in days])[0] == days
    newest_first = [day.strftime(form) for day in reversed(days)]
    assert _read(newest_first)[0] == days[::-1]
    # strptime alone would make 62 of this century
    assert _read(newest_first, date_format=form)[0] == days[::-1]


def test_the_century_can_be_said():
    cells = ["01/02/24", "01/03/24", "01/14/24"]
    assert _read(cells)[0][0] == dt.date(2024, 1, 2)
    assert _read(cells, century=1900)[0][0] == dt.date(1924, 1, 2)
    assert _read(["850105", "850106", "850115"], century=1800)[0][0] == dt.date(1885, 1, 5)
    assert _read(["240102"], date_format="%y%m%d", century=1900)[0] == [dt.date(1924, 1, 2)]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_unix_times_is_found_over_all_rows(unit):
    for first in ("1955-01-03", "1969-11-03", "1970-01-02", "1999-06-01"):
        days = [day.item() for day in np.busday_offset(first, np.arange(200))]
        assert _read([_seconds(unit)(day) for day in days])[0] == days


@pytest.mark.parametrize("units", [(1, 10**3), (10**3, 10**6), (10**6, 10**9)])
def test_files_joined_from_two_units(units):
    """Binance's files are in milliseconds until 2024 and in microseconds from 2025 on."""
    days = [day.item() for day in np.arange("2024-10-01", "2025-03-31", dtype="datetime64[D]")]
    cells = [_seconds(units[day.year > 2024])(day) for day in days]
    assert _read(cells)[0] == days
    assert _read(cells[::-1])[0] == days[::-1]


@pytest.mark.parametrize(
    ("cells", "date_format", "day"),
    [
        (["45293"], "excel", (2024, 1, 2)),
        (["43831.5"], "excel1904", (2024, 1, 2)),
        (["60311"], "mjd", (2024, 1, 2)),
        (["23377"], "sas", (2024, 1, 2)),
        (["19724"], "unix-days", (2024, 1, 2)),
        (["739253"], "matlab", (2024, 1, 2)),
        (["1704153600"], "s", (2024, 1, 2)),
        (["86400000"], "ms", (1970, 1, 2)),
        (["24002"], "%y%j", (2024, 1, 2)),
        (["02/01/2024 16:00:00"], "%d/%m/%Y", (2024, 1, 2)),
        (["20240102.0"], "%Y%m%d", (2024, 1, 2)),
        (["20240102 16:00"], "%Y%m%d", (2024, 1, 2)),
        (["20240102 16:00"], "%Y%m%d %H:%M", (2024, 1, 2)),
    ],
)
def test_forms_that_are_asked_for(cells, date_format, day):
    assert _read(cells, date_format=date_format)[0] == [dt.date(*day)]


def test_numbers_that_could_be_several_things_are_named():
    days = [str((day - dt.date(1960, 1, 1)).days) for day in DAYS]
    with pytest.raises(DataError, match=r"from 1904 \(1968-01-02\) or days from 1960") as caught:
        _read(days)
    assert caught.value.hint == "say which: --date-format excel1904 or --date-format sas"
    with pytest.raises(DataError, match="counts rows"):
        _read([str(n) for n in range(30)])
    with pytest.raises(DataError, match=r"no date from 1900 to today in any known form"):
        _read(["5" + "0" * 20])


@pytest.mark.parametrize(
    "write",
    [
        lambda seconds: f"{seconds * 1000:.5E}",
        lambda seconds: f"{seconds * 1000:.5E}".replace(".", "/"),
        lambda seconds: f"{seconds * 1000:.5E}".replace(".", ","),
        lambda seconds: f"{seconds:.4e}",
    ],
)
def test_unix_times_without_their_last_digits_are_refused(write):
    cells = [write((day - EPOCH).days * 86_400) for day in DAYS]
    with pytest.raises(DataError, match="has lost its last digits") as caught:
        _read(cells)
    assert cells[0] in caught.value.message


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["soon", "2024-01-03"], r"row 2: 'soon' is not a date in any known form \(2024-01-02, "),
        (["2024-01-02 00:00 or so"], "row 2: '2024-01-02 00:00 or so' is not a date in any"),
        (["2024-01-02", "total"], "row 3: 'total' is not a date like those before it"),
        (["2 Jan 2024", "30 Feb 2024"], "row 3: '30 Feb 2024' is not a date like"),
        (["Tue, Jan 03, 2024"], "is not a date"),  # a Wednesday
        (["2024-01-02", ""], "row 3 has no date"),
        (["2024-01", "2024-02"], "'2024-01' names a month and no day"),
        (["2024Q1", "2024Q2"], "names a quarter and no day"),
        (["Jan 2024", "Feb 2024"], "names a month and no day"),
        (["Jan 20", "Feb 20"], "'Jan 20' lacks a day or a year: these are no daily bars"),
        (["202401", "202402", "202403"], "'202401' names a month and no day"),
        (["1999", "2000", "2001"], "'1999' names a year and no day"),
        (["2024-W01", "2024-W02"], "names a week and no day"),
        (["2/1/2567", "3/1/2567", "15/1/2567"], "the Buddhist calendar, 2024"),
        (["01/02/2024", "01/03/2024"], "month first or day first"),
        (["24/01/02", "24/01/03"], "year first or day first"),
    ],
)
def test_what_is_refused(cells, message):
    with pytest.raises(DataError, match=message):
        _read(cells)


def test_a_form_that_does_not_fit_is_named():
    with pytest.raises(DataError, match="does not have the form --date-format %d"):
        _read(["2024-01-02"], date_format="%d.%m.%Y")
    with pytest.raises(DataError, match="'DD/MM/YYYY' is no form of dates") as caught:
        _read(["02/01/2024"], date_format="DD/MM/YYYY")
    assert "%d/%m/%Y" in caught.value.hint
    with pytest.raises(DataError, match="'exel' is no form of dates"):
        _read(["45293"], date_format="exel")
    with pytest.raises(DataError, match="'2024-01-02' is not a number"):
        _read(["2024-01-02"], date_format="excel")


def test_days_and_months_that_a_spreadsheet_swapped_are_refused():
    # 2 … 12 January were read as 1 February … 1 December, 15 January was left as it was
    cells = [f"{d:%m/%d/%Y}" if d.day < 13 else f"{d:%d/%m/%Y}" for d in DAYS[:15]]
    with pytest.raises(DataError, match="has day and month the other way round"):
        _read(cells)


def test_forms_may_be_mixed_where_each_is_clear():
    cells = ["2024-01-02", "3 Jan 2024", "20240104", "Jan 5, 2024", "2024/1/8"]
    assert _read(cells)[0] == DAYS[:5]


def test_units_may_change_where_files_were_joined():
    # Binance: milliseconds up to 2024, microseconds from 2025 on
    moments = [int(dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC).timestamp()) for d in DAYS]
    cells = [f"{moment * (1000 if i < 9 else 10**6)}" for i, moment in enumerate(moments)]
    assert _read(cells)[0] == list(DAYS)
