"""What a search varies: dimensions with a range, their edges, and what is forced first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finscale.config.tune import SpaceConfig
from finscale.study.tune.trials import Params

#: Of a dimension's range: what lies nearer to an end than this share lies at its edge.
_EDGE = 0.02
#: A range is widened by this share of itself.
_WIDENED = 1 / 3


@dataclass(frozen=True)
class Dimension:
    """One setting that is varied.

    Attributes
    ----------
    name : str
        As in ``tuning.search.space``.
    low, high : float
        Its range; whole numbers where ``whole``.
    least, most : float
        What the range can be widened to: nature's own ends, or the data's.
    """

    name: str
    low: float
    high: float
    least: float
    most: float
    log: bool = True
    whole: bool = False
    #: Numbers stand for powers of two.
    doubling: bool = False

    @property
    def key(self) -> str:
        """The name of its numbers in the storage: ``batch_log2``, ``rate``."""
        return f"{self.name}_log2" if self.doubling else self.name

    def setting(self, number: float) -> float:
        """Return the setting that a number stands for."""
        return 2.0**number if self.doubling else number

    def number(self, setting: float) -> float:
        """Return the number that stands for a setting, inside the range."""
        exact = math.log2(setting) if self.doubling else float(setting)
        inside = min(max(exact, self.low), self.high)
        return float(round(inside)) if self.whole else inside

    def place(self, number: float) -> float:
        """Return where in the range a number lies, from 0 to 1."""
        scale = math.log if self.log else float
        low, high = scale(self.low), scale(self.high)
        return (scale(number) - low) / (high - low) if high > low else 0.5

    def edge(self, number: float) -> Literal["", "low", "high"]:
        """Return at which end of the range a number lies; empty inside."""
        if self.whole:
            # what would be interior has a whole number on both sides
            at = "low" if number <= self.low else "high" if number >= self.high else ""
            return at  # type: ignore[return-value]
        place = self.place(number)
        return "low" if place < _EDGE else "high" if place > 1 - _EDGE else ""

    def can_widen(self, end: str) -> bool:
        """Tell whether the range can be widened at an end."""
        return self.low > self.least if end == "low" else self.high < self.most

    def widened(self, end: str) -> Dimension:
        """Return the dimension with its range widened at an end, as far as nature allows."""
        if self.log:
            step = (self.high / self.low) ** _WIDENED
            low, high = self.low / step, self.high * step
        else:
            step = (self.high - self.low) * _WIDENED
            low, high = self.low - step, self.high + step
        if self.whole:
            low, high = min(round(low), self.low - 1), max(round(high), self.high + 1)
        if end == "low":
            return replace(self, low=max(low, self.least))
        return replace(self, high=min(high, self.most))

    def words(self, number: float) -> str:
        """Return a setting as people write it: ``rate 0.5×``, ``depth 3``."""
        value = self.setting(number)
        times = "×" if self.name in ("rate", "epochs") else ""
        return f"{self.name} {value:.3g}{times}"


@dataclass(frozen=True)
class Limits:
    """What of a space the size, its data and its architecture leave open."""

    num_windows: int
    shape: tuple[str, ...]  #: Settings of a shape that the architecture has
    has_dropout: bool
    most_depth: int  #: The deepest network that meets the budget
    epochs: int  #: The experiment's own


def dimensions(space: SpaceConfig, limits: Limits) -> tuple[Dimension, ...]:
    """Return what is varied at a size; settings that it does not have, or not vary, are left out.

    Parameters
    ----------
    space : SpaceConfig
        The ranges that are asked for.
    limits : Limits
        What of them is possible.
    """
    ranges = ((name, _range(name, space, limits)) for name in SpaceConfig.model_fields)
    facts = _ends(limits)
    return tuple(
        Dimension(name, *ends, **facts[name])
        for name, ends in ranges
        if ends is not None and ends[0] < ends[1]
    )


def left_out(space: SpaceConfig, limits: Limits) -> tuple[str, ...]:
    """Return what a space asks for and cannot be varied at a size, with the reason, in words."""
    found = []
    for name in SpaceConfig.model_fields:
        asked, ends = getattr(space, name), _range(name, space, limits)
        if asked is None or (ends is not None and ends[0] < ends[1]):
            continue
        if ends is None:
            found.append(f"{name} (not a setting of this network here)")
            continue
        facts = _ends(limits)[name]
        least, most = (2.0 ** facts[e] if "doubling" in facts else facts[e] for e in _LEAST_MOST)
        found.append(
            f"{name} ({asked[0]:g}–{asked[1]:g} is asked for, {least:.3g}–{most:.7g} is possible)"
        )
    return tuple(found)


_LEAST_MOST = ("least", "most")


def _ends(limits: Limits) -> dict[str, dict[str, Any]]:
    """Return how far each setting can go at a size, and how its numbers are spaced."""
    batches = math.floor(math.log2(max(limits.num_windows, 1)))
    return {
        "rate": {"least": 1e-4, "most": 1e4},
        "decay": {"least": 1e-6, "most": 100.0},
        "dropout": {"least": 0.0, "most": 0.9, "log": False},
        "batch": {"least": 0, "most": batches, "log": False, "whole": True, "doubling": True},
        "epochs": {"least": 1 / limits.epochs, "most": 20.0},
        "depth": {"least": 1, "most": limits.most_depth, "whole": True},
        "ff_ratio": {"least": 0.25, "most": 32.0},
        "heads": {"least": 0, "most": 6, "log": False, "whole": True, "doubling": True},
    }


def _range(name: str, space: SpaceConfig, limits: Limits) -> tuple[float, float] | None:
    """Return the ends of a setting's numbers at a size, upside down where none is possible.

    None where the space holds it, or the network does not have it.
    """
    asked, facts = getattr(space, name), _ends(limits)[name]
    shaped = name in ("depth", "ff_ratio", "heads")
    if asked is None or (shaped and name not in limits.shape):
        return None
    if name == "dropout" and not limits.has_dropout:
        return None
    low, high = (math.log2(end) for end in asked) if "doubling" in facts else asked
    if "whole" in facts:
        low, high = math.floor(low), math.ceil(high)
    return max(low, facts["least"]), min(high, facts["most"])


def forced(dims: Sequence[Dimension], default: Params) -> list[tuple[str, Params]]:
    """Return what is tried before any sampler chooses: the defaults, then the extremes.

    The widest network of a budget is shallow with a small feed-forward part, the narrowest deep
    with a large one.

    Parameters
    ----------
    dims : sequence of Dimension
        What is varied.
    default : mapping
        The settings without a search.
    """
    known = {dim.key: dim for dim in dims}
    wanted: list[tuple[str, Mapping[str, str]]] = [
        ("lowest rate", {"rate": "low"}),
        ("highest rate", {"rate": "high"}),
        ("shallowest", {"depth": "low"}),
        ("deepest", {"depth": "high"}),
        ("widest", {"depth": "low", "ff_ratio": "low"}),
        ("narrowest", {"depth": "high", "ff_ratio": "high"}),
    ]
    found: list[tuple[str, Params]] = [("default", default)]
    for name, ends in wanted:
        there = {key: end for key, end in ends.items() if key in known}
        params = {
            **default,
            **{key: float(getattr(known[key], end)) for key, end in there.items()},
        }
        if there and params not in [one for _, one in found]:
            found.append((name, params))
    return found


@dataclass(frozen=True)
class AtEdge:
    """A dimension whose best number lies at an end of its range."""

    dimension: Dimension
    end: str
    number: float

    @property
    def words(self) -> str:
        """The end in words, and whether nature has put it there."""
        dim = self.dimension
        natural = "" if dim.can_widen(self.end) else ", its natural end"
        return f"{dim.words(self.number)} at the {self.end} edge{natural}"


def edges(dims: Sequence[Dimension], params: Params) -> list[AtEdge]:
    """Return the dimensions in which a setting lies at an edge."""
    found = ((dim, dim.edge(params[dim.key])) for dim in dims if dim.key in params)
    return [AtEdge(dim, end, params[dim.key]) for dim, end in found if end]


def widen(dims: Sequence[Dimension], at: Sequence[AtEdge]) -> tuple[Dimension, ...]:
    """Return the dimensions with every range widened at whose edge the best setting lies."""
    ends = {one.dimension.name: one.end for one in at}
    return tuple(
        dim.widened(ends[dim.name]) if dim.name in ends and dim.can_widen(ends[dim.name]) else dim
        for dim in dims
    )
