"""Recorded configs of earlier versions are read; files that people write are not forgiven."""

from __future__ import annotations

import pytest

from finscale.config import ExperimentConfig, validate
from finscale.config.recorded import read_recorded
from finscale.errors import ConfigError


@pytest.fixture
def content():
    return ExperimentConfig(seed=3).model_dump(mode="json")


def test_what_is_known_is_read_as_it_is(content) -> None:
    assert read_recorded(content, place="run.json") == ExperimentConfig(seed=3)


def test_settings_that_are_gone_are_left_out(content) -> None:
    content["training"]["replicas"] = 4
    content["training"]["thermal"]["fan"] = {"speed": 1}
    content["model"]["recording"] = True
    content["extra"] = {"a": {"b": 1}}
    before = str(content)
    assert read_recorded(content, place="run.json") == ExperimentConfig(seed=3)
    assert str(content) == before
    with pytest.raises(ConfigError, match="not a setting"):
        validate(ExperimentConfig, content, place="mine.yaml")


def test_a_placement_that_is_gone_gives_way_to_the_default(content) -> None:
    content["model"]["attention"] = "sideways"
    content["training"]["device"] = "tpu"
    content["training"]["threads"] = "many"
    content["training"]["thermal"]["warm"] = "hot"
    assert read_recorded(content, place="run.json") == ExperimentConfig(seed=3)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [("training", "schedule", "zigzag"), ("task", "name", "gone"), ("model", "dropout", 2)],
)
def test_unknown_science_is_refused(content, section, name, value) -> None:
    content[section][name] = value
    with pytest.raises(ConfigError, match=rf"{section}\.{name} = .*\n.*run.json"):
        read_recorded(content, place="run.json")


def test_a_run_from_before_mup_is_of_the_standard_parametrisation(content) -> None:
    del content["training"]["parametrisation"]
    assert read_recorded(content, place="run.json").training.parametrisation == "standard"
    assert validate(ExperimentConfig, content, place="mine").training.parametrisation == "mup"
