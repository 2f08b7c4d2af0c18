"""Every verb's help ends with an example that can be typed; files of other verbs are recognised."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import finscale as fs
from finscale.cli.app import app
from finscale.cli.examples import EXAMPLES
from finscale.errors import FinscaleError

RUNNER = CliRunner()


def _verbs(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for word, inner in getattr(command, "commands", {}).items():
        whole = f"{name} {word}".strip()
        if hasattr(inner, "commands"):
            yield from _verbs(inner, whole)
        else:
            yield whole, inner


VERBS = dict(_verbs(typer.main.get_command(app)))


def test_every_verb_has_an_example() -> None:
    assert set(VERBS) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_can_be_typed(name: str) -> None:
    program, *words = shlex.split(EXAMPLES[name].partition(" (")[0])
    assert program == "finscale"
    assert words[: len(name.split())] == name.split()
    VERBS[name].make_context(name, words[len(name.split()) :])
    told = RUNNER.invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
    assert EXAMPLES[name] in " ".join(told.split())


def test_study_verbs_show_a_study_in_the_same_words() -> None:
    for name in ("run", "plan", "status", "report", "export"):
        told = RUNNER.invoke(app, ["study", name, "--help"], env={"COLUMNS": "200"}).output
        assert "[OPTIONS] {STUDY}" in told
        assert "my_study" in told.partition("Options")[0]
        assert "sp500_parameters" in told
    assert "sp500" not in RUNNER.invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).output


STUDY = "name: mine\naxes: {parameters: [3k, 6k]}\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(STUDY)
    (tmp_path / "one.yaml").write_text("model: {budget: 5k}\n")
    (tmp_path / "bars.csv").write_text("date,close\n2024-01-02,1\n")
    (tmp_path / "unlike.yaml").write_text("a: 1\n")
    (tmp_path / "studies/ran").mkdir(parents=True)
    (tmp_path / "studies/ran/study.yaml").write_text(STUDY.replace("mine", "ran"))
    (tmp_path / "studies/ran/registration.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        ("train mine.yaml", "mine.yaml is a study", "finscale study run mine.yaml"),
        ("train mine", "mine.yaml is a study", "finscale study run mine.yaml"),
        ("train studies/ran", "is a study", "finscale study run studies/ran"),
        ("train studies", "is a folder", "threshold_1pct"),
        ("train bars.csv", "is a table", "finscale data import bars.csv"),
        ("train on", "neither a file nor a recipe", "Did you mean one.yaml"),
        ("train zzz", "neither a file nor a recipe", ""),
        ("find-batch-size mine.yaml", "mine.yaml is a study", "study run"),
        ("study run one.yaml", "one.yaml is one training", "finscale train one.yaml"),
        ("study plan one", "one is no file or recipe", "finscale train one.yaml"),
        ("study report threshold_1pct", "is one training", "finscale train threshold_1pct"),
        ("study status bars.csv", "is a table", "data import bars.csv"),
        ("study status rann", "rann is no file", "Did you mean ran"),
        ("study report zzz", "zzz is no file", "study list"),
        ("study diff rann ran", "rann", "Did you mean ran"),
        ("runs show ran", "starts with 'ran'", "finscale runs list --study ran"),
        ("runs show mine.yaml", "starts with 'mine.yaml'", "file of settings"),
        ("runs compare zzzz ran", "starts with 'zzzz'", "see `finscale runs list`"),
        ("evaluate ran", "starts with 'ran'", "finscale study report ran"),
        ("data show one.yaml", "no bars of ONE.YAML", "looks like a file"),
    ],
)
def test_a_file_of_another_verb_is_recognised(desk: Path, words: str, said: str, hint: str) -> None:
    with pytest.raises(FinscaleError) as refused:
        RUNNER.invoke(app, words.split(), catch_exceptions=False)
    assert said in refused.value.message
    assert hint in refused.value.hint
    assert "unlike" not in refused.value.hint


@pytest.mark.parametrize("columns", [60, 80, 110])
def test_tables_and_charts_fit_a_narrow_terminal(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(columns))
    close = 100 + np.arange(300.0) % 7
    sessions = pd.bdate_range("2020-01-01", periods=300)
    bars = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 1e6}
    frame = pd.DataFrame({"date": sessions, **bars})
    fs.import_frame(frame, "MINE", adjustment="split+dividend", calendar="none")
    chart = RUNNER.invoke(app, ["data", "show", "MINE"], catch_exceptions=False).output
    drawn = [line for line in chart.splitlines() if "┤" in line]
    assert len(drawn) == 10
    assert all(len(line) <= columns and "⠀" in line + "⠀" for line in drawn)
    for words in ("data list", "features list", "model list", "model show 2M"):
        told = RUNNER.invoke(app, words.split(), catch_exceptions=False).output
        assert max(map(len, told.splitlines()[:20])) <= columns, words
