"""Whether settings of a small width serve the largest: a short search around them there.

µP transfers the rate from a base model to every width (Yang et al. 2022, "Tensor programs V"). That
is a claim about this model on these data, and it is checked: what is transferred is trained at the
largest size beside half and twice its rate, and a few settings near it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from finscale.study.tune.search import SearchPlan, SizeSearch, with_trials
from finscale.study.tune.settings import Base
from finscale.study.tune.space import Dimension
from finscale.study.tune.trials import Params, best_of

#: The rate on both sides of the transferred one.
_SIDE = 2.0
#: A local range: a factor on both sides, or a share of the whole range where it is linear.
_LOCAL, _LOCAL_SHARE = 3.0, 0.15


def by_family(bases: Mapping[str, Base], *, largest: bool = False) -> dict[str, str]:
    """Return architecture → key of its size that costs the least, or the most."""
    ordered = sorted(bases, key=lambda key: bases[key].planned.cost, reverse=not largest)
    return {bases[key].cell.family: key for key in ordered}


def verifying(plan: SearchPlan, params: Params) -> SearchPlan:
    """Return a short search around settings that were transferred.

    Parameters
    ----------
    plan : SearchPlan
        Of a whole search at the size.
    params : mapping
        What was found at another size.
    """
    clipped = {dim.key: _held(dim, params.get(dim.key)) for dim in plan.dims}
    dims = tuple(_around(dim, clipped[dim.key]) for dim in plan.dims)
    first = [plan.forced[0], ("transferred", clipped)]
    for name, factor in (("lower rate", 1 / _SIDE), ("higher rate", _SIDE)):
        if "rate" in clipped:
            first.append((name, {**clipped, "rate": clipped["rate"] * factor}))
    config = plan.config.model_copy(update={"widenings": 0, "sampler": _local(plan)})
    local = replace(plan, name=f"{plan.name}-verify", config=config, dims=dims, forced=tuple(first))
    return with_trials(local, plan.config.verify_trials)


def _local(plan: SearchPlan) -> str:
    """Return the sampler of a short search: a grid has no room there."""
    return "random" if plan.config.sampler == "grid" else plan.config.sampler


def _held(dim: Dimension, number: float | None) -> float:
    if number is None:
        return dim.number(dim.setting((dim.low + dim.high) / 2))
    return min(max(number, dim.least), dim.most)


def _around(dim: Dimension, number: float) -> Dimension:
    if dim.whole:
        low, high = number - 1, number + 1
    elif dim.log:
        low, high = number / _LOCAL, number * _LOCAL
    else:
        step = _LOCAL_SHARE * (dim.high - dim.low)
        low, high = number - step, number + step
    low, high = max(low, dim.least), min(high, dim.most)
    return replace(dim, low=low, high=high) if low < high else dim


def transfer_words(search: SizeSearch) -> tuple[str, tuple[float | None, float | None]]:
    """Return whether the transfer holds, and the losses of the transferred and default settings."""
    told = search.told
    losses = {trial.forced: trial.value for trial in told if trial.forced and trial.is_complete}
    own, best = losses.get("transferred"), best_of(told)
    default = losses.get("default")
    if own is None or best is None or best.value is None:
        return "the transfer is not verified yet", (own, default)
    sides: Sequence[float] = [
        loss for name in ("lower rate", "higher rate") if (loss := losses.get(name)) is not None
    ]
    if best.forced == "transferred" or math.isclose(best.value, own):
        return f"verified here: best of {len(told)} settings around it", (own, default)
    ratio = 1.0
    rate = next((one.params.get("rate") for one in told if one.forced == "transferred"), None)
    if rate and "rate" in best.params:
        ratio = best.params["rate"] / rate
    behind = f"{own - best.value:.5f} behind the best of {len(told)} settings around it"
    holds = all(own <= side for side in sides) and 1 / _SIDE < ratio < _SIDE
    verdict = "its rate is confirmed" if holds else "its rate is not confirmed"
    return f"here {behind}, whose rate is {ratio:.2g} times as high: {verdict}", (own, default)
