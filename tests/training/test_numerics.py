"""Precision, attention and compilation: the rule stands unless another way is clearly faster."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.models import build_model, design
from finscale.models.patchtst.architecture import attention_way
from finscale.models.patchtst.attention import SelfAttention
from finscale.training import devices, machine_memory, numerics
from finscale.training.numerics import Shape, Speed, contest

NETWORK = ModelConfig(depth=1, width=16, heads=2, ff_width=32, patch_length=8, stride=4)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FINSCALE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bf16(monkeypatch):
    """A machine that computes bf16 in hardware, whatever this one can do."""
    monkeypatch.setattr(numerics, "has_bf16_units", lambda device: True)
    monkeypatch.setattr(devices, "has_bf16_units", lambda device: True)


def shape_of(network=NETWORK, **settings) -> Shape:
    training = TrainingConfig(
        **{"device": "cpu", "threads": 1, "batch_size": 8, "learning_rate": 1e-3, **settings}
    )
    architecture = design(network, num_features=3, context_length=16)
    return Shape(network, training, TaskConfig(), architecture)


def race_of(seconds):
    """Return a race that knows the seconds of each way, and notes who ran."""
    ran = []

    def race(own, rival):
        ran.append(rival)
        return tuple(Speed(seconds(one), 30.0 if one["compile"] else 0.1) for one in (own, rival))

    return race, ran


WAYS = {"precision": ("bf16-mixed", "fp32"), "attention": ("explicit", "fused")}


def decide(seconds, ways=WAYS, num_steps=1000):
    race, _ = race_of(seconds)
    return contest(ways, race, num_steps=num_steps, batch_size=64)


def test_noise_displaces_nothing() -> None:
    found = decide(lambda way: 1.0 if way["attention"] == "explicit" else 0.9)
    assert (found["precision"], found["attention"]) == ("bf16-mixed", "auto")
    assert found["compile"] is False


def test_what_is_clearly_faster_is_taken_and_said_with_its_numbers() -> None:
    def seconds(way):
        return (0.5 if way["precision"] == "fp32" else 1.0) * (
            0.4 if way["attention"] == "fused" else 1.0
        )

    found = decide(seconds)
    assert (found["precision"], found["attention"]) == ("fp32", "fused")
    first, second = found["reasons"]
    assert first == "precision fp32 (fp32 128 windows/s, bf16-mixed 64)"
    # raced with the precision that won before
    assert second == "attention fused (fused 320 windows/s, explicit 128)"


def test_a_compilation_has_to_pay_for_its_warm_up() -> None:
    ways = {"compile": (False, True)}

    def seconds(way):
        return 0.010 if way["compile"] else 0.020

    assert decide(seconds, ways, num_steps=10_000)["compile"] is True
    found = decide(seconds, ways, num_steps=1_000)
    assert found["compile"] is False
    assert "its warm-up of 30 s would not pay" in found["reasons"][0]


def test_nothing_is_open_by_default() -> None:
    assert shape_of().open == {}


@pytest.mark.usefixtures("bf16")
def test_an_open_precision_opens_attention_too() -> None:
    ways = shape_of(precision="auto").open
    assert ways["precision"] == ("bf16-mixed", "fp32")
    assert ways["attention"][0] == attention_way(3, 8, "cpu") == "narrow"
    assert set(ways["attention"]) == {"narrow", "explicit", "fused"}
    assert "compile" not in ways
    fixed = NETWORK.model_copy(update={"attention": "fused"})
    assert set(shape_of(fixed, precision="auto").open) == {"precision"}


def test_compilation_is_not_measured_for_models_that_train_side_by_side(monkeypatch) -> None:
    monkeypatch.setattr(numerics, "_can_compile", lambda device: True)
    assert "compile" not in shape_of(compile="auto").open
    assert shape_of(compile="auto", threads=2).open["compile"] == (False, True)
    monkeypatch.setattr(numerics, "_can_compile", lambda device: False)
    assert "compile" not in shape_of(compile="auto", threads=2).open


def test_dropped_or_added_scores_are_multiplied_out() -> None:
    def ways(**switches):
        network = NETWORK.model_copy(update=switches)
        return design(network, num_features=3, context_length=16).attention_ways(device)

    device = "cpu"
    # a CPU's fused kernel would draw its masks from elsewhere than the run's own generator
    assert ways(attention_dropout=0.1) == ("explicit",)
    assert ways(attention_residual=True) == ("explicit",)
    device = "cuda"
    assert ways(attention_dropout=0.1) == ("fused", "explicit")


@pytest.mark.usefixtures("bf16")
def test_real_steps_are_raced_once_and_remembered() -> None:
    shape = shape_of(precision="auto")
    assert numerics.remembered_numerics(shape) is None
    assert numerics.is_worth_measuring(shape, 1e13)
    assert not numerics.is_worth_measuring(shape, 1e12)
    found = numerics.measure_numerics(shape, num_steps=100)
    assert found is not None
    assert found.precision in ("bf16-mixed", "fp32")
    assert [reason.split()[0] for reason in found.reasons] == ["precision", "attention"]
    assert numerics.remembered_numerics(shape) == found
    assert not numerics.is_worth_measuring(shape, 1e13)
    # another shape is another question
    assert numerics.remembered_numerics(shape_of(precision="auto", batch_size=16)) is None


@pytest.mark.usefixtures("bf16")
def test_a_measurement_that_dies_leaves_the_rule() -> None:
    shape = shape_of(precision="auto")
    dies = (sys.executable, "-S", "-c", "raise SystemExit(77)")
    assert numerics.measure_numerics(shape, num_steps=100, command=dies) is None
    assert numerics.remembered_numerics(shape) is None


@pytest.mark.usefixtures("bf16")
def test_what_is_remembered_fills_what_is_open_alone() -> None:
    answer = json.dumps(
        {"precision": "fp32", "attention": "fused", "compile": False, "reasons": ["because"]}
    )
    shape = shape_of(precision="auto")
    says = (sys.executable, "-S", "-c", f"import sys; sys.stdin.read(); print({answer!r})")
    found = numerics.measure_numerics(shape, num_steps=100, command=says)
    assert found is not None
    training, network = found.applied(shape.training, shape.network)
    assert (training.precision, training.compile, network.attention) == ("fp32", False, "fused")
    explicit = NETWORK.model_copy(update={"attention": "explicit"})
    training, network = found.applied(shape_of(compile="auto").training, explicit)
    assert (training.precision, training.compile, network.attention) == ("fp32", False, "explicit")
    (entry,) = json.loads((machine_memory.cache_folder() / "numerics.json").read_text()).values()
    assert entry["reasons"] == ["because"]


@pytest.mark.parametrize("way", ["narrow", "explicit", "fused"])
def test_all_ways_attend_alike(way) -> None:
    def attended(method):
        torch.manual_seed(0)
        return SelfAttention(16, 2, method=method)(torch.ones(4, 9, 16).cumsum(1).sin())[0]

    torch.testing.assert_close(attended(way), attended("auto"))


def test_narrow_attention_drops_weights_where_it_is_asked_to() -> None:
    network = NETWORK.model_copy(update={"attention": "narrow", "attention_dropout": 0.5})
    torch.manual_seed(0)
    model = build_model(network, num_features=3, context_length=16).train()
    x_BLF = torch.randn(4, 16, 3)
    assert not torch.equal(model(x_BLF), model(x_BLF))
    model.eval()
    torch.testing.assert_close(model(x_BLF), model(x_BLF))
