"""What each field is: science, placement or label; and what a run's identity is made of."""

from __future__ import annotations

import re

import pytest

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig, load_config
from finscale.config.base import marks

PLACEMENT = {
    "data.root",
    "data.memory_map",
    "model.attention",
    "model.activation_checkpointing",
    "training.compile",
    "training.kernels",
    "training.device",
    "training.devices",
    "training.strategy",
    "training.threads",
    "training.evaluation_batch_size",
    "training.checkpoint_minutes",
    "training.thermal",
}
LABELS = {"name", "tracking", "data.selection_trials", "data.universe"}
PER_REPLICA = {"seed", "training.learning_rate", "training.weight_decay"}


@pytest.fixture
def recipe(root):
    return root / "configs/daily/threshold_1pct.yaml"


def having(kind, **wanted):
    return {
        name
        for name, mark in marks(kind)
        if all(getattr(mark, key) == value for key, value in wanted.items())
    }


def test_every_field_that_is_no_science_is_on_the_list() -> None:
    assert having(ExperimentConfig, role="placement") == PLACEMENT
    assert having(ExperimentConfig, role="label") == LABELS
    assert having(ExperimentConfig, per_replica=True) == PER_REPLICA


def test_a_study_marks_nothing_beyond_its_experiment_and_its_architectures() -> None:
    experiment = {f"experiment.{name}" for name in PLACEMENT}
    of_models = {name.removeprefix("model.") for name in PLACEMENT if name.startswith("model.")}
    architectures = {f"architectures.{name}" for name in of_models}
    assert having(StudyConfig, role="placement") == experiment | architectures


def test_the_reference_page_lists_exactly_the_placement_settings(root) -> None:
    page = (root / "docs/reference/config.md").read_text(encoding="utf-8")
    part = page.partition("Placement is exactly")[2].partition("*Labels*")[0]
    assert set(re.findall(r"`([\w.]+)`", part)) == PLACEMENT


def leaves(content, prefix=""):
    for name, value in content.items():
        dotted = f"{prefix}{name}"
        if dotted in ("data", "model", "training", "task", "split"):
            yield from leaves(value, f"{dotted}.")
        else:
            yield dotted


def test_the_parts_of_a_config_are_disjoint_and_complete() -> None:
    config = ExperimentConfig()
    roles = [set(leaves(config.part(role))) for role in ("science", "placement", "label")]
    assert set.union(*roles) == set(leaves(config.model_dump(mode="json")))
    assert sum(map(len, roles)) == len(set.union(*roles))


def test_what_an_ensemble_shares_leaves_out_what_its_members_may_differ_in() -> None:
    one = ExperimentConfig(seed=1, training={"learning_rate": 0.1, "weight_decay": 0.0})
    two = ExperimentConfig(seed=2, training={"learning_rate": 0.2, "weight_decay": 0.1})
    assert one.part("science") != two.part("science")
    assert one.part("science", per_replica=False) == two.part("science", per_replica=False)
    other = ExperimentConfig(training={"betas": (0.9, 0.99)})
    assert one.part("science", per_replica=False) != other.part("science", per_replica=False)


@pytest.mark.parametrize(
    "setting",
    [
        "name=other",
        "tracking.wandb_project=p",
        "data.root=elsewhere",
        "data.memory_map=true",
        "model.attention=fused",
        "model.activation_checkpointing=true",
        "training.compile=true",
        "training.kernels=torch",
        "training.device=cuda",
        "training.devices=4",
        "training.strategy=fsdp",
        "training.threads=7",
        "training.evaluation_batch_size=3",
        "training.checkpoint_minutes=1",
        "training.thermal.enabled=false",
    ],
)
def test_placement_and_labels_change_no_identity(recipe, setting) -> None:
    plain = load_config(ExperimentConfig, recipe)
    changed = load_config(ExperimentConfig, recipe, [setting])
    assert changed != plain
    assert changed.hash() == plain.hash()


@pytest.mark.parametrize(
    "setting",
    [
        "seed=1",
        "training.lr=0.1",
        "training.batch_size=32",
        "training.accumulate=2",
        "training.precision=bf16-mixed",
        "training.epochs=3",
        "task.horizon=2",
        "split.embargo=6",
        "data.context_length=81",
        "model.dropout=0.2",
    ],
)
def test_science_changes_it(recipe, setting) -> None:
    plain = load_config(ExperimentConfig, recipe)
    assert load_config(ExperimentConfig, recipe, [setting]).hash() != plain.hash()


def test_a_baseline_has_the_placement_of_its_data_alone() -> None:
    config = ExperimentConfig(model=BaselineConfig(name="volatility"))
    assert set(config.placement()) == {"data"}
    assert set(ExperimentConfig().placement()) == {"data", "model", "training"}
