"""What docs/howto/extend.md shows is installed as a plugin and used by the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from finscale.data import DataStore
from finscale.runs import Run, RunStore

ROOT = Path(__file__).parents[2]
RECIPE = """
data: {symbols: [SP500], context_length: 16}
split: {train_end: 2011-12-31, validation_end: 2014-12-31}
model: {budget: 3k, patch_length: 8, stride: 8}
training: {epochs: 1, batch_size: 256, learning_rate: 0.001, threads: 1, thermal: {enabled: false}}
"""
STUDY = """
name: patches
experiment: recipe.yaml
axes: {patch_length: [4, 8]}
seeds: 1
baselines: [base_rate, weekday]
"""


@pytest.fixture(scope="module")
def place(installed):
    """Return a folder with a recipe, where the page's blocks are an installed distribution."""
    place = installed()
    text = (ROOT / "docs/howto/extend.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    scripts = [block for block in blocks if block.startswith("# prove.py")]
    assert len(scripts) == 1
    module = "\n".join(block for block in blocks if block not in scripts)
    (name, value), *_ = re.findall(r'^(\w+) = "(\w+)" +# a module that', text, re.MULTILINE)
    place.distribution("mine", {name: value}, {"mine": module})
    (place.folder / "prove.py").write_text(scripts[0], encoding="utf-8")
    (place.folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (place.folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    return place


def trained(place, *settings: str) -> Run:
    """Train a network from the recipe and return its run."""
    words = [word for setting in settings for word in ("--set", setting)]
    done = place.finscale("train", "recipe.yaml", "--json", *words)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return RunStore(place.folder / "runs")[json.loads(done.stdout)["run"]]


def test_the_feature_is_proven_and_a_network_is_trained_on_its_tier(place):
    done = place.python("prove.py")
    assert done.returncode == 0, done.stderr
    run = trained(place, "data.tier=a21")
    assert run.info["config"]["data"]["tier"] == "a21"
    frame, entry = DataStore(place.folder / "data").frame("SP500.dataset.a21")
    assert run.info["data"][0]["sha256"] == entry.sha256
    expected = (frame["close"] - frame["low"]) / (frame["high"] - frame["low"])
    np.testing.assert_allclose(frame["close_in_range"], expected, rtol=1e-12)


def test_a_network_is_trained_on_the_task_and_judged_beside_the_baseline(place):
    run = trained(place, "task.name=gap_up", "task.horizon=2")
    frame, _ = DataStore(place.folder / "data").frame("SP500.dataset.a20")
    label = frame.select("date", gap=(pl.col("open").shift(-2) > pl.col("close")).cast(pl.Float32))
    scored = run.predictions("test").join(label, on="date")
    assert scored.height == run.info["windows"]["test"] > 900
    assert (scored["target"] == scored["gap"]).all()
    # the last two decisions before validation and before test
    assert run.info["windows"]["purged"] == 4
    done = place.finscale("evaluate", run.id, "--baseline", "weekday", "--json")
    assert done.returncode == 0, done.stderr
    assert '"weekday"' in done.stdout
    done = place.finscale("audit", "recipe.yaml", "--set=task.name=gap_up", "--only=labels", "-q")
    assert done.stdout.strip() == "1 of 1 checks proven · no leak found", done.stderr


def test_a_network_is_trained_by_the_loss_and_its_option(place):
    run = trained(place, "training.loss=brier", "training.loss_options.weight_of_yes=2.0")
    other = trained(place, "training.loss=brier")
    assert run.id != other.id
    # squared distances of probabilities: below those of a coin, twice as much for a yes
    assert 0 < other.info["training"]["best_validation_loss"] < 0.25
    assert (
        run.info["training"]["best_validation_loss"]
        > (other.info["training"]["best_validation_loss"])
    )


def test_a_network_of_the_architecture_meets_its_budget_and_is_trained(place):
    (place.folder / "model.yaml").write_text(
        RECIPE.replace("{budget: 3k, patch_length: 8, stride: 8}", "{kind: row_mean, budget: 3k}"),
        encoding="utf-8",
    )
    done = place.finscale("train", "model.yaml", "--json")
    assert done.returncode == 0, done.stderr
    run = RunStore(place.folder / "runs")[json.loads(done.stdout)["run"]]
    width = run.info["config"]["model"]["width"]
    # F = 26 relative columns: embedding, hidden layer and head, each with its biases
    expected = 27 * width + (width + 1) * width + width + 1
    assert run.info["parameters"]["total"] == expected
    assert abs(expected / 3000 - 1) <= 0.05
    assert run.predictions("test")["logit"].is_finite().all()


def test_a_study_along_the_axis_is_computed_by_workers(place):
    done = place.finscale("study", "run", "study.yaml", "--workers", "1")
    assert done.returncode == 0, done.stderr + done.stdout
    results = pl.read_parquet(place.folder / "studies/patches/results.parquet")
    assert results.filter(pl.col("role") == "network")["x_patch_length"].to_list() == [4, 8]
    assert "weekday" in results.filter(pl.col("role") == "baseline")["model"].to_list()


def test_without_the_plugin_its_names_are_refused_with_those_that_there_are(place, installed):
    bare = installed()
    (bare.folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    done = bare.finscale("train", "recipe.yaml", "--set", "task.name=gap_up")
    assert done.returncode == 1
    assert done.stderr.startswith("error: task.name = 'gap_up': is not a task (known: direction,")
