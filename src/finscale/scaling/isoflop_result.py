"""What an IsoFLOP analysis finds: the best sizes by compute, and the powers by which they grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from finscale.scaling.compute import Compute
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Interval
from finscale.scaling.isoflop_draws import Draws
from finscale.scaling.table import LawTable


@dataclass(frozen=True)
class IsoLevel:
    """One compute and its best split.

    ``compute`` is the mean over the runs in the window (a geometric one), ``size`` and ``data``
    are where the loss is least, ``loss`` is that loss, ``interval`` is that of the size.
    ``num_runs`` belong to the level, ``num_inside`` of them to the window, which reaches by the
    factor ``reach``. ``rows`` are the level's rows of the table, ``inside`` says which of them the
    parabola was fitted to, ``fitted`` is its value at the size of each.
    """

    compute: float
    size: float
    data: float
    loss: float
    interval: Interval
    num_runs: int
    num_inside: int
    reach: float
    rows: tuple[int, ...]
    inside: tuple[bool, ...]
    fitted: tuple[float, ...]


@dataclass(frozen=True)
class Growth:
    """A power of compute: ``size = scale · compute^exponent``, with its bootstrap ``[R]``.

    Redraws are as they came; for intervals their distance from the estimate is multiplied by
    ``stretch``, for few degrees of freedom and for scatter beyond the noise of runs. The interval
    is NaN where there is nothing to redraw.
    """

    exponent: float
    interval: Interval
    log_scale: float
    exponents_R: Array
    log_scales_R: Array
    stretch: float = 1.0


@dataclass(frozen=True)
class IsoFlop:
    """Best sizes by compute, and the powers by which they grow; made by :func:`fit_isoflop`.

    ``exponent`` and the intervals are NaN where fewer than three levels are left; ``reason`` says
    so. ``dropped`` counts runs that take no part, each with the reason; ``notes`` are what a reader
    should know of the rest.
    """

    table: LawTable
    compute: Compute
    loss: str
    levels: tuple[IsoLevel, ...]
    size: Growth
    data: Growth
    num_runs: int
    dropped: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]
    scheme: str
    tolerance: float
    window: float
    level: float
    draws: Draws
    reason: str = ""

    @property
    def exponent(self) -> float:
        """A of N_opt ∝ C^a."""
        return self.size.exponent

    @property
    def interval(self) -> Interval:
        """Interval of a."""
        return self.size.interval

    def optimum(self, compute: ArrayLike) -> tuple[Array, Array, Array]:
        """Return the best size at new computes ``[m]`` and both ends of its interval."""
        log_c = np.log(np.atleast_1d(np.asarray(compute, dtype=np.float64)))
        return _at(self.size, log_c, self.level)

    def optimal_data(self, compute: ArrayLike) -> tuple[Array, Array, Array]:
        """Return the best amount of data at new computes ``[m]``, as :meth:`optimum` does."""
        log_c = np.log(np.atleast_1d(np.asarray(compute, dtype=np.float64)))
        return _at(self.data, log_c, self.level)

    def save_plot(self, path: Path) -> None:
        """Write the figure: the valley of each level, and the best sizes over compute."""
        from finscale.scaling.isoflop_plot import save

        save(self, path)

    def summary(self) -> str:
        """Return levels, exponents and what was left out, as text."""
        from finscale.scaling.isoflop_text import summary

        return summary(self)

    @property
    def sentence(self) -> str:
        """Return the exponent in one sentence."""
        from finscale.scaling.isoflop_text import sentence

        return sentence(self)

    def splits(self, computes: Sequence[float]) -> list[dict[str, Any]]:
        """Return the best size and data at each compute with intervals, for JSON.

        ``beyond`` is by how much a compute exceeds the largest level's, at least 1.
        """
        from finscale.scaling.isoflop_text import splits

        return splits(self, computes)

    def splits_text(self, computes: Sequence[float]) -> str:
        """Return the same as text."""
        from finscale.scaling.isoflop_text import splits_text

        return splits_text(self, computes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; None where a number is not known."""
        from finscale.scaling.isoflop_text import as_dict

        return as_dict(self)


def _at(growth: Growth, log_c_m: Array, level: float) -> tuple[Array, Array, Array]:
    best_m = growth.log_scale + growth.exponent * log_c_m
    if not len(growth.exponents_R) or np.isnan(growth.interval).any():
        unknown = np.full(len(log_c_m), np.nan)
        return np.exp(best_m), unknown, unknown
    lines_Rm = growth.log_scales_R[:, None] + growth.exponents_R[:, None] * log_c_m
    tail = (1 - level) / 2
    away = growth.stretch * (lines_Rm - best_m)
    low, high = np.exp(best_m + np.nanquantile(away, [tail, 1 - tail], axis=0))
    return np.exp(best_m), low, high
