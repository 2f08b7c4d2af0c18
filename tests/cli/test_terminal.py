"""Terminals in other encodings, closed, full or gone, and folders with signs in their names."""

from __future__ import annotations

import ast
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from finscale.cli.options import console, plain_table
from finscale.cli.streams import plain
from finscale.cli.terminal import Terminal
from finscale.data.sources import fetch_bars
from finscale.data.store import DataStore
from finscale.runs import Run
from finscale.scaling.table import read_table

PROGRAM = f"{sys.executable} -c 'from finscale.cli import main; main()'"
LEAST = "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,1,1,1\n2024-01-04,1,1,1,1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose name is a pattern and markup, with bars in its data folder."""
    folder = tmp_path_factory.mktemp("place") / "proj [v2] *?"
    folder.mkdir()
    DataStore(folder / "data").add_bars(fetch_bars("bundled", "VIX"))
    (folder / "bars.csv").write_text(LEAST)
    return folder


def _shell(folder: Path, words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``finscale`` as a shell would: FINSCALE stands for the program."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", words.replace("FINSCALE", PROGRAM)],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("ascii", "VIX        1,259 bars - 2014-01-03 - 2019-01-03 - bundled"),
        ("cp1252", "VIX        1,259 bars · 2014-01-03 – 2019-01-03 · bundled"),
        ("latin-1", "VIX        1,259 bars · 2014-01-03 - 2019-01-03 · bundled"),
    ],
)
def test_signs_that_an_encoding_lacks_are_replaced(folder, encoding, line):
    done = _shell(folder, "FINSCALE data show VIX", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode(encoding).splitlines()[0] == line


def test_json_says_the_same_in_ascii(folder):
    folder = folder / "data"
    plainly = _shell(folder, "FINSCALE data list --json --data-root .", PYTHONIOENCODING="ascii")
    file = '{"name": "Zürich – 1 %"}'
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        from finscale.cli.options import print_json_text

        print_json_text(file)
        output.flush()
    assert json.loads(output.buffer.getvalue()) == json.loads(file)
    assert json.loads(plainly.stdout)[0]["symbol"] == "VIX"


def test_every_sign_has_something_that_stands_for_it():
    text = "p ≤ .05 · 1 – 2 × 3 → σ ✓ … é ⣿⠀ 漢 \udcff"
    assert "".join(map(plain, text)) == "p <= .05 - 1 - 2 x 3 -> sigma ok ... e *  ? \\xff"


def test_a_dot_between_factors_is_no_difference():
    text = "SPY · 80 bars: yes if the high ≥ close·1.01"
    code = f"from finscale.cli.streams import prepare_streams\nprepare_streams()\nprint({text!r})"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert told.stdout == b"SPY - 80 bars: yes if the high >= close*1.01\n"


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(folder, closed):
    assert _shell(folder, f"FINSCALE data list {closed}").returncode == 0


def test_a_closed_output_does_not_become_the_next_file(folder):
    done = _shell(
        folder, "FINSCALE data import bars.csv --symbol ONE --adjustment raw --data-root one >&-"
    )
    assert done.returncode == 0, done.stderr
    assert len(DataStore(folder / "one").bars("ONE")) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_output_is_one_sentence_and_nothing_is_stored(folder):
    words = "FINSCALE data import bars.csv --symbol TWO --adjustment raw --json > /dev/full"
    done = _shell(folder, words)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "error: standard output cannot be written: No space left on device. Nothing was done.\n"
    )
    assert not DataStore(folder / "data").has_bars("TWO")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("form", ["", "--json"])
def test_an_output_that_fills_up_is_one_sentence(folder, form, unbuffered):
    # a file may not grow beyond 0 bytes, as on a disk that has just become full
    words = f"ulimit -f 0; FINSCALE data show VIX {form} > '{folder}/out'"
    done = _shell(folder, words, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(
        "error: standard output cannot be written: File too large."
    )


def test_a_reader_that_has_seen_enough_is_no_error(folder):
    done = _shell(folder, "FINSCALE data show VIX | true")
    assert done.returncode in (0, 141)
    assert done.stderr == b""


@pytest.mark.parametrize("given", ["<&-", "< /dev/null"])
def test_a_question_without_an_answer_changes_nothing(folder, given):
    unfinished = folder / "runs" / ".0123456789abcdef.partial"
    unfinished.mkdir(parents=True, exist_ok=True)
    done = _shell(folder, f"FINSCALE runs gc {given}")
    assert done.returncode == 1
    assert unfinished.is_dir()
    done = _shell(folder, f"FINSCALE data import bars.csv --symbol ONE {given}")
    assert done.returncode == 1
    assert b"say so: --adjustment" in done.stderr


def test_a_disk_that_fills_up_leaves_what_was_there(folder):
    limit = 20_000
    before = sorted(path.name for path in (folder / "data").rglob("*"))
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from finscale.cli import main; main()"),
            *("data", "download", "SP500", "--source", "bundled", "--data-root", "data"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (folder / "data").rglob("*")) == before


def test_names_are_read_and_never_taken_for_patterns(folder):
    run = folder / "runs" / "0123456789abcdef"
    run.mkdir(parents=True)
    rows = {"date": [1, 2], "symbol": ["A", "A"], "fold": [0, 0], "split": ["validation", "test"]}
    pl.DataFrame(rows).write_parquet(run / "predictions.parquet")
    assert Run(run).decisions("test")["date"].to_list() == [2]
    table = pl.DataFrame({"parameters": [1e3, 1e4, 1e5], "loss": [0.5, 0.4, 0.35]})
    table.write_csv(folder / "law [1].csv")
    table.write_parquet(folder / "law*.parquet")
    for name in ("law [1].csv", "law*.parquet"):
        assert read_table(folder / name, x="parameters").y_n.tolist() == [0.5, 0.4, 0.35]


READERS = {"read_parquet", "scan_parquet", "read_csv", "scan_csv", "scan_ipc", "scan_ndjson"} | {
    *("read_parquet_schema", "read_ipc", "read_ndjson")
}


def test_polars_never_expands_a_path(root):
    """A folder may be called ``proj [v2]``; to polars that is a pattern unless it is told."""
    patterns = []
    for path in (root / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                call = ast.unparse(node)
                of_polars = call.startswith("pl.") and node.func.attr in READERS
                if of_polars and "glob=False" not in call and "BytesIO" not in call:
                    patterns.append(f"{path.name}: {call}")
    assert not patterns


def test_brackets_of_a_name_are_printed():
    output = io.StringIO()
    terminal = Terminal(file=output, width=100, highlight=False)
    terminal.print(r"[bold]run[/bold] proj [v2]/[a] \[b]")
    terminal.print(plain_table(["name"], [["proj [v2]"]], left=["name"]))
    assert " ".join(output.getvalue().split()) == "run proj [v2]/[a] [b] name proj [v2]"
    assert isinstance(console(), Terminal)


def test_python_m_finscale_is_finscale(folder):
    said = subprocess.run(
        [sys.executable, "-m", "finscale", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("finscale ")
