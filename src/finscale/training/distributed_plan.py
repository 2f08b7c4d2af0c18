"""How much memory each of several devices needs for one model, and how they hold it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from finscale.config import TrainingConfig, format_count
from finscale.errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

    from finscale.models import NetworkDesign
    from finscale.models.zoo import Precision

Strategy = Literal["ddp", "fsdp"]
_FP32 = 4
#: Share of a device's memory that a training may plan with; the rest is for libraries and pieces.
_USABLE = 0.9


@dataclass(frozen=True)
class DevicePlan:
    """Bytes on each of several devices at the peak of a step."""

    strategy: Strategy
    devices: int
    weights: int
    """Of the device's share, with gradients and AdamW's two moments: what lasts."""
    gathered: int
    """FSDP: what stands around the blocks and two blocks, whole; their gradients. DDP: in bf16 a
    copy of the weights."""
    activations: int
    """Of the device's windows of a batch; with FSDP a block's are computed again."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gathered + self.activations


def device_plan(
    made: NetworkDesign,
    *,
    devices: int,
    strategy: Strategy,
    batch_size: int,
    precision: Precision = "fp32",
    device: str = "cpu",
) -> DevicePlan:
    """Return what each device needs to train a network together with others.

    Parameters
    ----------
    made : NetworkDesign
        The network.
    devices : int
        How many there are.
    strategy : {"ddp", "fsdp"}
        The model whole on each, or a share on each.
    batch_size : int
        Windows of one forward pass, over all devices.
    precision : {"fp32", "bf16-mixed"}
        Arithmetic.
    device : str
        What they are.

    Examples
    --------
    >>> from finscale.config import ModelConfig
    >>> from finscale.models import design
    >>> made = design(ModelConfig(budget="2B"), num_features=25, context_length=80)
    >>> plan = device_plan(made, devices=8, strategy="fsdp", batch_size=64)
    >>> 4e9 < plan.weights < 4.2e9  # 16 bytes × 2B / 8
    True
    """
    total, half = made.counts.total, precision == "bf16-mixed"
    share = -(-batch_size // devices)
    # weight, gradient and two moments
    lasting = 4 * _FP32 * total
    if strategy == "ddp":
        passing = _activations(made, share, precision, device)
        # gradients live in DDP's buckets; bf16 has a copy of the weights
        gathered = 2 * total if half else 0
        return DevicePlan(strategy, devices, lasting, gathered, passing)
    from finscale.models.blocks import largest_block, outside_blocks
    from finscale.models.measure import on_meta

    network = on_meta(made.network)
    around, block = outside_blocks(network), largest_block(network)
    # 1. whole from the first use to the end of the way back: what stands around the blocks
    # 2. whole in turn: one block, and the next one on its way
    # 3. their gradients in the weights' precision, and the sums over devices in fp32
    number = 2 if half else _FP32
    gathered = 2 * _FP32 * around + 2 * number * block + (number + _FP32) * block
    passing = _activations(_recomputing(made), share, precision, device)
    return DevicePlan(strategy, devices, -(-lasting // devices), gathered, passing)


def _activations(made: NetworkDesign, windows: int, precision: Precision, device: str) -> int:
    none = made.training_memory(0, precision, device)
    return made.training_memory(windows, precision, device) - none


def _recomputing(made: NetworkDesign) -> NetworkDesign:
    """Return the design that computes activations twice, where its family can say what it takes."""
    if "activation_checkpointing" not in type(made.config).model_fields:
        return made
    return replace(made, config=made.config.model_copy(update={"activation_checkpointing": True}))


def choose_strategy(made: NetworkDesign, config: TrainingConfig, devices: int) -> Strategy:
    """Return how several devices hold a network: as asked, or DDP where that fits into each.

    Parameters
    ----------
    made : NetworkDesign
        The network.
    config : TrainingConfig
        Its device, precision and batch decided.
    devices : int
        How many there are.

    Raises
    ------
    TrainingError
        If it fits in neither way.
    """
    if devices == 1:
        return "ddp"
    there = memory_of_each(str(config.device), devices)
    asked: tuple[Strategy, ...] = (
        ("ddp", "fsdp") if config.strategy == "auto" else (config.strategy,)
    )
    plans = {
        strategy: device_plan(
            made,
            devices=devices,
            strategy=strategy,
            batch_size=int(config.batch_size),
            precision="bf16-mixed" if config.precision == "bf16-mixed" else "fp32",
            device=str(config.device),
        )
        for strategy in asked
    }
    for strategy, plan in plans.items():
        if plan.total <= _USABLE * there:
            return strategy
    least = min(plan.total for plan in plans.values())
    raise TrainingError(
        f"{format_count(made.counts.total)} parameters on {devices} devices ({' or '.join(plans)}) "
        f"need {least / 2**30:.1f} GiB on each; each has {there / 2**30:.1f} GiB.",
        hint="training.strategy: auto, which may share the model out"
        if config.strategy == "ddp"
        else "more devices, a smaller budget, or a smaller training.batch_size with accumulate",
    )


def memory_of_each(device: str, devices: int) -> int:
    """Return a device's memory; processes on one CPU share its."""
    from finscale.training.devices import processes_here, total_memory

    return total_memory(device) // (1 if device == "cuda" else processes_here(devices))


def require_share(model: nn.Module, config: TrainingConfig, devices: int) -> None:
    """Refuse at once a model of which a device cannot hold its part.

    Raises
    ------
    TrainingError
        With what it would need.
    """
    from finscale.training.devices import processes_here, require_memory

    total = sum(parameter.numel() for parameter in model.parameters())
    share = -(-total // devices) if config.strategy == "fsdp" else total
    local = 1 if config.device == "cuda" else processes_here(devices)
    require_memory(total, str(config.device), 16 * share * local)
