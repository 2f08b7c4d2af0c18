"""A model with fast kernels is the same model."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from finscale.config import ModelConfig, TrainingConfig
from finscale.models import ARCHITECTURES, build_model
from finscale.models.kernels.accelerate import SWAPS, accelerate, kernels_rule
from finscale.models.kernels.attention import CpuAttention, attention_way
from finscale.models.kernels.dropout import ByteDropout
from finscale.models.patchtst.attention import SelfAttention

WINDOWS = {"num_features": 7, "context_length": 80}


@pytest.mark.parametrize("budget", ["5k", "55k", "600k"])
@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_outputs_and_gradients_agree_and_the_state_dict_is_the_same(kind: str, budget: str) -> None:
    torch.manual_seed(0)
    config = ARCHITECTURES[kind].config(kind=kind, budget=budget)
    # without dropout, whose kernel draws other masks
    if "dropout" in type(config).model_fields:
        config = config.model_copy(update={"dropout": 0.0})
    plain = build_model(config, **WINDOWS)
    fast = accelerate(copy.deepcopy(plain))
    assert list(fast.state_dict()) == list(plain.state_dict())
    x_BLF = torch.randn(64, 80, 7)
    outputs = [model(x_BLF) for model in (plain, fast)]
    for y in outputs:
        (y * torch.linspace(-1, 1, len(y))).sum().backward()
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-6)
    for one, other in zip(plain.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_weights_move_between_plain_and_fast() -> None:
    plain = build_model(ModelConfig(budget="55k"), **WINDOWS).eval()
    fast = accelerate(build_model(ModelConfig(budget="55k"), **WINDOWS)).eval()
    fast.load_state_dict(plain.state_dict())
    x_BLF = torch.randn(4, 80, 7)
    torch.testing.assert_close(fast(x_BLF), plain(x_BLF), rtol=1e-4, atol=1e-6)


def test_every_plain_module_is_swapped_and_subclasses_are_left_alone() -> None:
    class OwnLinear(nn.Linear):
        pass

    model = nn.Sequential(build_model(ModelConfig(budget="5k"), **WINDOWS), OwnLinear(2, 2))
    accelerate(model)
    kinds = {type(module) for module in model.modules()}
    assert kinds >= {fast for _, fast in SWAPS.values()} | {OwnLinear}
    assert not kinds & {plain for plain, _ in SWAPS.values()}


def test_kernels_can_be_left_out_one_by_one() -> None:
    model = build_model(ModelConfig(budget="5k"), **WINDOWS)
    accelerate(model, without=("dropout", "narrow"))
    kinds = {type(module) for module in model.modules()}
    assert nn.Dropout in kinds
    assert ByteDropout not in kinds
    ways = {module.ways for module in model.modules() if isinstance(module, CpuAttention)}
    assert ways == {frozenset({"explicit"})}


@pytest.mark.parametrize(
    ("settings", "kernels"),
    [
        ({"device": "cpu"}, "fast"),
        ({"device": "cuda"}, "torch"),
        ({"device": "mps"}, "torch"),
        ({"device": "cpu", "compile": True}, "torch"),
        ({"device": "cpu", "kernels": "torch"}, "torch"),
    ],
)
def test_the_rule(settings: dict, kernels: str) -> None:
    assert kernels_rule(TrainingConfig(**settings)) == kernels


def test_ways_of_attention_by_shape() -> None:
    # tokens² × head size up to 81·8
    assert attention_way(9, 8) == "narrow"
    assert attention_way(9, 9) == "explicit"
    assert attention_way(64, 16) == "explicit"
    assert attention_way(65, 16) == "fused"
    assert attention_way(9, 8, {"explicit"}) == "explicit"
    assert attention_way(9, 8, frozenset()) == "fused"


@pytest.mark.parametrize("way", ["narrow", "explicit", "fused"])
def test_each_way_is_attention(way: str) -> None:
    torch.manual_seed(0)
    plain = SelfAttention(32, 8)
    fast = copy.deepcopy(plain)
    fast.__class__ = CpuAttention
    fast.ways = {way}
    x_BTD = torch.randn(6, 9, 32, requires_grad=True)
    one, other = plain(x_BTD)[0], fast(x_BTD)[0]
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(one.square().sum(), x_BTD)
    (wanted,) = torch.autograd.grad(other.square().sum(), x_BTD)
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


def test_scores_that_are_added_or_dropped_are_the_plain_models() -> None:
    for options in ({"residual": True}, {"dropout": 0.5}, {"method": "explicit"}):
        torch.manual_seed(0)
        plain = SelfAttention(32, 8, **options)
        fast = accelerate(copy.deepcopy(plain), without=("dropout", "linear"))
        x_BTD = torch.randn(6, 9, 32)
        torch.manual_seed(1)
        one = plain(x_BTD)
        torch.manual_seed(1)
        other = fast(x_BTD)
        assert torch.equal(one[0], other[0])
        assert (one[1] is None) == (other[1] is None)
