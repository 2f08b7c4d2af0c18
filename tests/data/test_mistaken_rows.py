"""Rows that are not what was asked for: mistyped dates, another symbol, days before sessions."""

import datetime as dt

import pandas as pd
import pytest

from finscale.data import fetch_bars
from finscale.data.calendar import sessions
from finscale.errors import DataError

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
DAYS = sessions("XNYS", dt.date(2023, 11, 1), dt.date(2024, 3, 15))
PRICES = [
    [round(100.0 + 0.37 * (k % 23) + x, 2) for x in (-0.11, 0.52, -0.63, 0.0)] for k in range(99)
]
BARS = [(*PRICES[k], 100_000 + 700 * k) for k in range(len(DAYS))]
HEADER = "Date,Open,High,Low,Close,Volume"
DAY = dt.timedelta(days=1)


@pytest.fixture
def read(tmp_path):
    def fetch(text, symbol="SPY", **options):
        file = tmp_path / "bars.csv"
        file.write_text(text, encoding="utf-8")
        return fetch_bars("csv", symbol, file=file, **{"adjustment": "split", "now": NOW} | options)

    return fetch


def _text(header=HEADER, row=lambda day, bar: (day, *bar), days=DAYS, sep=","):
    lines = [sep.join(map(str, row(day, bar))) for day, bar in zip(days, BARS, strict=True)]
    return "\n".join([header, *lines]) + "\n"


def _is_whole(bars, days=DAYS):
    assert bars.frame["date"].to_list() == list(days)
    columns = ("open", "high", "low", "close", "volume")
    assert bars.frame.select(columns).rows() == [tuple(map(float, bar)) for bar in BARS]


@pytest.mark.parametrize("wrong", [dt.date(2014, 1, 10), dt.date(2022, 12, 30)])
@pytest.mark.parametrize("newest_first", [False, True])
def test_a_mistyped_date_among_its_neighbours_is_asked_about(read, wrong, newest_first):
    days = [wrong if day == DAYS[47] else day for day in DAYS]
    header, *lines = _text(days=days).splitlines()
    text = "\n".join([header, *(lines[::-1] if newest_first else lines)])
    with pytest.raises(DataError, match=f"is dated {wrong}, and the rows around it") as refused:
        read(text)
    assert f"--drop {wrong}:{wrong}" in refused.value.hint
    bars = read(text, drop=[(wrong, wrong)])
    assert bars.frame["date"].to_list() == [*DAYS[:47], *DAYS[48:]]


def test_rows_out_of_order_are_sorted(read):
    header, *lines = _text().splitlines()
    lines.insert(10, lines.pop(70))
    _is_whole(read("\n".join([header, *lines])))
    _is_whole(read("\n".join([header, *lines[60:], *lines[:60]])))


@pytest.mark.parametrize("name", ["Paper", "x", "Stock", "Aktie", "Instrumentname", "Fund"])
@pytest.mark.parametrize("value", ["MSFT", "MSFT.O", "NASDAQ:MSFT", "MSFT US Equity"])
def test_one_ticker_on_every_row_of_a_column_of_any_name_is_not_another(read, name, value):
    text = _text(f"{HEADER},{name}", lambda d, b: (d, *b, value))
    with pytest.raises(DataError, match="MSFT") as refused:
        read(text)
    assert "--ticker" in refused.value.hint
    _is_whole(read(text, symbol="MSFT"))
    _is_whole(read(text, ticker=value))
    _is_whole(read(text, columns=f"{name}="))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("Ccy", "USD"), ("x", "EUR"), ("Exchange", "XNYS"), ("x", "NYSE"), ("Period", "DAILY")),
        *(("x", "EQ"), ("Note", "MSFT"), ("Type", "ETF"), ("x", "SPY"), ("x", "SPY.P")),
        *(("Adjusted?", "yes"), ("Waluta", "PLN"), ("tz", "EST"), ("x", "ok")),
    ],
)
def test_one_word_on_every_row_that_is_no_ticker_is_left_alone(read, name, value):
    _is_whole(read(_text(f"{HEADER},{name}", lambda d, b: (d, *b, value))))


def test_days_before_the_sessions_are_named_as_such(read):
    text = _text(days=[day - DAY for day in DAYS])
    with pytest.raises(DataError, match="stand a day before the sessions of XNYS") as refused:
        read(text)
    assert "--session-of open" in refused.value.hint
    _is_whole(read(text, session_of="open"))


@pytest.mark.parametrize("form", ["{0:%Y-%d-%m}", "{0:%Y/%d/%m}", "{0:%Y%d%m}"])
def test_year_day_and_month_is_read_where_nothing_else_fits(read, form):
    bars = read(_text(row=lambda d, b: (form.format(d), *b)))
    _is_whole(bars)
    assert "2023-11-01" in bars.provenance["dates"] or "2023-11-13" in bars.provenance["dates"]


MONTHS = {
    "czech": "led úno bře dub kvě čvn čvc srp zář říj lis pro",
    "czech in full": (
        "ledna února března dubna května června července srpna září října listopadu prosince"
    ),
    "finnish": "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
    "romanian": "ian. feb. mar. apr. mai iun. iul. aug. sept. oct. nov. dec.",
    "hungarian": "jan. febr. márc. ápr. máj. jún. júl. aug. szept. okt. nov. dec.",
    "indonesian": "Jan Feb Mar Apr Mei Jun Jul Agt Sep Okt Nov Des",
    "roman": "I II III IV V VI VII VIII IX X XI XII",
}


@pytest.mark.parametrize("language", MONTHS)
def test_months_of_more_languages(read, language):
    months = MONTHS[language].split()
    _is_whole(read(_text(row=lambda d, b: (f"{d.day} {months[d.month - 1]} {d.year}", *b))))


@pytest.mark.parametrize("letter", ["B", "M", "T", " b"])
def test_a_letter_behind_a_price_is_asked_about_and_one_behind_a_volume_counts(read, letter):
    with pytest.raises(DataError, match="ends in a letter that may count"):
        read(_text(row=lambda d, b: (d, *(f"{x}{letter}" for x in b[:4]), b[4])))
    bars = read(_text(row=lambda d, b: (d, *b[:4], f"{b[4] / 1e6:.6f}M")))
    assert bars.frame["volume"].to_list() == pytest.approx([bar[4] for bar in BARS])


def test_arabic_digits_with_their_own_decimal_mark(read):
    arabic = str.maketrans("0123456789.", "٠١٢٣٤٥٦٧٨٩٫")
    _is_whole(read(_text(row=lambda d, b: (d, *(str(x).translate(arabic) for x in b)))))


@pytest.mark.parametrize(
    "header",
    [
        "Datum;Eröffnung;Hoch;Tief;Schluss;Stück",
        "Datum;Eröffnung;Tageshoch;Tagestief;Schluss;Umsatz Stück",
        "Datum;ErÃ¶ffnung;HÃ¶chst;Tief;Schluss;StÃ¼cke",
        "snapped_at;ohlc.o;ohlc.h;ohlc.l;ohlc.c;total_volume",
    ],
)
def test_more_header_words_and_such_as_were_read_in_another_encoding(read, header):
    _is_whole(read(_text(header, sep=";")))


@pytest.mark.parametrize("name", ["Anzahl gehandelt", "Titres du jour"])
def test_a_count_of_shares_in_other_words_is_a_question(read, name):
    text = _text(f"Date;Open;High;Low;Close;{name}", sep=";")
    with pytest.raises(DataError, match="could be it") as refused:
        read(text)
    assert f"volume={name}" in refused.value.hint
    _is_whole(read(text, columns=f"volume={name}"))


@pytest.mark.parametrize(
    "name",
    ["Adj. Price", "adjusted price", "Adj Last", "Bereinigt", "close_adj_div", "Cierre Ajust."],
)
def test_more_names_of_an_adjusted_close(read, name):
    text = _text(f"{HEADER},{name}", lambda d, b: (d, *b, round(b[3] * 0.9, 4)))
    bars = read(text, adjustment=None)
    assert bars.frame["adj_close"].to_list() == [round(bar[3] * 0.9, 4) for bar in BARS]


def test_german_names_beside_a_volume_without_points_are_a_question(read):
    def row(day, bar):
        return (day, *(f"{x * 400:,.0f}".replace(",", ".") for x in bar[:4]), 1_000_000 + bar[4])

    text = _text("Datum;Eröffnung;Hoch;Tief;Schluss;Volumen", row, sep=";")
    with pytest.raises(DataError, match="nothing else in the file tells which"):
        read(text)
    assert read(text, decimal="comma").frame["close"][0] == round(BARS[0][3] * 400)


def test_a_stacked_table_without_names_is_named_as_such(read):
    frame = pd.DataFrame(BARS, index=pd.Index(DAYS, name="Date"), columns=HEADER.split(",")[1:])
    with pytest.raises(DataError, match="a row for each field of a bar") as refused:
        read(frame.stack().to_csv())
    assert "unstack" in refused.value.hint


@pytest.mark.parametrize(("name", "shares"), [("XNSE", "XBOM"), ("XSHE", "XSHG"), ("IEXG", "XNYS")])
def test_an_exchange_goes_by_the_calendar_of_its_country(name, shares):
    first, last = dt.date(2024, 1, 1), dt.date(2024, 3, 1)
    assert sessions(name, first, last) == sessions(shares, first, last)
