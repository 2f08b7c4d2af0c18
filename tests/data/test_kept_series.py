"""A user's own columns, kept with the bars: read, stored under the same digest, read back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import finscale as fs
from finscale.cli.data import data_app
from finscale.data import calendar, fetch_bars
from finscale.data.store import DataStore
from finscale.data.timescales import resample
from finscale.errors import DataError
from finscale.features import compute_features
from finscale.features.feature import Feature

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
DAYS = calendar.sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 3, 28))
MOOD = [None if k % 7 == 0 else round(0.1 * k - 1, 3) for k in range(len(DAYS))]
OI = [1_041_200 + 37 * k for k in range(len(DAYS))]


def _frame(**columns):
    close = np.round(100 + 0.37 * np.arange(len(DAYS)), 2)
    prices = {"open": close - 0.11, "high": close + 0.52, "low": close - 0.63, "close": close}
    return pl.DataFrame(
        {"date": DAYS, **prices, "volume": 1000.0, "Mood": MOOD, "oi": OI, "note": "x", **columns}
    )


@pytest.fixture
def file(tmp_path):
    _frame().write_csv(tmp_path / "my.csv")
    return tmp_path / "my.csv"


def _bars(file, **options):
    options = {"adjustment": "split", "now": NOW, "calendar": "XNYS", **options}
    return fetch_bars("csv", "SPY", file=file, **options)


def test_kept_columns_are_stored_with_the_bars_and_read_back(file, tmp_path):
    bars = _bars(file, keep="mood,oi")
    assert bars.series_names == ("Mood", "oi")
    assert bars.provenance["kept"] == "Mood, oi, as series"
    assert bars.provenance["not read"] == "note"
    assert bars.frame["series:Mood"].to_list() == MOOD
    store = DataStore(tmp_path / "data")
    entry = store.add_bars(bars)
    again = store.bars("SPY")
    assert again.frame.equals(bars.frame)
    assert store.add_bars(bars).version == entry.version
    # another content is another version, and bars without series are another content too
    other = store.add_bars(_bars(file, keep="oi"))
    assert other.version != entry.version
    assert store.bars("SPY", entry.version).series_names == ("Mood", "oi")
    assert store.add_bars(_bars(file)).version not in (entry.version, other.version)


def test_each_row_knows_the_past_only(file):
    bars = _bars(file, keep=["Mood", "oi"])
    for lag in (0, 1, 3):
        seen = bars.with_series(lag=lag)
        for k, value in enumerate(seen["series:Mood"]):
            known = [mood for mood in MOOD[: max(k + 1 - lag, 0)] if mood is not None]
            assert value == known[-1] if known else np.isnan(value)
    assert bars.with_series()["close"].to_list() == bars.adjusted()["close"].to_list()
    with pytest.raises(DataError, match="show the future"):
        bars.with_series(lag=-1)


@pytest.mark.parametrize("sessions", [1, 5])
def test_a_feature_reads_a_kept_series(file, sessions):
    bars = _bars(file, keep="oi")
    change = Feature(
        "oi_change",
        ("series:oi", "close"),
        lambda oi, close: np.r_[np.nan, np.diff(oi)] + 0 * close,
        1,
        "test",
        sessions=sessions,
    )
    values = compute_features(bars.with_series(), [change])["oi_change"].drop_nans()
    assert set(values) == {37.0 * sessions}


def test_slower_bars_have_the_last_value(file):
    weekly = resample(_bars(file, keep="oi").with_series(), "weekly")
    by_day = dict(zip(DAYS, OI, strict=True))
    assert weekly["series:oi"].to_list() == [by_day[day] for day in weekly["date"]]


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("moood", "has no column 'moood'"),
        ("note", "'x' in 'note' is no number"),
        ("volume", "'volume' is read as volume"),
        ("empty", "the column 'empty' is empty"),
    ],
)
def test_what_cannot_be_kept_is_said(tmp_path, keep, message):
    _frame(empty=None).write_csv(tmp_path / "my.csv")
    with pytest.raises(DataError, match=message):
        _bars(tmp_path / "my.csv", keep=keep)


def test_german_numbers_and_several_symbols(tmp_path):
    lines = ["Datum;Symbol;Erster;Hoch;Tief;Schluss;Stimmung"]
    for k, day in enumerate(DAYS):
        for symbol in ("SPY", "QQQ"):
            at = 100 + 0.37 * k + (50 if symbol == "QQQ" else 0)
            cells = [at, at + 0.52, at - 0.63, at + 0.11, 0.25 + k + (symbol == "QQQ")]
            numbers = [f"{x:.2f}".replace(".", ",") for x in cells]
            lines.append(";".join([f"{day:%d.%m.%Y}", symbol, *numbers]))
    (tmp_path / "my.csv").write_text("\n".join(lines), encoding="utf-8")
    bars = _bars(tmp_path / "my.csv", keep="Stimmung")
    assert bars.frame["series:Stimmung"].to_list() == [0.25 + k for k in range(len(DAYS))]


def test_a_last_line_without_a_series_is_a_bar(tmp_path):
    _frame(oi=[*OI[:-1], None]).drop("note").write_csv(tmp_path / "my.csv")
    bars = _bars(tmp_path / "my.csv", keep="oi")
    assert len(bars) == len(DAYS)
    assert bars.with_series()["series:oi"][-1] == OI[-2]


def test_in_the_terminal_and_in_python(file, tmp_path):
    root = tmp_path / "data"
    told = CliRunner().invoke(
        data_app,
        [
            *("import", str(file), "--symbol", "SPY", "--adjustment", "split"),
            *("--keep", "mood,oi", "--data-root", str(root)),
        ],
    )
    assert told.exit_code == 0, told.output
    assert "Mood, oi, as series" in told.output
    assert DataStore(root).bars("SPY").series_names == ("Mood", "oi")
    store = DataStore(tmp_path / "other")
    fs.import_frame(_frame(), "SPY", store=store, adjustment="split", keep="oi")
    assert store.bars("SPY").frame["series:oi"].to_list() == OI
    with pytest.raises(DataError, match=r"\(keep=\)"):
        fs.import_frame(_frame(), "SPY", store=store, adjustment="split", keep="note")
