"""Architectures of a study as people write them: sections, names, what they share, the hash."""

from __future__ import annotations

from typing import Any

import pytest

from finscale.config import StudyConfig, validate
from finscale.config.families import family_names
from finscale.config.model import DLinearConfig, MLPConfig, ModelConfig
from finscale.errors import ConfigError


def study(**changes: Any) -> StudyConfig:
    content = {"name": "x", "axes": {"parameters": ["5k", "50k"]}, **changes}
    return validate(StudyConfig, content, place="a test")


MODEL = {"kind": "patchtst", "budget": "70k", "budget_tolerance": 0.1, "dropout": 0.1}


def test_an_entry_is_a_name_or_a_section_and_shares_what_all_networks_have() -> None:
    found = study(
        architectures=["patchtst", {"kind": "dlinear", "moving_average": 5}],
        experiment={"model": MODEL},
    )
    assert found.families == {
        # of the experiment's own kind: its section
        "patchtst": ModelConfig(budget=70_000, budget_tolerance=0.1, dropout=0.1),
        # of another: what all networks share
        "dlinear": DLinearConfig(budget=70_000, budget_tolerance=0.1, moving_average=5),
    }
    laid = study(
        architectures=[{"kind": "patchtst", "dropout": 0.2}, "mlp"], experiment={"model": MODEL}
    )
    assert laid.families["patchtst"] == ModelConfig(
        budget=70_000, budget_tolerance=0.1, dropout=0.2
    )
    # sizes that an entry states take the place of a budget
    sized = study(architectures=[{"kind": "mlp", "width": 7}, "dlinear"])
    assert sized.families["mlp"] == MLPConfig(width=7)


def test_two_of_one_kind_are_told_apart_by_what_differs() -> None:
    found = study(architectures=["dlinear", "mlp", {"kind": "mlp", "depth": 2, "dropout": 0.1}])
    assert list(found.families) == ["dlinear", "mlp-depth1-dropout0.2", "mlp-depth2-dropout0.1"]
    # names go into labels of runs
    lists = [MLPConfig(feature_embedding=None), MLPConfig(feature_embedding=3)]
    assert family_names(lists) == ("mlp-feature_embeddingNone", "mlp-feature_embedding3")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["patchtst"], "two or more; one alone is experiment.model"),
        (["mlp", "mlp"], "mlp is there twice"),
        (["patchtst", "patchts"], "patchtst"),
        ([{"width": 3}, "mlp"], "a section with its kind"),
        (["mlp", {"kind": "baseline", "name": "logistic"}], "baselines go to `baselines`"),
        (["mlp", {"kind": "dlinear", "dropout": 0.1}], "dropout is not a setting"),
        ([3, "mlp"], "is a section of settings"),
        ("mlp", r"a list is asked for.*\[patchtst, mlp\].*\{kind: mlp\}\.\n"),
        ({"kind": "gru"}, r"\[patchtst, gru\]"),
    ],
)
def test_entries_that_make_no_comparison_are_refused(entries: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study(architectures=entries)


def test_a_study_of_one_architecture_is_what_it_was() -> None:
    alone = study()
    assert "architectures" not in alone.resolved()
    assert alone.families == {}
    assert study(architectures=[]).hash() == alone.hash()


def test_the_architectures_are_part_of_what_is_registered() -> None:
    both = study(architectures=["patchtst", "mlp"])
    assert both.hash() != study(architectures=["patchtst", "dlinear"]).hash()
    assert both.hash() != study().hash()
    # where a model is computed is no part of it
    placed = study(architectures=[{"kind": "patchtst", "attention": "fused"}, "mlp"])
    assert placed.hash() == both.hash()
    # and what is written down reads as the same architectures
    written = both.resolved()["architectures"]
    assert study(architectures=written).hash() == both.hash()


def test_the_study_of_one_family_alone_has_its_model() -> None:
    both = study(architectures=["patchtst", "mlp"], experiment={"model": MODEL})
    alone = both.of_family("mlp")
    assert alone.experiment.model == MLPConfig(budget=70_000, budget_tolerance=0.1)
    assert alone.architectures == ()
    assert alone.axes == both.axes
    same = study(experiment={"model": {"kind": "mlp", "budget": "70k", "budget_tolerance": 0.1}})
    assert alone.hash() == same.hash()
