"""Which arithmetic this processor has, for tests that would else ask for what it cannot do."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(params=["fp32", "bf16-mixed"])
def precision(request: pytest.FixtureRequest) -> str:
    """Return each arithmetic in turn; bf16 is skipped where torch cannot train in it."""
    if request.param == "bf16-mixed" and not _trains_in_bf16():
        pytest.skip("this processor does not compute in bf16")
    return str(request.param)


def _trains_in_bf16() -> bool:
    layer = torch.nn.Linear(64, 64)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            layer(torch.randn(64, 64)).sum().backward()
    except RuntimeError:
        return False
    return True
