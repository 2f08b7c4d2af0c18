"""What several scores compute of the same weights, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np

from finscale.evaluation.blocks import Floats

Value = TypeVar("Value")


class Shared:
    """Intermediate results of one set of weights; those of the weights before are forgotten.

    Scores are declared apart and measured one after the other on the same chunk of replicates:
    bins, ranks and totals would otherwise be made for each score anew.
    """

    def __init__(self) -> None:
        self._weights: Floats | None = None
        self._known: dict[str, object] = {}

    def of(self, weights_RN: Floats, name: str, compute: Callable[[], Value]) -> Value:
        """Return what ``compute`` returns, calling it once for each array of weights."""
        if self._weights is not weights_RN:
            self._weights, self._known = weights_RN, {}
        if name not in self._known:
            self._known[name] = compute()
        return cast("Value", self._known[name])

    def total(self, weights_RN: Floats) -> Floats:
        """Return each replicate's total weight, shape (R,)."""
        return self.of(weights_RN, "total", lambda: np.asarray(weights_RN.sum(axis=1)))

    def clear(self) -> None:
        """Forget everything: the last chunk of weights is megabytes."""
        self._weights, self._known = None, {}
