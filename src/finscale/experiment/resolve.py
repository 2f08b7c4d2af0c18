"""The science of a run made explicit by fixed rules: no device, no torch, nothing measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig

if TYPE_CHECKING:
    from finscale.models import ParameterCounts


@dataclass(frozen=True)
class ResolvedNetwork:
    """A network's run with nothing open in its science.

    Parameters
    ----------
    config : ExperimentConfig
        Sizes, batch, learning rate and precision filled in; placement as it was asked for.
    counts : ParameterCounts
        Of the model that will be built.
    flops_per_sample : int
        Of one window's forward pass.
    """

    config: ExperimentConfig
    counts: ParameterCounts
    flops_per_sample: int


def resolve(
    config: ExperimentConfig,
    *,
    num_features: int,
    context_length: int,
    num_windows: int,
    num_relative: int = 0,
) -> ResolvedNetwork:
    """Resolve a network's run: the same on every machine.

    Parameters
    ----------
    config : ExperimentConfig
        As written by a person.
    num_features, context_length : int
        F and L of the windows.
    num_windows : int
        Training windows.
    num_relative : int
        Relative columns of a row, which a linear path reads.

    Raises
    ------
    BudgetError
        If no architecture meets the budget.
    """
    from finscale.models import design
    from finscale.training import resolve_training

    shape = interface(
        config,
        num_features=num_features,
        context_length=context_length,
        num_relative=num_relative,
    )
    made = design(config.network, **shape)
    training = resolve_training(
        config.training,
        base_rate=made.architecture.base_rate,
        width=made.architecture.hidden_width(made.config),
        num_windows=num_windows,
    )
    return ResolvedNetwork(
        config.model_copy(update={"model": made.config, "training": training}),
        made.counts,
        made.flops,
    )


def interface(
    config: ExperimentConfig, *, num_features: int, context_length: int, num_relative: int
) -> dict[str, Any]:
    """Return what data, task and loss ask of a network: its inputs, its head, its outputs."""
    return {
        "num_features": num_features,
        "context_length": context_length,
        "normalise": config.data.inputs != "relative",
        "num_relative": num_relative,
        "head": config.task.kind,
        "num_outputs": _num_outputs(config),
        "parametrisation": config.training.parametrisation,
    }


def _num_outputs(config: ExperimentConfig) -> int:
    loss = config.training.loss
    if loss is None:
        # a task's own loss scores one number; to ask the registry would import torch
        return 1
    from finscale.training.losses import num_outputs

    return num_outputs(loss, config.training.loss_options)
