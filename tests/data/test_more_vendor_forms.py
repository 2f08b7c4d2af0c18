"""Forms that vendors write: more languages, near-volumes, stacked tables, hints that work."""

import datetime as dt
import re

import pytest

from finscale.data import fetch_bars
from finscale.data.calendar import sessions
from finscale.errors import DataError

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
DAYS = sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 2, 15))


def _bar(k):
    close = 100.0 + 0.37 * k
    return (close - 0.11, close + 0.52, close - 0.63, close, 100_000 + 700 * k)


BARS = [tuple(round(x, 2) for x in _bar(k)) for k in range(len(DAYS))]


@pytest.fixture
def read(tmp_path):
    def fetch(text, symbol="SPY", name="bars.csv", **options):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        options = {"adjustment": "split", "now": NOW, "calendar": "XNYS", **options}
        return fetch_bars("csv", symbol, file=file, **options)

    return fetch


def _text(header, row=lambda day, bar: (day, *bar), sep=","):
    lines = [sep.join(map(str, row(day, bar))) for day, bar in zip(DAYS, BARS, strict=True)]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


def _is_whole(bars, volume=True):
    frame = bars.frame
    assert frame["date"].to_list() == list(DAYS)
    width = 5 if volume else 4
    columns = ("open", "high", "low", "close", "volume")[:width]
    assert frame.select(columns).rows() == [tuple(map(float, bar[:width])) for bar in BARS]


@pytest.mark.parametrize(
    "header",
    [
        "Datum,Öppen,Högst,Lägst,Senaste,Vol.",
        "Dato,Åben,Høj,Lav,Seneste,Vol.",
        "Dato,Åpning,Høy,Lav,Siste,Volum",
        "Päivämäärä,Avaus,Ylin,Alin,Viimeisin,Määrä",
        "Datum,Otevření,Maximum,Minimum,Závěr,Objem",
        "日付け,始値,高値,安値,終値,出来高",
        "日付,始値,高値,安値,終値,売買高(株)",
        "日期,開市,高,低,收市,成交量",
        "Ngày,Mở,Cao,Thấp,Lần cuối,KL",
        "Tanggal,Pembukaan,Tertinggi,Terendah,Terakhir,Vol.",
        "Ημερομηνία,Άνοιγμα,Υψηλό,Χαμηλό,Τελευταία,Όγκος",
        "TIMESTAMP,OPEN,HIGH,LOW,CLOSE,TOTTRDQTY",
        "TradDt,OpnPric,HghPric,LwPric,ClsPric,TtlTradgVol",
        "DATA,PREABE,PREMAX,PREMIN,PREULT,QUATOT",
        "date,ouv,haut,bas,clot,vol",
        "Fecha,Abrir,Alto,Bajo,Cierre,Volumen",
        "Fecha,Precio de apertura,Precio máximo,Precio mínimo,Precio de cierre,Cantidad",
        "Data,Apri,Alto,Basso,Chiudi*,Volume",
        "Data,Abrir,Alta,Baixa,Fechamento*,Quantidade",
        "Datum,Startkoers,Hoogste koers,Laagste koers,Sluitkoers,Aantal",
        "Tarih,Açılış fiyatı,En yüksek fiyat,En düşük fiyat,Kapanış fiyatı,İşlem miktarı",
        "Дата торгов,Открытие,Наибольшая,Наименьшая,Закрытие,Объем торгов",
        "거래일자,오픈,최고가,최저가,마감가,거래량(주)",
        "日付,寄付,高値,安値,終値*,売買株数",
        "Datum,Öffnen,Höchster,Tiefster,Schluss,Volumen",
        "Date,Cours d'ouverture,Cours max,Plus bas du jour,Cours de clôture,Titres échangés",
        "Index,SPY.Open,SPY.High,SPY.Low,SPY.Close,SPY.Volume",
        "time,mid.o,mid.h,mid.l,mid.c,volume",
    ],
)
def test_header_words_of_more_languages_and_vendors(read, header):
    _is_whole(read(_text(header)))


@pytest.mark.parametrize(
    "name",
    ["AdjustmentClose", "終値調整", "Adj. Schlusskurs", "调整收盘价", "Clôture ajustée", "adj_c"],
)
def test_a_close_with_adjusted_around_it_is_the_adjusted_close(read, name):
    bars = read(_text(f"Date,Open,High,Low,Close,Volume,{name}", lambda d, b: (d, *b, b[3] / 2)))
    assert bars.frame["adj_close"].to_list() == [bar[3] / 2 for bar in BARS]


@pytest.mark.parametrize(
    ("close", "adjusted"),
    [
        (
            "Clôture Cours de clôture ajusté en fonction des fractionnements.",
            "Clôture ajustée Cours de clôture ajusté en fonction des dividendes.",
        ),
        (
            "Cierre Precio de cierre ajustado por splits.",
            "Cierre ajustado Precio de cierre ajustado por splits y dividendos.",
        ),
        (
            "Chiusura Prezzo di chiusura rettificato per frazionamenti azionari.",
            "Chiusura rettificata Prezzo di chiusura rettificato per frazionamenti e dividendi.",
        ),
        (
            "Schluss Schlusskurs um Aktiensplits bereinigt.",
            "Adj. Schluss Um Splits und Dividenden bereinigter Schlusskurs.",
        ),
        ("Slot*", "Aangepaste slotkoers**"),
        ("Kapanış", "Düzeltilmiş kapanış"),
        ("Закрытие", "Скорр. закрытие"),
        ("Clôture*", "Clôture ajustée* **"),
    ],
)
def test_closes_whose_header_explains_them(read, close, adjusted):
    header = f"Date,Open,High,Low,{close},{adjusted},Volume"
    bars = read(_text(header, lambda d, b: (d, *b[:4], b[3] / 2, b[4])))
    _is_whole(bars)
    assert bars.frame["adj_close"].to_list() == [bar[3] / 2 for bar in BARS]


@pytest.mark.parametrize(
    "unit", ["Stk.", "Stück", "shares", "titres", "títulos", "szt.", "adet", "шт.", "株", "주"]
)
def test_counts_with_their_unit(read, unit):
    def row(day, bar):
        prices = (f"{x:.2f}".replace(".", ",") for x in bar[:4])
        return (f"{day:%d.%m.%Y}", *prices, f"{bar[4]:,} {unit}".replace(",", "."))

    _is_whole(read(_text("Datum;Erster;Hoch;Tief;Schlusskurs;Stücke", row, ";")))
    with pytest.raises(DataError, match="is not a number"):
        read(_text("Date,Open,High,Low,Close", lambda d, b: (d, f"{b[0]} {unit}", *b[1:4])))


@pytest.mark.parametrize("code", ["@SPY", "U:SPY"])
def test_datastream(read, code):
    rows = [
        f"Start,{DAYS[0]},,,,",
        "Name,SPY - OPENING PRICE,SPY - PRICE HIGH,SPY - PRICE LOW,SPY,SPY - TURNOVER BY VOLUME",
        f"Code,{code}(PO),{code}(PH),{code}(PL),{code}(P),{code}(VO)",
        "CURRENCY,U$,U$,U$,U$,",
    ]
    body = _text("", lambda d, b: (f"{d.month}/{d.day}/{d.year}", *b[:4], b[4] / 1000))
    bars = read("\n".join([*rows, body]))
    _is_whole(bars)
    assert bars.provenance["volume"].endswith("multiplied by 1,000")
    named = "\n".join([rows[1].replace("SPY,", "SPY - CLOSE,"), body])
    assert read(named).frame["close"].to_list() == [bar[3] for bar in BARS]
    with pytest.raises(DataError, match=f"holds {code}, not QQQ"):
        read("\n".join([*rows, body]), symbol="QQQ")


@pytest.mark.parametrize("name", ["Trd_Qty_X", "session_volume_lit", "当日成交总量"])
def test_a_column_that_could_be_the_volume_is_a_question(read, name):
    text = _text(f"Date,Open,High,Low,Close,{name}")
    with pytest.raises(DataError, match="could be it") as error:
        read(text)
    assert f"--columns volume={name}" in str(error.value).replace("'", "")
    _is_whole(read(text, columns=f"volume={name}"))
    assert read(text, columns="volume=").frame["volume"].sum() == 0


@pytest.mark.parametrize("name", ["Volume MA", "volatility", "Deliverable Qty", "Volume USD"])
def test_what_only_sounds_like_volume_is_no_question(read, name):
    assert read(_text(f"Date,Open,High,Low,Close,{name}")).frame["volume"].sum() == 0


@pytest.mark.parametrize(
    ("name", "times"),
    [("Volume (000s)", 1000), ("Volume (in thousands)", 1000), ("成交量(手)", 100), ("Volume", 1)],
)
def test_the_unit_of_a_volume_counts(read, name, times):
    bars = read(_text(f"Date,Open,High,Low,Close,{name}"))
    assert bars.frame["volume"].to_list() == [times * bar[4] for bar in BARS]
    assert ("volume" in bars.provenance) == (times > 1)


@pytest.mark.parametrize("title", ["MSFT", "Ticker: MSFT", "Microsoft (MSFT)", "Symbol,MSFT"])
def test_tables_of_two_symbols_one_below_the_other_are_not_joined(read, title):
    header, *lines = _text("Date,Open,High,Low,Close,Volume").splitlines()
    half = len(lines) // 2
    text = "\n".join([header, *lines[:half], title, header, *lines[half:]]) + "\n"
    with pytest.raises(DataError, match="several tables, one below the other"):
        read(text)


def test_a_footer_before_a_repeated_header_is_still_left_out(read):
    header, *lines = _text("Date,Open,High,Low,Close,Volume").splitlines()
    text = "\n".join([header, *lines[:9], "Source: Example Ltd.", header, *lines[9:]]) + "\n"
    _is_whole(read(text))


@pytest.mark.parametrize(
    "row",
    [
        lambda d, b: (d, *b),
        lambda d, b: (d, *b[:4]),
        lambda d, b: (f"{d:%d.%m.%Y}", *b),
        lambda d, b: (f"{d:%Y%m%d}", *b, 0),
        lambda d, b: (d, b[0], b[3], b[1], b[2], b[4]),
        lambda d, b: (d, b[3], b[0], b[1], b[2], b[4]),
        lambda d, b: (d, b[2], b[1], b[0], b[3], b[4]),
        lambda d, b: ("SPY", d, *b),
        lambda d, b: (DAYS.index(d), d, *b),
        lambda d, b: (d, "16:00", *b),
    ],
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_columns_without_a_header_line_are_proven_by_their_numbers(read, row, sep, newest_first):
    lines = _text("", row, sep).splitlines()
    if newest_first and lines[0].startswith("0"):
        return  # numbers of rows rise
    bars = read("\n".join(lines[:: -1 if newest_first else 1]))
    _is_whole(bars, volume=bars.frame["volume"].sum() > 0)
    assert bars.provenance["format"].startswith("no header line: by their numbers, ")


def test_an_adjusted_close_without_a_header_line(read):
    def row(day, bar):
        factor = 0.97 if day.month == 1 else 1
        return (day, *bar[:4], round(bar[3] * factor, 2), bar[4])

    bars = read(_text("", row), adjustment=None)
    _is_whole(bars)
    assert bars.frame["adj_close"][0] == round(0.97 * BARS[0][3], 2)
    assert bars.adjusted_to == "split+dividend"


def test_decimal_commas_without_a_header_line(read):
    text = _text("", lambda d, b: (d, *(str(x).replace(".", ",") for x in b[:4]), b[4]), ";")
    _is_whole(read(text))


def test_another_symbol_without_a_header_line_is_refused(read):
    with pytest.raises(DataError, match="holds BHP, not SPY"):
        read(_text("", lambda d, b: ("BHP", d, *b)))


@pytest.mark.parametrize(
    "row",
    [
        lambda d, b: (d, *b[:4], b[3] * (1 + d.day / 100), b[4]),
        lambda d, b: (d, *b[:4], 2 * b[4], b[4]),
        lambda d, b: (d, b[0], b[1], b[2], b[0], b[4]),
        lambda d, b: (d, *b[:4], b[3]),
        lambda d, b: (d, *b, "x"),
    ],
)
def test_columns_that_the_numbers_do_not_prove_are_asked_about(read, row):
    with pytest.raises(DataError, match="no header line"):
        read(_text("", row))


def test_the_hint_for_a_file_without_header_names_the_right_columns(read):
    text = "\n".join(_text("").splitlines()[:8])
    with pytest.raises(DataError, match="no header line") as error:
        read(text)
    columns = re.search(r"--columns (\S+)", str(error.value))[1]
    assert read(text, columns=columns).frame["close"].to_list() == [bar[3] for bar in BARS[:8]]


def test_a_missing_column_is_named_with_all_others_in_the_hint(read):
    with pytest.raises(DataError, match="open=NAME,high=NAME,low=NAME,close=NAME"):
        read(_text("Date,A1x,B1x,C1x,D1x,Volume"))


def test_a_factor_that_never_changes_says_that_prices_are_raw(read):
    header = "date,BIDLO,ASKHI,PRC,VOL,CFACPR,OPENPRC"
    text = _text(header, lambda d, b: (d, b[2], b[1], b[3], b[4], 1, b[0]))
    bars = read(text, adjustment=None)
    _is_whole(bars)
    assert bars.adjustment == "raw"
    assert bars.provenance["adjustment"] == "declared by the file"


def test_every_fifth_session_is_weekly_whatever_its_weekday(read):
    days = sessions("XNYS", dt.date(2021, 1, 4), dt.date(2024, 12, 31))[::5]
    rows = [f"{day},{','.join(map(str, BARS[k % 20]))}" for k, day in enumerate(days)]
    with pytest.raises(DataError, match="weekly bars"):
        read("\n".join(["Date,Open,High,Low,Close,Volume", *rows]))


@pytest.mark.parametrize(
    "date",
    [
        lambda d: f"{d.year - 1911}/{d:%m/%d}",
        lambda d: f"民國{d.year - 1911}年{d.month}月{d.day}日",
        lambda d: f"R{d.year - 2018}.{d.month}.{d.day}",
        lambda d: f"令和{d.year - 2018}年{d.month}月{d.day}日",
        lambda d: str(d).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    ],
)
def test_years_of_other_calendars_and_digits_of_other_scripts(read, date):
    _is_whole(read(_text("Date,Open,High,Low,Close,Volume", lambda d, b: (date(d), *b))))


def test_a_leap_day_of_the_buddhist_calendar_is_named_as_such(read):
    # 2567 has no 29 February in the common calendar
    rows = [f"{d}/2/2567,100,101,99,100,1000" for d in (26, 27, 28, 29)]
    with pytest.raises(DataError, match="Buddhist calendar, 2024"):
        read("\n".join(["Date,Open,High,Low,Close,Volume", *rows]))


def test_a_row_for_each_field_of_a_bar_is_named_with_the_way_out(read):
    fields = ("Open", "High", "Low", "Close", "Volume")
    rows = [
        f"{day},{field},{value}"
        for day, bar in zip(DAYS, BARS, strict=True)
        for field, value in zip(fields, bar, strict=True)
    ]
    with pytest.raises(DataError, match="a row for each field of a bar") as error:
        read("\n".join(["Date,variable,value", *rows]))
    assert "pivot" in str(error.value)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"<stata_dta><header>", "a Stata file"),
        (b"\x72\x02\x01\x00", "a Stata file"),
        (b"\0" * 12 + b"\xc2\xea\x81\x60", "a SAS data set"),
        (b"MATLAB 5.0 MAT-file", "a Matlab file"),
    ],
)
def test_files_of_statistics_programs_are_named(tmp_path, start, what):
    file = tmp_path / "bars.bin"
    file.write_bytes(start + bytes(200))
    with pytest.raises(DataError, match=what):
        fetch_bars("csv", "SPY", file=file)


def test_a_fund_with_empty_open_high_and_low_has_closes_alone_and_a_way_to_more(read):
    text = _text("Date,Open,High,Low,Close,Volume", lambda d, b: (d, "", "", "", b[3], ""))
    closes = [bar[3] for bar in BARS]
    alone = read(text, symbol="FUND").frame
    assert not {"open", "high", "low", "volume"} & set(alone.columns)
    assert alone["close"].to_list() == closes
    columns = "open=Close,high=Close,low=Close,close=Close"
    frame = read(text, symbol="FUND", columns=columns).frame
    assert frame["open"].to_list() == frame["close"].to_list() == closes


@pytest.mark.parametrize("name", ["Lots", "No. of Contracts"])
def test_contracts_and_lots_are_the_volume_of_a_future(read, name):
    _is_whole(read(_text(f"Date,Open,High,Low,Close,{name}")))
