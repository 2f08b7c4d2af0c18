"""A resume point belongs to a training wherever it is computed, and to no other training."""

from __future__ import annotations

import pytest

from finscale.config import ModelConfig
from finscale.models import build_model
from finscale.models.kernels.accelerate import accelerate
from finscale.training.identity import _model_digest

SIZES = {"depth": 1, "width": 8, "heads": 2, "patch_length": 8, "stride": 4}


def digest(*, fast: bool = False, **settings: float) -> str:
    network = ModelConfig(**{**SIZES, **settings})
    model = build_model(network, num_features=5, context_length=16)
    return _model_digest(accelerate(model) if fast else model)


def test_other_kernels_are_the_same_training() -> None:
    assert digest(fast=True) == digest()


@pytest.mark.parametrize("settings", [{"dropout": 0.1}, {"width": 16}, {"depth": 2}])
def test_another_model_is_another(settings) -> None:
    assert digest(**settings) != digest()
