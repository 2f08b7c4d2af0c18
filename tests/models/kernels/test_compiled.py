"""Compiled models draw the same masks and find the same gradients as uncompiled ones."""

from __future__ import annotations

import contextlib

import pytest
import torch

from finscale.errors import TrainingError
from finscale.models import PatchTST
from finscale.models.kernels import dropout, products
from finscale.training.devices import require_compiler


def compiler_is_missing() -> bool:
    try:
        require_compiler("cpu")
    except TrainingError:
        return True
    return False


def test_a_mask_is_drawn_from_who_draws_here() -> None:
    from finscale.models.kernels.compiled import dropout_mask

    like, wanted = torch.empty(3, 50), torch.empty(150)
    dropout.fill_mask(wanted, 0.3, torch.Generator().manual_seed(5))
    with dropout.drawing_from([torch.Generator().manual_seed(5)]):
        mask = dropout_mask(like, 0.3)
    assert torch.equal(mask.view(-1), wanted)
    kept = mask[mask != 0]
    # 77 bytes of 256 drop
    assert bool((kept == torch.tensor(256 / 179)).all())
    assert 60 < len(kept) < 140


@pytest.mark.skipif(not products.HAS_ONEDNN, reason="torch was built without oneDNN")
@pytest.mark.parametrize("biased", [True, False])
def test_the_product_has_the_gradients_of_a_linear_layer(biased) -> None:
    from finscale.models.kernels.compiled import onednn_product

    torch.manual_seed(0)
    shapes = [(32, 24), (40, 24), (40,)]
    own, other = ([torch.randn(s, requires_grad=True) for s in shapes] for _ in range(2))
    for one, two in zip(own, other, strict=True):
        two.data.copy_(one.data)
    upstream = torch.randn(32, 40)
    bias = own[2] if biased else None
    onednn_product(own[0], own[1], bias).backward(upstream)
    torch.nn.functional.linear(other[0], other[1], other[2] if biased else None).backward(upstream)
    for one, two in zip(own[: 2 + biased], other, strict=False):
        torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.skipif(compiler_is_missing(), reason="torch.compile needs a C++ compiler")
@pytest.mark.timeout(900)  # the compiler on a loaded machine
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_and_uncompiled_agree(precision, monkeypatch) -> None:
    # so that every product of the compiled fp32 model is ours
    monkeypatch.setattr(products, "ONEDNN_FROM", 0.0)
    monkeypatch.setattr(products, "ONEDNN_WINS_IN_FP32", products.HAS_ONEDNN)
    torch.manual_seed(0)
    model = PatchTST(
        num_features=5, context_length=32, depth=1, width=16, heads=2, ff_width=33, dropout=0.3
    ).train()
    x_BLF = torch.randn(32, 32, 5)

    def outcome(forward) -> tuple[torch.Tensor, ...]:
        model.zero_grad()
        half = torch.autocast("cpu", torch.bfloat16)
        with (
            dropout.drawing_from([torch.Generator().manual_seed(1)]),
            half if precision == "bf16" else contextlib.nullcontext(),
        ):
            logits_B = forward(x_BLF).float()
        logits_B.square().sum().backward()
        grads = [parameter.grad.clone() for parameter in model.parameters()]
        return logits_B.detach(), *grads

    tolerance = {"rtol": 1e-4, "atol": 1e-5} if precision == "fp32" else {"rtol": 0.1, "atol": 0.05}
    torch._dynamo.reset()
    for one, two in zip(outcome(torch.compile(model)), outcome(model), strict=True):
        torch.testing.assert_close(one, two, **tolerance)
