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
        ("controls run flat --replicates 0", "--replicates"),
        ("law fit t.csv --x parameters --holdout -1", "--holdout"),
        ("law fit t.csv --x parameters --replicates 0", "--replicates"),
        ("law fit t.csv --x parameters --x parameters", "--x"),
        ("law decide t.csv --sesoi .005 --level 2", "--level"),
        ("law decide t.csv --sesoi .005 --level 0", "--level"),
        ("law decide t.csv --sesoi 0", "--sesoi"),
        ("law power --days 1500 --base-rate .2 --replicates 0", "--replicates"),
        ("law power --days 1500 --base-rate .2 --level 1", "--level"),
        ("law power --days 1500 --base-rate .2 --level nan", "--level"),
        ("plan t.csv --hours 1 --flops 0", "--flops"),
        ("plan t.csv --hours 1 --flops inf", "--flops"),
        ("plan t.csv --hours 1 --samples 0", "--samples"),
        ("plan t.csv --hours 1 --replicates 0", "--replicates"),
        ("plan t.csv --hours 1 --noise -1", "--noise"),
        ("plan t.csv --hours 1 --x samples --x samples", "--x"),
        ("model show 5k --features -3", "--features"),
        ("train c.yaml --data-root afile", "--data-root"),
        ("data list --data-root afile", "--data-root"),
        ("verify --data-root afile", "--data-root"),
        ("study run study.yaml --runs afile", "--runs"),
    ],
)
def test_a_number_out_of_range_is_a_usage_error(words, option, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    result = CliRunner().invoke(app, words.split(), env={"NO_COLOR": "1", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 2, result.output
    output = re.sub(r"\x1b\[[0-9;]*m", "", result.output)
    assert f"Invalid value for '{option}'" in output
    assert re.search("should be|is not above|named twice|is a file", output)
