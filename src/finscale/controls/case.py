"""What a control is: a world whose truth is known, and what the instrument must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finscale.registry import Registry

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Losses:
    """One replicate of a control: what a study would have measured.

    Parameters
    ----------
    losses_GST : array [G, S, T]
        Loss of each size, seed and test day.
    sizes : array [G]
        Sizes, rising.
    measures : mapping of str to bool
        What else this replicate shows: ``{"skill over volatility": False}``.
    """

    losses_GST: Float
    sizes: Float
    measures: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlCheck:
    """One acceptance figure.

    Parameters
    ----------
    measure : str
        A verdict (its rate), ``"covers exponent"`` (or ``gain``, ``tenfold``: the share of
        intervals that hold the truth), or a name in ``Losses.measures``.
    at_least, at_most : float
        Where the rate must lie.
    """

    measure: str
    at_least: float = 0.0
    at_most: float = 1.0

    def limits(self) -> str:
        """Return ``≤ 5 %`` or ``90–98 %``."""
        if self.at_least <= 0:
            return f"≤ {100 * self.at_most:.0f} %"
        if self.at_most >= 1:
            return f"≥ {100 * self.at_least:.0f} %"
        return f"{100 * self.at_least:.0f}–{100 * self.at_most:.0f} %"


@dataclass(frozen=True)
class Control:
    """A world of known truth.

    Parameters
    ----------
    name, about : str
        For the table.
    kind : {"null", "market", "power", "exact"}
        No law by construction; no law in a simulated market; a law of the size that the instrument
        says it would find; a law whose curve is known in closed form.
    draw : callable
        Random generator → one replicate.
    checks : tuple of Check
        What must hold.
    sesoi : float
        Smallest effect of interest of its verdicts.
    truth_G : callable, optional
        Sizes → the true curve, where intervals are checked.
    """

    name: str
    about: str
    kind: Literal["null", "market", "power", "exact"]
    draw: Callable[[np.random.Generator], Losses]
    checks: tuple[ControlCheck, ...]
    sesoi: float = 0.005
    truth_G: Callable[[Float], Float] | None = None


#: All controls by name, in the order of the table.
CONTROLS: Registry[Control] = Registry("control")

HONEST_INTERVALS = tuple(
    ControlCheck(f"covers {name}", 0.90, 0.98) for name in ("exponent", "gain", "tenfold")
)
