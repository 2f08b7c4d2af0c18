"""The presets of configs/model: round numbers, within the tolerance that they state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

import finscale
from finscale.config import ExperimentConfig, ModelConfig, load_config
from finscale.errors import BudgetError
from finscale.models import build_model, count_parameters, resolve_model

FOLDER = Path(finscale.__file__).parents[2] / "configs" / "model"


@pytest.mark.parametrize(
    ("name", "budget", "total"),
    [
        ("patchtst_2m", 2_000_000, 1_876_000),
        ("patchtst_20m", 20_000_000, 19_190_000),
        ("patchtst_200m", 200_000_000, 202_100_000),
        ("patchtst_2b", 2_000_000_000, 1_889_000_000),
    ],
)
def test_preset_meets_its_budget(name: str, budget: int, total: int) -> None:
    config = load_config(ModelConfig, FOLDER / f"{name}.yaml")
    assert config.budget == budget
    resolved = resolve_model(config, num_features=25, context_length=80)
    with torch.device("meta"):
        model = build_model(resolved, num_features=25, context_length=80)
    counted = count_parameters(model).total
    assert counted == pytest.approx(total, rel=2e-3)
    assert abs(counted / budget - 1) < 0.07


def test_a_preset_is_a_section_of_an_experiment(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump({"model": str(FOLDER / "patchtst_20m.yaml")}))
    assert load_config(ExperimentConfig, path).model.width == 512


def test_a_preset_on_far_too_many_features_is_refused() -> None:
    config = load_config(ModelConfig, FOLDER / "patchtst_2m.yaml")
    with pytest.raises(BudgetError, match="off the budget of 2M"):
        resolve_model(config, num_features=2000, context_length=80)
