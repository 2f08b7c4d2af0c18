"""What a declared feature is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Columns that a feature may be computed from.
INPUTS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Feature:
    """One declared column: where it comes from and from which row on it exists."""

    name: str
    """Column name."""
    inputs: tuple[str, ...]
    """What ``compute`` takes, in order: columns out of :data:`INPUTS` (adjusted prices), ``date``
    (days since 1970), a series kept with the bars (``series:NAME``, ``Bars.with_series``), or other
    features and parts (``finscale.features.declared.PARTS``) by name, which the engine computes
    once however many ask for them."""
    compute: Callable[..., Array]
    """``compute(*inputs, **parameters)``: float64 arrays [T] in, one float64 array [T] out, NaN
    before the first value. The value at t depends on bars ≤ t only; the suite proves it."""
    lookback: int
    """Rows before the first finite value: row ``lookback`` is the first that is not NaN. 0 for bars
    of a calendar and for series, whose first value may come later: where is up to the days."""
    source: str
    """Library function and publication."""
    seen: str = ""
    """How a model sees the column relatively: a view of ``finscale.features.VIEWS`` by name,
    such as ``price`` or ``bounded``. Needed by whatever is added to ``FEATURES``."""
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Keyword arguments of ``compute``."""
    sessions: int = 1
    """Sessions in one bar. Above 1, the indicator is computed on blocks of that many consecutive
    sessions, counted from the first row, and a row sees the last **finished** block."""
    timescale: str = ""
    """Where it is not empty, the indicator is computed on the bars of this timescale (``weekly``),
    and a row sees the last finished one."""
    recursive: bool = False
    """Whether the value depends on every bar before (exponential smoothing, a running total). Its
    start is then TA-Lib's: unstable period 0, so that the first value comes as early as it can
    and what was there before the data begins fades with the smoothing."""
    family: str = ""
    """Which family of ``finscale.features.declared.FAMILIES`` it belongs to."""
    words: str = ""
    """The formula in words."""

    def describe_parameters(self) -> str:
        """Return the parameters on one line: ``timeperiod 14 · 5-session bars``."""
        parts = [f"{name} {value:g}" for name, value in self.parameters.items()]
        if self.sessions > 1:
            parts.append(f"{self.sessions}-session bars")
        if self.timescale:
            parts.append(f"{self.timescale} bars")
        return " · ".join(parts)
