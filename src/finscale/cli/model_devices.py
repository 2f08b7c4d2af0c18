"""What ``finscale model show --devices N`` adds: the memory that each of several devices needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from finscale.cli.options import plain_table, say

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.models import NetworkDesign
    from finscale.training.distributed_plan import DevicePlan

Arithmetic = Literal["fp32", "bf16-mixed"]


def device_plans(
    made: NetworkDesign, *, devices: int, batch_size: int, precision: Arithmetic
) -> list[DevicePlan]:
    """Return what each device needs by DDP and by FSDP; by neither on one device alone."""
    from finscale.training.distributed_plan import device_plan

    return [
        device_plan(
            made,
            devices=devices,
            strategy=strategy,
            batch_size=batch_size,
            precision=precision,
            device="cuda",
        )
        for strategy in ("ddp", "fsdp")
    ]


def plan_facts(plans: Sequence[DevicePlan]) -> list[dict[str, Any]]:
    """Return plans as plain values, in bytes."""
    return [{**asdict(plan), "total": plan.total} for plan in plans]


def print_plans(
    plans: Sequence[DevicePlan], terminal: Console, *, batch_size: int, precision: str
) -> None:
    """Print what each device needs, one way of holding the model a line."""
    devices = plans[0].devices
    columns = ("each device", "lasting", "gathered", "activations", "total")
    rows = [
        (plan.strategy.upper(), *(f"{size / 2**30:,.2f} GiB" for size in _sizes(plan)))
        for plan in plans
    ]
    terminal.print(plain_table(columns, rows, left=columns[:1]))
    say(
        f"{devices:,} devices, a batch of {batch_size:,} shared by them, {precision}. lasting: "
        "weights, gradients and AdamW. gathered: what FSDP has whole for a moment. "
        "training.strategy: auto takes DDP where it fits.",
        terminal,
    )


def _sizes(plan: DevicePlan) -> tuple[int, ...]:
    return plan.weights, plan.gathered, plan.activations, plan.total
