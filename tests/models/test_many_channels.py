"""25, 200 and 2,000 channels: every architecture meets its budget, most of it no embedding."""

from __future__ import annotations

import pytest
import torch

from finscale.config import validate
from finscale.models import ARCHITECTURES
from finscale.models.build import design

BUDGET = 2_000_000
#: One linear map of a window: all their parameters stand between input and output.
LINEAR = ("dlinear", "nlinear")


@pytest.mark.slow  # a search for sizes each: 10 s together
@pytest.mark.parametrize("num_features", [25, 200, 2000])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_budget_is_met_and_goes_into_the_body(kind, num_features):
    config = validate(ARCHITECTURES[kind].config, {"kind": kind, "budget": BUDGET}, place="a test")
    made = design(config, num_features=num_features, context_length=80, head="classification")
    assert made.counts.total == pytest.approx(BUDGET, rel=0.05)
    if kind not in LINEAR:
        assert made.counts.input_and_head < made.counts.total / 3
    with torch.device("meta"):
        model = made.build()
    built = sum(p.numel() for p in model.parameters())
    assert built == made.counts.total
    assert {p.device.type for p in model.parameters()} == {"meta"}
