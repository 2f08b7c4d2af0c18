"""Precision, attention and compilation: the rule stands unless another way is clearly faster."""

from __future__ import annotations

import pytest

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.models import design
from finscale.training import devices, numerics
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


def test_compilation_is_not_measured_for_models_that_train_side_by_side(monkeypatch) -> None:
    monkeypatch.setattr(numerics, "_can_compile", lambda device: True)
    assert "compile" not in shape_of(compile="auto").open
    assert shape_of(compile="auto", threads=2).open["compile"] == (False, True)
    monkeypatch.setattr(numerics, "_can_compile", lambda device: False)
    assert "compile" not in shape_of(compile="auto", threads=2).open
