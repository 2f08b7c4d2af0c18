"""The fast product against torch's own, alone and in a stack."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from finscale.models.kernels import products
from finscale.models.kernels.products import ONEDNN_FROM, Linear, by_onednn

needs_onednn = pytest.mark.skipif(not products.HAS_ONEDNN, reason="torch was built without oneDNN")
#: Rows, inputs, outputs: above and below the threshold, wider and narrower; the last two are those
#: whose weight's gradient is made transposed in bf16.
SHAPES = [(640, 96, 160), (640, 160, 96), (8, 4, 4), (4096, 64, 96), (1024, 544, 512)]


@pytest.fixture
def onednn(monkeypatch):
    """Take oneDNN in fp32 on every processor."""
    monkeypatch.setattr(products, "ONEDNN_WINS_IN_FP32", True)


def gradients(layer, x, *, half, reference):
    weight, bias = (p.detach().double() if reference else p.detach() for p in layer.parameters())
    inputs = [(x.double() if reference else x), weight, bias]
    for tensor in inputs:
        tensor.requires_grad_(True)
    if reference:
        y = F.linear(*inputs)
    else:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (inputs[0],))
    (y * torch.arange(y.shape[-1])).sum().backward()
    return [y.double(), *(tensor.grad.double() for tensor in inputs)]


@needs_onednn
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradients_are_those_of_a_product(onednn, shape, half):
    rows, inputs, outputs = shape
    torch.manual_seed(0)
    layer = Linear(inputs, outputs)
    x = torch.randn(rows // 4, 4, inputs)
    exact = gradients(layer, x.clone(), half=half, reference=True)
    found = gradients(layer, x.clone(), half=half, reference=False)
    for ours, wanted in zip(found, exact, strict=True):
        error = (ours - wanted).norm() / wanted.norm()
        assert error < (1e-2 if half else 1e-6)


@needs_onednn
def test_it_is_the_number_of_flops_that_decides(onednn):
    weight = torch.empty(100, 100)
    enough = int(ONEDNN_FROM / 20_000)
    assert by_onednn(enough, weight, weight.dtype)
    assert not by_onednn(enough - 1, weight, weight.dtype)
    assert not by_onednn(enough, weight, torch.float64)


def test_weights_have_the_names_of_a_plain_linear():
    plain, ours = torch.nn.Linear(3, 2), Linear(3, 2)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(ours(x), plain(x))
