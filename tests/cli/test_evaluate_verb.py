"""finscale evaluate, as a person and as a program would call it."""

from __future__ import annotations

import json
import math
import re

import pytest
import typer
from typer.testing import CliRunner

from finscale.cli.evaluate import evaluate
from finscale.cli.evaluate_cells import number_cell
from finscale.config import BaselineConfig, ExperimentConfig, TaskConfig, load_config
from finscale.data import DataStore
from finscale.errors import ConfigError, FinscaleError
from finscale.experiment.experiment import run_experiment
from finscale.runs import RunStore


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """Return a folder with three runs: volatility, logistic, and a regression."""
    folder = tmp_path_factory.mktemp("verb")
    base = load_config(
        ExperimentConfig,
        root / "configs/daily/threshold_1pct.yaml",
        [f"data.root={folder / 'data'}"],
    )
    ids = {}
    for name, task in (("volatility", {}), ("logistic", {}), ("base_rate", {"name": "regression"})):
        changes = {"model": BaselineConfig(name=name)}
        if task:
            changes["task"] = TaskConfig(**task)
        run = run_experiment(
            base.model_copy(update=changes),
            runs=RunStore(folder / "runs"),
            data=DataStore(folder / "data"),
        )
        ids[name] = run.id
    return folder, ids


@pytest.fixture
def finscale(folder, tmp_path):
    app = typer.Typer()
    app.command()(evaluate)
    options = ["--data-root", folder[0] / "data", "--runs", folder[0] / "runs"]
    options += ["--out", tmp_path / "out", "--replicates", 100]
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in (*words, *options)])


def test_one_run_fits_a_terminal_of_100_columns(finscale, folder, tmp_path):
    _, ids = folder
    done = finscale(ids["volatility"][:6])
    assert done.exit_code == 0, done.output
    # a path may be longer than the terminal, so that it can be clicked
    lines = [line for line in done.output.splitlines() if not line.startswith("written")]
    assert max(len(line.rstrip()) for line in lines) <= 100
    assert "…" not in "".join(lines[3:])  # no column was cut short
    for words in (
        "1,005 windows on 1,005 days",
        "log loss (nats)",
        "Skill over base rate is seen with 1,005 test days.",
        "volatility turbulent",
        "temperature",
        "adaptive sets at 90 %",
        "80 % power at",
        "buy and hold",
    ):
        assert words in done.output
    # what is compared with itself says nothing, and a gain has a sign at both ends
    rows = {line.split("  ")[0]: line for line in lines}
    assert rows["none"].split()[1] == "–"
    hold, timing = (
        [line for line in lines if line.startswith(name)][-1]
        for name in ("buy and hold", "volatility timing")
    )
    assert re.fullmatch(r"buy and hold +– +[+−]0\.\d\d +\[[+−]\S+, [+−]\S+\]", hold.rstrip())
    assert re.fullmatch(r"volatility timing +[+−]0\.\d\d +\[[+−]\S+, [+−]\S+\] +–", timing.rstrip())
    for term in ("DM p:", "could see:", "adaptive ECE:", "by chance:", "DSR:", "worst:", "b.e.:"):
        assert term in done.output
    written = json.loads((tmp_path / "out" / ids["volatility"] / "evaluation.json").read_text())
    assert written["id"] == ids["volatility"]


def test_two_runs_are_compared(finscale, folder, tmp_path):
    _, ids = folder
    done = finscale(ids["volatility"], ids["logistic"], "--baseline", "base_rate", "-q")
    assert done.exit_code == 0, done.output
    assert "Diebold–Mariano" in done.output
    assert "DeLong" in done.output
    assert "Better than base rate, given 2 tried: " in done.output
    for term in ("Holm, BH:", "StepM:", "SPA p:"):
        assert term in done.output
    assert "buy and hold" not in done.output
    assert len(list((tmp_path / "out").glob("comparison-*.json"))) == 1


def test_many_runs_are_one_line_each(finscale, folder, tmp_path):
    where, ids = folder
    base = RunStore(where / "runs").find(ids["volatility"]).config
    more = [
        run_experiment(
            base.model_copy(update={"model": BaselineConfig(name=name)}),
            runs=RunStore(where / "runs"),
            data=DataStore(where / "data"),
        ).id
        for name in ("volatility_ranges", "base_rate")
    ]
    words = [ids["volatility"], ids["logistic"], *more]
    done = finscale(*words, "--baseline", "volatility")
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    for word in words:
        (row,) = (line for line in lines if line.startswith(word[:8]) and " − " not in line)
        assert len(row) <= 100
    ordered = [line[:8] for line in lines if line[:8] in {word[:8] for word in words}]
    losses = [float(line.split("0.")[1].split()[0]) for line in lines if line[:8] in ordered][:4]
    assert losses == sorted(losses)
    assert ordered[3] == more[1][:8]  # the base rate loses most
    assert "buy and hold" not in done.stdout
    assert "skill: over volatility." in done.stdout
    (row,) = (line for line in lines if line.startswith(ids["logistic"][:8]) and " − " not in line)
    assert row.endswith("✓")  # the one that loses least
    assert len(list((tmp_path / "out").glob("*/evaluation.json"))) == 4


def test_a_narrow_terminal_cuts_nothing(finscale, folder, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(
        "finscale.cli.evaluate.console",
        lambda quiet=False, stderr=False: Console(width=60, quiet=quiet, stderr=stderr),
    )
    result = finscale(folder[1]["volatility"], folder[1]["logistic"])
    assert result.exit_code == 0, result.output
    # ranges have a space in front of theirs
    assert not re.search(r"\S…", result.stdout)
    assert max(map(len, result.stdout.splitlines())) > 50


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "+0.50"), (-0.5, "−0.50"), (-0.004, "0.00"), (0.004, "0.00"), (math.inf, "∞")],
)
def test_a_figure_that_rounds_to_nothing_has_no_sign(value, shown):
    assert number_cell(value, 2, sign=True) == shown


def test_json_is_one_document(finscale, folder):
    _, ids = folder
    done = finscale(ids["volatility"], ids["logistic"], "--baseline", "base_rate", "--json")
    content = json.loads(done.stdout)
    assert [run["title"] for run in content["runs"]] == ["volatility", "logistic"]
    assert content["comparison"]["confidence_set"] is None
    assert len(content["comparison"]["pairs"]) == 4


def test_a_constant_forecast_of_returns(finscale, folder):
    _, ids = folder
    done = finscale(ids["base_rate"], "--baseline", "base_rate", "--entry", "open", "--cost", 2)
    assert done.exit_code == 0, done.output
    assert "R² out of sample" in done.output
    assert "adaptive intervals at 90 %" in done.output


def test_mistakes_are_named(finscale, folder):
    _, ids = folder
    for words, message in (
        ((ids["volatility"], "--threshold", "recal=.5"), "Did you mean recall"),
        ((ids["volatility"], "--entry", "noon"), "neither close nor open"),
        (("ffff",), "starts with 'ffff'"),
    ):
        done = finscale(*words)
        assert isinstance(done.exception, ConfigError | FinscaleError)
        assert message in str(done.exception)
