"""Ctrl-C is answered at once; workers are asked together, and a second one ends them hard."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from finscale.cli.failed import failed_lines
from finscale.cli.panel_import import import_many
from finscale.cli.stopping import FIRST, IMPORTING, SECOND, WRITING, announced_stop
from finscale.cli.study import _stopped_report
from finscale.data import DataStore, panel_import
from finscale.files import atomic_path
from finscale.study.execution.local import _stop
from finscale.training.environment import on_signal


def test_the_first_is_answered_and_so_is_the_second(capsys) -> None:
    before = signal.getsignal(signal.SIGINT)
    with announced_stop():
        for sentence in (FIRST, SECOND):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            assert sentence in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_training_says_what_it_waits_for(capsys) -> None:
    asked: list[str] = []
    with on_signal(asked.append):
        os.kill(os.getpid(), signal.SIGINT)
        assert "finishing this step" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert asked == ["Ctrl-C"]


class _FakeLane:
    def __init__(self, name: str, told: list[str], *, interrupted: bool = False) -> None:
        self.name, self.told, self.interrupted = name, told, interrupted

    def ask_to_stop(self) -> None:
        self.told.append(f"ask {self.name}")

    def wait(self) -> None:
        self.told.append(f"wait {self.name}")
        if self.interrupted:
            raise KeyboardInterrupt

    def kill(self) -> None:
        self.told.append(f"kill {self.name}")


def test_all_workers_are_asked_before_one_is_waited_for() -> None:
    told: list[str] = []
    _stop([_FakeLane("a", told), _FakeLane("b", told)])  # type: ignore[list-item]
    assert told == ["ask a", "ask b", "wait a", "wait b"]
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        _stop([_FakeLane("a", told, interrupted=True), _FakeLane("b", told)])  # type: ignore[list-item]
    assert told == ["ask a", "ask b", "wait a", "kill a", "kill b"]


@pytest.mark.parametrize("at", ["figure", "page", "table"])
def test_a_report_that_is_stopped_says_so_and_leaves_nothing_half(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study: Any = SimpleNamespace(config=SimpleNamespace(name="mine"))
    target = tmp_path / f"{at}.html"
    target.write_text("whole")
    with pytest.raises(typer.Exit) as stopped, _stopped_report(study), atomic_path(target) as path:
        path.write_text("hal")
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.exit_code == 130
    said = capsys.readouterr().err
    assert WRITING in said
    assert "finscale study report mine" in said
    assert [one.name for one in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "whole"


def test_a_panel_that_is_stopped_answers_at_once_and_keeps_what_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"2024-01-{day:02},10,11,9,10,100" for day in (2, 3, 4, 5, 8)]
    for number in range(60):
        text = "\n".join(["date,open,high,low,close,volume", *rows])
        (tmp_path / f"S{number:02}.csv").write_text(text)
    read = panel_import.read_panel

    def interrupted(path: Path, *rest: Any, **options: Any) -> Any:
        if path.stem == "S55":
            os.kill(os.getpid(), signal.SIGINT)
        return read(path, *rest, **options)

    monkeypatch.setattr(panel_import, "read_panel", interrupted)
    store = tmp_path / "data"
    with pytest.raises(KeyboardInterrupt):
        import_many(tmp_path, "name", {"adjustment": "split"}, store, as_json=False)
    assert IMPORTING in capsys.readouterr().err
    assert len(DataStore(store).symbols()) == 50


def test_a_reason_that_many_runs_share_is_told_once() -> None:
    told = {f"seed{number}": "no bf16 here\n  traceback" for number in range(8)}
    assert list(failed_lines({**told, "other": "diverged"})) == [
        "failed: 8 runs (seed0 …): no bf16 here",
        "failed: other: diverged",
    ]
