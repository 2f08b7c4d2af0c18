"""Panels in the forms that programs write: marks, pairs of names, tickers that are field words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from finscale.data import DataStore
from finscale.data.panel_import import import_folder, import_panel
from finscale.data.panel_read import read_table
from finscale.errors import DataError

DAYS = pd.DatetimeIndex(
    [d for d in pd.bdate_range("2021-03-01", periods=41) if d != pd.Timestamp("2021-04-02")],
    name="date",
)
SPLIT = {"adjustment": "split"}


def closes(*names, scale=1.0):
    rng = np.random.default_rng(5)
    steps = rng.normal(0, 0.01, (len(DAYS), len(names)))
    level = scale * 3.0 ** np.arange(len(names))
    return pd.DataFrame((50 * level * np.exp(steps.cumsum(0))).round(2), DAYS, list(names))


def long(**columns):
    wide = closes("AAA", "BBB", "CCC")
    table = wide.rename_axis(columns="symbol").stack().rename("close").reset_index()
    return table.assign(volume=np.arange(1000, 1000 + len(table)), **columns)


@pytest.fixture
def done(tmp_path):
    def done(name, write, **options):
        path = tmp_path / name
        write(path)
        store = DataStore(tmp_path / "data")
        return import_panel(path, store, **SPLIT, **options), store

    return done


def same(done, wide):
    made, store = done
    assert not made.refused
    assert sorted(made.entries) == sorted(wide.columns)
    for name in wide.columns:
        bars = store.bars(name).frame
        np.testing.assert_allclose(bars["close"].to_numpy(), wide[name].to_numpy())
    return made


@pytest.mark.parametrize(
    "how",
    [
        {"sep": ";"},
        {"sep": "\t"},
        {"sep": ";", "decimal": ","},
        {"encoding": "utf-16"},
        {"encoding": "utf-8-sig", "sep": "|"},
    ],
)
def test_marks_and_encodings(done, how):
    wide = closes("AAA", "BBB", "CCC")
    same(done("p.csv", lambda path: long().to_csv(path, index=False, **how)), wide)
    made = same(done("w.csv", lambda path: wide.to_csv(path, **how)), wide)
    assert ("numbers" in made.notes) == ("decimal" in how)


def test_commas_between_thousands(done):
    wide = closes("AAA", "BBB", scale=200)
    made = done("w.csv", lambda path: wide.map("{:,.2f}".format).to_csv(path))
    same(made, wide)
    assert " is " in made[0].notes["numbers"]


@pytest.mark.parametrize("name", ["isin", "coin", "Stock Symbol", "unique_id", "issuer"])
def test_the_symbol_by_a_name_that_nobody_listed(done, name):
    table = long(currency="USD", sector=["x", "y", "y"] * len(DAYS)).rename(
        columns={"symbol": name}
    )
    made = same(
        done("p.csv", lambda path: table.to_csv(path, index=False)), closes("AAA", "BBB", "CCC")
    )
    assert made.notes["panel"] == f"long, by {name!r}"
    assert made.notes["not read"] == "currency, sector"


def test_codes_that_became_floats(done):
    table = long()
    table["symbol"] = table["symbol"].map({"AAA": 7203.0, "BBB": 6758.0, "CCC": 5.0})
    wide = closes("7203", "6758", "5")
    same(done("p.parquet", lambda path: table.to_parquet(path)), wide)


def pairs(*names, fields_first=True):
    wide = closes(*names)
    both = {}
    for name in names:
        for field, factor in (("Close", 1.0), ("Volume", 10.0)):
            key = (field, name) if fields_first else (name, field)
            both[key] = (wide[name] * factor).round(2)
    levels = ["Price", "Ticker"] if fields_first else ["Ticker", "Price"]
    return pd.DataFrame(both).rename_axis(columns=levels).rename_axis("Date")


@pytest.mark.parametrize("fields_first", [True, False])
@pytest.mark.parametrize("names", [("AAA", "BBB"), ("LOW", "C", "V")])
def test_two_lines_of_names_as_yfinance_writes_them(done, names, fields_first):
    table = pairs(*names, fields_first=fields_first)
    made = same(done("p.csv", lambda path: table.to_csv(path)), closes(*names))
    same(done("p.parquet", lambda path: table.to_parquet(path)), closes(*names))
    assert made.notes["panel"].endswith("close, volume")


@pytest.mark.parametrize("form", ["{0}_{1}", "{1}_{0}", "{1} {0}", "{1}.{0}"])
def test_field_and_ticker_in_one_name(done, form):
    table = pairs("AAA", "BRK.C")
    table.columns = [form.format(field, name) for field, name in table.columns]
    made = done("p.csv", lambda path: table.to_csv(path))
    same(made, closes("AAA", "BRK.C"))
    assert made[1].bars("AAA").columns == ("close", "volume")


@pytest.mark.parametrize(
    "names", [("C", "LOW", "V", "XOM", "KO"), ("T", "AAPL", "DAY"), ("LOW", "ALL", "MSFT")]
)
def test_tickers_that_are_words_for_fields(done, names):
    wide = closes(*names)
    same(done("w.csv", lambda path: wide.rename_axis(None).to_csv(path)), wide)


def test_bars_of_one_symbol_beside_indicators_are_no_wide_panel(done):
    close = closes("C")
    table = close.assign(O=close.C, H=close.C + 1, L=close.C - 1, SMA=1.5, RSI=2.5, ATR=0.5, X=1)
    with pytest.raises(DataError, match="no table of one column a symbol"):
        done("p.csv", lambda path: table.to_csv(path))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (long().assign(symbol=[None, *long()["symbol"][1:]]), "row 2: symbol is empty"),
        (long().rename(columns={"close": "ret"}), "it has date, symbol, ret, volume"),
        (pd.concat([long(), long()[["close"]]], axis=1), "several columns called 'close'"),
        (closes("AAA", "BBB").assign(aaa=1.0).reset_index(), "both the close of AAA"),
    ],
)
def test_what_cannot_be_told_is_refused(done, table, said):
    with pytest.raises(DataError, match=said):
        done("p.csv", lambda path: table.to_csv(path, index=False))


def test_a_file_without_header(tmp_path):
    long().to_csv(tmp_path / "p.csv", index=False, header=False)
    with pytest.raises(DataError, match="has no header"):
        read_table(tmp_path / "p.csv")


def test_columns_that_are_no_prices(done):
    wide = closes("AAA", "BBB").assign(N_STOCKS=3.0, GONE=np.nan)
    made, _ = done("w.csv", lambda path: wide.to_csv(path))
    assert sorted(made.entries) == ["AAA", "BBB"]
    assert "all 40 closes are 3" in made.refused["N_STOCKS"].message
    assert made.notes["no values"] == "GONE"


def test_units_in_names_are_one_reason(done):
    wide = closes("AAA", "BBB", "CCC").rename(columns="{} (USD)".format)
    made, _ = done("w.csv", lambda path: wide.to_csv(path))
    ((symbols, error),) = made.refusals()
    assert len(symbols) == 3
    assert "is not a symbol" in error.message


def test_moments_of_sessions_are_dated_by_the_exchange(done):
    table = long()
    moment = (table["date"] + pd.Timedelta("16h")).dt.tz_localize("America/New_York")
    table["date"] = moment.dt.tz_convert("UTC")
    made = same(done("p.parquet", lambda path: table.to_parquet(path)), closes("AAA", "BBB", "CCC"))
    assert made.notes["sessions"] == "times in UTC, dated on the clock of XNYS"


def test_a_folder_with_a_symbol_twice(tmp_path):
    folder = tmp_path / "bars"
    (folder / "old").mkdir(parents=True)
    one = closes("AAA").rename(columns={"AAA": "close"})
    one.to_csv(folder / "aaa.csv")
    made = import_folder(folder, DataStore(tmp_path / "data"), **SPLIT)
    assert made.notes["not read"] == "old"
    one.to_parquet(folder / "AAA.parquet")
    with pytest.raises(DataError, match=r"several files of AAA: AAA.parquet, aaa.csv"):
        import_folder(folder, DataStore(tmp_path / "data"), **SPLIT)
