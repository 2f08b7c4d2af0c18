"""Budgets and counts without torch; names on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import finscale.models


def test_a_budget_is_solved_without_torch() -> None:
    code = (
        "import sys; from finscale.models import solve_budget, count_parameters, training_memory;"
        "a = solve_budget(2_000_000, num_features=25, context_length=80);"
        "count_parameters(a), training_memory(a, 64);"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    for name in finscale.models.__all__:
        assert getattr(finscale.models, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'PatchTTS'"):
        _ = finscale.models.PatchTTS
