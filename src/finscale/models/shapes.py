"""The shape of a network at a fixed budget: so many layers, and the width that follows.

A budget's own ladder raises width and depth in turn. Here the depth is given, the ladder's widths
are climbed at that depth, and the architecture's fine dial fills the budget as it always does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finscale.config.model import NetworkConfig
from finscale.config.quantities import format_count
from finscale.errors import BudgetError
from finscale.models.budget import Dial, solve
from finscale.models.build import NetworkDesign, design
from finscale.models.interface import Interface
from finscale.models.zoo import ARCHITECTURES, Architecture


@dataclass(frozen=True)
class ShapeAsked:
    """What of a shape is asked for; the rest follows from the budget.

    Attributes
    ----------
    depth : int, optional
        Layers; the ladder's own when None.
    ff_ratio : float, optional
        Feed-forward dimension over width, before the fine dial fills the budget.
    heads : int, optional
        Attention heads; the nearest number that divides the width is taken.
    """

    depth: int | None = None
    ff_ratio: float | None = None
    heads: int | None = None


def shape_settings(config: NetworkConfig) -> tuple[str, ...]:
    """Return which settings of a shape an architecture has at a fixed budget.

    Examples
    --------
    >>> from finscale.config.model import DLinearConfig, MLPConfig, ModelConfig
    >>> shape_settings(ModelConfig(budget=10_000)), shape_settings(MLPConfig(budget=10_000))
    (('depth', 'ff_ratio', 'heads'), ('depth',))
    >>> shape_settings(DLinearConfig(budget=10_000))
    ()
    """
    fields = type(config).model_fields
    # a whole ff_ratio multiplies blocks of another kind
    ratio = "ff_ratio" in fields and fields["ff_ratio"].annotation is not int
    has = {"depth": "depth" in fields, "ff_ratio": ratio, "heads": "heads" in fields}
    return tuple(name for name, there in has.items() if there)


def solve_shape(config: NetworkConfig, asked: ShapeAsked, interface: Interface) -> NetworkConfig:
    """Return the section with the sizes that meet its budget in the shape that is asked for.

    Parameters
    ----------
    config : NetworkConfig
        With a budget; its own sizes are not looked at.
    asked : ShapeAsked
        What is asked for; settings that the architecture does not have are passed over.
    interface : Interface
        Inputs and head of the network.

    Raises
    ------
    BudgetError
        If there is no budget, or no such shape meets it.
    """
    if config.budget is None:
        raise BudgetError("a shape is solved at a fixed budget, and model.budget is not given.")
    architecture = ARCHITECTURES[config.kind]
    known = shape_settings(config)
    blank = config.with_budget(config.budget)
    ratio = asked.ff_ratio if "ff_ratio" in known else None
    if ratio is not None:
        blank = blank.model_copy(update={"ff_ratio": ratio})
    depth = asked.depth if "depth" in known else None
    if depth is None or "depth" not in config.SIZES:
        if depth is not None:
            blank = blank.model_copy(update={"depth": depth})
        found = _designed(blank, interface).config
    else:
        found = _at_depth(architecture, blank, depth, interface)
    if asked.heads is not None and "heads" in known:
        width = int(getattr(found, "width", 0) or 0)
        heads = nearest_divisor(width, asked.heads)
        found = architecture.settle(found.model_copy(update={"heads": heads}), interface)
    return found


def nearest_divisor(number: int, wanted: int) -> int:
    """Return the divisor of a number that is nearest, as a ratio, to the one wanted.

    Examples
    --------
    >>> nearest_divisor(24, 5), nearest_divisor(24, 16), nearest_divisor(7, 3)
    (6, 12, 1)
    """
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    return min(divisors, key=lambda n: (max(n / wanted, wanted / n), n))


def _designed(config: NetworkConfig, interface: Interface) -> NetworkDesign:
    return design(
        config,
        num_features=interface.num_features,
        context_length=interface.context_length,
        head=interface.head,
        num_outputs=interface.num_outputs,
        forecast_length=interface.forecast_length,
        normalise=interface.normalise,
        num_relative=interface.num_relative,
        parametrisation=interface.parametrisation,
    )


def _at_depth(
    architecture: Architecture, config: NetworkConfig, depth: int, interface: Interface
) -> NetworkConfig:
    """Climb the ladder's widths at one depth, and fill the budget."""
    assert config.budget is not None
    fine = architecture.fine
    dial: Dial[NetworkConfig] = Dial(
        lambda one: getattr(one, fine), lambda one, value: one.model_copy(update={fine: value})
    )
    linear_path = _designed(config, interface).config.linear_path

    def total(one: NetworkConfig) -> int:
        return NetworkDesign(architecture, one, interface).counts.total

    found = solve(
        config.budget,
        (
            architecture.settle(config.model_copy(update=sizes), interface)
            for sizes in _widths_at(architecture, config, depth, interface)
        ),
        dial,
        total,
        tolerance=config.budget_tolerance,
        what=f"{architecture.title} of {depth} layers on {interface.num_features} features",
    )
    if abs(total(found) / config.budget - 1) > config.budget_tolerance:
        raise BudgetError(
            f"No {architecture.title} of {depth} layers has {format_count(config.budget)} "
            "parameters."
        )
    return found.model_copy(update={"linear_path": linear_path})


def _widths_at(
    architecture: Architecture, config: NetworkConfig, depth: int, interface: Interface
) -> Iterator[Mapping[str, Any]]:
    """Yield the ladder's rungs with the depth held, each once."""
    before: dict[str, Any] = {}
    for rung in architecture.rungs(config, interface):
        sizes = {**rung, "depth": depth}
        if sizes != before:
            yield sizes
        before = sizes
