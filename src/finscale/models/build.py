"""From a config to a model: budget solved, every ``auto`` made explicit, network built."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finscale.config.model import ModelConfig
from finscale.config.quantities import format_count
from finscale.errors import BudgetError
from finscale.models.patchtst.architecture import Architecture, HeadName
from finscale.models.patchtst.budget import solve_budget
from finscale.models.patchtst.counts import count_parameters

if TYPE_CHECKING:
    from finscale.models.patchtst.model import PatchTST

#: Settings that an architecture takes over as they stand.
_SWITCHES = (
    "patch_length",
    "stride",
    "pad_end",
    "channels",
    "norm",
    "attention",
    "attention_residual",
    "dropout",
    "attention_dropout",
    "head_dropout",
    "revin",
    "revin_affine",
    "activation_checkpointing",
)


def resolve_model(
    config: ModelConfig,
    *,
    num_features: int,
    context_length: int,
    head: HeadName = "classification",
    num_outputs: int = 1,
    forecast_length: int | None = None,
) -> ModelConfig:
    """Return the config with all sizes filled in; resolving it again changes nothing.

    The budget stays as the record of what was asked for.

    Raises
    ------
    BudgetError
        If the budget cannot be met, or explicit sizes miss the one stated beside them.
    """
    architecture = design(
        config,
        num_features=num_features,
        context_length=context_length,
        head=head,
        num_outputs=num_outputs,
        forecast_length=forecast_length,
    )
    sizes = ("depth", "width", "heads", "ff_width", "feature_embedding", "instance_stats")
    return config.model_copy(update={name: getattr(architecture, name) for name in sizes})


def build_model(
    config: ModelConfig,
    *,
    num_features: int,
    context_length: int,
    head: HeadName = "classification",
    num_outputs: int = 1,
    forecast_length: int | None = None,
) -> PatchTST:
    """Return a new model, its weights drawn from torch's global generator.

    Parameters
    ----------
    config : ModelConfig
        Resolved or not.
    num_features, context_length : int
        F and L of the windows.
    head : {"classification", "regression", "forecast"}
        What is predicted.
    num_outputs : int
        Numbers per window of the regression head: one, or one per quantile.
    forecast_length : int, optional
        Rows of the forecast head.
    """
    from finscale.models.patchtst.model import PatchTST

    architecture = design(
        config,
        num_features=num_features,
        context_length=context_length,
        head=head,
        num_outputs=num_outputs,
        forecast_length=forecast_length,
    )
    return PatchTST(**asdict(architecture))


def design(
    config: ModelConfig,
    *,
    num_features: int,
    context_length: int,
    head: HeadName = "classification",
    num_outputs: int = 1,
    forecast_length: int | None = None,
) -> Architecture:
    """Return the architecture that a config means, without torch; see :func:`build_model`."""
    options: dict[str, Any] = {name: getattr(config, name) for name in _SWITCHES}
    options |= {
        "num_features": num_features,
        "context_length": context_length,
        "head": head,
        "num_outputs": num_outputs,
        "forecast_length": forecast_length,
        "instance_stats": (head != "forecast")
        if config.instance_stats == "auto"
        else config.instance_stats,
    }
    if config.depth is None or config.width is None or config.heads is None:
        assert config.budget is not None, "ModelConfig asks for a budget or for sizes"
        return solve_budget(
            config.budget,
            shape=config.shape,
            tolerance=config.budget_tolerance,
            ff_ratio=config.ff_ratio,
            feature_embedding=config.feature_embedding,
            **options,
        )
    embedding = None if config.feature_embedding == "auto" else config.feature_embedding
    ff_width = config.ff_width or max(1, round(config.ff_ratio * config.width))
    architecture = Architecture(
        **options,
        depth=config.depth,
        width=config.width,
        heads=config.heads,
        ff_width=ff_width,
        feature_embedding=embedding,
    )
    _check_budget(config, architecture)
    return architecture


def _check_budget(config: ModelConfig, architecture: Architecture) -> None:
    """Refuse explicit sizes that miss the budget written beside them."""
    if config.budget is None:
        return
    total = count_parameters(architecture).total
    if abs(total / config.budget - 1) > config.budget_tolerance:
        raise BudgetError(
            f"Depth {config.depth} and width {config.width} make {format_count(total)} parameters "
            f"on {architecture.num_features} features, {total / config.budget - 1:+.0%} off the "
            f"budget of {format_count(config.budget)}.",
            hint="give the budget alone and let the solver find the sizes",
        )
