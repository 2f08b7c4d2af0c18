"""Recipes by name, anywhere; and what a wrong name is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import finscale as fs
from finscale.config import ExperimentConfig, StudyConfig, load_config, load_study
from finscale.config.recipes import config_file, recipes
from finscale.errors import ConfigError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "threshold_1pct",
        "threshold_1pct.yaml",
        "daily/threshold_1pct",
        "configs/daily/threshold_1pct.yaml",
        Path("configs/daily/threshold_1pct.yaml"),
    ],
)
def test_a_recipe_is_found_from_any_folder(elsewhere, name) -> None:
    assert config_file(name) == recipes()["threshold_1pct"]
    assert fs.ExperimentConfig.from_file(name).task.name == "threshold_1pct"


def test_a_file_of_that_name_comes_first(elsewhere) -> None:
    Path("threshold_1pct").write_text("seed: 5\n")
    assert ExperimentConfig.from_file("threshold_1pct").seed == 5


def test_a_study_by_its_name_with_changes(elsewhere) -> None:
    study = load_study("sp500_parameters", ["seeds=[0, 1]"], quick=True)
    assert study.name == "sp500_parameters_quick"
    assert study.seeds == (0, 1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("treshold_1pct", "threshold_1pct"),
        ("configs/daily/treshold_1pct.yaml", "threshold_1pct"),
        ("elsewhere/daily/threshold_1pct.yaml", "threshold_1pct"),
        ("sp500_parameter", "sp500_parameters"),
    ],
)
def test_the_nearest_recipe_is_named(elsewhere, name, hint) -> None:
    kind = StudyConfig if "sp500" in name else ExperimentConfig
    with pytest.raises(ConfigError) as caught:
        load_config(kind, name)
    assert hint in caught.value.hint


def test_every_file_is_a_recipe_with_a_name_of_its_own() -> None:
    folder = Path(os.path.commonpath([str(path) for path in recipes().values()]))
    files = [p for p in sorted(folder.rglob("*.yaml")) if p.parent.name != "universes"]
    assert sorted(recipes().values()) == files


def test_a_study_is_built_on_a_recipe_by_name(elsewhere) -> None:
    text = "experiment: {{base: {}, training: {{epochs: 2}}}}\naxes: {{parameters: [3k, 5k]}}\n"
    text = f"name: x\n{text}"
    Path("x.yaml").write_text(text.format("threshold_1pct"))
    experiment = load_study("x.yaml").experiment
    assert (experiment.task.name, experiment.training.epochs) == ("threshold_1pct", 2)
    Path("x.yaml").write_text(text.format("treshold_1pct"))
    with pytest.raises(ConfigError, match="neither a file nor a recipe") as caught:
        load_study("x.yaml")
    assert caught.value.hint == "Did you mean threshold_1pct?"


def test_a_recipe_for_another_verb_is_named_as_it_was_typed(elsewhere) -> None:
    with pytest.raises(ConfigError, match=r"^sp500_parameters is a study") as caught:
        load_config(ExperimentConfig, "sp500_parameters")
    assert caught.value.hint.endswith("finscale study run sp500_parameters")
