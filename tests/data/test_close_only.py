"""Bars of closes: imported, checked and kept as they are; nothing is made up."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.config import DataConfig
from finscale.data import DataStore, fetch_bars
from finscale.data.bars import read_bars, real_moves, write_bars
from finscale.data.jumps import find_jumps
from finscale.errors import DataError
from finscale.evaluation.market import Market
from finscale.experiment.new_bars import new_bars_from_frame

DAYS = list(np.arange("2019-01-01", "2020-06-30", dtype="datetime64[D]"))
SESSIONS = [day.item() for day in DAYS if np.is_busday(day)]
CLOSES = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, len(SESSIONS))))


@pytest.fixture
def read(tmp_path):
    def read(cells, **options):
        path = tmp_path / "x.csv"
        pl.DataFrame({"date": SESSIONS, **cells}).write_csv(path)
        return fetch_bars(
            "csv", "X", file=path, **{"calendar": "none", "adjustment": "split", **options}
        )

    return read


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        ({"close": CLOSES}, ("close",)),
        ({"Close": CLOSES, "Volume": CLOSES * 1e4}, ("close", "volume")),
        ({"PX_LAST": CLOSES}, ("close",)),
        ({"Open": [""] * len(SESSIONS), "High": "", "Low": "", "Close": CLOSES}, ("close",)),
        ({"Close": CLOSES, "Adj Close": CLOSES * 0.9}, ("close",)),
    ],
)
def test_what_a_file_lacks_stays_away(read, columns, kept, tmp_path):
    bars = read(
        {k: v if len(v) else [""] * len(SESSIONS) for k, v in columns.items()}, adjustment="split"
    )
    assert bars.columns == kept
    assert "closes" in bars.provenance["columns"]
    assert bars.adjusted().columns == ["date", "symbol", *kept]
    write_bars(bars, tmp_path / "x.parquet")
    assert read_bars((tmp_path / "x.parquet").read_bytes(), "x").frame.equals(bars.frame)
    store = DataStore(tmp_path / "data")
    assert store.add_bars(bars) == store.add_bars(bars)
    assert store.bars("X").columns == kept


def test_a_range_in_part_is_asked_about(read):
    with pytest.raises(DataError, match="no column for high, low"):
        read({"open": CLOSES, "close": CLOSES})
    assert read({"open": CLOSES, "close": CLOSES}, columns="open=").columns == ("close",)


def test_a_slipped_point_is_mended_and_a_split_is_asked_about(read):
    slipped = CLOSES.copy()
    slipped[100] *= 100
    bars = read({"close": slipped})
    assert [repair.date for repair in bars.repairs] == [SESSIONS[100]]
    assert bars.frame["close"][100] == pytest.approx(CLOSES[100])
    split = np.where(np.arange(len(CLOSES)) < 200, 4 * CLOSES, CLOSES)
    with pytest.raises(DataError, match=r"falls 7[45]"):
        read({"close": split})
    day = SESSIONS[200]
    bars = read({"close": split}, splits=[(day, 4.0)], adjustment=None)
    np.testing.assert_allclose(bars.adjusted()["close"], CLOSES, rtol=1e-12)
    assert [jump.date for jump in find_jumps(bars.frame)] == [day]


def test_bad_rows_of_closes_are_left_out(read):
    closes = [None if row in (10, 20) else -1.0 if row == 30 else c for row, c in enumerate(CLOSES)]
    bars = read({"close": closes})
    reasons = {repair.date: repair.reason for repair in bars.repairs}
    assert reasons[SESSIONS[10]] == "no prices: row left out"
    assert reasons[SESSIONS[30]] == "close is -1: row left out"
    assert len(bars) == len(SESSIONS) - 3


def test_weekly_closes_and_their_market():
    from finscale.data.timescales import resample

    bars = pl.DataFrame({"date": SESSIONS, "symbol": "X", "close": CLOSES})
    weekly = resample(bars, "weekly")
    assert weekly.columns == ["date", "symbol", "close"]
    market = Market.of(bars)
    assert np.isnan(market.open).all()
    np.testing.assert_allclose(market.close[:, 0], CLOSES)


def test_closes_are_predicted_on_as_a_frame(tmp_path):
    store = DataStore(tmp_path)
    frame = pl.DataFrame({"Date": SESSIONS, "Close": CLOSES})
    (bars,) = new_bars_from_frame(frame, "X")
    assert bars.rows(DataConfig(tier="c20"), store).height == len(SESSIONS) - 199
    with pytest.raises(DataError, match="a20 needs open, high, low and volume, and X has closes"):
        bars.rows(DataConfig(tier="a20"), store)


def test_us20_is_read_where_skfolio_is_installed():
    spx = fetch_bars("us20", "spx")
    assert (len(spx), spx.columns, spx.adjustment) == (8313, ("close",), "split")
    assert spx.frame["close"][-1] == 3783.22
    ko = fetch_bars("us20", "KO")
    assert ko.adjustment == "split+dividend"
    assert "survivors" in ko.provenance["survivors"]
    assert (ko.first_date, ko.last_date) == (dt.date(1990, 1, 2), dt.date(2022, 12, 28))
    with pytest.raises(DataError, match="SPY is not in us20"):
        fetch_bars("us20", "SPY")


@pytest.mark.parametrize("symbol", ["AAPL", "RRC"])
def test_falls_of_us20_that_look_like_splits_are_known_to_be_real(symbol):
    bars = fetch_bars("us20", symbol)
    (day,) = real_moves(bars)
    close = bars.frame.filter(pl.col("date") <= day)["close"].to_list()
    assert close[-1] < 0.5 * close[-2]
