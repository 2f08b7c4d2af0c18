"""The zoo's page names every architecture, its dials and the smallest budgets that are met."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from finscale.cli.model import _TRIED
from finscale.config import format_count, validate
from finscale.config.data import DataConfig
from finscale.errors import BudgetError
from finscale.features.relative import num_channels
from finscale.models import ARCHITECTURES, design

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
CLASSIFIES: dict[str, Any] = {"head": "classification"}
FORECASTS: dict[str, Any] = {"head": "forecast", "forecast_length": 24}


@pytest.fixture
def rows() -> dict[str, list[str]]:
    if not PAGE.exists():
        pytest.skip("docs are not part of an installed package")
    lines = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {kind: rest.split(" | ") for kind, rest in lines}


def smallest(kind: str, head: dict[str, Any]) -> str:
    for budget in _TRIED:
        config = validate(
            ARCHITECTURES[kind].config, {"kind": kind, "budget": budget}, place="a test"
        )
        try:
            design(config, num_features=num_channels(DataConfig()), context_length=80, **head)
        except BudgetError:
            continue
        return format_count(budget)
    return "one size"


def test_every_architecture_is_there_with_its_dials(rows: dict[str, list[str]]) -> None:
    assert list(rows) == list(ARCHITECTURES)
    for kind, (_, dials, *_) in rows.items():
        architecture = ARCHITECTURES[kind]
        bold = [f"**{d}**" if d == architecture.fine else d for d in architecture.config.SIZES]
        assert dials == ", ".join(bold)


def test_the_smallest_budgets_are_those_of_the_solver(rows: dict[str, list[str]]) -> None:
    found = {kind: [smallest(kind, CLASSIFIES), smallest(kind, FORECASTS)] for kind in rows}
    assert {kind: row[2:] for kind, row in rows.items()} == found
