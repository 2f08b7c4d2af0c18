"""Which parameters of a model the optimiser treats alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from torch import nn

from finscale.config.names import Parametrisation
from finscale.models.mup import PRODUCTS, ParameterScale, scales_of


class ParameterGroup(TypedDict):
    """Parameters with one learning rate, one decay and one ε."""

    name: str
    """What they are, for messages and checkpoints."""
    params: list[nn.Parameter]
    lr_factor: float
    """Times the schedule's learning rate."""
    decay_factor: float
    """Times the weight decay, which AdamW multiplies by the group's rate; 0 where none applies."""
    eps_factor: float
    """Times AdamW's ε."""


def parameter_groups(
    model: nn.Module, parametrisation: Parametrisation = "mup"
) -> list[ParameterGroup]:
    """Return a model's parameters in groups, each parameter in one of them.

    A model that has a method ``groups`` decides itself. One that was built as a registered
    architecture learns by µP, see :mod:`finscale.models.mup`. For any other, and for the standard
    parametrisation, matrices of products decay (those of linear and convolution layers, of
    attention and of recurrent cells); biases, norms, embeddings and free parameters such as
    positions do not.

    Parameters
    ----------
    model : nn.Module
        Any, also wrapped in ``DistributedDataParallel`` or sharded by ``fully_shard``.
    parametrisation : {"mup", "standard"}
        Whether rates differ from layer to layer.

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
    scales = scales_of(model) if parametrisation == "mup" else {}
    if own is not None:
        groups: list[ParameterGroup] = own()
    else:
        groups = _by_scale(model, scales) if scales else _by_kind(model)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    if len(set(grouped)) < len(grouped) or {*grouped} != {id(p) for p in model.parameters()}:
        raise ValueError(
            f"{type(model).__name__}.groups() must hold each parameter of the model once; "
            f"it holds {len(grouped)} of {sum(1 for _ in model.parameters())}"
        )
    return groups


def _by_scale(model: nn.Module, scales: Mapping[str, ParameterScale]) -> list[ParameterGroup]:
    members: dict[ParameterScale, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        # what stands beside a scaled network, as a linear path does, has no width
        members.setdefault(scales.get(name, ParameterScale("vectors")), []).append(parameter)
    return [
        ParameterGroup(
            name=like.kind if like.kind == "vectors" else f"{like.kind} × {like.ratio:g}",
            params=params,
            lr_factor=like.lr_factor,
            decay_factor=like.decay_factor,
            eps_factor=like.eps_factor,
        )
        for like, params in members.items()
    ]


def _by_kind(model: nn.Module) -> list[ParameterGroup]:
    matrices = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, PRODUCTS)
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2
    }
    parts = [
        ("matrices", 1.0, [p for p in model.parameters() if id(p) in matrices]),
        ("vectors", 0.0, [p for p in model.parameters() if id(p) not in matrices]),
    ]
    return [
        ParameterGroup(name=name, params=params, lr_factor=1.0, decay_factor=decay, eps_factor=1.0)
        for name, decay, params in parts
        if params
    ]
