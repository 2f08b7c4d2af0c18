"""Oscillators of TA-Lib as parts, and what every oscillator is related to: its own past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.family import Family
from finscale.features.feature import Array

#: Bars of its own past that an oscillator is compared with, and bars over which it changes.
PAST, STEP = 100, 5
#: Relation → words round the oscillator's own, in the order in which tiers take them in.
RELATIONS = {
    "value": "{}",
    "change": f"change of {{}} over {STEP} bars",
    "rank": f"share of the last {PAST} bars with a smaller {{}}",
    "z": f"deviations of {{}} from its mean of {PAST} bars",
    "side": f"bars since {{}} crossed its middle, signed, over {PAST}",
}


@dataclass(frozen=True)
class Oscillator:
    """A function of TA-Lib, or of ours, whose values have no unit.

    ``period`` names the argument that varies; ``rows`` gives the rows before the first value. The
    value is (output − middle) / scale, so that its middle is 0 and its range about ± 1.
    """

    name: str
    words: str
    inputs: str
    rows: Callable[[int], int]
    compute: str | Callable[..., Array]
    output: int | None = None
    middle: float = 0.0
    scale: float = 1.0
    recursive: bool = False
    period: str = "timeperiod"
    more: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def values(self, *inputs: Array, rows: int, **parameters: Any) -> Array:
        """Return (output − middle) / scale; what is undefined after ``rows`` rows is the middle."""
        if callable(self.compute):
            values = self.compute(*inputs, **parameters)
        else:
            import talib

            values = getattr(talib, self.compute)(*inputs, **parameters)
            values = values[self.output] if self.output is not None else values
        scaled = (np.asarray(values, dtype=np.float64) - self.middle) / self.scale
        settled = scaled[rows:]
        settled[~np.isfinite(settled)] = 0.0
        return scaled


def declare(family: Family, oscillator: Oscillator, period: int, relation: str) -> None:
    """Declare one oscillator of one period in one relation to itself."""
    rows = oscillator.rows(period)
    part = family.part(
        f"osc_{oscillator.name}_{period}",
        oscillator.inputs,
        oscillator.values,
        extra=rows,
        recursive=oscillator.recursive,
        rows=rows,
        **{oscillator.period: period},
        **oscillator.more,
    )
    words = RELATIONS[relation].format(f"{oscillator.words} of {period}")
    named = oscillator.compute
    source = f"TA-Lib {named}" if isinstance(named, str) else "finscale"
    name = f"{oscillator.name}_{period}_{relation}"
    match relation:
        case "value":
            family.add(name, part, _itself, words, source)
        case "change":
            family.add(name, part, relations.change, words, source, extra=STEP, rows=STEP)
        case "rank":
            family.add(name, part, relations.percentile, words, source, extra=PAST - 1, rows=PAST)
        case "z":
            family.add(name, part, relations.zscore, words, source, extra=PAST - 1, rows=PAST)
        case "side":
            side = relations.signed_run
            family.add(name, part, side, words, source, recursive=True, most=PAST)


def _itself(values: Array) -> Array:
    return values.copy()
