"""What every registered architecture does alike, whatever it is made of."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from finscale.config import NetworkConfig, validate
from finscale.models import ARCHITECTURES, build_model, design
from finscale.models.kernels.accelerate import accelerate
from finscale.training.replica_draws import ReplicaDraws

KINDS = tuple(ARCHITECTURES)
WINDOWS: dict[str, Any] = {"num_features": 25, "context_length": 80}
HEADS: list[dict[str, Any]] = [
    {"head": "classification"},
    {"head": "regression", "num_outputs": 3},
    {"head": "forecast", "forecast_length": 24},
]
NUMBERS = HEADS[:2]
#: Settings that leave nothing to a budget: the paper's map has one size.
UNSIZED = {("dlinear", "forecast")}
#: A forecast of 24 rows of 25 features at once takes this many, whatever stands in front of it.
LEAST = {("patchtst", "forecast"): 200_000, ("mlp", "forecast"): 20_000}
#: On hundreds and thousands of features: input sides that mixing them makes no smaller.
MANY_FEATURES = {("patchtst", 2000): "20k", ("mlp", 200): "20k", ("mlp", 2000): "200k"}
MANY_FEATURES |= {("dlinear", 2000): "200k"}

heads = pytest.mark.parametrize("head", HEADS, ids=lambda head: head["head"])
kinds = pytest.mark.parametrize("kind", KINDS)


def config_of(kind: str, **settings: Any) -> NetworkConfig:
    return validate(ARCHITECTURES[kind].config, {"kind": kind, **settings}, place="a test")


def made_with(kind: str, head: dict[str, Any], budget: int = 20_000) -> Any:
    torch.manual_seed(0)
    at_least = max(budget, LEAST.get((kind, head["head"]), 0))
    settings = {} if (kind, head["head"]) in UNSIZED else {"budget": at_least}
    return build_model(config_of(kind, **settings), **WINDOWS, **head)


def prices(num_windows: int = 4) -> Tensor:
    torch.manual_seed(1)
    return 100 + torch.randn(num_windows, 80, 25).cumsum(1)


@heads
@pytest.mark.parametrize("budget", [5_000, 20_000, 200_000, 2_000_000, 20_000_000])
@kinds
def test_every_budget_is_met_by_every_head(kind: str, budget: int, head: dict[str, Any]) -> None:
    if (kind, head["head"]) in UNSIZED or budget < LEAST.get((kind, head["head"]), 0):
        return
    made = design(config_of(kind, budget=budget), **WINDOWS, **head)
    assert made.counts.total == pytest.approx(budget, rel=0.05)


@pytest.mark.parametrize("head", NUMBERS, ids=lambda head: head["head"])
@pytest.mark.parametrize("num_features", [200, 2000])
@kinds
def test_many_features_do_not_eat_a_small_budget(
    kind: str, num_features: int, head: dict[str, Any]
) -> None:
    config = config_of(kind, budget=MANY_FEATURES.get((kind, num_features), "5k"))
    made = design(config, num_features=num_features, context_length=80, **head)
    assert config.budget is not None
    assert made.counts.total == pytest.approx(config.budget, rel=0.05)
    y = made.build().eval()(torch.randn(2, 80, num_features))
    assert y.isfinite().all()


@heads
@kinds
def test_a_gradient_reaches_every_parameter(kind: str, head: dict[str, Any]) -> None:
    model = made_with(kind, head).eval()
    y = model(prices())
    (y * torch.randn_like(y)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@heads
@kinds
def test_a_window_is_read_alone(kind: str, head: dict[str, Any]) -> None:
    model = made_with(kind, head).eval()
    x_BLF = prices()
    with torch.no_grad():
        together = model(x_BLF)
        alone = torch.cat([model(x_BLF[i : i + 1]) for i in range(len(x_BLF))])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", NUMBERS, ids=lambda head: head["head"])
@kinds
def test_prices_ten_times_as_high_say_the_same(kind: str, head: dict[str, Any]) -> None:
    """But for the absolute spread, the one statistic that is meant to tell them apart."""
    model = made_with(kind, head).eval()
    x_BLF = prices()
    z_BLF, stats_BFk, *moments = model.prepare(x_BLF)
    tenfold_BLF, tenfold_BFk, *_ = model.prepare(10 * x_BLF)
    same_BFk = torch.cat([stats_BFk[..., :1], tenfold_BFk[..., 1:]], dim=2)
    with torch.no_grad():
        here, there = (
            model.encode(z_BLF, stats_BFk, *moments),
            model.encode(tenfold_BLF, same_BFk, *moments),
        )
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)


@kinds
def test_a_forecast_of_prices_ten_times_as_high_is_ten_times_as_high(kind: str) -> None:
    model = made_with(kind, HEADS[2]).eval()
    x_BLF = prices()
    with torch.no_grad():
        torch.testing.assert_close(model(10 * x_BLF), 10 * model(x_BLF), rtol=1e-4, atol=1e-2)


@kinds
def test_a_forecast_of_windows_left_as_they_are_is_in_their_units(kind: str) -> None:
    if kind == "patchtst":
        return  # decides by its own model.revin
    torch.manual_seed(0)
    settings = {} if (kind, "forecast") in UNSIZED else {"budget": 20_000}
    head = {"head": "forecast", "forecast_length": 24}
    model: Any = build_model(config_of(kind, **settings), **WINDOWS, **head, normalise=False).eval()
    x_BLF = prices()
    z_BLF, stats_BFk, *_ = model.prepare(x_BLF)
    assert torch.equal(z_BLF, x_BLF)
    # nothing is put back: what the network writes is the forecast
    assert torch.equal(model(x_BLF), model.outputs(z_BLF, stats_BFk))


@heads
@kinds
def test_kernels_agree(kind: str, head: dict[str, Any]) -> None:
    model = made_with(kind, head).eval()
    x_BLF = prices()
    with torch.no_grad():
        plain = model(x_BLF)
        fast = accelerate(copy.deepcopy(model))(x_BLF)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


class Draws:
    """Torch's global generator, one state for each replica."""

    def __init__(self, num_replicas: int) -> None:
        self.states = []
        for seed in range(num_replicas):
            torch.manual_seed(seed)
            self.states.append(torch.get_rng_state())

    @contextlib.contextmanager
    def of(self, replica: int) -> Iterator[None]:
        kept = torch.get_rng_state()
        torch.set_rng_state(self.states[replica])
        yield
        self.states[replica] = torch.get_rng_state()
        torch.set_rng_state(kept)


@heads
@kinds
def test_replicas_under_vmap_are_each_as_alone(kind: str, head: dict[str, Any]) -> None:
    """While training, dropout included: masks are each replica's own."""
    if not ARCHITECTURES[kind].vmaps:
        pytest.skip("torch cannot stack its layers; the ensemble rule trains it alone")
    models = [made_with(kind, head, 5_000).train() for _ in range(2)]
    with torch.no_grad():
        for parameter in models[1].parameters():
            parameter.mul_(1.1)
    x_RBLF = torch.stack([prices(), 2 * prices()])
    alone = []
    for seed, model in enumerate(models):
        torch.manual_seed(seed)
        alone.append(copy.deepcopy(model)(x_RBLF[seed]))
    program = copy.deepcopy(models[0]).to("meta")

    def call(params: dict[str, Tensor], buffers: dict[str, Tensor], x_BLF: Tensor) -> Tensor:
        return functional_call(program, (params, buffers), (x_BLF,))

    draws = Draws(2)
    with ReplicaDraws([lambda: draws.of(0), lambda: draws.of(1)]):
        state = stack_module_state(list[nn.Module](models))
        together = vmap(call, randomness="error")(*state, x_RBLF)
    assert not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-4)
