"""A study's settings: axes, folds, tuning, controls, and what its hash is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_study, validate
from finscale.config.axes import parse_sizes
from finscale.errors import ConfigError

WEEKLY = {"data": {"timescale": "weekly"}}
RETURNS = {"task": {"name": "regression"}}
WALK = {"split": {"method": "walk_forward", "folds": 3}}


def study(**changes) -> StudyConfig:
    content = {"name": "x", "axes": {"parameters": ["5k", "1M"]}, **changes}
    return validate(StudyConfig, content, place="a test")


@pytest.mark.parametrize(
    ("axis", "written", "sizes"),
    [
        ("parameters", ["10k", "2M"], (10_000, 2_000_000)),
        ("compute", ["1e12", "3e12"], (10**12, 3 * 10**12)),
        ("rows", [3, 6.0], (3, 6)),
        ("tier", ["a20", "a50"], ("a20", "a50")),
        ("horizon", 5, (5,)),
    ],
)
def test_sizes_are_written_as_people_do(axis: str, written: object, sizes: tuple) -> None:
    assert parse_sizes(axis, written) == sizes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {}}, "name one axis"),
        ({"axes": {"parameters": []}}, "at least one size"),
        ({"axes": {"parameters": ["5k"], "compute": ["1T"]}}, "are one"),
        ({"axes": {"rows": [1], "horizon": [1], "parameters": ["5k"]}}, "one axis or two"),
        ({"axes": {"rows": ["long"]}}, "'long' is no size"),
        ({"axes": {"rows": [0]}}, "0 is no size"),
        ({"axes": {"tier": ["a21"]}}, "'a21' is not a tier"),
        ({"axes": {"assets": [1, 2]}}, "names 1"),
        ({"folds": [1]}, "folds 0 … 0"),
        ({"folds": [3], "experiment": WALK}, "folds 0 … 2"),
        ({"folds": [1, 1], "experiment": WALK}, "each once"),
        ({"seeds": []}, "seeds must be given"),
        ({"tuning": "fixed"}, "needs a number"),
        ({"tuning": {"rule": "sweep", "rate_factors": [1, 2]}}, "three rate_factors"),
        ({"tuning": {"rule": "sweep", "rate_factors": [2, 1, 4]}}, "must rise"),
        ({"controls": ["placebo"]}, "permuted_labels"),
        ({"controls": {"sizes": ["7k"]}}, "no size of the first axis"),
        ({"controls": {"seeds": [9]}}, "among the study's seeds"),
        ({"name": "../bad"}, "begins with a letter or a digit"),
        ({"outcome": "f1"}, "loss"),
        ({"outcome": "r2"}, "outcome r2 does not fit a task that forecasts a yes or no"),
        ({"outcome": "auc", "experiment": RETURNS}, "does not fit .* a number: take loss or r2"),
        ({"axes": {"quality": ["a", "e"]}}, "'e' is not a quality"),
        ({"sesoi": 0}, "greater than 0"),
        ({"costs": {"commission": -1}}, "greater than or equal to 0"),
        ({"experiment": {"model": {"kind": "baseline", "name": "base_rate"}}}, "scales a network"),
    ],
)
def test_mistakes_are_one_sentence(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study(**changes)


def test_slower_bars_have_a_yearly_outcome_too() -> None:
    assert study(outcome="sharpe", experiment=WEEKLY).outcome == "sharpe"
    assert study(axes={"quality": ["a", "b", "c"]}).axes == {"quality": ("a", "b", "c")}


def test_folds_are_all_by_default() -> None:
    assert study().run_folds == (0,)
    assert study(experiment=WALK).run_folds == (0, 1, 2)
    assert study(experiment=WALK, folds=[2]).run_folds == (2,)


def test_short_forms() -> None:
    assert study(seeds=3).seeds == (0, 1, 2)
    assert study(controls=["permuted_labels"]).controls.kinds == ("permuted_labels",)
    assert study(controls={"sizes": ["5k"]}).controls.sizes == (5_000,)
    assert study(tuning="sweep").tuning.rule == "sweep"


def test_the_hash_is_of_what_matters() -> None:
    plain = study()
    elsewhere = study(experiment={"data": {"root": "/elsewhere"}}, quick={"seeds": 1})
    assert elsewhere.hash() == plain.hash()
    assert study(sesoi=0.01).hash() != plain.hash()
    controlled = study(controls=["permuted_labels"])
    assert "no LAW" in controlled.resolved()["controls"]["expected"]["permuted_labels"]


def test_a_control_is_part_of_the_identity_and_its_absence_is_not() -> None:
    plain = ExperimentConfig()
    assert "control" not in plain.identity()["task"]
    task = plain.task.model_copy(update={"control": "permuted"})
    assert plain.model_copy(update={"task": task}).hash() != plain.hash()


def test_quick_is_a_study_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: slow\naxes: {parameters: [5k, 1M]}\nseeds: 5\n"
        "quick: {axes: {parameters: [5k]}, seeds: 2}\n"
    )
    assert load_study(path).axes == {"parameters": (5_000, 1_000_000)}
    quick = load_study(path, ["seeds=1"], quick=True)
    assert (quick.name, quick.axes, quick.seeds) == ("slow_quick", {"parameters": (5_000,)}, (0,))
    path.write_text("name: slow\naxes: {parameters: [5k]}\n")
    with pytest.raises(ConfigError, match="no quick section"):
        load_study(path, quick=True)


@pytest.mark.parametrize(
    ("outcome", "experiment", "sesoi"),
    [
        ("loss", {}, 0.005),
        ("loss", RETURNS, 1e-7),
        ("auc", {}, 0.01),
        ("r2", RETURNS, 0.001),
        ("sharpe", {}, 0.2),
        ("sharpe", RETURNS, 0.2),
    ],
)
def test_each_outcome_has_its_own_effect_of_interest(outcome, experiment, sesoi) -> None:
    config = study(outcome=outcome, experiment=experiment)
    assert config.sesoi == sesoi
    # and it is registered as the number that it stands for
    assert config.resolved()["sesoi"] == sesoi
    assert config.resolved()["outcome"] == outcome


def test_the_hash_covers_outcome_and_costs() -> None:
    hashes = {
        study(**changes).hash()
        for changes in (
            {},
            {"outcome": "sharpe", "sesoi": 0.005},
            {"outcome": "auc", "sesoi": 0.005},
            {"costs": {"slippage": 2.0}},
        )
    }
    assert len(hashes) == 4


def test_what_a_control_has_to_show_is_registered_in_the_outcomes_terms() -> None:
    config = study(outcome="auc", controls=["permuted_labels", "planted_signal"])
    assert config.resolved()["controls"]["expected"] == {
        "permuted_labels": "no skill beyond the drift of the base rate, and no LAW of the AUC",
        "planted_signal": "an AUC above that of the base rate is seen",
    }
