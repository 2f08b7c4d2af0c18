"""Numbers that no command can do anything with are refused where they are read."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("study run study.yaml --workers 0", "--workers"),
        ("study run study.yaml --workers -2", "--workers"),
        ("study plan study.yaml --workers 0", "--workers"),
        ("controls run --workers 0", "--workers"),
    ],
)
def test_a_number_out_of_range_is_a_usage_error(words, option, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words.split(), env={"NO_COLOR": "1", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 2, result.output
    output = re.sub(r"\x1b\[[0-9;]*m", "", result.output)
    assert f"Invalid value for '{option}'" in output
    assert "should be" in output
