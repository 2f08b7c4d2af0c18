"""Which columns and which rows are the symbol's."""

import datetime as dt

import pytest

from finscale.data import fetch_bars
from finscale.data.sources.csv_choices import choices_from
from finscale.data.sources.csv_columns import find_columns
from finscale.errors import DataError
from finscale.tables import CellTable

DAYS = [dt.date(2024, 1, d) for d in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16)]
NOW = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)


def _bar(k, base=100.0):
    """Open, high, low, close and volume of day k, as text."""
    close = base + 0.37 * k
    numbers = (close - 0.11, close + 0.52, close - 0.63, close)
    return [*(f"{number:.2f}" for number in numbers), str(1000 + 7 * k)]


def _table(header, row, days=DAYS, separator=","):
    """A file: a header and, for each day, the cells that ``row`` makes of its number and date."""
    lines = [separator.join(map(str, row(k, day))) for k, day in enumerate(days)]
    return "\n".join([header, *lines]) + "\n"


CLOSES = [float(_bar(k)[3]) for k in range(len(DAYS))]


@pytest.fixture
def read(tmp_path):
    def fetch(content, symbol="SPY", **options):
        file = tmp_path / "bars.csv"
        file.write_text(content, encoding="utf-8")
        return fetch_bars(
            "csv", symbol, file=file, **{"adjustment": "split", "now": NOW, **options}
        )

    return fetch


@pytest.mark.parametrize(
    "header",
    [
        "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen",
        "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke",
        "Datum;Erster;Hoch;Tief;Schlusskurs;Volumen",
        "Date;Ouv.;Plus haut;Plus bas;Dernier;Vol.",
        "Date;Ouverture;Haut;Bas;Clôture;Volume",
        "Fecha;Apertura;Máximo;Mínimo;Último;Vol.",
        "Data;Apertura;Massimo;Minimo;Ultimo;Vol.",
        "Data;Abertura;Máxima;Mínima;Último;Vol.",
        "Data;Otwarcie;Najwyzszy;Najnizszy;Zamkniecie;Wolumen",
        "Data;Otwarcie;Max.;Min.;Ostatnio;Wol.",
        "Datum;Open;Hoog;Laag;Laatst;Vol.",
        "Дата;Откр.;Макс.;Мин.;Цена;Объём",
        "Tarih;Açılış;Yüksek;Düşük;Şimdi;Hac.",
        "日期;开盘;最高;最低;收盘;成交量",
        "日期;開盤價;最高價;最低價;收盤價;成交股數",
        "日付;始値;高値;安値;終値;出来高",
        "날짜;시가;고가;저가;종가;거래량",
        "trade_date;open;high;low;close;vol",
        "Exchange Date;Open;High;Low;Close;Volume",
        "Date;OPEN_PRC;HIGH_1;LOW_1;TRDPRC_1;ACVOL_UNS",
        "Date;PX_OPEN;PX_HIGH;PX_LOW;PX_LAST;PX_VOLUME",
        "TRADEDATE;OPEN;HIGH;LOW;CLOSE;VOLUME",
        "Date;Open Price;High Price;Low Price;Close Price;No.of Shares",
        "Datum;Öppningskurs;Högstakurs;Lägstakurs;Stängningskurs;Volym",
        "Date ;OPEN ;HIGH ;LOW ;close ;VOLUME ",
        "datadate;prcod;prchd;prcld;prccd;cshtrd",
        "Gmt time;Open;High;Low;Close;Volume",
        "<DATE>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>",
        "t;o;h;l;c;v",
        "Date;Open;High;Low;Close*;Volume",
        "window_start;open;high;low;close;volume",
        "Index;SPY.Open;SPY.High;SPY.Low;SPY.Close;SPY.Volume",
        "Date;SPY Open;SPY High;SPY Low;SPY Close;SPY Volume",
        "Date;('Open', 'SPY');('High', 'SPY');('Low', 'SPY');('Close', 'SPY');('Volume', 'SPY')",
    ],
)
def test_header_words_of_many_vendors_and_languages(read, header):
    header = header.replace("Index", "", 1)
    bars = read(_table(header, lambda k, day: [day, *_bar(k)], separator=";"))
    assert bars.frame["date"].to_list() == DAYS
    assert bars.frame.row(0)[2:] == (99.89, 100.52, 99.37, 100.0, 100.0, 1000.0)
    assert "not read" not in bars.provenance


@pytest.mark.parametrize("nothing", ["#N/A N/A", "n/a", "#REF!", "#N/A Field Not Applicable", "…"])
def test_a_column_of_words_for_no_value_is_empty(read, nothing):
    header = "Date,Open,High,Low,Close,Volume,Adj Close"
    row = lambda k, day: [day, *_bar(k)[:4], nothing, nothing]  # noqa: E731
    bars = read(_table(header, row), adjustment="raw")
    assert bars.provenance["not read"] == "Volume (empty), Adj Close (empty)"
    assert not bars.repairs


def test_what_closes_alone_need_is_said(read):
    text = _table("observation_date,SP500", lambda k, day: [day, _bar(k)[3]])
    with pytest.raises(DataError) as caught:
        read(text)
    assert "closes alone are bars too: --columns close=NAME" in caught.value.hint
    assert read(text, columns={"close": "SP500"}, adjustment="raw").frame.height == len(DAYS)


def test_every_unread_column_is_named_and_empty_ones_count_as_absent(read):
    header = "Date,Open,High,Low,Close,Volume,VIX,Adj Close,Optix_Close,Dividends,note,"
    bars = read(_table(header, lambda k, day: [day, *_bar(k), 15.2, "", 1.1, "", "", ""]))
    assert bars.provenance["not read"] == (
        "VIX, Adj Close (empty), Optix_Close, Dividends (empty), note (empty)"
    )
    assert bars.adjusted_to == "split"
    zeros = read(
        _table("date,open,high,low,close,volume,adj_close", lambda k, day: [day, *_bar(k), "0.0"])
    )
    assert zeros.frame["adj_close"].to_list() == CLOSES
    assert "adj_close (0 throughout)" in zeros.provenance["not read"]


@pytest.mark.parametrize(
    ("header", "extra", "message", "answer", "close"),
    [
        (
            "date,open,high,low,close,volume,Adj Close,adjusted_close",
            lambda k: [_bar(k)[3], f"{float(_bar(k)[3]) * 0.9:.4f}"],
            "columns 'Adj Close' and 'adjusted_close' are all named like the adj_close and differ",
            "adj_close=Adj Close",
            CLOSES[0],
        ),
        (
            "date,open,high,low,close,volume,Settle",
            lambda k: [f"{float(_bar(k)[3]) + 0.05:.2f}"],
            "has 'close' and 'Settle', and they differ: which one is the close",
            "close=Settle",
            CLOSES[0] + 0.05,
        ),
        (
            "date,open,high,low,close,volume,Close",
            lambda k: [f"{float(_bar(k)[3]) + 0.05:.2f}"],
            "columns 'close' and 'Close' are all named like the close and differ",
            "close=7",
            CLOSES[0] + 0.05,
        ),
    ],
)
def test_a_second_column_that_matters_is_a_question(read, header, extra, message, answer, close):
    content = _table(header, lambda k, day: [day, *_bar(k), *extra(k)])
    with pytest.raises(DataError, match=message) as caught:
        read(content)
    assert "--columns" in caught.value.hint
    assert read(content, columns=answer, adjustment=None if "adj" in answer else "split").frame[
        "close"
    ][0] == pytest.approx(close)


def test_tick_volume_beside_an_empty_volume_is_a_question(read):
    content = _table(
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda k, day: [day, *_bar(k)[:4], 500 + k, 0, 2],
        separator="\t",
    )
    with pytest.raises(DataError, match="only noughts in '<VOL>' and a '<TICKVOL>'") as caught:
        read(content)
    assert "--columns volume=TICKVOL" in caught.value.hint
    assert read(content, columns="volume=TICKVOL").frame["volume"][1] == 501
    assert read(content, format="mt5").frame["volume"][1] == 501
    assert read(content, columns="volume=").frame["volume"][1] == 0
    # a volume of its own needs no question
    real = content.replace("\t0\t2", "\t900\t2")
    assert read(real).frame["volume"][1] == 900


def test_equal_columns_are_no_question(read):
    content = _table(
        "date,open,high,low,close,volume,Settle,Close",
        lambda k, day: [day, *_bar(k)] + 2 * [_bar(k)[3]],
    )
    assert read(content).frame["close"].to_list() == CLOSES


@pytest.mark.parametrize(
    "name",
    ["instrument", "ts_code", "RIC", "unique_id", "Security", "act_symbol", "asset", "whatever"],
)
def test_a_panel_is_told_apart_by_a_column_of_any_name(read, name):
    days = [day for day in DAYS for _ in range(3)]
    tickers = ["AAPL", "SPY", "XOM"]

    def row(k, day):
        return [day, tickers[k % 3], *_bar(k // 3, 100.0 if k % 3 == 1 else 30.0)]

    content = _table(f"date,{name},open,high,low,close,volume", row, days)
    bars = read(content)
    assert bars.frame["close"].to_list() == CLOSES
    assert bars.provenance["rows"] == f"10 of 30: those with SPY in {name!r}"
    with pytest.raises(DataError, match=r"AAPL, SPY, XOM") as caught:
        read(content, "TSLA")
    assert "--symbol AAPL" in caught.value.hint


@pytest.mark.parametrize("name", ["permno", "stock_id", "id", "number"])
def test_a_panel_of_numbers_is_asked_about(read, name):
    days = [day for day in DAYS for _ in range(2)]

    def row(k, day):
        return [day, (10107, 84398)[k % 2], *_bar(k // 2, 100.0 if k % 2 else 30.0)]

    content = _table(f"date,{name},open,high,low,close,volume", row, days)
    with pytest.raises(DataError, match=r"2 rows for 2024-01-02, which differ in .*10107, 84398"):
        read(content)
    for way in ({"where": f"{name}=84398"}, {"ticker": "84398"}):
        assert read(content, **way).frame["close"].to_list() == CLOSES


def test_instruments_one_after_another_are_not_joined(read):
    def row(k, day):
        return [day, "TWTR" if k < 4 else "ARM", *_bar(k)]

    content = _table("date,source,open,high,low,close,volume".replace("source", "thing"), row)
    assert read(content, "ARM").frame["date"].to_list() == DAYS[4:]
    with pytest.raises(DataError, match=r"2 values of 'thing' one after another \(TWTR, ARM\)"):
        read(content, "SPY")
    assert len(read(content, "SPY", columns="thing=")) == 10
    # a column of words that come and go is no key
    words = _table(
        "date,open,high,low,close,volume,remark",
        lambda k, day: [day, *_bar(k), "up" if k % 2 else "down"],
    )
    assert read(words).provenance["not read"] == "remark"


@pytest.mark.parametrize("name", ["contract", "Expiry", "Contract Month", "合约"])
@pytest.mark.parametrize("values", [["ESH24"] * 5 + ["ESM24"] * 5, ["202403", "202406"] * 5])
def test_contracts_joined_end_to_end_are_refused(read, name, values):
    content = _table(
        f"date,open,high,low,close,volume,{name}", lambda k, day: [day, *_bar(k), values[k]]
    )
    with pytest.raises(DataError, match="prices of different contracts would be joined") as caught:
        read(content, "ES")
    assert "--where" in caught.value.hint
    assert len(read(content, "ES", where=f"{name}={values[0]}")) == 5
    assert len(read(content, "ES", columns=f"{name}=")) == 10


def test_a_panel_of_contracts_is_asked_about(read):
    days = [day for day in DAYS for _ in range(2)]
    content = _table(
        "date,symbol,expiry,open,high,low,close,volume",
        lambda k, day: [day, "ES", ("202403", "202406")[k % 2], *_bar(k // 2)],
        days,
    )
    with pytest.raises(DataError, match=r"which differ in 'expiry'.*which of them") as caught:
        read(content, "ES")
    assert caught.value.hint.startswith("--where expiry=202403 or --where expiry=202406")


def test_merged_cells_name_the_rows_below_them(read):
    names = ["TWTR", "", "", "", "ARM", *[""] * 5]
    content = _table(
        "Symbol,Date,Open,High,Low,Close,Volume", lambda k, day: [names[k], day, *_bar(k)]
    )
    assert read(content, "TWTR").frame["date"].to_list() == DAYS[:4]
    assert read(content, "ARM").frame["date"].to_list() == DAYS[4:]
    assert "blank cells" in read(content, "ARM").provenance["rows"]
    # holes in a column that names every row are no merged cells
    holes = content.replace("\n,2024-01-03", "\nTWTR,2024-01-03")
    with pytest.raises(DataError, match=r"row 4 has no Symbol, and the file holds 2 \(ARM, TWTR\)"):
        read(holes, "TWTR")


def test_boards_are_asked_for(read):
    days = [day for day in DAYS for _ in range(2)]
    content = _table(
        "BOARDID;TRADEDATE;SECID;OPEN;HIGH;LOW;CLOSE;VOLUME",
        lambda k, day: [("SMAL", "TQBR")[k % 2], day, "SBER", *_bar(k // 2, (30.0, 100.0)[k % 2])],
        days,
        separator=";",
    )
    with pytest.raises(DataError, match=r"differ in 'BOARDID' \(SMAL, TQBR\): which") as caught:
        read(content, "SBER")
    assert "--where BOARDID=TQBR" in caught.value.hint
    bars = read(content, "SBER", where=["boardid=tqbr"])
    assert bars.frame["close"].to_list() == CLOSES
    with pytest.raises(DataError, match="no row with 'XXXX' in 'BOARDID'") as caught:
        read(content, "SBER", where="BOARDID=XXXX")
    assert caught.value.hint == "it holds SMAL, TQBR"


@pytest.mark.parametrize(
    ("inside", "symbol"),
    [
        *[("SPY US Equity", "SPY"), ("spy", "SPY"), ("SPY.US", "SPY"), ("ARCA:SPY", "SPY")],
        *[("^GSPC", "GSPC"), ("NQ=F", "NQ"), ("ES1!", "ES"), ("BRK-B", "BRK.B")],
        *[("BRK/B", "BRK.B"), ("7203", "7203.T"), ("600519.SH", "600519.SS")],
        *[("sh.600519", "600519.SS"), ("BTC/USDT", "BTCUSDT"), ("EUR_USD", "EURUSD=X")],
    ],
)
def test_obvious_spellings_of_the_symbol_are_taken(read, inside, symbol):
    rows = _table("date,ticker,open,high,low,close,volume", lambda k, d: [d, inside, *_bar(k)])
    above = _table(
        "Price,Open,High,Low,Close,Volume\nTicker" + 5 * f",{inside}", lambda k, d: [d, *_bar(k)]
    )
    title = _table(f"Symbol,{inside}\ndate,open,high,low,close,volume", lambda k, d: [d, *_bar(k)])
    # a line of numbers is taken for data
    for content in (rows,) if inside.isdigit() else (rows, above, title):
        assert len(read(content, symbol)) == 10


@pytest.mark.parametrize(
    ("inside", "symbol"),
    [
        *[("QQQ", "SPY"), ("6758.T", "7203.T"), ("VOD.L", "VOD.AS"), ("ESH24", "ES")],
        *[("BRK.A", "BRK.B"), ("GOOGL", "GOOG"), ("SPYG", "SPY"), ("A", "AA")],
    ],
)
def test_a_file_of_another_symbol_is_refused(read, inside, symbol):
    rows = _table("date,ticker,open,high,low,close,volume", lambda k, d: [d, inside, *_bar(k)])
    above = _table(
        "Price,Open,High,Low,Close,Volume\nTicker" + 5 * f",{inside}", lambda k, d: [d, *_bar(k)]
    )
    title = _table(f"Symbol,{inside}\ndate,open,high,low,close,volume", lambda k, d: [d, *_bar(k)])
    flat = _table(
        "date" + "".join(f",{w}_{inside}" for w in ("Open", "High", "Low", "Close")),
        lambda k, d: [d, *_bar(k)[:4]],
    )
    for content in (rows, above, title, flat):
        with pytest.raises(DataError, match=f"holds {inside}, not {symbol}") as caught:
            read(content, symbol)
        assert f"--ticker {inside}" in caught.value.hint
        bars = read(content, symbol, ticker=inside)
        assert (len(bars), bars.provenance["ticker"]) == (10, f"{inside} in the file")


def test_several_spellings_are_a_question(read):
    content = _table(
        "date,ticker,open,high,low,close,volume",
        lambda k, d: [d, ("VOD.L", "VOD.AS")[k % 2], *_bar(k // 2)],
        [day for day in DAYS for _ in range(2)],
    )
    with pytest.raises(DataError, match=r"VOD\.AS, VOD\.L could all be VOD") as caught:
        read(content, "VOD")
    assert len(read(content, "VOD", ticker="VOD.L")) == 10
    assert caught.value.hint.endswith("--ticker VOD.AS")


def test_names_of_companies_and_codes_are_no_other_symbol(read):
    for name in ("Apple Inc.", "Sberbank of Russia", "320193"):
        content = _table(
            "date,name,open,high,low,close,volume", lambda k, d, n=name: [d, n, *_bar(k)]
        )
        assert read(content, "AAPL").provenance["not read"] == "name"


@pytest.mark.parametrize(
    ("symbol", "extra", "rest"),
    [
        ("PRE", "pre_close,pre_open", "pre_close, pre_open"),
        ("INT", "OpenInt,x", "OpenInt, x"),
        ("W", "vw,n", "vw, n"),
        ("MA", "Close MA,Volume MA", "Close MA, Volume MA"),
        ("BID", "Bid Close,Bid", "Bid Close, Bid"),
    ],
)
def test_a_short_symbol_eats_no_column(read, symbol, extra, rest):
    content = _table(
        f"date,open,high,low,close,volume,{extra}", lambda k, d: [d, *_bar(k), 1.5, 2.5]
    )
    bars = read(content, symbol)
    assert bars.frame["close"].to_list() == CLOSES
    assert bars.frame["volume"][0] == 1000
    assert bars.provenance["not read"] == rest


def test_columns_of_two_tickers_are_told_apart_as_wholes(read):
    words = ("Close", "High", "Low", "Open", "Volume")
    tickers = ("6758.T", "7203.T")
    for form in ("{w}_{t}", "{t} {w}", "('{w}', '{t}')"):
        names = [form.format(w=w, t=t) for w in words for t in tickers]

        def row(k, day):
            both = [_bar(k, 30.0), _bar(k, 100.0)]
            return [day, *(both[t][i] for i in (3, 1, 2, 0, 4) for t in (0, 1))]

        content = _table(";".join(["Date", *names]), row, separator=";")
        bars = read(content, "7203.T")
        assert bars.frame["close"].to_list() == CLOSES
        assert bars.provenance["not read"] == "the columns of 6758.T"
        with pytest.raises(DataError, match=r"holds 2 symbols \(6758.T, 7203.T\)"):
            read(content, "9984.T")


def test_one_merged_cell_above_the_columns_of_each_ticker(read):
    content = _table(
        "Ticker,AAPL,,,,,SPY,,,,\nDate" + 2 * ",Open,High,Low,Close,Volume",
        lambda k, day: [day, *_bar(k, 30.0), *_bar(k)],
    )
    assert read(content).frame["close"].to_list() == CLOSES
    assert read(content, "AAPL").frame["close"][0] == 30.0


def test_a_line_of_units_is_no_line_of_tickers(read):
    content = _table(
        "Date,Open,High,Low,Close,Volume\n,USD,USD,USD,USD,shares", lambda k, d: [d, *_bar(k)]
    )
    assert read(content).frame["close"].to_list() == CLOSES


def test_coins_count_as_volume(read):
    content = _table(
        "unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT",
        lambda k, d: [
            int(dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC).timestamp()),
            d,
            "BTC/USDT",
            *_bar(k),
            99,
        ],
    )
    bars = read(content, "BTCUSDT")
    assert bars.frame["volume"][0] == 1000
    assert bars.provenance["not read"] == "unix, Volume USDT"


def test_the_column_of_full_dates_is_the_date(read):
    epoch = [int(dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC).timestamp()) for d in DAYS]
    forms = {
        "timestamp,datetime": lambda k, d: [epoch[k] * 1000, f"{d} 00:00:00"],
        "day,date": lambda k, d: [d.weekday(), d],
        "Date,Time": lambda k, d: [d, "00:00"],
        "Date,Time ": lambda k, d: [f"{d:%Y%m%d}", "16:00"],
        "year,month,day": lambda k, d: [d.year, d.month, d.day],
        "Year,Mon,Day": lambda k, d: [d.year, f"{d.month}.0", d.day],
        "Unnamed: 0,Date": lambda k, d: [k, d],
        ",index": lambda k, d: [d, k],
        "Unnamed: 0,index": lambda k, d: [d, k],
        "time,close_time": lambda k, d: [d, epoch[k] * 1000 + 86_399_999],
    }
    for header, start in forms.items():
        content = _table(
            f"{header},open,high,low,close,volume",
            lambda k, d, start=start: [*start(k, d), *_bar(k)],
        )
        assert read(content).frame["date"].to_list() == DAYS, header


def test_two_dates_that_differ_are_a_question(read):
    content = _table(
        "date,trade_date,open,high,low,close,volume",
        lambda k, d: [d, d + dt.timedelta(days=7), *_bar(k)],
    )
    with pytest.raises(DataError, match="'date' and 'trade_date' both hold dates and differ"):
        read(content, calendar="none")
    assert read(content, columns="date=date").frame["date"].to_list() == DAYS


def test_columns_are_named_by_the_user(read):
    content = _table(
        "when,a,b,c,d,e,Close",
        lambda k, d: [d, *_bar(k), 1],
    )
    with pytest.raises(DataError, match="has no column for"):
        read(content)
    named = "date=when,open=a,high=b,low=c,close=d,volume=e"
    bars = read(content, columns=named)
    assert bars.frame.row(0)[2:] == (99.89, 100.52, 99.37, 100.0, 100.0, 1000.0)
    assert bars.provenance["not read"] == "Close"
    same = read(content, columns=["date=1,open=2", "high=3,low=4,close=5,volume=6"])
    assert same.frame.equals(bars.frame)
    with pytest.raises(DataError, match="has no column 'x'") as caught:
        read(content, columns="close=x")
    with pytest.raises(DataError, match="'closing' is not a field of bars") as caught:
        read(content, columns="closing=d")
    assert "Did you mean close?" in caught.value.hint
    with pytest.raises(DataError, match="--columns close cannot be read"):
        read(content, columns="close")
    with pytest.raises(DataError, match="bars need close, and --columns close= takes it away"):
        read(content, columns="close=")


def test_a_partly_missing_adjusted_close_drops_no_new_bars(read):
    def content(missing):
        return _table(
            "date,open,high,low,close,adj_close,volume",
            lambda k, d: [d, *_bar(k)[:4], "" if k in missing else f"{CLOSES[k] * 0.97:.4f}", 100],
        )

    with pytest.raises(DataError, match=r"2 of 10 bars have no 'adj_close', the newest") as caught:
        read(content({8, 9}), adjustment=None)
    assert "--columns adj_close=" in caught.value.hint
    assert len(read(content({8, 9}), columns="adj_close=")) == 10
    kept = read(content({8, 9}), adjustment=None, drop=[(DAYS[8], DAYS[9])])
    assert kept.frame["date"].to_list() == DAYS[:8]
    with pytest.raises(DataError, match="5 of 10 bars have no 'adj_close'"):
        read(content({0, 1, 2, 3, 4}), adjustment=None)
    one = read(content({4}), adjustment=None)
    assert (len(one), len(one.repairs)) == (9, 1)


def test_rows_of_events_are_no_bars(read):
    head, *rows = _table(
        "Date,Open,High,Low,Close,Adj Close,Volume",
        lambda k, d: [d, *_bar(k)[:4], _bar(k)[3], 100],
    ).splitlines()
    events = ["2024-01-08,1.59 Dividend,,,,,", "2024-01-09,4:1 Stock Splits,,,,,"]
    bars = read("\n".join([head, *rows[:4], *events, *rows[4:]]), adjustment=None)
    assert bars.frame["close"].to_list() == CLOSES
    assert bars.provenance["events"] == (
        "2 rows that are no bars left out (row 6: 1.59 Dividend, 7: 4:1 Stock Splits)"
    )


def test_listed_splits_are_used_where_the_prices_show_them(read):
    def content(ratio, split="4.0"):
        return _table(
            "date,open,high,low,close,volume,Stock Splits",
            lambda k, d: [
                d,
                *(f"{float(x) / (ratio if k > 4 else 1):.4f}" for x in _bar(k)[:4]),
                100,
                split if k == 5 else 0.0,
            ],
        )

    raw = read(content(4), adjustment=None)
    assert (raw.adjustment, raw.splits) == ("raw", ((DAYS[5], 4.0),))
    assert raw.provenance["splits"] == "4:1 on 2024-01-09, as the file lists them"
    assert read(content(4, "4:1"), adjustment=None).splits == raw.splits
    assert "Stock Splits" in read(content(1, "yes")).provenance["not read"]
    done = read(content(1))
    assert done.splits == ()
    assert "in the prices already" in done.provenance["splits"]


def test_crsp_prices(read):
    def row(k, day):
        o, h, lo, c, v = _bar(k)
        half = 2 if k < 5 else 1
        cells = [f"{float(x) * half:.2f}" for x in (lo, h, c)]
        cells[2] = f"-{cells[2]}" if k == 3 else cells[2]
        return [10107, f"{day:%Y%m%d}", *cells, v, 0.001, f"{float(o) * half:.2f}", half]

    content = _table("PERMNO,date,BIDLO,ASKHI,PRC,VOL,RET,OPENPRC,CFACPR", row)
    bars = read(content, adjustment=None)
    assert bars.frame["adj_close"].to_list() == pytest.approx(CLOSES)
    assert (bars.adjustment, bars.adjusted_to) == ("raw", "split")
    assert bars.splits == ((DAYS[5], 2.0),)
    assert bars.provenance["midpoints"].startswith("1 closes are the midpoint")
    assert bars.provenance["format"].startswith("crsp")


def _headerless(text, separator=","):
    rows = tuple(tuple(line.split(separator)) for line in text.split())
    lines = tuple(range(1, len(rows) + 1))
    return CellTable("x.csv", (), rows, lines, separator, "")


def _epoch(day):
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("binance", lambda k, d: [_epoch(d), *_bar(k), _epoch(d) + 86_399_999, 1, 2, 3, 4, 0]),
        ("kraken", lambda k, d: [_epoch(d) // 1000, *_bar(k), 12]),
        ("mt4", lambda k, d: [f"{d:%Y.%m.%d}", "00:00", *_bar(k)]),
    ],
)
def test_headerless_files_that_are_unmistakable(name, row):
    found = find_columns(_headerless(_table("x", row).partition("\n")[2]), "SPY")
    assert [float(cell) for cell in found.cells["close"]] == CLOSES
    assert found.cells["volume"][0] == "1000"
    assert found.notes["format"].startswith(name)


def test_headerless_files_that_are_not():
    table = _headerless(_table("x", lambda k, d: [d, *_bar(k)]).partition("\n")[2])
    with pytest.raises(DataError, match=r"x\.csv has no header line: it begins with") as caught:
        find_columns(table, "SPY")
    assert "--columns date=1,open=2" in caught.value.hint
    for choices in (
        choices_from(format="stooq"),
        choices_from(columns="date=1,open=2,high=3,low=4,close=5,volume=6"),
    ):
        assert [float(c) for c in find_columns(table, "SPY", choices).cells["close"]] == CLOSES
    with pytest.raises(DataError, match="'binanse' is not a format") as caught:
        find_columns(table, "SPY", choices_from(format="binanse"))
    assert "binance" in caught.value.hint


def test_closes_alone_are_bars_and_nothing_is_made_up(read):
    bars = read(_table("date,close", lambda k, d: [d, CLOSES[k]]))
    assert bars.columns == ("close",)
    assert bars.frame["close"].to_list() == CLOSES
    assert bars.provenance["columns"] == "closes alone: no open, high, low, no volume"


@pytest.mark.parametrize("symbol", ["LOW", "OPEN", "V", "O", "T", "DAY", "C"])
def test_symbols_that_are_words_of_headers(read, symbol):
    for form in ("{w}_{t}", "{t} {w}", "{t}.{w}", "('{w}', '{t}')"):
        words = ("Close", "High", "Low", "Open", "Volume")
        header = ";".join(["Date", *(form.format(w=w, t=symbol) for w in words)])
        content = _table(
            header, lambda k, d: [d, *(_bar(k)[i] for i in (3, 1, 2, 0, 4))], separator=";"
        )
        assert read(content, symbol).frame.row(0)[2:6] == (99.89, 100.52, 99.37, 100.0)
    tall = _table("date,ticker,open,high,low,close,volume", lambda k, d: [d, symbol, *_bar(k)])
    assert read(tall, symbol).frame["close"].to_list() == CLOSES


def test_merged_dates_and_merged_cells_of_any_name(read):
    days = [day for day in DAYS for _ in range(2)]
    panel = _table(
        "Date,Ticker,Open,High,Low,Close,Volume",
        lambda k, d: [
            "" if k % 2 else d,
            ("XOM", "SPY")[k % 2],
            *_bar(k // 2, (30.0, 100.0)[k % 2]),
        ],
        days,
    )
    assert read(panel).frame["close"].to_list() == CLOSES
    names = ["TWTR", *[""] * 4, "ARM", *[""] * 4]
    content = _table("Firma,Date,Open,High,Low,Close,Volume", lambda k, d: [names[k], d, *_bar(k)])
    assert read(content, "ARM").frame["date"].to_list() == DAYS[5:]
    with pytest.raises(DataError, match=r"2 values of 'Firma' one after another \(TWTR, ARM\)"):
        read(content, "SPY")
    # blanks above the first name could be anybody's
    late = content.replace("TWTR", "").replace("Firma", "Symbol")
    with pytest.raises(DataError, match=r"row 2 has no Symbol, and the file holds 1 \(ARM\)"):
        read(late, "ARM")


@pytest.mark.parametrize(
    "values",
    [
        ["2024"] * 10,
        ["FY23"] * 4 + ["FY24"] * 6,
        ["2023-12"] * 4 + ["2024-01"] * 6,
        ["Dec"] * 4 + ["Jan"] * 6,
        ["0"] * 4 + ["1"] * 6,
        ["1.0"] * 4 + ["7.0"] * 6,
        ["up", "down"] * 5,
        ["", "", "split", *[""] * 7],
        [f"note {k}" for k in range(10)],
    ],
)
def test_columns_of_periods_and_flags_are_no_instruments(read, values):
    content = _table("date,open,high,low,close,volume,extra", lambda k, d: [d, *_bar(k), values[k]])
    assert read(content).provenance["not read"] == "extra"


@pytest.mark.parametrize("values", [["GBX", "GBP"], ["1d", "1h"], ["EQ", "BE"]])
def test_rows_that_differ_in_currency_or_interval_are_asked_about(read, values):
    days = [day for day in DAYS for _ in range(2)]
    content = _table(
        "date,what,open,high,low,close,volume", lambda k, d: [d, values[k % 2], *_bar(k // 2)], days
    )
    with pytest.raises(DataError, match="2 rows for 2024-01-02, which differ in 'what'"):
        read(content)
    assert len(read(content, where=f"what={values[0]}")) == 10


@pytest.mark.parametrize(
    ("title", "holds"),
    [
        *[("Apple Inc. (AAPL)", "AAPL"), ("AAPL", "AAPL"), ("# Symbol: AAPL", "AAPL")],
        *[("Security,AAPL US Equity", "AAPL US Equity"), ("Ticker=AAPL", "AAPL")],
        *[("Daily prices", None), ("OHLCV", None), ("History (USD)", None), ("Prices (EST)", None)],
        ("SPDR S&P 500 ETF Trust (SPY)", None),
    ],
)
def test_a_title_that_names_another_ticker_is_refused(read, title, holds):
    content = _table(f"{title}\ndate,open,high,low,close,volume", lambda k, d: [d, *_bar(k)])
    if holds is None:
        assert len(read(content)) == 10
    else:
        with pytest.raises(DataError, match=f"holds {holds}, not SPY"):
            read(content)
        assert len(read(content, "AAPL")) == 10
        assert len(read(content, ticker=holds)) == 10


def test_an_adjusted_close_in_brackets_is_no_close(read):
    with pytest.raises(DataError, match="has no column for close"):
        read(_table("date,open,high,low,Close (adj.),volume", lambda k, d: [d, *_bar(k)]))
    both = _table(
        "date,open,high,low,close,volume,Close (adjusted)",
        lambda k, d: [d, *_bar(k), f"{CLOSES[k] * 0.97:.4f}"],
    )
    assert read(both, adjustment=None).adjusted_to == "split+dividend"


def test_spellings_of_one_ticker_in_one_column_are_one(read):
    content = _table(
        "date,ticker,open,high,low,close,volume", lambda k, d: [d, ("SPY", "spy")[k % 2], *_bar(k)]
    )
    assert len(read(content)) == 10


def test_a_table_of_several_tickers_gives_the_days_of_one(read):
    """ARM is listed later, and does not trade on the days of a holiday of its own."""
    words = ("Open", "High", "Low", "Close", "Volume")

    def row(k, day):
        mine = 5 * [""] if k < 3 or k == 6 else _bar(k)
        return [day, *_bar(k, 30.0), *mine]

    header = ",".join(["Date", *(f"{w}_{t}" for t in ("OLD", "ARM") for w in words)])
    bars = read(_table(header, row), "ARM")
    assert bars.frame["date"].to_list() == [day for k, day in enumerate(DAYS) if k > 2 and k != 6]
    assert (bars.provenance["rows"], bars.repairs) == ("6 of 10: those with values of ARM", ())


def test_blocks_side_by_side_have_dates_of_their_own(read):
    head = "AAPL,,,,,,,SPY,,,,,\n" + ",,".join(2 * ["Date,Open,High,Low,Close,Volume"])

    def row(k, day):
        mine = [DAYS[k + 2], *_bar(k + 2)] if k < 8 else 6 * [""]
        return [day, *_bar(k, 30.0), "", *mine]

    bars = read(_table(head, row))
    assert bars.frame["date"].to_list() == DAYS[2:]
    assert bars.frame["close"].to_list() == CLOSES[2:]
    assert read(_table(head, row), "AAPL").frame["close"][0] == 30.0


def test_an_instrument_may_change_its_name_but_not_its_number(read):
    def content(name, values):
        return _table(
            f"date,ticker,{name},open,high,low,close,volume",
            lambda k, d: [d, "META", values[k > 4], *_bar(k)],
        )

    for name, values in (("comnam", ["FACEBOOK", "META"]), ("exchange", ["NASDAQ", "NYSE"])):
        assert len(read(content(name, values), "META")) == 10
    with pytest.raises(DataError, match=r"2 values of 'PERMNO' one after another \(13407, 99999\)"):
        read(content("PERMNO", [13407, 99999]), "META")


def test_a_format_that_does_not_fit_is_refused(read):
    content = _table("date,open,high,low,close,volume", lambda k, d: [d, *_bar(k)])
    with pytest.raises(DataError, match=r"row 2: prices have decimals.*--format lean"):
        read(content, format="lean")
    with pytest.raises(DataError, match="has no column 'Settle'"):
        read(content, format="quandl")
    whole = _table(
        "date,open,high,low,close,volume",
        lambda k, d: [d, *(round(float(x) * 10_000) for x in _bar(k)[:4]), 5],
    )
    assert read(whole, format="lean").frame["close"].to_list() == CLOSES


def test_a_column_with_the_symbols_own_name_beside_bars_is_a_question(read):
    content = _table("date,open,high,low,close,volume,VIX", lambda k, d: [d, *_bar(k), 15.2])
    assert read(content, "SPY").provenance["not read"] == "VIX"
    with pytest.raises(DataError, match="has a column 'VIX' beside open") as caught:
        read(content, "VIX")
    assert "--columns VIX=" in caught.value.hint
    assert len(read(content, "VIX", columns="VIX=")) == 10


def test_holes_in_one_key_do_not_matter_where_another_names_the_symbol(read):
    days = [day for day in DAYS for _ in range(2)]
    content = _table(
        "date,instrument,isin,ticker,open,high,low,close,volume",
        lambda k, d: [
            d,
            "" if k in (3, 8) else ("X1", "X2")[k % 2],
            "" if k in (5, 7) else ("US1", "US2")[k % 2],
            ("XOM", "SPY")[k % 2],
            *_bar(k // 2, (30.0, 100.0)[k % 2]),
        ],
        days,
    )
    assert read(content).frame["close"].to_list() == CLOSES
    with pytest.raises(DataError, match="has no instrument, and the file holds 2"):
        read(content, "AAPL")
    assert len(read(content, "AAPL", where="ticker=SPY", columns="instrument=,isin=")) == 10


def test_a_row_that_stands_twice_does_not_hide_the_key_of_a_panel(read):
    days = [*(day for day in DAYS for _ in range(2)), DAYS[-1]]
    content = _table(
        "date,thing,open,high,low,close,volume",
        lambda k, d: [d, ("XOM", "SPY")[min(k, 19) % 2], *_bar(min(k, 19) // 2)],
        days,
    )
    bars = read(content)
    assert bars.frame["close"].to_list() == CLOSES
    with pytest.raises(DataError, match=r"which differ in 'thing' \(SPY, XOM\)"):
        read(content, "AAPL")


def test_tickers_that_come_back_are_not_joined(read):
    days = [dt.date(2023, 9, 1) + dt.timedelta(days=n) for n in range(30)]
    content = _table(
        "date,thing,open,high,low,close,volume",
        lambda k, d: [d, ("TWTR", "ARM", "TWTR")[k // 10], *_bar(k)],
        days,
    )
    with pytest.raises(DataError, match="one after another"):
        read(content, calendar="none")
    assert len(read(content, "TWTR", calendar="none")) == 20


def test_where_names_the_rows_of_any_symbol(read):
    days = [day for day in DAYS for _ in range(2)]
    content = _table(
        "date,instrument,open,high,low,close,volume",
        lambda k, d: [d, ("XOM", "SPY")[k % 2], *_bar(k // 2, (30.0, 100.0)[k % 2])],
        days,
    )
    assert read(content, "MINE", where="instrument=SPY").frame["close"].to_list() == CLOSES


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("binance", lambda k, d: [_epoch(d), *_bar(k), _epoch(d) + 86_399_999, 1, 2, 3, 4, 0]),
        ("mt4", lambda k, d: [f"{d:%Y.%m.%d}", "00:00", *_bar(k)]),
        (
            "lean",
            lambda k, d: [
                f"{d:%Y%m%d} 00:00",
                *(round(float(x) * 10_000) for x in _bar(k)[:4]),
                _bar(k)[4],
            ],
        ),
    ],
)
def test_headerless_files_are_imported_and_announced(read, name, row):
    bars = read(_table("x", row).partition("\n")[2])
    assert (bars.frame["date"].to_list(), bars.frame["close"].to_list()) == (DAYS, CLOSES)
    assert bars.frame["volume"][0] == 1000
    assert bars.provenance["format"].startswith(f"{name}: ")
