"""A recorded model plays the bits that autograd computes."""

from __future__ import annotations

import contextlib

import pytest
import torch

from finscale.models import PatchTST
from finscale.models.kernels.dropout import drawing_from
from finscale.training import playing
from finscale.training.playing import Player, can_play, dropout_rates, player_of
from finscale.training.recording import Recording

SIZES = {"num_features": 25, "context_length": 80, "depth": 2, "dropout": 0.3}
#: Narrow, explicit and fused attention; patches of all features and of few; odd numbers.
KINDS = {
    "narrow": {"width": 24, "heads": 6, "ff_width": 80, "feature_embedding": 6},
    "explicit": {"width": 32, "heads": 2, "ff_width": 67, "attention": "explicit"},
    "fused": {"width": 32, "heads": 2, "ff_width": 64, "attention": "fused"},
    "post": {"width": 30, "heads": 3, "ff_width": 50, "attention_residual": True},
    "independent": {"width": 16, "heads": 4, "ff_width": 32, "channels": "independent"},
    "forecast": {"width": 16, "heads": 4, "ff_width": 32, "head": "forecast", "forecast_length": 4},
}


def block(precision: str) -> contextlib.AbstractContextManager:
    half = precision == "bf16"
    return torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()


def make(seed: int, **sizes) -> PatchTST:
    torch.manual_seed(seed)
    return PatchTST(**{**SIZES, **sizes}).train()


def by_autograd(model, inputs, grad, seed, precision):
    generator = torch.Generator().manual_seed(seed)
    with drawing_from([generator]), block(precision):
        output = model.encode(*inputs)
    grads = torch.autograd.grad(output, list(model.parameters()), grad.to(output.dtype))
    return output, grads, generator.get_state()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_output_and_gradients_of_every_model_have_the_bits_of_autograd(kind, precision) -> None:
    models = [make(seed, **KINDS[kind]) for seed in range(3)]
    batches = [models[0].prepare(torch.randn(32, 80, 25)) for _ in models]
    player = Player(Recording(models[0], batches[0], block(precision)))
    for seed, (model, inputs) in enumerate(zip(models, batches, strict=True)):
        with torch.no_grad():
            grad = torch.randn_like(model.encode(*inputs))
        wanted, wanted_grads, state = by_autograd(model, inputs, grad, seed, precision)
        generator = torch.Generator().manual_seed(seed)
        play = player.play(inputs, player.views(model), generator)
        assert torch.equal(next(play), wanted)
        grads = play.send(grad.to(wanted.dtype))
        for (name, _), found, one in zip(
            model.named_parameters(), grads, wanted_grads, strict=True
        ):
            assert torch.equal(found, one), name
        assert torch.equal(generator.get_state(), state)


def test_recording_leaves_the_model_as_it_is() -> None:
    model = make(0, **KINDS["narrow"])
    inputs = model.prepare(torch.randn(32, 80, 25))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    state = torch.get_rng_state()
    Player(Recording(model, inputs, contextlib.nullcontext()))
    assert torch.equal(torch.get_rng_state(), state)
    for parameter, one in zip(model.parameters(), before, strict=True):
        assert parameter.grad is None
        assert torch.equal(parameter, one)


def test_a_player_of_other_bits_is_not_taken(monkeypatch) -> None:
    model = make(0, **KINDS["narrow"])
    inputs = model.prepare(torch.randn(32, 80, 25))
    assert player_of(model, inputs, contextlib.nullcontext()) is not None
    # a kernel that rounds otherwise into given memory
    monkeypatch.setitem(
        playing._QUICK,
        torch.ops.aten.mul.out,
        lambda a, b, *, out: torch.mul(a, b, out=out).mul_(1 + 1e-6),
    )
    assert player_of(model, inputs, contextlib.nullcontext()) is None


def test_a_model_that_looks_at_numbers_is_not_played() -> None:
    class Looking(PatchTST):
        def encode(self, *inputs):
            output = super().encode(*inputs)
            return output * (2.0 if output.sum().item() > 0 else 1.0)

    model = Looking(**{**SIZES, **KINDS["narrow"]}).train()
    inputs = model.prepare(torch.randn(32, 80, 25))
    assert player_of(model, inputs, contextlib.nullcontext()) is None


def test_views_follow_weights_that_change_in_place() -> None:
    model = make(0, **KINDS["narrow"])
    inputs = model.prepare(torch.randn(32, 80, 25))
    player = Player(Recording(model, inputs, contextlib.nullcontext()))
    views = player.views(model)
    first = next(player.play(inputs, views, torch.Generator().manual_seed(0))).clone()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    second = next(player.play(inputs, views, torch.Generator().manual_seed(0))).clone()
    wanted, *_ = by_autograd(model, inputs, torch.ones(32), 0, "fp32")
    assert torch.equal(second, wanted)
    assert not torch.equal(first, second)


def test_what_is_computed_twice_is_not_played() -> None:
    assert can_play(make(0, width=16, heads=4, ff_width=32))
    assert not can_play(make(0, width=16, heads=4, ff_width=32, activation_checkpointing=True))


def test_dropout_tells_players_apart() -> None:
    one, other = (make(0, width=16, heads=4, ff_width=32, dropout=p) for p in (0.1, 0.2))
    assert dropout_rates(one) != dropout_rates(other)
    assert dropout_rates(one) == dropout_rates(make(1, width=16, heads=4, ff_width=32, dropout=0.1))
