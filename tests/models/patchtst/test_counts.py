"""Parameters, FLOPs and memory in closed form against what torch counts."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from finscale.config import ModelConfig
from finscale.models import (
    NetworkDesign,
    ParameterCounts,
    PatchTST,
    PatchTSTSizes,
    count_parameters,
    design,
    flops_per_sample,
)
from finscale.models.kernels.accelerate import accelerate
from finscale.models.patchtst.memory import activation_memory

SIZES: dict[str, Any] = {
    "num_features": 25,
    "context_length": 80,
    "depth": 3,
    "width": 64,
    "heads": 4,
    "ff_width": 256,
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"channels": "independent"},
    {"feature_embedding": 8},
    {"instance_stats": False, "pad_end": True},
    {"norm": "batch", "revin_affine": True},
    {"attention_residual": True, "attention_dropout": 0.1},
    {"head": "regression", "num_outputs": 3},
    {"head": "forecast", "forecast_length": 12},
    {"head": "forecast", "forecast_length": 12, "channels": "independent"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_closed_form_counts_are_those_of_the_model(options: dict[str, Any]) -> None:
    model = PatchTST(**SIZES, **options)
    counts = count_parameters(model)
    assert counts.total == sum(p.numel() for p in model.parameters())
    assert count_parameters(model.sizes) == counts


def test_the_three_counts_of_a_model_worked_out_by_hand() -> None:
    tiny = PatchTSTSizes(
        num_features=2,
        context_length=24,
        depth=1,
        width=4,
        heads=1,
        ff_width=8,
        instance_stats=False,
    )
    # patches 16·2·4 + 4, positions 2·4
    inputs = 132 + 8
    # qkv 4·12 + 12, out 4·4 + 4, feed-forward 4·8 + 8 and 8·4 + 4, three norms of 8
    encoder = 60 + 20 + 40 + 36 + 24
    head = 8 + 1
    assert count_parameters(tiny) == ParameterCounts(
        total=inputs + encoder + head,
        non_embedding=encoder + head,
        input_and_head=inputs + head,
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_flops_are_those_that_torch_counts(options: dict[str, Any]) -> None:
    model = PatchTST(**{**SIZES, "attention": "explicit", **options}).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(4, 80, 25))
    assert flops_per_sample(model) == pytest.approx(counter.get_total_flops() / 4, rel=1e-3)


def test_a_training_step_takes_three_times_the_forward_pass() -> None:
    model = PatchTST(**SIZES, attention="explicit")
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(4, 80, 25)).sum().backward()
    # less the gradients of the inputs, which nobody needs
    assert counter.get_total_flops() / 4 == pytest.approx(3 * flops_per_sample(model), rel=0.05)


def saved_bytes(model: PatchTST, x_BLF: torch.Tensor, precision: str) -> int:
    """Return the bytes that autograd keeps for the backward pass, parameters aside."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage
        return tensor

    half = precision == "bf16-mixed"
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        loss = model(x_BLF).sum()
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.0},
        {"channels": "independent"},
        {"attention": "fused"},
        {"feature_embedding": 8},
        {"attention_dropout": 0.1},
    ],
    ids=str,
)
def test_activations_are_those_that_autograd_keeps(options: dict[str, Any], precision: Any) -> None:
    model = PatchTST(**SIZES, **options)
    accelerate(model)  # as a CPU trains it
    measured = saved_bytes(model, torch.randn(64, 80, 25), precision)
    if precision == "bf16-mixed":  # the copies of the weights are no activations
        measured -= 2 * count_parameters(model).total
    assert activation_memory(model.sizes, precision) == pytest.approx(measured / 64, rel=0.03)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("batch_size", [8, 512])
def test_training_memory_is_the_peak_of_a_step(batch_size: int, checkpointing: bool) -> None:
    model = PatchTST(**{**SIZES, "depth": 6}, activation_checkpointing=checkpointing)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x_BLF = torch.randn(batch_size, 80, 25)

    def step() -> None:
        model(x_BLF).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)  # as flat gradients stay

    step()
    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    assert profile.profiler is not None
    events = profile.profiler.kineto_results.events()
    live = list(accumulate(e.nbytes() for e in events if e.name() == "[memory]"))
    lasting = 16 * count_parameters(model).total
    measured = lasting + max(live)
    made = designed(depth=6, activation_checkpointing=checkpointing)
    assert made.training_memory(batch_size) == pytest.approx(measured, rel=0.1)


def designed(**changes: Any) -> NetworkDesign:
    sizes = {"depth": 3, "width": 64, "heads": 4, "ff_width": 256}
    config = ModelConfig(**{**sizes, **changes})
    return design(config, num_features=25, context_length=80)


def test_training_memory_of_the_presets_sizes() -> None:
    sizes = {"num_features": 25, "context_length": 80}
    large = design(ModelConfig(budget="200M"), **sizes)
    assert 3.2e9 < large.training_memory(batch_size=32) < 5e9
    giant = design(ModelConfig(budget="2B"), **sizes)
    assert giant.training_memory(batch_size=8) > 24 * 2**30


def test_memory_grows_with_what_it_should() -> None:
    small = designed()
    assert small.training_memory(512) > small.training_memory(256)
    assert small.training_memory(256, "bf16-mixed") < small.training_memory(256)
    assert small.resident_memory(256) > small.training_memory(256)
    again = designed(activation_checkpointing=True)
    assert again.training_memory(256) < small.training_memory(256)
    assert designed(depth=6).training_memory(256) > 1.7 * small.training_memory(256)
