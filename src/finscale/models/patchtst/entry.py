"""What ``ARCHITECTURES`` asks about a PatchTST: its sizes from a config, its ladder, its costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from finscale.config.model import ModelConfig
from finscale.models.base_sizes import BASE_HEAD, BASE_WIDTH
from finscale.models.counts import ParameterCounts
from finscale.models.interface import Interface
from finscale.models.patchtst.budget import SHAPES, ladder
from finscale.models.patchtst.counts import count_parameters, flops_per_sample
from finscale.models.patchtst.memory import window_memory
from finscale.models.patchtst.sizes import PatchTSTSizes

#: Settings that the sizes take over as they stand.
_SWITCHES = (
    "patch_length",
    "stride",
    "pad_end",
    "channels",
    "norm",
    "attention",
    "attention_residual",
    "dropout",
    "attention_dropout",
    "head_dropout",
    "revin",
    "revin_affine",
    "activation_checkpointing",
)
#: What a config is given back once it is decided.
_DECIDED = ("depth", "width", "heads", "ff_width", "feature_embedding", "instance_stats")


def sizes_of(config: ModelConfig, interface: Interface) -> PatchTSTSizes:
    """Return the sizes of a config that states depth, width and heads."""
    assert config.depth is not None
    assert config.width is not None
    assert config.heads is not None
    embedding = None if config.feature_embedding == "auto" else config.feature_embedding
    return PatchTSTSizes(
        **_switches(config, interface),
        depth=config.depth,
        width=config.width,
        heads=config.heads,
        ff_width=config.ff_width or max(1, round(config.ff_ratio * config.width)),
        feature_embedding=embedding,
    )


def _switches(config: ModelConfig, interface: Interface) -> dict[str, Any]:
    # statistics give back what RevIN takes; a forecast gets it back when its units are restored
    auto = config.instance_stats == "auto"
    stats = interface.head != "forecast" if auto else config.instance_stats
    switches = {name: getattr(config, name) for name in _SWITCHES}
    asked = asdict(interface)
    del asked["num_relative"]  # the linear path's, beside the network
    switches["revin"] &= asked.pop("normalise")
    return {**switches, **asked, "instance_stats": stats}


def settle(config: ModelConfig, interface: Interface) -> ModelConfig:
    """Return the config with every size and switch that it leaves open."""
    sizes = sizes_of(config, interface)
    return config.model_copy(update={name: getattr(sizes, name) for name in _DECIDED})


def base(config: ModelConfig, _: Interface) -> Mapping[str, int]:
    """Return the widths of µP's base model; ``feature_embedding`` is bounded by the data."""
    ff_width = max(1, round(config.ff_ratio * BASE_WIDTH))
    return {"width": BASE_WIDTH, "heads": BASE_WIDTH // BASE_HEAD, "ff_width": ff_width}


def rungs(config: ModelConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield the sizes of ever larger models of the config's shape."""
    steps = ladder(
        SHAPES[config.shape],
        config.ff_ratio,
        config.feature_embedding,
        _switches(config, interface),
    )
    for sizes in steps:
        yield {name: getattr(sizes, name) for name in _DECIDED}


def counts(config: ModelConfig, interface: Interface) -> ParameterCounts:
    """Return the parameters in closed form."""
    return count_parameters(sizes_of(config, interface))


def flops(config: ModelConfig, interface: Interface) -> int:
    """Return the FLOPs of a window's forward pass in closed form."""
    return flops_per_sample(sizes_of(config, interface))


def activations(
    config: ModelConfig,
    interface: Interface,
    precision: Literal["fp32", "bf16-mixed"],
    device: str,
) -> int:
    """Return the bytes of a window's activations at a step's peak."""
    return window_memory(sizes_of(config, interface), precision, device)
