"""The ladder of a PatchTST: depth and width rise, the feed-forward dimension fills a budget.

A shape is a ladder of rungs (depth, width), both rising. So within a shape a larger budget never
gives a narrower or a shallower model, and a curve over budgets runs along one family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from finscale.calling import spoken
from finscale.models.budget import Dial, solve
from finscale.models.patchtst.counts import count_parameters
from finscale.models.patchtst.sizes import PatchTSTSizes

#: The input side may take this share of the budget before features are embedded first.
INPUT_SHARE = 1 / 3
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


@spoken("solve_budget(2_000_000, num_features=25, context_length=80)")
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
) -> PatchTSTSizes:
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
        Further fields of :class:`PatchTSTSizes`.

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
    return solve(
        budget,
        ladder(SHAPES[shape], ff_ratio, feature_embedding, common),
        _FEED_FORWARD,
        lambda sizes: count_parameters(sizes).total,
        tolerance=tolerance,
        what=f"{shape} PatchTST on {num_features} features",
    )


_FEED_FORWARD: Dial[PatchTSTSizes] = Dial(
    lambda sizes: sizes.ff_width, lambda sizes, ff_width: replace(sizes, ff_width=ff_width)
)


def ladder(
    shape: Shape,
    ff_ratio: float,
    feature_embedding: int | Literal["auto"] | None,
    common: Mapping[str, Any],
) -> Iterator[PatchTSTSizes]:
    """Yield the rungs of a shape at the preferred feed-forward ratio."""
    for width, depth in _steps(shape):
        rung = PatchTSTSizes(
            **common,
            depth=depth,
            width=width,
            heads=_heads(width),
            ff_width=max(1, round(ff_ratio * width)),
        )
        if feature_embedding == "auto":
            yield replace(rung, feature_embedding=_embedding(rung))
        else:
            yield replace(rung, feature_embedding=feature_embedding)


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


def _embedding(rung: PatchTSTSizes) -> int | None:
    """Return how many channels to embed features in, None where the input side is cheap enough."""
    if rung.channels == "independent":
        return None
    counts = count_parameters(rung)
    affordable = counts.non_embedding * INPUT_SHARE / (1 - INPUT_SHARE)
    if counts.total - counts.non_embedding <= affordable:
        return None
    best = 1
    for channels in round_numbers(rung.num_features):
        embedded = count_parameters(replace(rung, feature_embedding=channels))
        if embedded.total - embedded.non_embedding > affordable:
            break
        best = channels
    return best


def round_numbers(below: int) -> Iterator[int]:
    """Yield 1, 2, 3, 4, 6, 8, 12, 16, 24 … below a bound."""
    number = 1
    while number < below:
        yield number
        number += max(1, 2 ** (number.bit_length() - 2))
