"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from finscale.config.base import Section
from finscale.config.losses import why_not_loss_option
from finscale.config.names import LossName

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
    """Optimiser, schedule, loss, stopping and numerics of one run."""

    epochs: Annotated[int, Field(ge=1)] = 20
    """Most passes over the training windows."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Windows a forward and backward pass, and a step where accumulate is 1; auto takes what
    find-batch-size remembered for this device and architecture, else 64."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Micro-batches whose gradients are averaged into one optimiser step."""
    learning_rate: Annotated[float, Field(gt=0)] | Literal["auto"] = Field(
        default="auto", validation_alias=AliasChoices("learning_rate", "lr")
    )
    """Peak rate; auto derives it from the model's width."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Decoupled decay (AdamW), on matrices only."""
    betas: tuple[_Memory, _Memory] = (0.9, 0.95)
    """AdamW's memory of gradients and of their squares."""
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    """cosine: a linear rise, then half a wave down. one_cycle: rises along half a wave too, from a
    25th of the peak. constant: stays at the peak after the rise."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps that rise linearly to the peak rate."""
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
    """Arithmetic of the forward and backward pass; weights and optimiser stay in fp32.
    auto takes bf16-mixed where the device has units for it, or what a measurement on this machine
    has found clearly faster for the model's shape."""
    compile: bool | Literal["auto"] = False
    """Compile the model (torch.compile). auto compiles where a measurement on this machine has
    found it clearly faster and the training long enough to pay for the warm-up."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto takes cuda, then mps, then cpu."""
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """CPU threads; auto takes 1 for models below 300k parameters and all cores above."""
    evaluation_batch_size: Annotated[int, Field(ge=1)] = 512
    """Windows at once when nothing is learned."""
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0
    """Minutes between resume points; an epoch's end has one too, unless epochs are so short that
    writing would cost more than 1 % of the time."""
    thermal: ThermalConfig = ThermalConfig()

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
