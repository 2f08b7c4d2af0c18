"""oneDNN's product against torch's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from finscale.models.kernels import linear
from finscale.models.kernels.linear import ONEDNN_FROM, OnednnLinear, by_onednn
from finscale.models.kernels.processor import Processor, _amd_family, this_processor

#: Rows, inputs, outputs: above and below the threshold, wider and narrower.
SHAPES = [(640, 96, 160), (640, 160, 96), (8, 4, 4), (4096, 64, 96), (1024, 544, 512)]


@pytest.fixture(params=[25, 26], ids=["zen4", "zen5"])
def onednn(request, monkeypatch):
    """Take oneDNN on every processor that has it, as either family does."""
    here = this_processor()
    if not here.onednn_fp32:
        pytest.skip("torch was built without oneDNN for this processor")
    amd = replace(here, amd_family=request.param, vectors="AVX512")
    monkeypatch.setattr(linear, "this_processor", lambda: amd)


def gradients(layer, x, *, reference):
    weight, bias = (p.detach().double() if reference else p.detach() for p in layer.parameters())
    inputs = [(x.double() if reference else x), weight, bias]
    for tensor in inputs:
        tensor.requires_grad_(True)
    if reference:
        y = F.linear(*inputs)
    else:
        y = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (inputs[0],))
    (y * torch.arange(y.shape[-1])).sum().backward()
    return [y.double(), *(tensor.grad.double() for tensor in inputs)]


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradients_are_those_of_a_product(shape):
    rows, inputs, outputs = shape
    torch.manual_seed(0)
    layer = OnednnLinear(inputs, outputs)
    x = torch.randn(rows // 4, 4, inputs)
    exact = gradients(layer, x.clone(), reference=True)
    found = gradients(layer, x.clone(), reference=False)
    for ours, wanted in zip(found, exact, strict=True):
        assert (ours - wanted).norm() / wanted.norm() < 1e-6


@pytest.mark.usefixtures("onednn")
def test_a_layer_without_bias_whose_input_needs_no_gradient():
    layer = OnednnLinear(96, 160, bias=False)
    x = torch.randn(640, 96)
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(160, -1), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("onednn")
def test_it_is_the_number_of_flops_that_decides():
    weight = torch.empty(100, 100)
    enough = int(ONEDNN_FROM / 20_000)
    assert by_onednn(enough, weight)
    assert not by_onednn(enough - 1, weight)


@pytest.mark.parametrize(
    ("processor", "products", "gradients"),
    [
        (Processor("AVX512", amd_family=26, onednn_fp32=True), True, True),
        (Processor("AVX512", amd_family=25, onednn_fp32=True), True, False),
        (Processor("AVX512", amd_family=0, onednn_fp32=True), False, False),
        (Processor("AVX2", amd_family=26, onednn_fp32=True), False, False),
        (Processor("AVX512", amd_family=26, onednn_fp32=False), False, False),
        (Processor("DEFAULT", amd_family=0, onednn_fp32=False), False, False),
    ],
)
def test_onednn_wins_only_where_mkl_leaves_avx512_idle(processor, products, gradients):
    assert processor.onednn_wins is products
    assert processor.onednn_wins_weight_gradients is gradients


@pytest.mark.parametrize(
    ("vendor", "family", "expected"),
    [("AuthenticAMD", 26, 26), ("AuthenticAMD", 25, 25), ("GenuineIntel", 26, 0)],
)
def test_the_family_is_read_from_linux(vendor, family, expected):
    cpuinfo = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 17\n"
    assert _amd_family(cpuinfo) == expected
    assert _amd_family("") == 0


def test_other_types_and_autocast_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(linear._Product, "apply", lambda *_: pytest.fail("oneDNN was asked"))
    layer = OnednnLinear(100, 100).double()
    x = torch.randn(1000, 100, dtype=torch.float64)
    assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        OnednnLinear(100, 100)(torch.empty(1000, 100))
