"""One baseline a symbol, beside those that pool all symbols' windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines import tabular
from finscale.models.baselines.baseline import (
    Baseline,
    Floats,
    Ints,
    Setting,
    TunableBaseline,
)
from finscale.models.baselines.constant import BaseRate

#: Windows of a symbol in train below which the pooled model speaks for it.
_FEWEST = 100


class BySymbol:
    """A baseline fitted to each symbol's own windows, and to all for those that have too few.

    A symbol with fewer than 100 train windows, with labels that are all the same, or that train
    has not seen, gets what the pooled baseline says.

    Parameters
    ----------
    setting : Setting
        The job.
    make : callable
        Setting → a baseline.
    """

    def __init__(self, setting: Setting, make: Callable[[Setting], Baseline]) -> None:
        self.setting, self.make = setting, make
        self.pooled = make(setting)
        self.own: dict[str, Baseline] = {}

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Fit the pooled baseline and one for each symbol."""
        self.pooled.fit(frame, ends, target)
        for symbol, rows in _symbols(frame, ends):
            if rows.size >= _FEWEST and np.ptp(target[rows]) > 0:
                self.own[symbol] = self.make(self.setting).fit(frame, ends[rows], target[rows])
        return self

    def tune(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> None:
        """Let each choose by the validation windows of its symbol; of too few, by all."""
        if not isinstance(self.pooled, TunableBaseline):
            return
        self.pooled.tune(frame, ends, target)
        of_symbol = dict(_symbols(frame, ends))
        for symbol, baseline in self.own.items():
            rows = of_symbol.get(symbol, np.empty(0, dtype=np.int64))
            chosen = rows if rows.size >= _FEWEST else np.arange(ends.size)
            assert isinstance(baseline, TunableBaseline)
            baseline.tune(frame, ends[chosen], target[chosen])

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return what each symbol's own baseline says of its windows."""
        outputs = np.empty(ends.size)
        for symbol, rows in _symbols(frame, ends):
            outputs[rows] = self.own.get(symbol, self.pooled).predict(frame, ends[rows])
        return outputs


def base_rate(setting: Setting) -> BySymbol:
    """Return each symbol's own base rate."""
    return BySymbol(setting, BaseRate)


def logistic(setting: Setting) -> BySymbol:
    """Return one logistic (or ridge) a symbol, its penalty chosen on validation."""
    return BySymbol(setting, tabular.logistic)


def _symbols(frame: pl.DataFrame, ends: Ints) -> Iterator[tuple[str, Ints]]:
    """Yield each symbol with the places of its windows among ``ends``."""
    names = frame["symbol"].gather(ends).to_numpy()
    for symbol in dict.fromkeys(names.tolist()):
        yield symbol, np.flatnonzero(names == symbol)
