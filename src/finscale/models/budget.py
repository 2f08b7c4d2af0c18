"""From a parameter budget to sizes, for any architecture that names its dials.

An architecture offers a ladder of rungs, ever larger models, and one fine dial. The rung whose size
lies nearest the budget is taken, and the fine dial then fills the budget to within a fraction of a
per cent. So a larger budget never gives a lower rung, and a curve over budgets runs along one
family.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from finscale.config.quantities import format_count
from finscale.errors import BudgetError

T = TypeVar("T")

#: The fine dial may leave a rung's own value by this factor to fill a budget.
FREEDOM = 2.5
#: The fine dial is kept to the coarsest multiple that costs no more than this share of the budget.
_ROUNDING = 0.004
#: A ladder ends at this many times the budget: the rung above the budget has been seen by then.
_FAR_ABOVE = 4
#: Steps towards the budget where the count is no straight line in the fine dial; a square takes 4.
_MOST_STEPS = 8


@dataclass(frozen=True)
class Dial(Generic[T]):
    """The fine dial of an architecture.

    Attributes
    ----------
    value : callable
        Model → the dial's value; None where the model has nothing to turn.
    turned : callable
        Model, value → the model with the dial at that value.
    """

    value: Callable[[T], int | None]
    turned: Callable[[T, int], T]


def solve(
    budget: int,
    rungs: Iterable[T],
    dial: Dial[T],
    total: Callable[[T], int],
    *,
    tolerance: float,
    what: str,
) -> T:
    """Return the model of a ladder whose parameter count meets the budget.

    Parameters
    ----------
    budget : int
        Target for all parameters.
    rungs : iterable
        Models, ever larger; taken from until one is several times the budget.
    dial : Dial
        What fills the budget between two rungs; the count rises with it.
    total : callable
        Model → all its parameters.
    tolerance : float
        Allowed relative distance from the budget; most budgets are met far closer.
    what : str
        The family in words, for the refusal: "wide PatchTST on 25 features".

    Raises
    ------
    BudgetError
        If no size within the tolerance exists; the hint names the nearest that do.
    """
    ladder = list(_rising(rungs, total, _FAR_ABOVE * budget))
    sizes = [size for size, _ in ladder]
    above = bisect.bisect_left(sizes, budget)
    neighbours = [i for i in (above - 1, above) if 0 <= i < len(ladder)]
    # equal ratios, not equal distances, so that no rung is preferred for being large
    neighbours.sort(key=lambda i: abs(math.log(sizes[i] / budget)))
    filled = [_fill(ladder[i][1], budget, dial, total) for i in neighbours]
    for found in filled:
        if abs(total(found) / budget - 1) <= tolerance:
            return found
    reachable = " and ".join(format_count(n) for n in sorted({total(found) for found in filled}))
    raise BudgetError(
        f"No {what} has {format_count(budget)} parameters.",
        hint=f"the nearest that can be built: {reachable}",
    )


def _rising(
    rungs: Iterable[T], total: Callable[[T], int], far_above: int
) -> Iterator[tuple[int, T]]:
    """Yield (parameters, rung) as long as they grow, until one lies far above the budget."""
    size = 0
    for rung in rungs:
        # growing input sides and embeddings may cost as much as the next rung: take rising ones
        if total(rung) > size:
            size = total(rung)
            yield size, rung
        if size > far_above:
            return


def _fill(rung: T, budget: int, dial: Dial[T], total: Callable[[T], int]) -> T:
    """Return the rung with the fine dial where it brings it nearest to the budget."""
    start = dial.value(rung)
    if start is None:
        return rung
    least, most = start / FREEDOM, start * FREEDOM
    value, exact, one_more = start, float(start), 1
    for _ in range(_MOST_STEPS):
        here = total(dial.turned(rung, value))
        one_more = total(dial.turned(rung, value + 1)) - here
        if one_more <= 0:
            return rung  # the dial moves nothing here
        if value != start and 2 * abs(here - budget) <= one_more:
            break  # nearest there is: a straight line is met in one step
        exact = min(max(value + (budget - here) / one_more, least), most)
        if max(1, round(exact)) == value:
            break
        value = max(1, round(exact))
    for multiple in (64, 32, 16, 8, 4, 2):
        rounded = multiple * round(exact / multiple)
        if rounded and abs(rounded - exact) * one_more <= _ROUNDING * budget:
            return dial.turned(rung, rounded)
    return dial.turned(rung, max(1, round(exact)))
