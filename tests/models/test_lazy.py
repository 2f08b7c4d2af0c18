"""Budgets and counts without torch; names on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import finscale.models


def test_a_budget_is_solved_without_torch() -> None:
    code = (
        "import sys; from finscale.config import ModelConfig; from finscale.models import design;"
        "made = design(ModelConfig(budget='2M'), num_features=25, context_length=80);"
        "made.counts, made.flops, made.training_memory(64), made.describe();"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    for name in finscale.models.__all__:
        thing = getattr(finscale.models, name)
        assert getattr(thing, "__name__", name) == name
    with pytest.raises(AttributeError, match="has no attribute 'PatchTTS'"):
        _ = finscale.models.PatchTTS
