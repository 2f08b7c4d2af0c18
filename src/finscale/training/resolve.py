"""Every ``auto`` of a training config made explicit, so that the run's identity holds no guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finscale.config import NetworkConfig, TrainingConfig
from finscale.training.batch_memory import remembered_batch_size
from finscale.training.devices import choose_device, choose_precision, choose_threads

if TYPE_CHECKING:
    from torch import nn

    from finscale.data import FinancialDataset, Split

_DEFAULT_BATCH = 64
_HIGHEST_RATE, _UP_TO_WIDTH = 1e-3, 25
#: Assumed for a model that is no PatchTST and states no width.
_UNSTATED_WIDTH = 64


def resolve_training(
    config: TrainingConfig,
    *,
    width: int,
    num_parameters: int,
    num_windows: int,
    num_features: int,
    context_length: int,
    architecture: NetworkConfig | None = None,
) -> TrainingConfig:
    """Return ``config`` with every ``auto`` replaced by what it stands for here, by rule.

    What was measured for the shape on this machine is ``finscale.training.numerics``' to lay over.

    Parameters
    ----------
    config : TrainingConfig
        As written by a person; explicit settings stay.
    width : int
        Model dimension: the learning rate follows it.
    num_parameters : int
        Decides about threads.
    num_windows : int
        Training windows: no batch is larger.
    num_features, context_length : int
        F and L, by which a batch size is remembered.
    architecture : NetworkConfig, optional
        The resolved model: without it no remembered batch size is looked up.
    """
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    batch_size = config.batch_size
    if batch_size == "auto":
        found = architecture and remembered_batch_size(
            architecture,
            num_features=num_features,
            context_length=context_length,
            device=device,
            precision=precision,
        )
        batch_size = min(found or _DEFAULT_BATCH, num_windows)
    return config.model_copy(
        update={
            "device": device,
            "precision": precision,
            "compile": config.compile is True,
            "threads": choose_threads(config.threads, num_parameters=num_parameters),
            "batch_size": batch_size,
            "learning_rate": learning_rate_for(width)
            if config.learning_rate == "auto"
            else config.learning_rate,
        }
    )


def resolve_for_model(
    config: TrainingConfig, model: nn.Module, dataset: FinancialDataset, split: Split
) -> TrainingConfig:
    """Resolve a config for a model that is built already."""
    sizes: Any = getattr(model, "sizes", None)
    return resolve_training(
        config,
        width=sizes.width if sizes else _UNSTATED_WIDTH,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_windows=len(split.train),
        num_features=len(dataset.features),
        context_length=dataset.context_length,
    )


def learning_rate_for(width: int) -> float:
    """Return AdamW's peak learning rate for a model of this width: 0.025 / width, at most 1e-3.

    The rate at width 25, transferred. It was chosen on validation on the bundled S&P 500
    (``docs/LOG.md``, 2026-11-23).
    """
    return transferred_rate(_HIGHEST_RATE, _UP_TO_WIDTH, width)


def transferred_rate(rate: float, at_width: int, width: int) -> float:
    """Return the learning rate of a model whose optimum is known at another width.

    One step of Adam moves a hidden layer's output in proportion to the layer's width, so the rate
    falls as its inverse, as in µP. To a narrower model it is carried as it is: there the rate is
    bounded by what embedding and head bear, which do not grow as the width shrinks.

    References
    ----------
    Yang et al. (2022), "Tensor programs V: tuning large neural networks via zero-shot
    hyperparameter transfer".

    Examples
    --------
    >>> transferred_rate(0.001, 25, 100), transferred_rate(0.001, 25, 8)
    (0.00025, 0.001)
    """
    return min(rate, rate * at_width / width)
