"""AdamW over the parameter groups that a model names."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from finscale.config import TrainingConfig
from finscale.models.groups import parameter_groups

#: Added to the root of the second moment: torch's default.
EPSILON = 1e-8
#: Devices on which torch updates all parameters of a group in one kernel.
_FUSED_ON = ("cpu", "cuda", "mps", "xpu")


class AdamW(torch.optim.AdamW):
    """``torch.optim.AdamW`` without its decorators for torch.compile.

    An optimiser's methods import ``torch._dynamo`` when they are first called (2.8 s with a warm
    disk), only to tell the compiler to stay away. Nothing here compiles the optimiser, so the plain
    methods behind the decorators do: every process that trains starts that much sooner.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def make_optimizer(model: nn.Module, config: TrainingConfig) -> AdamW:
    """Return AdamW for a model, one parameter group for each that the model names.

    Parameters
    ----------
    model : nn.Module
        On its device, wrapped or sharded already where it is to be.
    config : TrainingConfig
        Learning rate, weight decay, betas and parametrisation.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled weight decay regularization".
    """
    groups: list[dict[str, Any]] = [
        {
            "name": group["name"],
            "params": group["params"],
            "lr_factor": group["lr_factor"],
            # AdamW multiplies the decay by the group's rate: a factor of 1/lr_factor undoes that
            "weight_decay": float(config.weight_decay) * group["decay_factor"],
            "eps": EPSILON * group["eps_factor"],
        }
        for group in parameter_groups(model, config.parametrisation)
    ]
    device = next(model.parameters()).device.type
    fused = device in _FUSED_ON
    return AdamW(
        groups,
        lr=float(config.learning_rate),
        betas=config.betas,
        fused=fused,
        foreach=not fused,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its factor times ``rate``."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
