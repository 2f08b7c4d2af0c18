"""From a parameter budget to an architecture: depth, width, heads and feed-forward dimension.

A shape is a ladder of rungs (depth, width), both rising. The rung whose size at the preferred
feed-forward ratio lies nearest the budget is taken, and the feed-forward dimension then fills the
budget to within a fraction of a per cent. So within a shape a larger budget never gives a narrower
or a shallower model, and a curve over budgets runs along one family.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from finscale.config.quantities import format_count
from finscale.errors import BudgetError
from finscale.models.patchtst.architecture import Architecture
from finscale.models.patchtst.counts import count_parameters

#: The input side may take this share of the budget before features are embedded first.
INPUT_SHARE = 1 / 3
#: Feed-forward over width may leave its preferred ratio by this factor to fill a budget.
_FF_FREEDOM = 2.5
#: The feed-forward dimension is kept to the coarsest multiple that costs no more than this.
_FF_ROUNDING = 0.004
_LARGEST_WIDTH = 16_384


@dataclass(frozen=True)
class Shape:
    """How width is traded for depth.

    Attributes
    ----------
    aspect : int
        Width over depth.
    least_depth : int
        Depth of the smallest models.
    """

    aspect: int
    least_depth: int

    def depth(self, width: int) -> int:
        """Return the number of layers at a width; it never falls as the width grows."""
        return max(self.least_depth, round(width / self.aspect))


SHAPES = {
    "wide": Shape(aspect=96, least_depth=1),
    "balanced": Shape(aspect=40, least_depth=2),
    "deep": Shape(aspect=16, least_depth=3),
}


def solve_budget(
    budget: int,
    *,
    num_features: int,
    context_length: int,
    shape: Literal["wide", "balanced", "deep"] = "wide",
    tolerance: float = 0.05,
    ff_ratio: float = 4.0,
    feature_embedding: int | Literal["auto"] | None = "auto",
    **options: Any,
) -> Architecture:
    """Return the architecture of a shape whose total parameter count meets the budget.

    Parameters
    ----------
    budget : int
        Target for all parameters, embedding and head included.
    num_features, context_length : int
        F and L of the windows.
    shape : {"wide", "balanced", "deep"}
        Which ladder of depths and widths to climb.
    tolerance : float
        Allowed relative distance from the budget; most budgets are met far closer.
    ff_ratio : float
        Preferred feed-forward dimension over width.
    feature_embedding : int, None or "auto"
        Channels that features are projected to before patching; auto does so only where the input
        side would otherwise take more than a third of the budget.
    **options
        Further fields of :class:`Architecture`.

    Raises
    ------
    BudgetError
        If no size within the tolerance exists; the hint names the nearest that do.

    Examples
    --------
    >>> found = solve_budget(2_000_000, num_features=25, context_length=80)
    >>> found.depth, found.width, found.heads
    (2, 256, 8)
    """
    common = {**options, "num_features": num_features, "context_length": context_length}
    rungs = list(_ladder(SHAPES[shape], budget, ff_ratio, feature_embedding, common))
    sizes = [_total(rung) for rung in rungs]
    above = bisect.bisect_left(sizes, budget)
    neighbours = [i for i in (above - 1, above) if 0 <= i < len(rungs)]
    # equal ratios, not equal distances, so that no rung is preferred for being large
    neighbours.sort(key=lambda i: abs(math.log(sizes[i] / budget)))
    filled = [_fill(rungs[i], budget) for i in neighbours]
    for found in filled:
        if abs(_total(found) / budget - 1) <= tolerance:
            return found
    raise _unreachable(budget, [_total(found) for found in filled], shape, num_features)


def _ladder(
    shape: Shape,
    budget: int,
    ff_ratio: float,
    feature_embedding: int | Literal["auto"] | None,
    common: dict[str, Any],
) -> Iterator[Architecture]:
    """Yield ever larger rungs, until one is several times the budget."""
    size = 0
    for width, depth in _steps(shape):
        rung = Architecture(
            **common,
            depth=depth,
            width=width,
            heads=_heads(width),
            ff_width=max(1, round(ff_ratio * width)),
        )
        if feature_embedding == "auto":
            rung = replace(rung, feature_embedding=_embedding(rung))
        else:
            rung = replace(rung, feature_embedding=feature_embedding)
        # growing input sides and embeddings may cost as much as the next rung: take rising ones
        if _total(rung) > size:
            size = _total(rung)
            yield rung
        if size > 4 * budget:
            return


def _steps(shape: Shape) -> Iterator[tuple[int, int]]:
    """Yield (width, depth), one of the two rising at a time."""
    depth = shape.least_depth
    for width in _widths():
        yield width, depth
        while depth < shape.depth(width):
            depth += 1
            yield width, depth


def _widths() -> Iterator[int]:
    width = 4
    while width <= _LARGEST_WIDTH:
        yield width
        width += 2 if width < 16 else _head_width(width)


def _head_width(width: int) -> int:
    """Return the dimension that one head should have at least, and by which widths step."""
    for below, head_width in ((32, 4), (128, 8), (256, 16), (1024, 32)):
        if width < below:
            return head_width
    return 64


def _heads(width: int) -> int:
    most = max(1, width // _head_width(width))
    return next(heads for heads in range(most, 0, -1) if width % heads == 0)


def _embedding(rung: Architecture) -> int | None:
    """Return how many channels to embed features in, None where the input side is cheap enough."""
    if rung.channels == "independent":
        return None
    counts = count_parameters(rung)
    affordable = counts.non_embedding * INPUT_SHARE / (1 - INPUT_SHARE)
    if counts.total - counts.non_embedding <= affordable:
        return None
    best = 1
    for channels in _round_numbers(rung.num_features):
        embedded = count_parameters(replace(rung, feature_embedding=channels))
        if embedded.total - embedded.non_embedding > affordable:
            break
        best = channels
    return best


def _round_numbers(below: int) -> Iterator[int]:
    """Yield 1, 2, 3, 4, 6, 8, 12, 16, 24 … below a bound."""
    number = 1
    while number < below:
        yield number
        number += max(1, 2 ** (number.bit_length() - 2))


def _fill(rung: Architecture, budget: int) -> Architecture:
    """Return the rung with the feed-forward dimension that brings it nearest to the budget."""
    one_more = rung.depth * (2 * rung.width + 1)
    exact = rung.ff_width + (budget - _total(rung)) / one_more
    wanted = min(max(exact, rung.ff_width / _FF_FREEDOM), rung.ff_width * _FF_FREEDOM)
    for multiple in (64, 32, 16, 8, 4, 2):
        rounded = multiple * round(wanted / multiple)
        if rounded and abs(rounded - wanted) * one_more <= _FF_ROUNDING * budget:
            return replace(rung, ff_width=rounded)
    return replace(rung, ff_width=max(1, round(wanted)))


def _total(architecture: Architecture) -> int:
    return count_parameters(architecture).total


def _unreachable(budget: int, reachable: list[int], shape: str, num_features: int) -> BudgetError:
    sizes = " and ".join(format_count(size) for size in sorted(set(reachable)))
    return BudgetError(
        f"No {shape} PatchTST on {num_features} features has {format_count(budget)} parameters.",
        hint=f"the nearest that can be built: {sizes}",
    )
