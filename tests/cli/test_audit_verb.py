from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from finscale.cli.audit import audit
from finscale.data import DataStore, fetch_bars
from finscale.errors import DataError
from finscale.features import build_dataset

RECIPE = """
data: {symbols: [SP500]}
task: {name: direction}
split: {train_end: 2011-12-31, validation_end: 2014-12-31}
"""


@pytest.fixture
def finscale(tmp_path):
    app = typer.Typer()
    app.command()(audit)
    folders = ["--data-root", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [*map(str, words), *folders])


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_a_config_is_audited_from_bundled_bars(finscale, recipe):
    done = finscale(recipe)
    assert done.exit_code == 0, done.output
    assert "11 of 11 checks proven · no leak found" in done.output
    assert max(len(line.rstrip()) for line in done.output.splitlines()) <= 100


def test_a_study_is_audited_by_its_experiment(finscale, recipe, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("name: s\nexperiment: recipe.yaml\naxes: {parameters: [10k, 20k]}\n")
    done = finscale(study, "--only", "overlap", "-q")
    assert done.output == "1 of 1 checks proven · no leak found\n"


def test_a_registered_dataset_by_id_and_by_symbol(finscale, tmp_path):
    store = DataStore(tmp_path / "data")
    store.add_bars(fetch_bars("bundled", "SP500"))
    build_dataset(store, "SP500")
    for name in ("SP500", "SP500.dataset.a20@v1"):
        done = finscale(name, "--horizon", 5, "--only", "labels", "--only", "overlap", "--json")
        content = json.loads(done.stdout)
        assert content["clean"]
        assert [check["check"] for check in content["checks"]] == ["labels", "overlap"]
        assert "threshold_1pct, H = 5" in content["checks"][0]["statement"]


def test_a_finding_exits_with_one(finscale, tmp_path):
    """A hole of ten sessions in the middle of the bars."""
    import polars as pl

    from finscale.data import Bars

    bars = fetch_bars("bundled", "SP500")
    store = DataStore(tmp_path / "data")
    holed = pl.concat([bars.frame[:3000], bars.frame[3010:]])
    store.add_bars(Bars(**(vars(bars) | {"frame": holed})))
    build_dataset(store, "SP500")
    done = finscale("SP500", "--only", "calendar")
    assert done.exit_code == 1
    assert "✗ SP500 lacks 2010-12-06 – 2010-12-17 (10 sessions)" in done.output
    assert "→ finscale data show SYMBOL" in done.output
    assert "1 finding" in done.output


def test_strict_wants_everything_proven(finscale, recipe, tmp_path):
    assert finscale(recipe, "--only", "files", "--strict").exit_code == 0


def test_a_dataset_that_is_not_registered(finscale):
    with pytest.raises(DataError, match=r"SPZ\.dataset\.a20 is not registered"):
        raise finscale("SPZ").exception
