"""Every registered architecture: budgets met, counts and FLOPs those of the built network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from finscale.config import BaselineConfig, ExperimentConfig, NetworkConfig, validate
from finscale.config.model import MODEL_CONFIGS
from finscale.errors import BudgetError, ConfigError
from finscale.models import (
    ARCHITECTURES,
    Architecture,
    Interface,
    NetworkDesign,
    build_model,
    design,
)

WINDOWS: dict[str, Any] = {"num_features": 25, "context_length": 80}
HEADS: list[dict[str, Any]] = [
    {"head": "classification"},
    {"head": "regression", "num_outputs": 3},
    {"head": "forecast", "forecast_length": 2},
]
KINDS = tuple(ARCHITECTURES)


def config_of(kind: str, **settings: Any) -> NetworkConfig:
    return validate(ARCHITECTURES[kind].config, {"kind": kind, **settings}, place="a test")


def sized(kind: str, budget: str | int, head: dict[str, Any]) -> NetworkConfig:
    """Return a config with a budget, or without where a forecast leaves nothing to turn."""
    turns = (kind, head["head"]) != ("dlinear", "forecast")
    return config_of(kind, **({"budget": budget} if turns else {}))


def test_the_registered_are_these() -> None:
    assert tuple(ARCHITECTURES) == KINDS


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["head"])
@pytest.mark.parametrize("budget", ["5k", "55k", "600k", "2M"])
@pytest.mark.parametrize("kind", KINDS)
def test_budget_counts_and_flops_are_those_of_the_built_network(
    kind: str, budget: str, head: dict[str, Any]
) -> None:
    config = sized(kind, budget, head)
    made = design(config, **WINDOWS, **head)
    if config.budget is not None:
        assert abs(made.counts.total / config.budget - 1) <= 0.05
    assert design(made.config, **WINDOWS, **head).config == made.config
    model = made.build()
    assert sum(p.numel() for p in model.parameters()) == made.counts.total
    # the counter knows the products of attention, and not a CPU's fused kernel
    flops = {}
    for batch in (4, 8):
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            model.eval()(torch.randn(batch, 80, 25))
        flops[batch] = counter.get_total_flops()
    assert made.flops == pytest.approx((flops[8] - flops[4]) / 4, rel=1e-3)
    if kind == "patchtst":
        counted = replace(made.architecture, flops=None, counts=None, activations=None)
        generic = NetworkDesign(counted, made.config, made.interface)
        assert generic.flops == made.flops
        assert generic.counts.total == made.counts.total


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["head"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_gradients_and_first_predictions(kind: str, head: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_model(sized(kind, "55k", head), **WINDOWS, **head)
    x_BLF = 100 + torch.randn(6, 80, 25).cumsum(1)
    y = model(x_BLF)
    shape = {"classification": (6,), "regression": (6, 3), "forecast": (6, 2, 25)}
    assert tuple(y.shape) == shape[head["head"]]
    y.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if head["head"] == "forecast":
        # rows to come lie where the window lies
        assert (y - x_BLF.mean(1, keepdim=True)).abs().max() < 20
    else:
        assert y.abs().max() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_prepared_windows_give_the_same_output(kind: str) -> None:
    model: Any = build_model(config_of(kind, budget="55k"), **WINDOWS).eval()
    x_BLF = torch.randn(6, 80, 25)
    assert torch.equal(model(x_BLF), model.encode(*model.prepare(x_BLF)))


@pytest.mark.parametrize("kind", ["dlinear", "mlp"])
def test_a_window_is_read_relative_to_itself(kind: str) -> None:
    """A price level that doubles changes what is written only through the size of its moves."""
    torch.manual_seed(0)
    model = build_model(config_of(kind, budget="55k"), **WINDOWS).eval()
    x_BLF = 50 + torch.randn(6, 80, 25)
    prepared, doubled = model.prepare(x_BLF), model.prepare(2 * x_BLF)
    torch.testing.assert_close(prepared[0], doubled[0], rtol=1e-3, atol=1e-4)
    # the relative spread and the roughness stay, the absolute spread is log 2 / 2 larger
    torch.testing.assert_close(doubled[1][..., 1:], prepared[1][..., 1:], rtol=1e-3, atol=1e-4)
    assert (doubled[1] - prepared[1])[..., 0].mean() == pytest.approx(0.3466, abs=1e-3)


def test_dlinear_by_hand() -> None:
    """Trend of [1 2 6] over three bars with repeated ends: 4/3, 3, 14/3; the rest −1/3, −1, 4/3."""
    windows: dict[str, Any] = {"num_features": 1, "context_length": 3}
    config = config_of("dlinear", moving_average=3)
    model: Any = build_model(config, **windows, head="forecast", forecast_length=1)
    with torch.no_grad():
        model.trend.weight.copy_(torch.tensor([[1.0, 10, 100]]))
        model.remainder.weight.copy_(torch.tensor([[1.0, 0, -1]]))
        model.trend.bias.fill_(0.5)
        model.remainder.bias.zero_()
        y_BHF = model.encode(
            torch.tensor([[[1.0], [2.0], [6.0]]]),
            torch.empty(1, 1, 0),
            torch.tensor([[[7.0]]]),
            torch.tensor([[[2.0]]]),
        )
    by_hand = (4 / 3 + 30 + 1400 / 3) + (-1 / 3 - 4 / 3) + 0.5
    assert y_BHF.item() == pytest.approx(7 + 2 * by_hand, rel=1e-6)


def test_a_forecasting_dlinear_has_the_papers_size() -> None:
    made = design(config_of("dlinear"), **WINDOWS, head="forecast", forecast_length=96)
    assert made.counts.total == 2 * (80 * 96 + 96)
    with pytest.raises(BudgetError) as refusal:
        design(config_of("dlinear", budget="2M"), **WINDOWS, head="forecast", forecast_length=96)
    assert refusal.value.hint == "the nearest that can be built: 15.6k"


def test_an_mlp_of_two_hidden_layers_is_solved_though_its_count_is_a_square() -> None:
    for budget in (20_000, 300_000, 5_000_000):
        made = design(config_of("mlp", budget=budget, depth=2), **WINDOWS)
        assert made.counts.total == pytest.approx(budget, rel=0.02)
        assert made.architecture.hidden_width(made.config) == made.config.width  # type: ignore[attr-defined]


def test_a_forecasting_dlinear_starts_with_the_windows_mean() -> None:
    torch.manual_seed(0)
    made: Any = build_model(config_of("dlinear"), **WINDOWS, head="forecast", forecast_length=4)
    for maps in (made.trend, made.remainder):
        nn.init.zeros_(maps.bias)
    x_BLF = 50 + torch.randn(3, 80, 25)
    torch.testing.assert_close(made(x_BLF), x_BLF.mean(1, keepdim=True).expand(3, 4, 25))


def test_a_dlinear_without_any_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a width or a budget"):
        design(config_of("dlinear"), **WINDOWS).build()


@pytest.mark.parametrize("kind", KINDS)
def test_the_three_counts_add_up(kind: str) -> None:
    counts = design(config_of(kind, budget="55k"), **WINDOWS).counts
    inputs = counts.total - counts.non_embedding
    assert 0 < inputs < counts.total
    assert inputs < counts.input_and_head <= counts.total


def test_the_activations_of_an_mlp_by_hand() -> None:
    made = design(config_of("mlp", width=32, dropout=0.0), **WINDOWS)
    # kept: the 2,075 inputs, the hidden layer in front of GELU and behind it
    by_hand = 4 * (2000 + 75 + 32 + 32)
    lasting = 16 * made.counts.total
    assert made.training_memory(10) == pytest.approx(lasting + 10 * by_hand, rel=0.02)


class TwoLayersConfig(NetworkConfig):
    """A network of a user's own."""

    SIZES: ClassVar[tuple[str, ...]] = ("width",)
    kind: Literal["two_layers"] = "two_layers"
    width: int | None = None


class TwoLayers(nn.Module):
    def __init__(self, config: TwoLayersConfig, interface: Interface) -> None:
        super().__init__()
        assert config.width is not None
        self.embedding = nn.Linear(interface.num_features, config.width)
        self.head = nn.Linear(config.width, interface.num_outputs)

    def forward(self, x_BLF: Tensor) -> Tensor:
        return self.head(self.embedding(x_BLF[:, -1]).relu()).squeeze(1)


@pytest.fixture
def two_layers() -> Iterator[None]:
    ARCHITECTURES.add(
        "two_layers",
        Architecture(
            title="Two layers",
            config=TwoLayersConfig,
            build=TwoLayers,
            heads=("classification", "regression"),
        ),
    )
    yield
    del ARCHITECTURES._entries["two_layers"], MODEL_CONFIGS._entries["two_layers"]


@pytest.mark.usefixtures("two_layers")
def test_a_network_of_ones_own_is_a_section_like_any_other() -> None:
    content = {"model": {"kind": "two_layers", "budget": "5k"}}
    config = validate(ExperimentConfig, content, place="a test")
    made = design(config.network, **WINDOWS)
    # 25·w + w and w + 1 parameters: 185 for 5k
    assert made.config.width == 185  # type: ignore[attr-defined]
    assert made.counts.total == 27 * 185 + 1
    assert made.describe() == "Two layers width 185"
    assert made.flops == 2 * (25 * 185 + 185)
    dumped = config.model_dump(mode="json")
    assert dumped["model"]["kind"] == "two_layers"
    assert ExperimentConfig.model_validate(dumped) == config
    with pytest.raises(ConfigError, match="Two layers has no forecast head"):
        design(config.network, **WINDOWS, head="forecast", forecast_length=3)
    with pytest.raises(ConfigError) as refusal:
        validate(ExperimentConfig, {"model": {"kind": "two_layers", "widht": 3}}, place="x.yaml")
    assert "model.widht is not a setting" in refusal.value.message
    assert "Did you mean model.width?" in refusal.value.hint


def test_an_architecture_and_its_section_bear_one_name() -> None:
    with pytest.raises(ValueError, match="is 'two_layers', not 'other'"):
        ARCHITECTURES.add(
            "other", Architecture(title="Other", config=TwoLayersConfig, build=TwoLayers)
        )


def test_an_unknown_kind_is_one_sentence_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as refusal:
        validate(ExperimentConfig, {"model": {"kind": "dlinaer"}}, place="x.yaml")
    assert str(refusal.value) == (
        "model: 'dlinaer' is no kind of model (Did you mean dlinear; of a plugin that is not "
        "loaded?).\n       in x.yaml"
    )


def test_a_run_of_before_whose_baseline_was_a_network_is_still_read() -> None:
    for name in ("mlp", "dlinear"):
        content = {"model": {"kind": "baseline", "name": name, "options": {"epochs": 8}}}
        config = ExperimentConfig.model_validate(content)
        assert config.model == BaselineConfig(name=name, options={"epochs": 8})
        assert ExperimentConfig.model_validate_json(config.model_dump_json()) == config
