"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from finscale.config.base import Section, per_replica, placement
from finscale.config.losses import why_not_loss_option
from finscale.config.names import LossName, Parametrisation

_Memory = Annotated[float, Field(ge=0, lt=1)]


class ThermalConfig(Section):
    """Temperature bands in °C; see ``ThermalCallback``."""

    enabled: bool = True
    """Whether temperature is watched, where it can be read."""
    warm: float = 70.0
    """From here on the temperature is shown as elevated."""
    warn: float = 85.0
    """From here on a warning is given."""
    stop: float = 95.0
    """From here on a checkpoint is written and training stops."""
    interval: Annotated[float, Field(gt=0)] = 5.0
    """Seconds between readings."""

    @model_validator(mode="after")
    def _in_order(self) -> ThermalConfig:
        if not self.warm < self.warn < self.stop:
            raise ValueError("the bands must rise: warm < warn < stop")
        return self


class TrainingConfig(Section):
    """Optimiser, schedule, loss, stopping and placement of one run."""

    epochs: Annotated[int, Field(ge=1)] = 20
    """Passes over the training windows at most."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Windows in one forward and backward pass, and in one step where accumulate is 1. auto takes
    64, or all training windows where there are fewer; ``find-batch-size --write`` puts the size
    that it measured into the file."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Micro-batches whose gradients are averaged into one optimiser step."""
    learning_rate: Annotated[Annotated[float, Field(gt=0)] | Literal["auto"], per_replica()] = (
        Field(default="auto", validation_alias=AliasChoices("learning_rate", "lr"))
    )
    """Peak rate. auto takes the architecture's own, tuned at its base sizes; with the standard
    parametrisation it derives it from the model's width."""
    parametrisation: Parametrisation = "mup"
    """How a network's sizes enter its training. mup: hidden and output layers learn at the rate
    over their width ratio to the base model, all else at the rate itself, and residual branches are
    weighted by depth, so that one rate serves all sizes. standard: one rate for all parameters,
    which falls with the width; runs of earlier versions have it."""
    weight_decay: Annotated[Annotated[float, Field(ge=0)] | Literal["auto"], per_replica()] = 0.05
    """Decoupled weight decay (AdamW), on matrices only. auto holds its timescale over the whole
    training: what 0.05 is for 20 epochs of 3,000 windows at batch 64 and rate 0.001."""
    betas: tuple[_Memory, _Memory] = (0.9, 0.95)
    """AdamW's decay rates for the averages of gradients and of their squares."""
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    """cosine: a linear rise to the peak, then a half cosine down. one_cycle: a half cosine up from
    a 25th of the peak, then one down. constant: a linear rise, then the peak."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps in which the rate rises to its peak."""
    final_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Rate at the end, as a share of the peak."""
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Gradient norm above which gradients are scaled down."""
    loss: LossName | None = None
    """Training objective; cross_entropy for classification, mse for regression when absent."""
    loss_options: dict[str, float | tuple[float, ...]] = Field(default_factory=dict)
    """Parameters of the loss: gamma, epsilon, delta, quantiles …"""
    patience: Annotated[int, Field(ge=1)] | None = 5
    """Epochs without a better validation loss before training stops; None never stops early."""
    precision: Literal["auto", "fp32", "bf16-mixed"] = "fp32"
    """Arithmetic of the forward and backward pass; weights and optimiser stay in fp32. bf16-mixed
    is refused where the device cannot compute it. auto is fp32 on every machine."""
    compile: Annotated[bool | Literal["auto"], placement()] = False
    """Compile the model (torch.compile); pays for long trainings only. auto does not compile."""
    kernels: Annotated[Literal["auto", "torch", "fast"], placement()] = "auto"
    """torch runs torch's own layers; fast swaps in finscale's CPU kernels after the model is built.
    auto takes fast on a CPU, unless the model is compiled."""
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], placement()] = "auto"
    """auto takes cuda, then mps, then cpu."""
    devices: Annotated[int, Field(ge=1), placement()] = 1
    """Processes that train one model together, one device each: ``finscale train --devices 4``. A
    step's windows are the same, whatever their number, and are shared out between them."""
    strategy: Annotated[Literal["auto", "ddp", "fsdp"], placement()] = "auto"
    """How several devices hold one model. ddp: all of it on each of them. fsdp: a share of its
    weights, gradients and moments on each, and activations computed twice. auto is ddp where the
    training fits into one device's memory."""
    threads: Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], placement()] = "auto"
    """CPU threads; auto takes 1 for models below 300k parameters and all cores above."""
    evaluation_batch_size: Annotated[int, Field(ge=1), placement()] = 512
    """Windows in one forward pass when nothing is learned."""
    checkpoint_minutes: Annotated[float, Field(ge=0), placement()] = 5.0
    """Minutes between resume points. The end of an epoch has one too, unless epochs are so short
    that writing would cost more than 1 % of the time."""
    thermal: Annotated[ThermalConfig, placement()] = ThermalConfig()

    @field_validator("loss_options")
    @classmethod
    def _in_range(
        cls, value: dict[str, float | tuple[float, ...]]
    ) -> dict[str, float | tuple[float, ...]]:
        for name, option in value.items():
            reason = why_not_loss_option(name, option)
            if reason:
                raise ValueError(reason)
        return value
