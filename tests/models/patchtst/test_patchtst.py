"""What a PatchTST gives for which window, and what it must not depend on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.errors import ConfigError
from finscale.models import PatchTST
from finscale.models.patchtst.sizes import PatchTSTSizes

SMALL: dict[str, Any] = {
    "num_features": 5,
    "context_length": 40,
    "depth": 2,
    "width": 16,
    "heads": 2,
    "ff_width": 32,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "independent": {"channels": "independent"},
    "batch norm": {"norm": "batch"},
    "padded": {"pad_end": True},
    "embedded": {"feature_embedding": 3},
    "affine": {"revin_affine": True},
    "no revin": {"revin": False},
    "no stats": {"instance_stats": False},
    "residual scores": {"attention_residual": True},
    "fused": {"attention": "fused"},
    "all dropouts": {"dropout": 0.2, "attention_dropout": 0.2, "head_dropout": 0.2},
}
every_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


def build(seed: int = 0, **options: Any) -> PatchTST:
    torch.manual_seed(seed)
    return PatchTST(**{**SMALL, **options})


def windows(num: int = 6, seed: int = 1) -> torch.Tensor:
    """Return positive random walks, as prices are."""
    steps = torch.randn(num, 40, 5, generator=torch.Generator().manual_seed(seed))
    return 3 + 0.05 * steps.cumsum(1)


@every_variant
@pytest.mark.parametrize(
    ("head", "shape"),
    [
        ({}, (6,)),
        ({"head": "regression"}, (6,)),
        ({"head": "regression", "num_outputs": 3}, (6, 3)),
        ({"head": "forecast", "forecast_length": 7}, (6, 7, 5)),
    ],
)
def test_shape(options: dict[str, Any], head: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert build(**options, **head)(windows()).shape == shape


@every_variant
def test_every_parameter_gets_a_gradient(options: dict[str, Any]) -> None:
    model = build(**options)
    model(windows()).square().sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_a_window_does_not_feel_its_neighbours(channels: str) -> None:
    model = build(channels=channels).eval()
    x_BLF = windows(8)
    together = model(x_BLF)
    order = torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    torch.testing.assert_close(model(x_BLF[order]), together[order])
    torch.testing.assert_close(model(x_BLF[2:3]), together[2:3])


def test_same_seed_same_weights() -> None:
    one, same, other = build(7), build(7), build(8)
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.head.project.weight, other.head.project.weight)


@given(exponents=st.lists(st.floats(-3, 3), min_size=5, max_size=5))
@settings(max_examples=20)
def test_without_statistics_units_do_not_matter(exponents: list[float]) -> None:
    model = build(instance_stats=False).eval()
    x_BLF = windows()
    units_F = 10.0 ** torch.tensor(exponents)
    torch.testing.assert_close(model(x_BLF * units_F), model(x_BLF), atol=1e-4, rtol=1e-3)


def test_without_statistics_volatility_is_invisible_and_with_them_it_is_seen() -> None:
    x_BLF = windows()
    mean = x_BLF.mean(1, keepdim=True)
    wilder_BLF = mean + 3 * (x_BLF - mean)
    blind, seeing = build(instance_stats=False).eval(), build(instance_stats=True).eval()
    torch.testing.assert_close(blind(wilder_BLF), blind(x_BLF), atol=1e-4, rtol=1e-3)
    assert (seeing(wilder_BLF) - seeing(x_BLF)).abs().mean() > 1e-2


def test_the_newest_row_is_seen_whatever_the_length() -> None:
    model = build(context_length=45, instance_stats=False, revin=False).eval()
    x_BLF = torch.cat([windows(), windows(seed=2)[:, :5]], dim=1)
    changed = x_BLF.clone()
    changed[:, -1] += 1
    assert (model(changed) - model(x_BLF)).abs().min() > 0
    early = x_BLF.clone()
    early[:, :5] += 1  # five rows that fill no patch
    assert torch.equal(model(early), model(x_BLF))


def test_patches_are_what_a_convolution_sees() -> None:
    model = build(instance_stats=False, dropout=0.0)
    x_BLF = windows()
    tokens = model.embedding(x_BLF) - model.embedding.position.place_TD
    weight = model.embedding.patches.weight.view(16, 16, 5).transpose(1, 2)
    wanted = torch.nn.functional.conv1d(x_BLF.transpose(1, 2), weight, stride=8).transpose(1, 2)
    torch.testing.assert_close(tokens, wanted, atol=1e-5, rtol=1e-5)


def test_first_predictions_are_near_zero_at_any_width() -> None:
    for width in (16, 64, 256):
        logits = build(width=width, ff_width=4 * width, instance_stats=False).eval()(windows(64))
        assert logits.abs().max() < 0.6


def test_independent_channels_do_not_mix_in_a_forecast() -> None:
    model = build(channels="independent", head="forecast", forecast_length=4).eval()
    x_BLF = windows()
    changed = x_BLF.clone()
    changed[:, :, 2] = windows(seed=9)[:, :, 2]
    moved = (model(changed) - model(x_BLF)).abs().amax(dim=(0, 1)) > 1e-6
    assert moved.tolist() == [False, False, True, False, False]


def test_forecast_is_in_the_windows_units() -> None:
    model = build(head="forecast", forecast_length=4, instance_stats=False).eval()
    x_BLF = windows()
    torch.testing.assert_close(model(100 * x_BLF + 7), 100 * model(x_BLF) + 7, atol=0.05, rtol=1e-3)


def test_a_tiny_model_learns_volatility() -> None:
    """The label is whether the window is wild: invisible to RevIN, learned with statistics."""
    generator = torch.Generator().manual_seed(0)
    wild_B = torch.rand(256, generator=generator) < 0.5
    steps = torch.randn(256, 40, 5, generator=generator) * (0.02 + 0.06 * wild_B[:, None, None])
    x_BLF = 3 + steps.cumsum(1)
    model = build(depth=1, dropout=0.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x_BLF), wild_B.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"heads": 3}, "width 16 is not divisible by heads 3"),
        ({"context_length": 10}, "context_length 10 is shorter than one patch of 16 rows"),
        ({"channels": "independent", "feature_embedding": 2}, "feature_embedding mixes channels"),
        ({"head": "forecast"}, "forecast_length belongs to head 'forecast'"),
        ({"forecast_length": 3}, "forecast_length belongs to head 'forecast'"),
        ({"attention": "fused", "attention_residual": True}, "which fused attention hides"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        PatchTST(**{**SMALL, **options})


def test_padding_makes_the_papers_42_patches() -> None:
    paper = {**SMALL, "context_length": 336, "pad_end": True}
    assert PatchTSTSizes(**paper).num_patches == 42
    assert PatchTSTSizes(**{**paper, "pad_end": False}).num_patches == 41
