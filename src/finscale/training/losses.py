"""Training objectives: a registry of declared losses over logits or predictions.

Every loss is a mean over the batch, so that accumulated micro-batches average exactly. Losses for
classification take **logits**; the sigmoid inside each is a ``logsigmoid`` or ``softplus``, never a
probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from finscale.config.losses import DEFAULT_LOSSES, QUANTILES
from finscale.config.names import LOSS_NAMES
from finscale.errors import ConfigError, did_you_mean
from finscale.registry import Registry

#: ``loss(output, target_B)`` → scalar mean.
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """One declared loss."""

    kind: Literal["classification", "regression"]
    """What it is for; output [B] of logits or predictions (``quantile``: [B, Q])."""
    proper: bool
    """Whether its minimum over all forecasts is the true distribution's (functional's) value."""
    function: Callable[..., Tensor]
    """``function(output, target_B, **options)``."""
    options: Mapping[str, Any]
    """Each option and its default."""
    source: str
    """Where it comes from."""


LOSSES: Registry[Loss] = Registry("loss", added=LOSS_NAMES.add)


def loss_name(name: str | None, kind: str) -> str:
    """Return ``name``, or the kind's own proper score: log loss, or squared error."""
    return name or DEFAULT_LOSSES[kind]


def make_loss(name: str, kind: str, options: Mapping[str, Any]) -> LossFunction:
    """Return the loss ``name`` with ``options`` laid over its defaults.

    Parameters
    ----------
    name : str
        An entry of ``LOSSES``.
    kind : {"classification", "regression"}
        The task's kind.
    options : mapping
        Parameters of the loss: ``gamma``, ``epsilon``, ``delta``, ``quantiles`` …

    Raises
    ------
    ConfigError
        If the loss is for another kind of task, or an option is unknown.
    """
    loss = LOSSES[name]
    if loss.kind != kind:
        fitting = ", ".join(other for other, entry in LOSSES.items() if entry.kind == kind)
        raise ConfigError(
            f"training.loss = {name} is for {loss.kind}, the task is {kind}.",
            hint=f"for this task: {fitting}",
        )
    for option in options:
        if option not in loss.options:
            raise ConfigError(
                f"training.loss_options.{option}: the loss {name} has no option {option}.",
                hint=did_you_mean(option, loss.options) if loss.options else "it has none at all",
            )
    settings = {**loss.options, **options}

    def function(output: Tensor, target_B: Tensor) -> Tensor:
        return loss.function(output, target_B, **settings)

    return function


def num_outputs(name: str, options: Mapping[str, Any]) -> int:
    """Return how many numbers a window the loss reads: one, or one per quantile."""
    settings = {**LOSSES[name].options, **options}
    return len(settings["quantiles"]) if "quantiles" in settings else 1


def _cross_entropy(logit_B: Tensor, target_B: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logit_B, target_B)


def _focal(logit_B: Tensor, target_B: Tensor, gamma: float, alpha: float) -> Tensor:
    # for y in {0, 1}: log p_t = logsigmoid(±logit), and 1 - p_t = exp(logsigmoid(∓logit))
    signed_B = torch.where(target_B > 0.5, logit_B, -logit_B)
    weight_B = torch.where(target_B > 0.5, alpha, 1 - alpha)
    return (
        -2
        * weight_B
        * torch.exp(gamma * functional.logsigmoid(-signed_B))
        * functional.logsigmoid(signed_B)
    ).mean()


def _label_smoothing(logit_B: Tensor, target_B: Tensor, epsilon: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(
        logit_B, target_B * (1 - epsilon) + epsilon / 2
    )


def _soft_auc(logit_B: Tensor, target_B: Tensor, temperature: float) -> Tensor:
    # every pair (positive i, negative j); the mask keeps shapes fixed, so nothing waits for a GPU
    margin_BB = (logit_B[:, None] - logit_B[None, :]) / temperature
    pair_BB = target_B[:, None] * (1 - target_B)[None, :]
    return (pair_BB * functional.softplus(-margin_BB)).sum() / pair_BB.sum().clamp(min=1)


def _mse(output_B: Tensor, target_B: Tensor) -> Tensor:
    return functional.mse_loss(output_B, target_B)


def _huber(output_B: Tensor, target_B: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(output_B, target_B, delta=delta)


def _quantile(output_BQ: Tensor, target_B: Tensor, quantiles: tuple[float, ...]) -> Tensor:
    # a head of one output returns [B]
    error_BQ = target_B[:, None] - output_BQ.view(len(target_B), -1)
    # levels stay Python numbers: a tensor of them would be copied to the device at every step
    pinball_QB = [
        torch.maximum(level * error_B, (level - 1) * error_B)
        for level, error_B in zip(quantiles, error_BQ.unbind(dim=1), strict=True)
    ]
    return torch.stack(pinball_QB).mean()


LOSSES.add(
    "cross_entropy",
    Loss("classification", True, _cross_entropy, {}, "log loss; Good (1952)"),
)
LOSSES.add(
    "focal",
    # α = 1/2 weighs both classes equally; the factor 2 makes γ = 0 the cross-entropy
    Loss("classification", False, _focal, {"gamma": 2.0, "alpha": 0.5}, "Lin et al. (2017), eq. 5"),
)
LOSSES.add(
    "label_smoothing",
    Loss("classification", False, _label_smoothing, {"epsilon": 0.05}, "Szegedy et al. (2016)"),
)
LOSSES.add(
    "soft_auc",
    Loss("classification", False, _soft_auc, {"temperature": 1.0}, "Gao & Zhou (2015), logistic"),
)
LOSSES.add("mse", Loss("regression", True, _mse, {}, "squared error: elicits the mean"))
LOSSES.add(
    "huber",
    # one percent: beyond it a daily log return counts as an outlier
    Loss("regression", False, _huber, {"delta": 0.01}, "Huber (1964)"),
)
LOSSES.add(
    "quantile",
    Loss("regression", True, _quantile, {"quantiles": QUANTILES}, "pinball; Koenker (1978)"),
)
