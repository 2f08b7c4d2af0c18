"""Which runs count is said in one way to every verb that reads a table."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.scaling import compare_forms, fit_curves

SIZES = np.geomspace(1e4, 1e8, 7)


def run(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments])


def runs(seed=0, alpha=0.35):
    rng = np.random.default_rng(seed)
    size = np.repeat(SIZES, 4)
    loss = 1.5 + 20 * size**-alpha + 0.003 * rng.standard_normal(28)
    return pl.DataFrame({"params": size, "seed": np.tile(range(4), 7), "loss": loss})


@pytest.fixture
def crashed(tmp_path):
    """Return a table of which one run blew up, and one has no loss at all."""
    loss = runs()["loss"].to_numpy().copy()
    loss[9] += 0.5
    loss[17] = np.nan
    path = tmp_path / "crashed.csv"
    runs().with_columns(loss=loss).write_csv(path)
    return path


VERBS = {
    "fit": ("law", "fit", "--replicates", 60),
    "predict": ("law", "predict", "--at", "1B", "--replicates", 60),
    "score": ("law", "score", "--form", "power_floor"),
    "decide": ("law", "decide", "--sesoi", 0.01, "--no-shared-days"),
    "plan": ("plan", "--replicates", 60, "--flops", 1e9, "--samples", "1M", "--hours", 1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_the_way_out_that_its_refusal_names(crashed, verb):
    asked = (*VERBS[verb], crashed, "--x", "params")
    refused = run(*asked)
    assert refused.exit_code == 1
    assert "--drop diverged leaves such runs out" in refused.exception.hint
    told = run(*asked, "--drop", "diverged")
    assert told.exit_code == 0, told.output
    text = " ".join(told.output.split())
    assert "1 run without a finite loss" in text
    assert "1 of 27 runs (diverged: far worse" in text
    assert run(*asked, "--drop", "diverged", "--seeds", "median").exit_code == 0


def test_isoflop_leaves_runs_out_too(tmp_path):
    compute = np.repeat(np.geomspace(1e12, 1e15, 4), 9)
    size = 0.2 * compute**0.5 * np.tile(np.geomspace(1 / 8, 8, 9), 4)
    loss = 1.7 + 0.01 * np.log(size / (0.2 * compute**0.5)) ** 2 + 100 * compute**-0.15
    loss[0] = np.nan
    path = tmp_path / "iso.csv"
    pl.DataFrame({"N": size, "C": compute, "loss": loss}).write_csv(path)
    asked = ("law", "isoflop", path, "--x", "N", "--compute", "C", "--replicates", 60)
    assert run(*asked).exit_code == 1
    told = run(*asked, "--drop", "diverged")
    assert told.exit_code == 0, told.output
    assert "1 run without a finite loss" in told.output


def test_rules_hold_for_each_of_several_curves(crashed, tmp_path):
    both = pl.concat(
        [
            pl.read_csv(crashed).with_columns(model=pl.lit("gru")),
            runs(1, alpha=0.3).with_columns(model=pl.lit("tst")),
        ]
    )
    path = tmp_path / "both.csv"
    both.write_csv(path)
    curves = fit_curves(path, "params", by="model", num_replicates=60, drop=["diverged"])
    assert curves.laws["gru"].params["alpha"] == pytest.approx(0.35, abs=0.01)
    assert curves.laws["tst"].params["alpha"] == pytest.approx(0.3, abs=0.01)
    assert any(note.startswith("gru: left out: 1 of 27 runs") for note in curves.notes)
    asked = (path, "--x", "params", "--by", "model", "--drop", "diverged")
    fitted = run("law", "fit", *asked, "--replicates", 60, "--json")
    assert json.loads(fitted.stdout)["curves"]["gru"]["num_runs"] == 26
    judged = run("law", "decide", *asked, "--sesoi", 0.01, "--no-shared-days")
    gru, tst = (line for line in judged.output.splitlines() if ": LAW: " in line)
    assert gru.startswith("gru: LAW")
    assert "Left out: 1 run without a finite loss; 1 of 27 runs (diverged" in gru
    assert "1 of 2" not in tst
    single = run("law", "fit", *asked[:-1], "100k:1")
    assert "'100k:1' is no rule for the runs of all curves" in str(single.exception)


def test_tied_exponents_predict_beyond_small_runs(tmp_path):
    """Over-training laws: N and D share an exponent, small runs tell a large one."""
    size = np.repeat([1.1e7, 7.9e7, 1.5e8, 4.1e8], 3)
    tokens = size * np.tile([20, 80, 320], 4)
    noise = 0.002 * np.random.default_rng(0).standard_normal(12)
    loss = 1.8 + 200 * size**-0.3 + 200 * tokens**-0.3 + noise
    path = tmp_path / "anchors.csv"
    pl.DataFrame({"N": size, "D": tokens, "loss": loss}).write_csv(path)
    asked = ("law", "predict", path, "--x", "N", "--x", "D", "--at", "N=7B,D=140B")
    told = json.loads(run(*asked, "--fix", "alpha=beta", "--replicates", 100, "--json").stdout)
    assert "alpha" not in told["law"]["params"]  # it is beta
    truth = 1.8 + 200 * 7e9**-0.3 + 200 * 1.4e11**-0.3
    assert told["predictions"][0]["mean"] == pytest.approx(truth, abs=0.02)
    wrong = run(*asked, "--fix", "alpha")
    assert "write NAME=VALUE" in str(wrong.exception)


def test_comparing_forms_reads_as_fitting_does(crashed):
    forms = compare_forms(crashed, "params", forms=["power_floor", "constant"], drop=["diverged"])
    assert forms.scores[0].name == "power_floor"
