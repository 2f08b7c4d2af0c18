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


@pytest.fixture
def sharpe(tmp_path):
    """Daily values of four runs of each size, whose mean is a Sharpe ratio."""
    rng = np.random.default_rng(0)
    size, seed, day = (a.ravel() for a in np.meshgrid(SIZES, range(4), range(60), indexing="ij"))
    luck = 0.1 * rng.standard_normal(60)[day] + 0.01 * rng.standard_normal(len(size))
    frame = pl.DataFrame(
        {"parameters": size, "rng": seed, "date": day, "sharpe": 0.9 - 8 * size**-0.4 + luck}
    )
    frame.write_csv(tmp_path / "sharpe.csv")
    return tmp_path / "sharpe.csv"


@pytest.mark.parametrize("verb", [["law", "fit"], ["law", "decide"], ["plan"]])
def test_every_verb_asks_which_way_is_better_and_announces_columns(sharpe, verb):
    options = {
        "fit": ["--x", "parameters", "--replicates", "50"],
        "decide": ["--sesoi", "0.05", "--unit", "points"],
        "plan": ["--samples", "60k", "--hours", "1", "--flops", "1e10", "--replicates", "40"],
    }[verb[-1]]
    command = [*verb, str(sharpe), "--y", "sharpe", *options]
    asked = CliRunner().invoke(app, command)
    assert "say --higher-is-better or --lower-is-better" in str(asked.exception)
    shown = CliRunner().invoke(app, [*command, "--higher-is-better"])
    assert shown.exit_code == 0, shown.exception
    said = " ".join(shown.stdout.split())
    assert "column 'rng' is read as seeds (--seed names another)" in said
    assert "column 'date' is read as decision days" in said
    assert "sharpe: higher is better; fitted as -sharpe" in said
    if verb[-1] == "decide":
        assert said.startswith("LAW: sharpe rises from 5k to 5M parameters")
        assert "points" in said
        assert "nats" not in said
    if verb[-1] == "plan":
        assert "parameters from 5M, the largest measured: sharpe rises by" in said


@pytest.mark.parametrize("verb", ["fit", "decide"])
def test_negative_losses_are_refused_alike(tmp_path, verb):
    table = {"parameters": SIZES, "seed": 0, "loss": SIZES**-0.3 - 0.05}
    pl.DataFrame(table).write_csv(tmp_path / "t.csv")
    options = ["--x", "parameters", *(["--sesoi", "0.01"] if verb == "decide" else [])]
    result = CliRunner().invoke(app, ["law", verb, str(tmp_path / "t.csv"), *options])
    assert "a loss is positive" in str(result.exception)
    assert "--signed" in str(result.exception)


def test_sizes_of_a_power_analysis_are_read_as_everywhere():
    options = ["--days", "200", "--base-rate", "0.2", "--replicates", "1", "--json"]
    result = CliRunner().invoke(app, ["law", "power", *options, "--sizes", "5k,1e6,2_000_000,7B"])
    assert result.exit_code == 0, result.exception
