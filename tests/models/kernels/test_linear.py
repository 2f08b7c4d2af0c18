"""oneDNN's product against torch's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from finscale.models.kernels import linear
from finscale.models.kernels.linear import ONEDNN_FROM, OnednnLinear, by_onednn
from finscale.models.kernels.processor import Processor, _is_zen5, this_processor

#: Rows, inputs, outputs: above and below the threshold, wider and narrower.
SHAPES = [(640, 96, 160), (640, 160, 96), (8, 4, 4), (4096, 64, 96), (1024, 544, 512)]


@pytest.fixture
def onednn(monkeypatch):
    """Take oneDNN on every processor that has it."""
    here = this_processor()
    if not here.onednn_fp32:
        pytest.skip("torch was built without oneDNN for this processor")
    amd = replace(here, is_zen5=True, vectors="AVX512")
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
    ("processor", "wins"),
    [
        (Processor("AVX512", is_zen5=True, onednn_fp32=True), True),
        (Processor("AVX512", is_zen5=False, onednn_fp32=True), False),
        (Processor("AVX2", is_zen5=True, onednn_fp32=True), False),
        (Processor("AVX512", is_zen5=True, onednn_fp32=False), False),
        (Processor("DEFAULT", is_zen5=False, onednn_fp32=False), False),
    ],
)
def test_onednn_wins_only_where_mkl_leaves_avx512_idle(processor, wins):
    assert processor.onednn_wins_in_fp32 is wins


@pytest.mark.parametrize(
    ("vendor", "family", "expected"),
    [("AuthenticAMD", 26, True), ("AuthenticAMD", 25, False), ("GenuineIntel", 26, False)],
)
def test_the_family_tells_zen_5(vendor, family, expected):
    cpuinfo = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 17\n"
    assert _is_zen5(cpuinfo) is expected
    assert not _is_zen5("")


def test_other_types_and_autocast_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(linear._Product, "apply", lambda *_: pytest.fail("oneDNN was asked"))
    layer = OnednnLinear(100, 100).double()
    x = torch.randn(1000, 100, dtype=torch.float64)
    assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        OnednnLinear(100, 100)(torch.empty(1000, 100))
