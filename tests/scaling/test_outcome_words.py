"""Words and numbers follow the outcome: of an accuracy nothing speaks of a loss."""

from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.scaling import fit_law
from finscale.scaling.curves import fit_curves
from finscale.scaling.isoflop import fit_isoflop
from finscale.scaling.learning_curve import fit_learning_curves

mpl.use("Agg")
SIZES = np.geomspace(1e5, 1e9, 8)
BEST = {"accuracy": 0.8, "sharpe": 1.4, "ic": 0.06}


def rows(name, by=1.0, seeds=2, scale=1.5):
    rng = np.random.default_rng(0)
    size = np.repeat(SIZES, seeds)
    noise = 0.002 * BEST[name] * rng.standard_normal(len(size))
    return {"params": size, name: BEST[name] * (1 - by * scale * size**-0.2) + noise}


@pytest.fixture
def table(tmp_path):
    import polars as pl

    def write(content, name="table.csv"):
        pl.DataFrame(content).write_csv(tmp_path / name)
        return str(tmp_path / name)

    return write


def said(*command):
    result = CliRunner().invoke(app, [*map(str, command)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", list(BEST))
def test_fit_and_predict_speak_of_the_outcome(name, table):
    path = table(rows(name))
    options = ("--x", "params", "--y", name, "--higher-is-better", "--seed", "rows")
    few = ("--replicates", "60")
    fit = said("law", "fit", path, *options, "--holdout", "1", *few)
    assert "the loss" not in fit
    assert f"the {name} rises by" in " ".join(fit.split())
    assert f"L = {'1 - accuracy' if name == 'accuracy' else '-' + name} by" in fit
    predicted = said("law", "predict", path, *options, "--at", "1e10", *few)
    assert "loss" not in predicted
    content = json.loads(said("law", "predict", path, *options, "--at", "1e10", *few, "--json"))
    (one,) = content["predictions"]
    # the values of the outcome itself, which grow towards its best
    assert BEST[name] * 0.97 < one["mean"] < BEST[name]
    assert one["new_run"][0] < one["curve"][0] < one["mean"] < one["curve"][1] < one["new_run"][1]
    assert one["measure"] == content["law"]["measure"]["title"] == name
    short = said("law", "predict", path, *options, "--at", "1e10", *few, "-q")
    assert float(short) == pytest.approx(one["mean"], rel=1e-4)
    assert content["law"]["estimates"]["gain_x10"]["meaning"].startswith(f"{name} that ten times")


def test_an_outcome_that_falls_is_said_to_fall():
    falls = rows("accuracy", by=-0.5)
    law = fit_law(
        falls, "params", "accuracy", higher_is_better=True, num_replicates=60, form="power_floor"
    )
    assert "the accuracy falls with x" in law.reason
    same = {"params": SIZES, "accuracy": np.full(8, 0.6)}
    flat = fit_law(same, "params", "accuracy", higher_is_better=True, seed="rows")
    assert flat.reason.startswith("every accuracy is the same")


def test_figures_show_the_outcome():
    law = fit_law(rows("accuracy"), "params", "accuracy", higher_is_better=True, num_replicates=60)
    ax = law.plot()
    assert ax.get_ylabel() == "accuracy"
    assert ax.get_yscale() == "linear"
    means = ax.lines[2].get_ydata()
    assert means[0] < means[-1] == pytest.approx(0.78, abs=0.02)
    assert any(text.get_text().startswith("ceiling") for text in ax.texts)


def test_curves_are_compared_in_the_outcome(tmp_path):
    one, other = rows("accuracy"), rows("accuracy", by=0.7)
    both = {name: np.concatenate([one[name], other[name]]) for name in one}
    both["arch"] = ["mlp"] * 16 + ["tst"] * 16
    found = fit_curves(
        both, "params", "accuracy", by="arch", higher_is_better=True, num_replicates=100
    )
    text = found.summary()
    assert "loss" not in text
    assert "accuracy of tst is higher than that of mlp at 10M" in text
    shown = next(line for line in text.splitlines() if line.startswith("mlp − tst  accuracy at"))
    assert "-0." in shown
    found.save_plot(tmp_path / "curves.svg")


def test_isoflop_peaks_and_learning_curves(tmp_path):
    rng = np.random.default_rng(0)
    compute = np.repeat(np.geomspace(1e17, 1e20, 4), 7)
    size = np.sqrt(compute / 6) / 5 * np.tile(np.geomspace(1 / 4, 4, 7), 4)
    loss = 0.1 + 20 * size**-0.3 + 30 * (compute / 6 / size) ** -0.3
    content = {"N": size, "C": compute, "auc": 1 - loss + 2e-4 * rng.standard_normal(28)}
    found = fit_isoflop(
        content, x="N", compute="C", y="auc", higher_is_better=True, num_replicates=50
    )
    assert found.exponent == pytest.approx(0.5, abs=0.05)
    assert "loss" not in found.summary().replace("loss by", "")
    assert " auc " in found.summary()
    found.save_plot(tmp_path / "isoflop.svg")
    step = np.geomspace(100, 1e5, 40)
    curve = {"step": step, "auc": 0.8 - 1.2 * step**-0.3 + 0.001 * rng.standard_normal(40)}
    learnt = fit_learning_curves(curve, y="auc", higher_is_better=True, num_replicates=50)
    assert learnt.mean == pytest.approx(0.3, abs=0.04)
    assert "1 - auc along step" in learnt.summary()
