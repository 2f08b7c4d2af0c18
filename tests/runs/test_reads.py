"""Readings of a run's test part are counted where they happen, by any number of processes."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys

import polars as pl
import pytest

from finscale.errors import FinscaleWarning
from finscale.runs import Run, choosing
from finscale.runs.reads import PROGRAM, TRAINING, SealedReading, note_reading, readings

ID = "abcd000000000000"


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    monkeypatch.setenv(PROGRAM, "finscale evaluate")
    monkeypatch.setattr("finscale.runs.reads._noted", set())
    folder = tmp_path / "runs" / ID
    folder.mkdir(parents=True)
    table = pl.DataFrame(
        {
            "date": [dt.date(2024, 1, 2), dt.date(2024, 1, 3)],
            "symbol": ["A", "A"],
            "fold": [0, 0],
            "split": ["validation", "test"],
            "target": [0.0, 1.0],
            "logit": [0.1, 0.2],
        }
    )
    table.write_parquet(folder / "predictions.parquet")
    return Run(folder)


def programs(run: Run) -> list[tuple[str, str]]:
    return [(reading.program, reading.choice) for reading in run.test_readings()]


def test_validation_and_the_days_scored_are_no_reading(run):
    assert run.predictions("validation")["logit"].to_list() == [0.1]
    assert run.decisions("test").to_dicts() == [
        {"date": dt.date(2024, 1, 3), "symbol": "A", "fold": 0}
    ]
    assert run.test_readings() == []
    assert not (run.folder.parent / ".reads").exists()


@pytest.mark.parametrize("part", ["test", None])
def test_test_rows_and_the_whole_table_are(run, part):
    for _ in range(3):
        run.predictions(part)
    (reading,) = run.test_readings()
    assert reading.program == "finscale evaluate"
    assert reading.day == dt.datetime.now(dt.UTC).date().isoformat()
    assert reading.time.startswith(reading.day)
    assert reading.process == os.getpid()
    assert sorted(path.name for path in run.folder.iterdir()) == ["predictions.parquet"]


def test_each_program_each_day_and_each_choice_counts_once(run, monkeypatch):
    note_reading(run.folder.parent, ID, TRAINING)
    run.predictions("test")
    with choosing("a threshold"):
        run.predictions("test")
    monkeypatch.setenv(PROGRAM, "finscale study report")
    run.predictions("test")
    monkeypatch.delenv(PROGRAM)
    monkeypatch.setattr(sys, "argv", ["elsewhere/mine.py"])
    run.predictions("test")
    assert programs(run) == [
        ("training", ""),
        ("finscale evaluate", ""),
        ("finscale evaluate", "a threshold"),
        ("finscale study report", ""),
        ("mine.py", ""),
    ]
    # a day later the same program reads again
    path = run.folder.parent / ".reads" / f"{ID}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    earlier = [{**line, "day": "2024-01-05"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in earlier))
    monkeypatch.setattr("finscale.runs.reads._noted", set())
    run.predictions("test")
    assert len(run.test_readings()) == 6


def test_a_line_that_was_cut_off_is_passed_over(run):
    run.predictions("test")
    path = run.folder.parent / ".reads" / f"{ID}.jsonl"
    with path.open("a") as stream:
        stream.write('{"program": "x", "da\n{"program": "y", "day": "2024-01-01", "new": 1}\n[]\n')
    assert programs(run) == [("finscale evaluate", "")]


READ = """
import sys
from pathlib import Path
from finscale.runs.reads import note_reading
for number in range(40):
    note_reading(Path(sys.argv[1]), f"{number:016x}", program=sys.argv[2])
"""


def test_many_processes_lose_nothing_and_wait_for_nobody(run):
    runs = run.folder.parent
    started = [
        subprocess.Popen([sys.executable, "-c", READ, str(runs), f"program {number % 4}"])
        for number in range(8)
    ]
    assert [process.wait() for process in started] == [0] * 8
    for number in range(40):
        found = readings(runs, f"{number:016x}")
        assert {reading.program for reading in found} == {f"program {n}" for n in range(4)}
        assert len(found) == 4
        # 2 processes a program: an equal line at most, never more
        lines = (runs / ".reads" / f"{number:016x}.jsonl").read_text().splitlines()
        assert all(SealedReading(**json.loads(line)) for line in lines)
        assert 4 <= len(lines) <= 8


def test_a_folder_that_cannot_be_written_is_read_and_says_that_nothing_is_counted(run):
    (run.folder.parent / ".reads").write_text("a file in its place")
    with pytest.warns(FinscaleWarning, match="that the test part is read is not counted"):
        assert run.predictions("test")["logit"].to_list() == [0.2]
    # said once
    assert run.predictions("test")["logit"].to_list() == [0.2]


def test_the_command_line_names_its_verb(tmp_path):
    code = (
        "import sys, os; sys.argv[1:] = ['study', 'report', '--help'];"
        "from finscale.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "from finscale.runs.reads import _program; print(_program())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "finscale study report"
