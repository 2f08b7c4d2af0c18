"""Series: what a row knows of them, and never before it was published."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
import polars as pl
import pytest

from finscale.data.calendar import sessions
from finscale.data.known import decision_moments, join_series, known_values
from finscale.data.releases import RELEASE_RULES, last_day
from finscale.data.series import Series, add_series, make_frame, read_series, series_entry
from finscale.data.series_files import SeriesWishes, read_series_file
from finscale.data.series_fred import fetch_series
from finscale.data.store import DataStore
from finscale.errors import DataError

DAYS = sessions("XNYS", dt.date(2019, 1, 2), dt.date(2021, 12, 31))
BARS = pl.DataFrame({"date": DAYS})


def made(name="UMCSENT", first="2005-01", count=210, seed=0, **changes) -> Series:
    """A series on the days of its rule."""
    rule = RELEASE_RULES[name]
    period_P = (np.datetime64(first[:7], "M") + np.arange(count)).astype("datetime64[D]")
    if rule.frequency == "daily":
        period_P = np.busday_offset(first, np.arange(count), roll="forward")
    value_P = 80 + np.cumsum(np.random.default_rng(seed).normal(size=count))
    frame = make_frame(period_P, rule.released(period_P), np.abs(value_P))
    series = Series(name, frame, rule.frequency, rule.transform, not rule.is_revised, "rule")
    return replace(series, **changes)


def _file(tmp_path, text, name="X.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize("name", ["UMCSENT", "CPIAUCSL", "VIXCLS", "T10Y2Y", "USEPUINDXD"])
@pytest.mark.parametrize("calendar", ["XNYS", "none"])
def test_a_value_known_one_release_later_changes_its_rows_and_none_before(name, calendar):
    is_daily = RELEASE_RULES[name].frequency == "daily"
    series = made(name, "2017-01-02", 1100) if is_daily else made(name)
    at = 1060 if is_daily else 180  # published within the bars
    row = series.frame.row(at, named=True)
    following = series.frame["released"].filter(series.frame["released"] > row["released"]).min()
    late = pl.when(pl.col("period") == row["period"]).then(pl.lit(following)).otherwise("released")
    frame = series.frame.with_columns(late.cast(pl.Datetime("us", "UTC")).alias("released"))
    moved = replace(series, frame=frame.sort("released", "period"))
    before, after = (join_series(BARS, [one], calendar).drop("date") for one in (series, moved))
    closes = decision_moments(BARS["date"].to_numpy(), calendar)
    published = np.datetime64(row["released"].replace(tzinfo=None), "us")
    later = np.datetime64(following.replace(tzinfo=None), "us")
    first_row = int(np.searchsorted(closes, published))
    until = int(np.searchsorted(closes, later))
    assert 0 < first_row < until < BARS.height
    same = [
        np.array_equal(before[c].to_numpy()[:first_row], after[c].to_numpy()[:first_row], True)
        for c in before.columns
    ]
    assert all(same)  # to the bit, NaN where there was NaN
    value = f"series:{name}"
    assert (before[value][first_row:until] == row["value"]).all()
    assert (after[value][first_row:until] != row["value"]).all()
    # the value is known from the first close at or after its release, not from the one before
    assert closes[first_row] >= published > closes[first_row - 1]


def test_every_release_shifted_moves_no_row_before_it():
    series = made("UMCSENT")
    now, later = (join_series(BARS, [s], "XNYS") for s in (series, series.shifted(1)))
    changed = now["series:UMCSENT"] != later["series:UMCSENT"]
    known = known_values(series)
    assert later["series:UMCSENT"].is_in(known["value"].implode()).all()
    assert changed.all()  # each row knows the value of one release before


def test_measures_of_a_release_depend_on_none_after_it():
    series = made("UMCSENT", count=60)
    whole = known_values(series)
    for cut in (1, 9, 30, 59):
        part = known_values(replace(series, frame=series.frame[:cut]))
        assert part.equals(whole[:cut], null_equal=True)
    assert np.isnan(whole["surprise"][8])
    assert np.isfinite(whole["surprise"][9])


def test_measures_by_hand():
    value_P = [1.0, 2, 4, 3, 5, 6, 8, 7, 9, 12, 10]
    period_P = (np.datetime64("2020-01") + np.arange(11)).astype("datetime64[D]")
    frame = make_frame(period_P, last_day(period_P, "monthly"), np.array(value_P))
    last = known_values(Series("X", frame, "monthly", "difference", True, "")).row(-1, named=True)
    changes = np.diff(value_P)
    assert last["change"] == -2
    assert last["zscore"] == pytest.approx((10 - np.mean(value_P)) / np.std(value_P))
    expected = (changes[-1] - changes[:-1].mean()) / changes[:-1].std()
    assert last["surprise"] == pytest.approx(expected)


def test_a_revision_is_known_from_its_own_day_on():
    day = np.array(["2020-01-01", "2020-02-01", "2020-01-01"], "datetime64[D]")
    released = np.array(["2020-02-10T12", "2020-03-10T12", "2020-03-10T12"], "datetime64[us]")
    frame = make_frame(day, released, np.array([100.0, 110.0, 104.0]))
    known = known_values(Series("X", frame, "monthly", "difference", True, ""))
    assert known["value"].to_list() == [100, 110]
    assert known["change"].to_list()[1] == 6  # against January as revised that day


def test_the_close_of_a_session_decides():
    # the Wednesday before Thanksgiving, the half day after it; a Saturday is no session
    dates = np.array(["2019-11-27", "2019-11-29", "2019-11-30"], "datetime64[D]")
    found = [str(moment) for moment in decision_moments(dates, "XNYS")]
    assert found[0].startswith("2019-11-27T21:00")
    assert found[1].startswith("2019-11-29T18:00")
    assert found[2].startswith("2019-11-30T00:00")


@pytest.mark.parametrize(
    ("name", "period", "released"),
    [
        ("CPIAUCSL", "2020-01-01", "2020-02-26T13:30"),
        ("CPIAUCSL", "2013-09-01", "2013-10-30T12:30"),  # a shutdown
        ("PAYEMS", "2013-09-01", "2013-10-22T12:30"),
        ("UNRATE", "2020-06-01", "2020-07-12T12:30"),
        ("ICSA", "2021-01-02", "2021-01-08T13:30"),
        ("GDPC1", "2020-01-01", "2020-05-01T12:30"),
        ("UMCSENT", "2020-01-01", "2020-02-05T15:00"),
        ("T10Y2Y", "2020-10-09", "2020-10-13T20:15"),  # Columbus Day in between
        ("VIXCLS", "2020-06-05", "2020-06-05T20:15"),  # after that day's close
    ],
)
def test_rules(name, period, released):
    moment = RELEASE_RULES[name].released(np.array([period], "datetime64[D]"))[0]
    assert str(moment)[:16] == released


@pytest.mark.parametrize(
    "text",
    [
        "observation_date,UMCSENT\n2020-01-01,99.8\n2020-02-01,.\n2020-03-01,89.1\n",
        "DATE,VALUE\n2020-01-01,99.8\n2020-02-01,\n2020-03-01,89.1\n",
        "date;value\n2020-01-01;99,8\n2020-02-01;.\n2020-03-01;89,1\n",
        "Month,umcsent\n2020-01,99.8\n2020-02,NA\n2020-03,89.1\n",
    ],
)
def test_fred_files(tmp_path, text):
    series = read_series_file(_file(tmp_path, text, "UMCSENT.csv"))
    assert (series.name, series.frequency) == ("UMCSENT", "monthly")
    assert series.frame["value"].to_list() == [99.8, 89.1]
    assert series.mark == "as published"
    assert "1 periods" in series.provenance["no value"]


def test_cboe_files(tmp_path):
    rows = "06/04/2020,26.1,27,25,25.81\n06/05/2020,25,25.5,23.9,24.52\n06/17/2020,33,34,32,33.4\n"
    path = _file(tmp_path, f"DATE,OPEN,HIGH,LOW,CLOSE\n{rows}", "VIX9D_History.csv")
    series = read_series_file(path, SeriesWishes(frequency="daily"))
    assert (series.name, series.frame["value"].to_list()) == ("VIX9D", [25.81, 24.52, 33.4])
    assert series.frame["period"][0] == dt.date(2020, 6, 4)


def test_revised_values_without_vintages_are_marked(tmp_path):
    text = "observation_date,CPIAUCSL\n2020-01-01,258.7\n2020-02-01,259.0\n2020-03-01,258.1\n"
    series = read_series_file(_file(tmp_path, text))
    assert series.mark == "as revised later"
    store = DataStore(tmp_path / "data")
    entry = add_series(store, series)
    assert (entry.id, entry.kind, entry.version) == ("CPIAUCSL.series", "series", "v1")
    assert entry.adjustment == "as revised later"
    assert store.verify() == []
    assert add_series(store, series) == entry
    other = replace(series, frame=series.frame[:2])
    assert add_series(store, other).version == "v2"
    assert read_series(store, "cpiaucsl", "v1").frame.equals(series.frame)
    assert store.symbols() == ()


def test_vintages_of_both_forms_are_the_same(tmp_path):
    long = (
        "date,realtime_start,realtime_end,value\n2020-01-01,2020-04-29,2020-05-27,100\n"
        "2020-01-01,2020-05-28,9999-12-31,101\n2020-04-01,2020-07-30,9999-12-31,90\n"
        "2020-07-01,2020-10-29,9999-12-31,97\n"
    )
    wide = (
        "observation_date,GDPC1_20200429,GDPC1_20200528,GDPC1_20200730,GDPC1_20201029\n"
        "2020-01-01,100,101,101,101\n2020-04-01,,,90,90\n2020-07-01,,,,97\n"
    )
    one = read_series_file(_file(tmp_path, long, "GDPC1.csv"))
    other = read_series_file(_file(tmp_path, wide, "vintages.csv"))
    assert one.frame.equals(other.frame)
    assert one.name == other.name == "GDPC1"
    assert one.mark == other.mark == "as published"
    assert one.frame["released"][0] == dt.datetime(2020, 4, 29, 12, 30, tzinfo=dt.UTC)


def test_unknown_series_need_a_lag_or_releases(tmp_path):
    rows = "".join(f"2020-{month:02d}-01,{month}\n" for month in range(1, 7))
    path = _file(tmp_path, f"date,value\n{rows}", "MYINDEX.csv")
    with pytest.raises(DataError, match="nothing says when values of MYINDEX") as error:
        read_series_file(path)
    assert "--lag" in error.value.hint
    series = read_series_file(path, SeriesWishes(lag=10))
    # known from the end of the tenth day after January, in New York
    assert series.frame["released"][0] == dt.datetime(2020, 2, 11, 4, 59, tzinfo=dt.UTC)
    assert not series.is_as_published
    assert read_series_file(path, SeriesWishes(lag=10, is_final=True)).is_as_published
    with pytest.raises(DataError, match="show the future"):
        read_series_file(path, SeriesWishes(lag=-1))
    own = "date,out,value\n2020-01-01,2020-02-03 09:00,1\n2020-02-01,2020-03-02,2\n"
    path = _file(tmp_path, own, "MINE.csv")
    series = read_series_file(path, SeriesWishes(released="out"))
    assert series.frame["released"][0] == dt.datetime(2020, 2, 3, 14, 0, tzinfo=dt.UTC)
    early = own.replace("2020-02-03 09:00", "2020-01-20 09:00")
    with pytest.raises(DataError, match="before its month is over"):
        read_series_file(_file(tmp_path, early, "E.csv"), SeriesWishes(released="out"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,a,b\n2020-01-01,1,2\n2020-02-01,1,2\n", "several columns of values: a, b"),
        ("date,UMCSENT\n2020-01-01,1\n2020-02-01,x\n2020-03-01,2\n", "'x' is not a number"),
        ("date,UMCSENT\n2020-01-01,1\n2020-01-02,2\n2020-01-03,2\n", "UMCSENT is monthly"),
        ("date,UMCSENT\n2020-01-01,.\n2020-02-01,.\n", "has no values"),
    ],
)
def test_what_is_no_series_is_said(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_series_file(_file(tmp_path, text))


@pytest.mark.parametrize(("unit", "step"), [("Month", "month"), ("Week", "week")])
def test_google_trends(tmp_path, unit, step):
    days = ["2004-01", "2004-02", "2004-03"]
    if step == "week":
        days = ["2004-01-04", "2004-01-11", "2004-01-18"]
    rows = "".join(f"{day},{cell}\n" for day, cell in zip(days, ("12", "<1", "9"), strict=True))
    text = f"Category: All categories\n\n{unit},recession: (United States)\n{rows}"
    series = read_series_file(_file(tmp_path, text, "multiTimeline.csv"))
    assert (series.name, series.provenance["search term"]) == (
        "TRENDS",
        "recession, United States",
    )
    assert series.frame["value"].to_list() == [12, 0.5, 9]
    assert not series.is_as_published  # scaled to the export's own maximum
    scaled = replace(series, frame=series.frame.with_columns(pl.col("value") * 7))
    now, then = (known_values(one)["change"].to_numpy() for one in (series, scaled))
    np.testing.assert_allclose(now, then)


def _fred(vintages):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            query = {key: one[0] for key, one in parse_qs(urlparse(self.path).query).items()}
            known = query.get("api_key") == "key" and query["series_id"] in vintages
            status, body = 200, vintages.get(query.get("series_id"), "")
            if not known:
                status = 400
                body = '<error code="400" message="Bad Request.  The series does not exist."/>'
            if known and "realtime_start" not in query:
                assert query["series_id"] == "VIXCLS"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    return HTTPServer(("127.0.0.1", 0), Handler)


def _observations(rows):
    lines = "".join(
        f'<observation realtime_start="{start}" realtime_end="9999-12-31" date="{day}" '
        f'value="{value}"/>'
        for start, day, value in rows
    )
    return f'<?xml version="1.0"?><observations units="lin" count="3">{lines}</observations>'


def test_fred_with_vintages(monkeypatch):
    pytest.importorskip("fredapi")
    cpi = [
        ("2020-02-13", "2020-01-01", "258.8"),
        ("2020-03-11", "2020-02-01", "."),
        ("2021-02-10", "2020-01-01", "258.7"),
        ("2021-02-10", "2020-03-01", "258.1"),
    ]
    vix = [("2024-01-01", "2020-06-04", "25.81"), ("2024-01-01", "2020-06-05", "24.52")]
    server = _fred({"CPIAUCSL": _observations(cpi), "VIXCLS": _observations(vix)})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/fred"
        monkeypatch.setenv("FINSCALE_FRED_URL", url)
        monkeypatch.delenv("FRED_API_KEY", raising=False)
        with pytest.raises(DataError, match="FRED_API_KEY is not set"):
            fetch_series("CPIAUCSL")
        monkeypatch.setenv("FRED_API_KEY", "key")
        series = fetch_series("cpiaucsl")
        assert series.mark == "as published"
        assert series.frame["value"].to_list() == [258.8, 258.7, 258.1]
        assert series.frame["released"][0] == dt.datetime(2020, 2, 13, 13, 30, tzinfo=dt.UTC)
        vix = fetch_series("VIX")  # never revised: known by its rule
        assert vix.frame["released"][0] == dt.datetime(2020, 6, 4, 20, 15, tzinfo=dt.UTC)
        with pytest.raises(DataError, match="The series does not exist"):
            fetch_series("NOSUCH")
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(DataError, match="FRED cannot be reached"):
        fetch_series("CPIAUCSL", url=url)


def test_a_missing_series_says_how_it_comes(tmp_path):
    with pytest.raises(DataError, match="USEPUINDXD") as error:
        series_entry(DataStore(tmp_path), "USEPUINDXD")
    assert "finscale series import USEPUINDXD.csv" in error.value.hint
