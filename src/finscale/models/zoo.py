"""Every family of networks that can be trained, declared: adding one is adding an entry.

A network of your own takes a section for its settings, a module and a dial::

    class MyNetConfig(NetworkConfig):
        kind: Literal["my_net"] = "my_net"
        width: int | None = None

    class MyNet(nn.Module):
        def __init__(self, config: MyNetConfig, interface: Interface) -> None: ...
        def forward(self, x_BLF: Tensor) -> Tensor: ...

    ARCHITECTURES.add("my_net", Architecture(title="MyNet", config=MyNetConfig, build=MyNet))

after which ``model: {kind: my_net, budget: 50k}`` is a model section like any other. A module may
have ``groups()``, its named parameter groups, and ``prepare`` and ``encode``, see
:class:`~finscale.training.inputs.Inputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from finscale.config.architectures import (
    GRUConfig,
    ITransformerConfig,
    ModernTCNConfig,
    NHiTSConfig,
    NLinearConfig,
    TiDEConfig,
    TSMixerConfig,
)
from finscale.config.model import (
    MODEL_CONFIGS,
    DLinearConfig,
    MLPConfig,
    ModelConfig,
    NetworkConfig,
)
from finscale.models import (
    feature_embedding_sizes,
    itransformer_sizes,
    mlp_sizes,
    moderntcn_sizes,
    nlinear_sizes,
    tide_sizes,
    tsmixer_sizes,
)
from finscale.models.base_sizes import base_widths
from finscale.models.counts import ParameterCounts
from finscale.models.interface import HEAD_NAMES, HeadName, Interface
from finscale.models.patchtst import entry as patchtst
from finscale.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Precision = Literal["fp32", "bf16-mixed"]


def doubling(config: NetworkConfig, _: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield rungs for a network of one dial: 1, 2, 4 … up to 16 million."""
    (dial,) = config.SIZES
    for power in range(25):
        yield {dial: 2**power}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of networks: how it is built, sized, counted and called.

    The callables take the family's config with all sizes filled in, and the
    :class:`~finscale.models.interface.Interface`.
    """

    title: str
    """As papers write it: PatchTST."""
    config: type[NetworkConfig]
    """The class of its model section; ``SIZES`` there are its dials."""
    build: Callable[[Any, Interface], nn.Module]
    """Builds the network, its weights drawn from torch's global generator."""
    source: str = ""
    """The paper, in a line."""
    heads: tuple[HeadName, ...] = HEAD_NAMES
    """What it can predict."""
    fine: str = "width"
    """The dial that fills a budget between two rungs."""
    rungs: Callable[[Any, Interface], Iterable[Mapping[str, Any]]] = doubling
    """Sizes of ever larger models, all dials set."""
    settle: Callable[[Any, Interface], NetworkConfig] = lambda config, interface: config
    """Fills in what follows from the stated sizes: every ``auto`` and default."""
    inputs: tuple[str, ...] = ("embedding",)
    """Names of the submodules that embed the input, for the counts; ``*`` stands for anything."""
    head: tuple[str, ...] = ("head",)
    """Names of the submodules that write the output, for the counts."""
    counts: Callable[[Any, Interface], ParameterCounts] | None = None
    """Parameters in closed form; counted on the meta device when absent."""
    flops: Callable[[Any, Interface], int] | None = None
    """FLOPs of a window's forward pass in closed form; by torch's counter when absent."""
    activations: Callable[[Any, Interface, Precision, str], int] | None = None
    """Bytes that a window keeps for the backward pass, at a precision, on a device."""
    family: Callable[[Any], str] | None = None
    """The title with what tells one ladder from another: wide PatchTST."""
    sizes: Callable[[Any], str] | None = None
    """The sizes in words: 3 × 64 (4 heads); each dial with its value when absent."""
    vmaps: bool = True
    """Whether torch can run several as one program, see ``finscale.training.ensemble``."""
    base: Callable[[Any, Interface], Mapping[str, int]] = base_widths
    """µP's base model: the value there of every setting that is a width; empty where none is. All
    else, depth and interface among it, stays the model's own. The output layer has to start with
    variance 1/inputs², as ``WindowOutput`` does, or at zero. See ``finscale.models.mup``."""
    base_rate: float = 1e-3
    """AdamW's peak learning rate of the base model, and under µP of every size: by validation."""
    hidden_width: Callable[[Any], int] = lambda config: getattr(config, "width", None) or 64
    """Inputs of the hidden matrices, in whose inverse the standard parametrisation's one learning
    rate falls; 1 where there are none, so that the rate is the highest whatever the size."""

    def describe(self, config: NetworkConfig) -> str:
        """Return title and sizes in words."""
        if self.sizes is not None:
            return f"{self.title} {self.sizes(config)}"
        dials = ", ".join(f"{name} {getattr(config, name)}" for name in config.SIZES)
        return f"{self.title} {dials}"


class _Architectures(Registry[Architecture]):
    def add(self, name: str, thing: Architecture) -> Architecture:
        """Register an architecture and the section of its settings."""
        kind = thing.config.model_fields["kind"].default
        if kind != name:
            raise ValueError(f"{thing.config.__name__}.kind is {kind!r}, not {name!r}")
        super().add(name, thing)
        if name not in MODEL_CONFIGS:
            MODEL_CONFIGS.add(name, thing.config)
        return thing


def hidden_width(config: NetworkConfig) -> int:
    """Return by what width a sized network's learning rate falls; 1 where it does not."""
    return ARCHITECTURES[config.kind].hidden_width(config)


def _dlinear_rungs(config: DLinearConfig, interface: Interface) -> Iterable[Mapping[str, Any]]:
    # the maps of a forecast go from row to row: there is nothing to turn
    return ({"width": None},) if interface.head == "forecast" else doubling(config, interface)


def _patchtst(config: ModelConfig, interface: Interface) -> nn.Module:
    from finscale.models.patchtst.model import PatchTST

    return PatchTST(**asdict(patchtst.sizes_of(config, interface)))


def _lazy(module: str, name: str) -> Callable[[Any, Interface], nn.Module]:
    """Return a builder that imports the network's file, and torch with it, when it is called."""

    def build(config: Any, interface: Interface) -> nn.Module:
        network: nn.Module = getattr(import_module(f"finscale.models.{module}"), name)(
            config, interface
        )
        return network

    return build


ARCHITECTURES = _Architectures("architecture")
ARCHITECTURES.add(
    "patchtst",
    Architecture(
        title="PatchTST",
        source="Nie et al. (2023), A time series is worth 64 words, ICLR",
        config=ModelConfig,
        build=_patchtst,
        fine="ff_width",
        base=patchtst.base,
        rungs=patchtst.rungs,
        settle=patchtst.settle,
        counts=patchtst.counts,
        flops=patchtst.flops,
        activations=patchtst.activations,
        family=lambda config: f"{config.shape} PatchTST",
        sizes=lambda config: f"{config.depth} × {config.width} ({config.heads} heads)",
    ),
)
ARCHITECTURES.add(
    "dlinear",
    Architecture(
        title="DLinear",
        source="Zeng et al. (2023), Are transformers effective for time series forecasting?, AAAI",
        config=DLinearConfig,
        build=_lazy("dlinear", "DLinear"),
        inputs=("trend", "remainder"),
        rungs=_dlinear_rungs,
        sizes=lambda config: f"× {config.width}" if config.width else "row to row",
        hidden_width=lambda _: 1,
    ),
)
ARCHITECTURES.add(
    "nlinear",
    Architecture(
        title="NLinear",
        source="Zeng et al. (2023), Are transformers effective for time series forecasting?, AAAI",
        config=NLinearConfig,
        build=_lazy("nlinear", "NLinear"),
        inputs=("mix", "differences"),
        rungs=nlinear_sizes.rungs,
        settle=nlinear_sizes.settle,
        sizes=lambda config: f"× {config.width}" if config.width else "row to row",
        hidden_width=lambda _: 1,
    ),
)
ARCHITECTURES.add(
    "itransformer",
    Architecture(
        title="iTransformer",
        source="Liu et al. (2024), iTransformer: inverted transformers are effective, ICLR",
        config=ITransformerConfig,
        build=_lazy("itransformer", "ITransformer"),
        inputs=("channels", "embedding"),
        fine="ff_width",
        rungs=itransformer_sizes.rungs,
        settle=itransformer_sizes.settle,
        sizes=lambda config: (
            f"{config.depth} × {config.width} ({config.width // config.head_size} heads)"
        ),
    ),
)
ARCHITECTURES.add(
    "tsmixer",
    Architecture(
        title="TSMixer",
        source="Chen et al. (2023), TSMixer: an all-MLP architecture, TMLR",
        config=TSMixerConfig,
        build=_lazy("tsmixer", "TSMixer"),
        inputs=("channels", "align_features", "align_time"),
        head=("head", "back"),
        fine="ff_width",
        base=tsmixer_sizes.base,
        rungs=tsmixer_sizes.rungs,
        settle=tsmixer_sizes.settle,
        sizes=lambda config: f"{config.depth} × {config.width or 'F'} × {config.rows or 'L'}",
    ),
)
ARCHITECTURES.add(
    "tide",
    Architecture(
        title="TiDE",
        source="Das et al. (2023), Long-term forecasting with TiDE, TMLR",
        config=TiDEConfig,
        build=_lazy("tide", "TiDE"),
        inputs=("channels", "encoder.0.dense_in", "encoder.0.skip"),
        rungs=tide_sizes.rungs,
        settle=tide_sizes.settle,
        sizes=lambda config: f"{config.depth} × {config.width}",
    ),
)
ARCHITECTURES.add(
    "mlp",
    Architecture(
        title="MLP",
        source="one or more hidden layers on the flattened window",
        config=MLPConfig,
        build=_lazy("mlp", "MLP"),
        rungs=mlp_sizes.rungs,
        settle=feature_embedding_sizes.settle,
        sizes=lambda config: f"{config.depth} × {config.width}",
        hidden_width=lambda config: config.width if config.depth > 1 else 1,
    ),
)
ARCHITECTURES.add(
    "nhits",
    Architecture(
        title="N-HiTS",
        source="Challu et al. (2023), N-HiTS: Neural hierarchical interpolation for time series "
        "forecasting, AAAI",
        config=NHiTSConfig,
        build=_lazy("nhits", "NHiTS"),
        inputs=("embedding", "blocks.*.read"),
        rungs=feature_embedding_sizes.rungs,
        settle=feature_embedding_sizes.settle,
        sizes=lambda config: f"{len(config.pooling) * config.blocks} blocks of {config.width}",
        hidden_width=lambda config: config.width if config.depth > 1 else 1,
    ),
)
ARCHITECTURES.add(
    "moderntcn",
    Architecture(
        title="ModernTCN",
        source="Luo & Wang (2024), ModernTCN: A modern pure convolution structure for general time "
        "series analysis, ICLR",
        config=ModernTCNConfig,
        build=_lazy("moderntcn", "ModernTCN"),
        fine="mixing_width",
        rungs=moderntcn_sizes.rungs,
        settle=moderntcn_sizes.settle,
        inputs=("embedding", "stem", "statistics"),
        counts=moderntcn_sizes.counts,
        sizes=lambda config: f"{config.depth} × {config.width} ({config.mixing_width} across)",
    ),
)
ARCHITECTURES.add(
    "gru",
    Architecture(
        title="GRU",
        source="Cho et al. (2014), Learning phrase representations using RNN encoder–decoder for "
        "statistical machine translation, EMNLP",
        config=GRUConfig,
        build=_lazy("gru", "GRU"),
        inputs=("embedding", "cells.weight_ih_l0"),
        rungs=feature_embedding_sizes.rungs,
        settle=feature_embedding_sizes.settle,
        sizes=lambda config: f"{config.depth} × {config.width}",
        vmaps=False,
    ),
)
