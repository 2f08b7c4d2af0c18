"""What is known of training losses before torch is: defaults, targets, ranges of their options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finscale.config.experiment import ExperimentConfig

#: Kind of task → the loss that trains it where a config names none: its proper score.
DEFAULT_LOSSES = {"classification": "cross_entropy", "regression": "mse"}
#: Levels that the loss ``quantile`` forecasts where a config names none.
QUANTILES = (0.1, 0.5, 0.9)
#: Loss → the target that it trains for, where that is not the one of the task's kind.
TARGET_OF_LOSS = {"quantile": "quantile"}

#: Each number's range: the least, whether it may be that itself, and what it must stay below.
_RANGES = {
    "gamma": (0.0, True, math.inf),
    "alpha": (0.0, False, 1.0),
    "epsilon": (0.0, True, 1.0),
    "temperature": (0.0, False, math.inf),
    "delta": (0.0, False, math.inf),
}


def target_name(config: ExperimentConfig) -> str:
    """Return what an experiment predicts: an entry of ``finscale.evaluation.targets.TARGETS``.

    The kind of its task decides, and the loss of a network that is trained for something else. A
    baseline has no training: it predicts what its task asks.
    """
    if config.model.kind == "baseline" or config.training.loss is None:
        return config.task.kind
    return TARGET_OF_LOSS.get(config.training.loss, config.task.kind)


def quantile_levels(config: ExperimentConfig) -> tuple[float, ...]:
    """Return the levels of an experiment that predicts quantiles; none of another."""
    if target_name(config) != "quantile":
        return ()
    levels = config.training.loss_options.get("quantiles", QUANTILES)
    return levels if isinstance(levels, tuple) else (levels,)


def why_not_loss_option(name: str, value: float | tuple[float, ...]) -> str:
    """Return why a loss cannot have this option, as a clause; empty where it can.

    Names that no loss knows pass: the loss itself refuses them, with the nearest right name.
    """
    if name == "quantiles":
        return _why_not_quantiles(value)
    if name not in _RANGES:
        return ""
    if not isinstance(value, int | float):
        return f"{name} = {list(value)} must be one number"
    least, included, below = _RANGES[name]
    if least < value < below or (included and value == least):
        return ""
    words = f"{'at least' if included else 'above'} {least:g}"
    words += f" and below {below:g}" if math.isfinite(below) else ""
    return f"{name} = {value:g} must be {words}"


def _why_not_quantiles(value: float | tuple[float, ...]) -> str:
    if isinstance(value, int | float):
        return f"quantiles = {value:g} must be a list of levels, such as [0.1, 0.5, 0.9]"
    if not value:
        return "quantiles = [] must hold at least one level, such as 0.5"
    if not all(0 < level < 1 for level in value):
        return f"quantiles = {list(value)} must each lie between 0 and 1"
    if len({f"{level:g}" for level in value}) < len(value):
        return f"quantiles = {list(value)} must differ"
    return ""
