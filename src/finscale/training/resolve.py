"""Every open setting of a training made explicit by fixed rules: no device, no measurement.

What is resolved here is science and enters a run's identity, so the rules depend on the config, the
model and the data alone. Where the training is computed is for ``finscale.training.placement``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finscale.config import TrainingConfig

if TYPE_CHECKING:
    from torch import nn

    from finscale.data import FinancialDataset, Split

#: Assumed for a model that states no width.
_UNSTATED_WIDTH = 64

# batch_size: auto
# 1. The bundled S&P 500 has about 3,000 training windows. 64 windows a step make 47 steps an
#    epoch, enough for a schedule with warm-up within a few epochs.
# 2. A batch cannot hold more windows than there are.
_DEFAULT_BATCH = 64

# learning_rate: auto, standard parametrisation (µP takes the architecture's base rate at any size)
# 1. A sweep on validation on the bundled S&P 500 found 1e-3 at width 25 (docs/LOG.md, 2026-11-23).
# 2. Under Adam the best rate of hidden layers falls as 1 / width (µP), so at width D it is
#    1e-3 * 25 / D = 0.025 / D.
# 3. Below width 25 the rate stays 1e-3: there embedding and head, whose best rate does not depend
#    on the width, set the limit.
_HIGHEST_RATE, _UP_TO_WIDTH = 1e-3, 25

# weight_decay: auto
# 1. At rate η and decay λ AdamW's weights are an average over the last 1/(η λ) updates. Counted in
#    windows and divided by all windows that a training sees, D, that is τ = B/(η λ D). The best τ
#    hardly depends on D, so λ falls as 1/D (Wang & Aitchison 2024; Bergsma et al. 2025, "Power
#    lines", arXiv 2505.13738).
# 2. Bundled S&P 500: 3,000 windows, 20 epochs, batch 64, rate 1e-3, decay .05 (docs/LOG.md).
_TIMESCALE = 64 / (1e-3 * 0.05 * 20 * 3000)


def resolve_training(
    config: TrainingConfig, *, width: int, num_windows: int, base_rate: float | None = None
) -> TrainingConfig:
    """Return ``config`` with every ``auto`` of its science replaced by rule.

    Parameters
    ----------
    config : TrainingConfig
        As written by a person; explicit settings and placement stay.
    width : int
        Model dimension: the standard parametrisation's learning rate follows it.
    num_windows : int
        Training windows: no automatic batch is larger, and decay keeps its timescale over them.
    base_rate : float, optional
        Learning rate of the architecture's base model, which under µP is every size's; absent for
        a network that knows nothing of µP, whose rate follows its width.
    """
    changes: dict[str, Any] = {}
    if config.batch_size == "auto":
        changes["batch_size"] = min(_DEFAULT_BATCH, num_windows)
    if config.learning_rate == "auto":
        scaled = config.parametrisation == "mup" and base_rate is not None
        changes["learning_rate"] = base_rate if scaled else learning_rate_for(width)
    if config.precision == "auto":
        changes["precision"] = "fp32"
    resolved = config.model_copy(update=changes)
    if config.weight_decay == "auto":
        decay = decay_for(resolved, num_windows)
        resolved = resolved.model_copy(update={"weight_decay": decay})
    return resolved


def resolve_for_model(
    config: TrainingConfig,
    model: nn.Module,
    dataset: FinancialDataset,
    split: Split,
    *,
    num_devices: int = 1,
) -> TrainingConfig:
    """Resolve and place a config for a model that is built already."""
    from finscale.models.mup import base_rate_of
    from finscale.training.placement import place_training

    sizes: Any = getattr(model, "sizes", None)
    resolved = resolve_training(
        config,
        width=sizes.width if sizes else _UNSTATED_WIDTH,
        num_windows=len(split.train),
        base_rate=base_rate_of(model),
    )
    placed = place_training(
        resolved,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_devices=num_devices,
    )
    return placed.model_copy(update={"strategy": "ddp"}) if placed.strategy == "auto" else placed


def decay_for(config: TrainingConfig, num_windows: int) -> float:
    """Return the weight decay of the house's timescale τ: λ = B/(η τ D), D windows seen in all.

    Parameters
    ----------
    config : TrainingConfig
        Batch size and learning rate resolved.
    num_windows : int
        Training windows.

    Examples
    --------
    >>> config = TrainingConfig(batch_size=64, learning_rate=1e-3, epochs=20)
    >>> [round(decay_for(config, num_windows), 4) for num_windows in (3_000, 300_000)]
    [0.05, 0.0005]
    """
    batch = int(config.batch_size) * config.accumulate
    seen = config.epochs * num_windows
    return batch / (float(config.learning_rate) * _TIMESCALE * seen)


def learning_rate_for(width: int) -> float:
    """Return AdamW's peak learning rate for a model of this width: 0.025 / width, at most 1e-3."""
    return transferred_rate(_HIGHEST_RATE, _UP_TO_WIDTH, width)


def transferred_rate(rate: float, at_width: int, width: int) -> float:
    """Return the learning rate of a model whose optimum is known at another width.

    One step of Adam changes a hidden layer's output in proportion to the layer's width, so the rate
    falls as 1 / width, as in µP. A narrower model keeps the rate: there embedding and head set the
    limit, and they do not grow as the width shrinks.

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
