"""Which parameters of a model the optimiser treats alike."""

from __future__ import annotations

from typing import TypedDict

from torch import nn
from torch.nn.modules.conv import _ConvNd

#: Modules whose matrices multiply the signal; what else a model learns only shifts or scales it.
_PRODUCTS = (nn.Linear, nn.Bilinear, nn.MultiheadAttention, nn.RNNBase, _ConvNd)


class ParameterGroup(TypedDict):
    """Parameters with one learning rate, one decay and one ε."""

    name: str
    """What they are, for messages and checkpoints."""
    params: list[nn.Parameter]
    lr_factor: float
    """Times the schedule's learning rate."""
    decay: bool
    """Whether weight decay applies."""
    eps_factor: float
    """Times AdamW's ε."""


def parameter_groups(model: nn.Module) -> list[ParameterGroup]:
    """Return a model's parameters in groups, each parameter in one of them.

    A model that has a method ``groups`` decides itself. For any other, matrices of products decay
    (those of linear and convolution layers, of attention and of recurrent cells); biases, norms,
    embeddings and free parameters such as positions do not.

    Parameters
    ----------
    model : nn.Module
        Any, also wrapped in ``DistributedDataParallel`` or sharded by ``fully_shard``.

    Raises
    ------
    ValueError
        If the model's own groups leave a parameter out or name one twice.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    >>> [(group["name"], len(group["params"])) for group in parameter_groups(model)]
    [('matrices', 1), ('vectors', 3)]
    """
    own = getattr(model, "groups", None)
    groups = own() if own is not None else _by_kind(model)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    if len(set(grouped)) < len(grouped) or {*grouped} != {id(p) for p in model.parameters()}:
        raise ValueError(
            f"{type(model).__name__}.groups() must hold each parameter of the model once; "
            f"it holds {len(grouped)} of {sum(1 for _ in model.parameters())}"
        )
    return groups


def _by_kind(model: nn.Module) -> list[ParameterGroup]:
    matrices = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, _PRODUCTS)
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2
    }
    parts = [
        ("matrices", True, [p for p in model.parameters() if id(p) in matrices]),
        ("vectors", False, [p for p in model.parameters() if id(p) not in matrices]),
    ]
    return [
        ParameterGroup(name=name, params=params, lr_factor=1.0, decay=decay, eps_factor=1.0)
        for name, decay, params in parts
        if params
    ]
