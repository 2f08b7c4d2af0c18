"""A linear function of the last row beside a network."""

import math

import pytest
import torch
from torch import nn

from finscale.config import ModelConfig
from finscale.config.recorded import read_recorded
from finscale.errors import ConfigError
from finscale.models import build_model, resolve_model
from finscale.models.linear_path import LinearPath
from finscale.models.zoo import ARCHITECTURES as ZOO

F, L, K = 7, 32, 5
SHAPE = {"num_features": F, "context_length": L, "num_relative": K}


def config(kind="patchtst", **settings):
    return ZOO[kind].config.model_validate({"kind": kind, "budget": "20k", **settings})


def windows(num=6):
    torch.manual_seed(0)
    return torch.randn(num, L, F).cumsum(1) + 50, torch.randn(num, K)


def fitted(model):
    weight_QK = torch.randn(model.weight_QK.shape)
    model.set_scale(torch.arange(float(K)), torch.full((K,), 2.0), 0.75)
    model.set_weights(weight_QK, torch.full((len(weight_QK),), 0.25))
    return weight_QK


@pytest.mark.parametrize("kind", sorted(ZOO))
@pytest.mark.parametrize(("head", "num_outputs"), [("classification", 1), ("regression", 3)])
def test_every_architecture_starts_as_the_linear_function(kind, head, num_outputs):
    shape = {**SHAPE, "head": head, "num_outputs": num_outputs}
    model = build_model(config(kind, linear_path="frozen"), **shape).eval()
    assert isinstance(model, LinearPath)
    weight_QK = fitted(model)
    x_BLF, last_BK = windows()
    z_BK = ((last_BK - torch.arange(float(K))) / 2).clamp(-0.75, 0.75)
    expected = z_BK @ weight_QK.T + 0.25
    torch.testing.assert_close(model(x_BLF, last_BK), expected.squeeze(1))
    # and the network can move it
    model.train()
    model(x_BLF, last_BK).square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in model.network.parameters())


def test_a_frozen_path_is_no_parameter_and_a_fitted_one_learns():
    frozen, free = (build_model(config(linear_path=way), **SHAPE) for way in ("frozen", "fitted"))
    network = sum(p.numel() for p in frozen.network.parameters())
    assert sum(p.numel() for p in frozen.parameters()) == network
    assert sum(p.numel() for p in free.parameters()) == network + K + 1
    assert {*frozen.state_dict()} == {*free.state_dict()}


def test_counts_and_budget_are_the_networks_own():
    with_path = resolve_model(config(linear_path="frozen"), **SHAPE)
    without = resolve_model(config(linear_path="none"), **SHAPE)
    assert with_path.model_copy(update={"linear_path": "none"}) == without


def test_missing_and_wild_values_count_as_average_and_as_the_limit():
    model = build_model(config(linear_path="frozen"), **SHAPE).eval()
    weight_QK = fitted(model)
    x_BLF, _ = windows(2)
    last_BK = torch.tensor([[math.nan] * K, [1e9] * K])
    expected = torch.stack([torch.tensor(0.25), 0.75 * weight_QK.sum() + 0.25])
    torch.testing.assert_close(model(x_BLF, last_BK), expected)


def test_bf16_leaves_the_linear_answer_whole():
    model = build_model(config(linear_path="frozen"), **SHAPE).eval()
    fitted(model)
    z_BK = torch.randn(6, K)
    zeros = nn.Flatten(0)
    model.network = zeros
    nothing = torch.zeros(6, 1)
    exact = model.encode(z_BK, nothing)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode(z_BK, nothing), exact)


@pytest.mark.parametrize(
    ("asked", "head", "num_relative", "expected"),
    [
        ("auto", "classification", K, "frozen"),
        (True, "regression", K, "frozen"),
        ("auto", "classification", 0, "none"),
        ("auto", "forecast", K, "none"),
        (False, "classification", K, "none"),
        ("zero", "classification", K, "zero"),
    ],
)
def test_what_auto_means(asked, head, num_relative, expected):
    shape = {**SHAPE, "head": head, "num_relative": num_relative}
    shape["forecast_length"] = 4 if head == "forecast" else None
    assert resolve_model(config(linear_path=asked), **shape).linear_path == expected


def test_a_path_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="relative columns"):
        resolve_model(config(linear_path="frozen"), **{**SHAPE, "num_relative": 0})


def test_runs_of_before_have_none():
    content = {"model": {"kind": "patchtst", "budget": 5000}}
    assert read_recorded(content, place="run.json").network.linear_path == "none"
    assert ModelConfig(budget=5000).linear_path == "auto"
