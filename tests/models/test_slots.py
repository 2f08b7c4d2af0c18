"""Gradients written straight into the optimiser's memory are those that autograd adds up."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from finscale.models import PatchTST
from finscale.models.kernels import products
from finscale.models.slots import slot_of
from finscale.training.flat import FlatParameters

SIZES = {"num_features": 25, "context_length": 80, "depth": 2, "width": 64, "heads": 4}


def make_model(**switches) -> PatchTST:
    torch.manual_seed(3)
    return PatchTST(**SIZES, ff_width=192, dropout=0.0, **switches)


def gradients_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def backward(model: nn.Module, seed: int, rows: int = 64, *, half: bool = False) -> None:
    torch.manual_seed(seed)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output = model(torch.randn(rows, 80, 25))
    output.float().square().sum().backward()


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"])
def _kernels(request, monkeypatch) -> None:
    monkeypatch.setattr(products, "ONEDNN_WINS_IN_FP32", request.param and products.HAS_ONEDNN)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_steps_of_several_batches_are_added_up(half, checkpointing) -> None:
    plain = make_model(activation_checkpointing=checkpointing)
    model = make_model(activation_checkpointing=checkpointing)
    flat = FlatParameters([model], direct=True)
    assert slot_of(model.encoder.layers[0].ff_in.weight) is not None
    assert slot_of(model.encoder.norm.weight) is None
    for step in range(3):
        plain.zero_grad()
        flat.forget()
        # the second batch is so small that other kernels are taken
        for batch, rows in enumerate((64, 2)):
            backward(plain, 10 * step + batch, rows, half=half)
            backward(model, 10 * step + batch, rows, half=half)
        flat.complete()
        for name, wanted in gradients_of(plain).items():
            assert torch.equal(model.get_parameter(name).grad, wanted), name
            assert model.get_parameter(name).grad.data_ptr() >= flat.grads_RP.data_ptr()


def test_a_weight_that_no_pass_has_touched_has_no_gradient() -> None:
    model = make_model()
    flat = FlatParameters([model], direct=True)
    flat.forget()
    backward(model, 0)
    flat.complete()
    assert flat.grads_RP.any()
    flat.forget()
    flat.complete()
    assert not flat.grads_RP.any()


def test_a_model_that_left_its_training_has_plain_gradients() -> None:
    plain, model = make_model(), make_model()
    flat = FlatParameters([model], direct=True)
    backward(model, 0)
    before = flat.grads_RP.clone()
    model.zero_grad()
    for seed in (1, 2):
        backward(plain, seed)
        backward(model, seed)
    for name, wanted in gradients_of(plain).items():
        assert torch.equal(model.get_parameter(name).grad, wanted)
    assert torch.equal(flat.grads_RP, before)
    # and another training begins without the first one's memory
    FlatParameters([model])
    assert slot_of(model.encoder.layers[0].ff_in.weight) is None


def test_looking_does_not_touch_gradients() -> None:
    model = make_model()
    flat = FlatParameters([model], direct=True)
    backward(model, 0)
    flat.complete()
    before = flat.grads_RP.clone()
    flat.forget()
    with torch.inference_mode():
        model(torch.randn(2, 80, 25))
    num_direct = sum(p.numel() for p in model.parameters() if slot_of(p) is not None)
    assert num_direct > 0.9 * sum(p.numel() for p in model.parameters())
    assert torch.equal(flat.grads_RP[:, :num_direct], before[:, :num_direct])


def test_other_layers_are_left_to_autograd() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own, self.other = products.Linear(6, 5), nn.Linear(5, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.other(self.own(x))

    torch.manual_seed(0)
    model = Mixed()
    flat = FlatParameters([model], direct=True)
    x = torch.randn(8, 6)
    found = []
    for _ in range(2):
        flat.forget()
        model(x).sum().backward()
        flat.complete()
        found.append(gradients_of(model))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert slot_of(model.own.weight) is not None
    assert slot_of(model.other.weight) is None
