"""Yahoo's source against a local HTTP server that answers in the format of the v8 chart service."""

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from finscale.data import DataStore, fetch_bars
from finscale.data.download import download
from finscale.errors import DataError, FinscaleError

yfinance = pytest.importorskip("yfinance")
requests = pytest.importorskip("requests")

# yfinance's own use of what pandas is about to drop
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DAYS = [dt.date(2024, 3, day) for day in (11, 12, 13, 14, 15, 18, 19, 20, 21, 22)]
CLOSES = [511.28, 516.78, 515.97, 514.95, 509.83, 512.86, 515.71, 520.48, 522.20, 521.21]
AFTER_LAST = dt.datetime(2024, 3, 22, 21, tzinfo=dt.UTC)


def _moment(day: dt.date) -> int:
    """13:30 UTC: the open in New York in summer time, as Yahoo dates daily bars."""
    return int(dt.datetime(day.year, day.month, day.day, 13, 30, tzinfo=dt.UTC).timestamp())


class Yahoo:
    """What the service knows, and how it behaves."""

    def __init__(self) -> None:
        self.days = list(DAYS)
        self.closes = list(CLOSES)
        # ex-dividend on 15 March: earlier rows are scaled down
        self.factors = [0.9969 if day < dt.date(2024, 3, 15) else 1.0 for day in DAYS]
        self.volumes = [80_000_000.0 + i for i in range(len(DAYS))]
        self.highs = {}
        self.dividends = {dt.date(2024, 3, 15): 1.594937}
        self.failures: list[int] = []
        self.exchange = "PCX"
        self.requests: list[dict[str, list[str]]] = []

    def chart(self, query: dict[str, list[str]]) -> dict:
        first = float(query.get("period1", ["-1e12"])[0])
        kept = [i for i, day in enumerate(self.days) if _moment(day) >= first]
        meta = {
            "currency": "USD",
            "symbol": "SPY",
            "exchangeName": self.exchange,
            "instrumentType": "ETF",
            "firstTradeDate": _moment(self.days[0]),
            "regularMarketTime": _moment(self.days[-1]),
            "gmtoffset": -14400,
            "timezone": "EDT",
            "exchangeTimezoneName": "America/New_York",
            "regularMarketPrice": self.closes[-1],
            "priceHint": 2,
            "longName": "SPDR S&P 500",
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "5d", "max"],
            "currentTradingPeriod": {
                name: {"timezone": "EDT", "start": 0, "end": 0, "gmtoffset": -14400}
                for name in ("pre", "regular", "post")
            },
        }
        close = [self.closes[i] for i in kept]
        quote = {
            "open": [c and c - 0.5 for c in close],
            "high": [
                self.highs.get(self.days[i], c and c + 1) for i, c in zip(kept, close, strict=True)
            ],
            "low": [c and c - 1 for c in close],
            "close": close,
            "volume": [self.volumes[i] for i in kept],
        }
        adjusted = [self.closes[i] and self.closes[i] * self.factors[i] for i in kept]
        result = {
            "meta": meta,
            "timestamp": [_moment(self.days[i]) for i in kept],
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
            "events": {
                "dividends": {
                    str(_moment(day)): {"amount": amount, "date": _moment(day)}
                    for day, amount in self.dividends.items()
                    if _moment(day) >= first
                }
            },
        }
        return {"chart": {"result": [result], "error": None}}


def _handler(yahoo: Yahoo) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.startswith("/v10/finance/quoteSummary/"):
                error = {"code": "Not Found", "description": "Quote not found for symbol"}
                body = json.dumps({"quoteSummary": {"result": None, "error": error}})
                return self._answer(404, body)
            if not parts.path.startswith("/v8/finance/chart/"):
                return self._answer(200, "crumb")
            query = parse_qs(parts.query)
            yahoo.requests.append(query)
            if yahoo.failures:
                return self._answer(yahoo.failures.pop(0), "Will be right back")
            if not parts.path.endswith("/SPY"):
                error = {"code": "Not Found", "description": "No data found"}
                return self._answer(404, json.dumps({"chart": {"result": None, "error": error}}))
            return self._answer(200, json.dumps(yahoo.chart(query)))

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    return Handler


class _ToServer(requests.adapters.HTTPAdapter):
    """Send every request for Yahoo's hosts to the local server instead."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def send(self, request, **kwargs):
        parts = urlsplit(request.url)
        request.url = f"{self.address}{parts.path}?{parts.query}"
        return super().send(request, **kwargs)


@pytest.fixture
def yahoo(tmp_path):
    from yfinance.data import YfData

    yfinance.set_tz_cache_location(str(tmp_path / "yfinance"))
    state = Yahoo()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    session = requests.Session()
    session.mount("https://", _ToServer(f"http://127.0.0.1:{server.server_port}"))
    data = YfData()
    before = data._session
    data._set_session(session)
    data.cache_get.cache_clear()
    yield state
    data._set_session(before)
    server.shutdown()
    server.server_close()


def _fetch(**options):
    return fetch_bars("yahoo", "SPY", pause=0.0, now=AFTER_LAST, **options)


def test_prices_are_unadjusted_and_the_adjusted_close_follows_the_dividend(yahoo):
    bars = _fetch()
    assert bars.frame["date"].to_list() == DAYS
    assert bars.frame["close"].to_list() == pytest.approx(CLOSES)
    assert bars.adjustment == "split"
    assert bars.adjusted_to == "split+dividend"
    assert bars.adjusted()["close"][0] == pytest.approx(511.28 * 0.9969)
    assert bars.adjusted()["open"][0] == pytest.approx(510.78 * 0.9969)
    assert bars.provenance["calendar"] == "XNYS"
    assert bars.repairs == ()


def test_null_rows_zero_highs_and_broken_volumes_are_repaired_and_listed(yahoo):
    yahoo.closes[2] = None
    yahoo.highs[DAYS[4]] = 0.0
    yahoo.volumes[7] = -9223372036854775808
    bars = _fetch()
    assert [(r.date, r.reason) for r in bars.repairs] == [
        (DAYS[2], "no prices: row left out"),
        (DAYS[4], "high is 0: row left out"),
        (DAYS[7], "volume is -9.22337e+18: set to 0"),
    ]
    assert len(bars) == 8
    with pytest.raises(DataError, match="3 rows need repair"):
        _fetch(strict=True)


def test_the_bar_of_a_session_that_is_not_over_is_left_out(yahoo):
    noon = dt.datetime(2024, 3, 22, 16, tzinfo=dt.UTC)
    bars = fetch_bars("yahoo", "SPY", pause=0.0, now=noon)
    assert bars.last_date == dt.date(2024, 3, 21)
    assert bars.repairs[0].reason == "the session is not over: partial bar left out"


def test_an_unknown_exchange_gets_no_calendar(yahoo):
    yahoo.exchange = "XYZ"
    assert _fetch().provenance["calendar"] == "none"


@pytest.mark.parametrize("status", [500, 503])
def test_failures_that_pass_are_retried(yahoo, status):
    # yfinance asks twice for one answer: with and without a crumb
    yahoo.failures = [status] * 4
    assert len(_fetch()) == len(DAYS)
    assert len(yahoo.requests) > 4


def test_limited_requests_say_to_wait(yahoo):
    yahoo.failures = [429] * 100
    with pytest.raises(DataError, match="limits requests: SPY was refused 2 times") as caught:
        _fetch(attempts=2)
    assert "goes on where it stopped" in caught.value.hint


def test_an_unknown_symbol_is_one_sentence_without_retries(yahoo):
    with pytest.raises(DataError, match="Yahoo has no bars of NOPE"):
        fetch_bars("yahoo", "NOPE", pause=0.0)


def test_no_network_is_one_sentence(yahoo, monkeypatch):
    from yfinance.data import YfData

    session = requests.Session()
    session.mount("https://", _ToServer("http://127.0.0.1:9"))
    YfData()._set_session(session)
    with pytest.raises(DataError, match="Yahoo did not answer for SPY") as caught:
        _fetch(attempts=2)
    assert "bundled" in caught.value.hint


def test_without_yfinance_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(FinscaleError, match="yfinance is not installed") as caught:
        fetch_bars("yahoo", "SPY")
    assert caught.value.hint == "pip install 'finscale[yahoo]' brings it"


def test_an_unknown_option_is_named(yahoo):
    with pytest.raises(DataError, match="takes no option 'strickt'"):
        _fetch(strickt=True)


def test_the_verb_waits_longer_each_time_stops_and_goes_on_where_it_stopped(
    yahoo, tmp_path, monkeypatch
):
    import time

    from typer.testing import CliRunner

    from finscale.cli.data import data_app

    def run():
        return CliRunner().invoke(
            data_app, ["download", "SPY", "NOPE", "--data-root", str(tmp_path)]
        )

    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    yahoo.failures = [429] * 100
    assert "limits requests: SPY was refused 5 times" in str(run().exception)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    yahoo.failures = []
    stopped = run()
    assert "SPY        fetched · 10 bars · 2024-03-11 – 2024-03-22 (+10)" in stopped.output
    assert "Yahoo has no bars of NOPE" in str(stopped.exception)
    assert DataStore(tmp_path).symbols() == ("SPY",)
    assert "SPY        kept" in run().output


class TestDownload:
    def _run(self, store, now=AFTER_LAST, **options):
        return download(store, "SPY", pause=0.0, now=now, **options)

    def test_a_second_download_asks_nothing_when_no_session_has_ended_since(self, yahoo, tmp_path):
        store = DataStore(tmp_path)
        assert self._run(store).action == "fetched"
        asked = len(yahoo.requests)
        again = self._run(store, now=dt.datetime(2024, 3, 24, 12, tzinfo=dt.UTC))
        assert (again.action, again.entry.version) == ("kept", "v1")
        assert len(yahoo.requests) == asked

    def test_new_bars_are_appended_as_a_new_version(self, yahoo, tmp_path):
        store = DataStore(tmp_path)
        self._run(store)
        yahoo.days.append(dt.date(2024, 3, 25))
        yahoo.closes.append(519.77)
        yahoo.factors.append(1.0)
        yahoo.volumes.append(48_000_000.0)
        yahoo.requests.clear()
        done = self._run(store, now=dt.datetime(2024, 3, 25, 21, tzinfo=dt.UTC))
        assert (done.action, done.new_bars, done.entry.version) == ("topped up", 1, "v2")
        # from thirty days before the last bar, not from the beginning
        assert min(float(q["period1"][0]) for q in yahoo.requests if "period1" in q) > 0
        assert store.bars("SPY").last_date == dt.date(2024, 3, 25)
        assert store.bars("SPY", "v1").last_date == dt.date(2024, 3, 22)
        assert store.verify() == []

    def test_a_new_dividend_fetches_the_whole_series_anew(self, yahoo, tmp_path):
        store = DataStore(tmp_path)
        self._run(store)
        yahoo.days.append(dt.date(2024, 3, 25))
        yahoo.closes.append(519.77)
        yahoo.factors = [f * 0.99 for f in yahoo.factors] + [1.0]
        yahoo.volumes.append(48_000_000.0)
        done = self._run(store, now=dt.datetime(2024, 3, 25, 21, tzinfo=dt.UTC))
        assert (done.action, done.entry.version) == ("fetched anew", "v2")
        assert store.bars("SPY").frame["adj_close"][0] == pytest.approx(511.28 * 0.9969 * 0.99)

    @pytest.mark.parametrize(
        "revision", ["high", "volume", "a bar that was missing", "a bar taken back", "nothing"]
    )
    def test_a_revision_of_older_bars_fetches_the_whole_series_anew(
        self, yahoo, tmp_path, revision
    ):
        store = DataStore(tmp_path)
        whole = list(yahoo.closes)
        if revision == "a bar that was missing":
            yahoo.closes[5] = None
        self._run(store)
        yahoo.closes = list(whole)
        if revision == "high":
            yahoo.highs[DAYS[5]] = whole[5] + 1.5
        elif revision == "volume":
            yahoo.volumes[5] += 1_000.0
        elif revision == "a bar taken back":
            yahoo.closes[5] = None
        yahoo.days.append(dt.date(2024, 3, 25))
        yahoo.closes.append(519.77)
        yahoo.factors.append(1.0)
        yahoo.volumes.append(48_000_000.0)
        done = self._run(store, now=dt.datetime(2024, 3, 25, 21, tzinfo=dt.UTC))
        assert done.action == ("topped up" if revision == "nothing" else "fetched anew")
        frame = store.bars("SPY").frame
        assert frame.height == 11 - (revision == "a bar taken back")
        fifth = frame.filter(pl.col("date") == DAYS[5]).to_dicts()
        if revision != "a bar taken back":
            assert fifth[0]["high"] == whole[5] + (1.5 if revision == "high" else 1)
            assert fifth[0]["volume"] == 80_000_005.0 + (1_000 if revision == "volume" else 0)

    def test_bars_that_yahoo_does_not_have_yet_change_nothing(self, yahoo, tmp_path):
        store = DataStore(tmp_path)
        self._run(store)
        done = self._run(store, now=dt.datetime(2024, 3, 25, 21, tzinfo=dt.UTC))
        assert (done.action, done.new_bars, done.entry.version) == ("kept", 0, "v1")

    def test_a_source_without_dates_is_fetched_whole_and_kept_when_equal(self, tmp_path):
        store = DataStore(tmp_path)
        assert download(store, "SP500", source="bundled").action == "fetched"
        assert download(store, "SP500", source="bundled").action == "kept"
