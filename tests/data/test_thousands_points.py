"""Prices with three digits behind the point: decimals, or thousands as Germans write them."""

from __future__ import annotations

import datetime as dt
import json

import openpyxl
import polars as pl
import pytest

from finscale.data import fetch_bars
from finscale.data.calendar import sessions
from finscale.errors import DataError

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
DAYS = sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 2, 15))
BARS = [(41431 + 37 * k, 41783 + 37 * k, 41302 + 37 * k, 41502 + 37 * k) for k in range(len(DAYS))]
ENGLISH = ("Date", "Open", "High", "Low", "Close")
GERMAN = ("Datum", "Erster", "Hoch", "Tief", "Schlusskurs")


def _german(number: int) -> str:
    return f"{number:,}".replace(",", ".")


@pytest.fixture
def read(tmp_path):
    def fetch(header, *, sep=";", extra=lambda k: (), day=str, symbol="BTC", bars=BARS, **options):
        rows = [
            (day(date), *map(_german, bar), *extra(k))
            for k, (date, bar) in enumerate(zip(DAYS, bars, strict=True))
        ]
        file = tmp_path / "bars.csv"
        lines = [sep.join(map(str, row)) for row in (header, *rows)]
        file.write_text("\n".join(lines), encoding="utf-8")
        options = {"adjustment": "split", "now": NOW, "calendar": "XNYS", **options}
        return fetch_bars("csv", symbol, file=file, **options)

    return fetch


def _closes(bars):
    return bars.frame["close"].to_list()


WHOLE = [float(bar[3]) for bar in BARS]
DECIMAL = [bar[3] / 1000 for bar in BARS]


@pytest.mark.parametrize("sep", [";", ",", "\t"])
def test_where_nothing_tells_it_is_asked(read, sep):
    with pytest.raises(DataError, match="may stand between thousands \\(41431\\)") as error:
        read(ENGLISH, sep=sep)
    assert "--decimal comma" in error.value.hint
    assert "--decimal point" in error.value.hint
    assert _closes(read(ENGLISH, sep=sep, decimal="comma")) == WHOLE
    assert _closes(read(ENGLISH, sep=sep, decimal="point")) == DECIMAL


def test_a_volume_with_points_says_thousands(read):
    bars = read((*ENGLISH, "Volume"), extra=lambda k: (_german(900 + 41 * k),))
    assert _closes(bars) == WHOLE
    assert bars.frame["volume"].to_list() == [900.0 + 41 * k for k in range(len(DAYS))]
    assert "the volume is written so too" in bars.provenance["numbers"]


def test_a_volume_without_points_says_decimals(read):
    bars = read((*ENGLISH, "Volume"), sep=",", extra=lambda k: (104_120 + k,))
    assert _closes(bars) == DECIMAL
    assert "numbers" not in bars.provenance


@pytest.mark.parametrize("symbol", ["USDJPY", "USD/JPY", "EURHUF=X"])
def test_an_exchange_rate_has_decimals(read, symbol):
    assert _closes(read(ENGLISH, sep=",", symbol=symbol)) == DECIMAL


@pytest.mark.parametrize("symbol", ["BTCEUR", "USDIDR", "EURVND"])
def test_a_coin_or_a_rate_of_thousands_is_asked_about(read, symbol):
    with pytest.raises(DataError, match="--decimal comma"):
        read(ENGLISH, sep=",", symbol=symbol)


@pytest.mark.parametrize(
    "header",
    [
        GERMAN,
        ("Fecha", "Apertura", "Máximo", "Mínimo", "Cierre"),
        ("Data", "Apertura", "Massimo", "Minimo", "Chiusura"),
        ("Data", "Otwarcie", "Najwyższy", "Najniższy", "Zamknięcie"),
        ("Tarih", "Açılış", "Yüksek", "Düşük", "Kapanış"),
        ("Tanggal", "Pembukaan", "Tertinggi", "Terendah", "Terakhir"),
    ],
)
def test_names_of_columns_in_a_language_of_decimal_commas(read, header):
    bars = read(header, day=lambda date: f"{date:%d.%m.%Y}")
    assert _closes(bars) == WHOLE
    assert "the columns have names in" in bars.provenance["numbers"]
    with pytest.raises(DataError, match="--decimal"):
        read(header, sep=",")  # a comma between cells is no decimal mark


@pytest.mark.parametrize(
    ("cell", "whole"), [("+0,45%", True), ("-1,2 %", True), ("0.45%", False), ("-1.2", False)]
)
def test_decimals_in_another_column_tell(read, cell, whole):
    bars = read((*ENGLISH, "Chg"), extra=lambda k: (cell,))
    assert _closes(bars) == (WHOLE if whole else DECIMAL)


def test_prices_across_a_thousand_tell(read):
    rise = [tuple(price - 40_600 for price in bar) for bar in BARS]
    assert _closes(read(ENGLISH, bars=rise)) == [float(bar[3]) for bar in rise]


def test_what_the_user_says_may_not_contradict_the_file(read):
    extra = {"extra": lambda k: ("12,5",), "decimal": "point"}
    with pytest.raises(DataError, match="has a decimal comma, and --decimal point was given"):
        read((*ENGLISH, "Adj Close"), **extra)
    with pytest.raises(DataError, match="is no decimal mark"):
        read(ENGLISH, decimal="dot")


def test_numbers_of_a_typed_file_are_numbers(tmp_path):
    rows = [(day, *(price / 1000 for price in bar)) for day, bar in zip(DAYS, BARS, strict=True)]
    numbers = pl.DataFrame(rows, schema=list(ENGLISH), orient="row")
    numbers.write_parquet(tmp_path / "bars.parquet")
    numbers.with_columns(pl.col("Date").cast(str)).write_ndjson(tmp_path / "bars.jsonl")
    book = openpyxl.Workbook()
    for row in (ENGLISH, *rows):
        book.active.append(row)
    book.save(tmp_path / "bars.xlsx")
    for file in sorted(tmp_path.iterdir()):
        options = {"adjustment": "split", "now": NOW, "calendar": "XNYS"}
        assert _closes(fetch_bars("csv", "BTC", file=file, **options)) == DECIMAL


def test_texts_in_json_are_texts(tmp_path):
    rows = [
        dict(zip(ENGLISH, (str(day), *map(_german, bar)), strict=True))
        for day, bar in zip(DAYS, BARS, strict=True)
    ]
    (tmp_path / "bars.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match="may stand between thousands"):
        fetch_bars("csv", "BTC", file=tmp_path / "bars.json", adjustment="split", now=NOW)


@pytest.mark.parametrize(("prices", "volume"), [("{:.2f}", "523.{:03}"), ("{:.2f}", "41.{:03}")])
def test_a_volume_of_three_decimals_beside_other_prices_is_said(tmp_path, prices, volume):
    lines = ["Date;Open;High;Low;Close;Volume"]
    for k, (day, bar) in enumerate(zip(DAYS, BARS, strict=True)):
        numbers = [prices.format(price / 300) for price in bar]
        lines.append(";".join([str(day), *numbers, volume.format(100 + k)]))
    options = {"adjustment": "split", "now": NOW, "calendar": "XNYS"}
    for comma in (False, True):
        text = "\n".join(lines)
        (tmp_path / "bars.csv").write_text(text.replace(".", ",") if comma else text)
        bars = fetch_bars("csv", "ABC", file=tmp_path / "bars.csv", **options)
        assert "read as decimals" in bars.provenance["volume digits"]
    (tmp_path / "bars.csv").write_text("\n".join(lines).replace("100\n", "1000\n"))
    bars = fetch_bars("csv", "ABC", file=tmp_path / "bars.csv", **options)
    assert "volume digits" not in bars.provenance
