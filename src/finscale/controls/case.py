"""What a control is: a world whose truth is known, and what the instrument must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.registry import Registry
from finscale.scaling.claim import Verdict

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Losses:
    """One replicate of a control: what a study would have measured.

    Parameters
    ----------
    losses_GST : array [G, S, T]
        Loss of each size, seed and test day; or a table of runs as people have them.
    sizes : array [G]
        Sizes, rising.
    measures : mapping of str to bool
        What else this replicate shows: ``{"skill over volatility": False}``.
    """

    losses_GST: Float | pl.DataFrame
    sizes: Float
    measures: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """What intervals should hold: the falling power law nearest to the true curve."""

    exponent: float
    gain: float
    tenfold: float


@dataclass(frozen=True)
class ControlCheck:
    """One acceptance figure.

    Parameters
    ----------
    measure : str
        A verdict (its rate; ``"refused"`` where none is given), ``"covers exponent"`` (or ``gain``,
        ``tenfold``: the share of intervals that hold the truth), or a name in ``Losses.measures``
        or ``Control.says``.
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
    kind : {"null", "market", "power", "exact", "shape", "runs", "digits"}
        No law by construction; no law in a simulated market; a law of the size that the instrument
        says it would find; a law whose curve is known in closed form; a curve that a power law does
        not have, or hardly shows; runs that are not what a table takes them for; a law measured
        to many digits, or few.
    draw : callable
        Random generator → one replicate.
    checks : tuple of Check
        What must hold.
    sesoi : float
        Smallest effect of interest of its verdicts.
    truth_G : callable, optional
        Sizes → the true curve, where intervals are checked.
    truth : Truth, optional
        Its exponent and gains, where they are known exactly; else those of the nearest power law.
    says : mapping of str to callable
        What a verdict says beside its name: ``{"names the size": ...}``.
    options : mapping
        Of :func:`finscale.scaling.decide`: ``{"drop": ("diverged",)}``.
    """

    name: str
    about: str
    kind: Literal["null", "market", "power", "exact", "shape", "runs", "digits"]
    draw: Callable[[np.random.Generator], Losses]
    checks: tuple[ControlCheck, ...]
    sesoi: float = 0.005
    truth_G: Callable[[Float], Float] | None = None
    truth: Truth | None = None
    says: Mapping[str, Callable[[Verdict], bool]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


#: All controls by name, in the order of the table.
CONTROLS: Registry[Control] = Registry("control")

HONEST_INTERVALS = tuple(
    ControlCheck(f"covers {name}", 0.90, 0.98) for name in ("exponent", "gain", "tenfold")
)
