"""Which columns and rows are the symbol's, in files as people's programs write them."""

import datetime as dt

import pytest

from finscale.errors import DataError

RAW = {"adjustment": "raw"}


@pytest.mark.parametrize("name", ["panel_merged_cells.csv", "panel_nonoverlap.csv"])
def test_rows_of_two_instruments_are_never_joined(bars_of, name):
    arm, twtr = bars_of(name, "ARM", **RAW), bars_of(name, "TWTR", **RAW)
    assert (len(arm), str(arm.first_date), str(arm.last_date)) == (625, "2022-01-03", "2024-06-28")
    assert (len(twtr), str(twtr.last_date)) == (505, "2021-12-31")
    assert arm.provenance["rows"].startswith("625 of 1,130: those with ARM in ")
    with pytest.raises(DataError, match=r"holds 2 symbols \(ARM, TWTR\), and SPY is none of them"):
        bars_of(name, "SPY", **RAW)


@pytest.mark.parametrize("name", ["panel_instrument.csv", "panel_unique_id.csv"])
def test_a_panel_gives_the_rows_asked_for(bars_of, name):
    closes = {s: bars_of(name, s, **RAW).frame["close"][0] for s in ("AAPL", "MSFT", "XOM")}
    assert closes == {"AAPL": 185.26, "MSFT": 406.2, "XOM": 100.58}
    with pytest.raises(DataError, match=r"AAPL, MSFT, XOM.*TSLA is none of them") as caught:
        bars_of(name, "TSLA", **RAW)
    assert "--symbol AAPL" in caught.value.hint


def test_moex(bars_of):
    with pytest.raises(DataError, match=r"2 rows for 2023-01-03.*'BOARDID' \(SMAL, TQBR\): which"):
        bars_of("moex.csv", "SBER", calendar="none", **RAW)
    bars = bars_of("moex.csv", "SBER", calendar="none", where="BOARDID=TQBR", **RAW)
    assert (len(bars), bars.frame["close"][0]) == (254, 138.87)
    assert "LEGALCLOSEPRICE" in bars.provenance["not read"]
    with pytest.raises(DataError, match=r"moex\.csv holds SBER, not GAZP"):
        bars_of("moex.csv", "GAZP", calendar="none", **RAW)


def test_bt_optix(bars_of):
    bars = bars_of("bt_optix.csv", "SPY", **RAW)
    assert bars.provenance["not read"] == "OpenInterest (0 throughout), Optix_Close, VIX"
    assert bars.frame["close"][0] == 99.54
    with pytest.raises(DataError, match="has a column 'VIX' beside open, high, low and close"):
        bars_of("bt_optix.csv", "VIX", **RAW)


def test_quandl_chris(bars_of):
    # oil futures trade on days on which New York's exchange does not
    with pytest.raises(DataError, match="the days are those of CMES"):
        bars_of("quandl_chris.csv", "CL", **RAW)
    bars = bars_of("quandl_chris.csv", "CL", calendar="CMES", **RAW)
    assert (bars.frame["close"][0], bars.frame["close"][-1]) == (78.37, 93.83)
    assert "the close is Settle" in bars.provenance["format"]
    assert bars.provenance["not read"] == "Last, Change, Previous Day Open Interest"
    last = bars_of("quandl_chris.csv", "CL", columns="close=Last", calendar="CMES", **RAW)
    assert last.frame["close"][0] == 78.62


def test_kraken_ccxt(bars_of):
    bars = bars_of("kraken_ccxt.csv", "BTC/USD", calendar="none", **RAW)
    assert (bars.symbol, len(bars), bars.first_date) == ("BTC/USD", 182, dt.date(2024, 10, 1))
    assert bars.provenance["not read"] == "timestamp"


def test_finrl_dow(bars_of):
    bars = bars_of("finrl_dow.csv", "AXP", **RAW)
    assert (len(bars), bars.first_date) == (124, dt.date(2024, 1, 2))
    assert bars.frame["close"][0] == 182.79
    assert bars.provenance["not read"] == "day"


def test_flat_tse_two(bars_of):
    toyota = bars_of("flat_tse_two.csv", "7203.T", calendar="XTKS", **RAW)
    sony = bars_of("flat_tse_two.csv", "6758.T", calendar="XTKS", **RAW)
    assert toyota.frame.row(0)[2:] == (2600.4, 2619.8, 2596.8, 2615.0, 2615.0, 1320289.0)
    assert sony.frame["close"][0] == 13253.0
    with pytest.raises(DataError, match=r"holds 2 symbols \(6758\.T, 7203\.T\)"):
        bars_of("flat_tse_two.csv", "9984.T", calendar="XTKS", **RAW)


@pytest.mark.parametrize(
    ("name", "symbol", "unread"),
    [
        ("kaggle_huge_int.txt", "INT", "OpenInt (0 throughout)"),
        ("pre_tushare.csv", "PRE", "pre_close, change, pct_chg, amount"),
        ("adj_empty_column.csv", "BTC", "Adj Close (empty)"),
    ],
)
def test_other_columns_are_not_taken_and_named(bars_of, name, symbol, unread):
    bars = bars_of(name, symbol, **RAW)
    assert bars.provenance["not read"] == unread
    assert bars.repairs == ()
    assert (bars.frame["adj_close"] == bars.frame["close"]).all()


def test_adj_missing_tail(bars_of):
    with pytest.raises(DataError, match="65 of 625 bars have no 'Adj Close', the newest") as caught:
        bars_of("adj_missing_tail.csv", "SPY")
    assert "--columns adj_close=" in caught.value.hint
    assert "--drop 2024-03-27:2024-06-28" in caught.value.hint
    assert len(bars_of("adj_missing_tail.csv", "SPY", columns="adj_close=", **RAW)) == 625
    drop = [(dt.date(2024, 3, 27), dt.date(2024, 6, 28))]
    assert len(bars_of("adj_missing_tail.csv", "SPY", drop=drop)) == 560


def test_investing(bars_of):
    german = bars_of("investing_de.csv", "DAX", calendar="none", **RAW)
    assert german.frame.row(0)[2:6] == (14176.5, 14429.1, 14133.3, 14425.2)
    assert german.frame["volume"][0] == 720_610
    english = bars_of("investing_us.csv", "SPY", **RAW)
    assert english.frame.row(0)[2:6] == (472.55, 480.97, 471.11, 480.84)
    assert english.provenance["not read"] == "Change %"


def test_crsp(bars_of):
    bars = bars_of("crsp.csv", "SPY", **RAW)
    assert bars.frame.row(0)[2:6] == (472.55, 480.97, 471.11, 480.84)
    assert bars.provenance["midpoints"].startswith("7 closes are the midpoint of bid and ask")
    assert bars.provenance["format"] == "crsp: CRSP's daily stock file"
    with pytest.raises(DataError, match=r"crsp\.csv holds SPY, not QQQ") as caught:
        bars_of("crsp.csv", "QQQ", **RAW)
    assert "--ticker SPY" in caught.value.hint


def test_yahoo_web(bars_of):
    bars = bars_of("yahoo_web.csv", "SPY")
    assert (len(bars), bars.adjustment, bars.adjusted_to) == (124, "split", "split+dividend")
    assert bars.provenance["events"] == "1 row that is no bar left out (row 66: 1.59 Dividend)"
