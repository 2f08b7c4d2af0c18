"""`finscale law fit`: a CSV in; a table, JSON or a figure out."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app

SIZES = np.geomspace(5e3, 5e6, 8)


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x = np.repeat(SIZES, 4)
    loss = 0.36 + 3 * x**-0.45 + 0.003 * rng.standard_normal(32)
    path = tmp_path / "results.csv"
    pl.DataFrame({"parameters": x, "loss": loss}).write_csv(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["law", "fit", *map(str, arguments)])


def test_prints_a_summary(table):
    result = run(table, "--x", "parameters", "--replicates", 200, "--holdout", 1)
    assert result.exit_code == 0
    assert "power_floor  L = E + A·x^-alpha" in result.stdout
    assert "held out     at 5M" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_compare_and_figure(table, tmp_path):
    figure = tmp_path / "law.svg"
    result = run(
        table, "--x", "parameters", "--replicates", 100, "--compare", "--plot", figure, "--json"
    )
    content = json.loads(result.stdout)
    assert content["law"]["identified"] is True
    assert content["law"]["params"]["alpha"] == pytest.approx(0.45, abs=0.1)
    assert content["forms"]["forms"][0]["name"] == "power_floor"
    assert content["figure"] == str(figure)
    assert figure.read_text().startswith("<?xml")


def test_two_axes_compare_three_approaches(tmp_path):
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e4, 1e6, 7), np.geomspace(1e4, 1e6, 7)))
    loss = 0.4 + 3 * N**-0.4 + 2 * D**-0.4
    noise = 1 + 0.002 * np.random.default_rng(0).standard_normal(49)
    pl.DataFrame({"N": N, "D": D, "loss": loss * noise}).write_parquet(tmp_path / "t.parquet")
    result = run(
        tmp_path / "t.parquet", "--x", "N", "--x", "D", "--replicates", 100, "--compare", "--plot",
        tmp_path / "f.png",
    )  # fmt: skip
    assert result.exit_code == 0
    for word in ("hoffmann", "envelope", "isoflop", "parametric", "figure"):
        assert word in result.stdout


def test_quiet_prints_one_line(table):
    result = run(table, "--x", "parameters", "--replicates", 50, "-q")
    assert result.stdout.startswith("Law(power_floor: E = ")
    assert len(result.stdout.splitlines()) == 1


def test_what_cannot_be_told_is_said(table):
    pl.DataFrame({"n": SIZES, "loss": 2 - 3 * SIZES**-0.45}).write_csv(table)
    result = run(table, "--x", "n")
    assert result.exit_code == 0
    assert "NOT IDENTIFIED: the loss rises" in result.stdout


def test_a_wrong_column_is_one_sentence(table):
    result = run(table, "--x", "parameter")
    assert result.exit_code == 1
    assert "has no column 'parameter'" in str(result.exception)
    assert "Did you mean parameters?" in str(result.exception)
