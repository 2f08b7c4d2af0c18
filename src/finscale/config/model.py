"""What the network is: its kind, and a budget or explicit sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, WrapValidator, model_validator

from finscale.config.base import Section, placement
from finscale.config.quantities import Count
from finscale.errors import did_you_mean
from finscale.plugins import load_plugins
from finscale.registry import Registry

LinearPathName = Literal["auto", "frozen", "fitted", "zero", "none"]


def _linear_path(value: object) -> object:
    """Take yes and no, too: YAML reads ``off`` as no."""
    return {True: "auto", False: "none"}.get(value, value) if isinstance(value, bool) else value


class NetworkConfig(Section):
    """What the sections of all networks share: a kind, and a budget or explicit sizes.

    A network of your own derives its section from this one, sets ``kind`` and names in ``SIZES``
    what the budget solver fills in; see ``finscale.models.zoo``.
    """

    #: The settings that a budget solves for, None where they are open; the first ones, in the
    #: order given, have to be stated where no budget is.
    SIZES: ClassVar[tuple[str, ...]] = ("width",)

    kind: str
    """What is trained: the name of a registered architecture, or ``baseline``."""
    budget: Count | None = None
    """Target parameter count, met within ±5 %: 2M, 20M, 200M, 2B or any number."""
    budget_tolerance: Annotated[float, Field(gt=0, le=0.25)] = 0.05
    """Allowed relative distance from the budget: 0.05, or 0.25 for the round-number presets."""

    linear_path: Annotated[LinearPathName, BeforeValidator(_linear_path)] = "auto"
    """A linear function of the last row's relative columns, added to the network's output:
    frozen (fitted beforehand as the logistic baseline is), fitted (then trained on), zero (trained
    from zero), none. auto is frozen for classification and regression, none for forecasts."""

    def with_budget(self, budget: int) -> Self:
        """Return the section with another budget and every size open, to be solved again."""
        return self.model_copy(update={"budget": budget, **dict.fromkeys(self.SIZES)})

    @property
    def is_sized(self) -> bool:
        """Whether sizes are stated, so that no budget has to be solved for them."""
        return all(getattr(self, name) is not None for name in self.SIZES)


class ModelConfig(NetworkConfig):
    """A PatchTST, by budget (the solver picks depth, width and heads) or by explicit sizes."""

    SIZES: ClassVar[tuple[str, ...]] = ("depth", "width", "heads", "ff_width")

    kind: Literal["patchtst"] = "patchtst"
    shape: Literal["wide", "balanced", "deep"] = "wide"
    """How the solver trades width for depth."""
    depth: Annotated[int, Field(ge=1)] | None = None
    """Encoder layers; solved from the budget when absent."""
    width: Annotated[int, Field(ge=2)] | None = None
    """Model dimension."""
    heads: Annotated[int, Field(ge=1)] | None = None
    """Attention heads; divides the width."""
    ff_width: Annotated[int, Field(ge=1)] | None = None
    """Feed-forward dimension; ``ff_ratio`` times the width when absent."""
    ff_ratio: Annotated[float, Field(gt=0)] = 4.0
    """Feed-forward dimension over width."""
    patch_length: Annotated[int, Field(ge=1)] = 16
    """Bars in one patch."""
    stride: Annotated[int, Field(ge=1)] = 8
    """Bars between the starts of neighbouring patches."""
    pad_end: bool = False
    """Repeat the last bar ``stride`` times before patching, as the paper does."""
    channels: Literal["mixing", "independent"] = "mixing"
    """Whether a token holds all channels or each channel is its own sequence (the paper)."""
    norm: Literal["layer", "batch"] = "layer"
    """Layer norm in front of each block (pre-norm), or the paper's batch norm behind it."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout after the embedding and on each residual branch: high, as financial data are short
    (chosen on the validation years of bundled SP500)."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on attention weights."""
    head_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout in front of the head."""
    revin: bool = True
    """Normalise each window by its own mean and standard deviation (RevIN)."""
    revin_affine: bool = False
    """Learn a scale and shift per channel after RevIN; the patch projection can express both."""
    instance_stats: bool | Literal["auto"] = "auto"
    """Feed the window's statistics back to the encoder, because RevIN deletes the level of
    volatility; auto does so for classification and regression, not for forecasting."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Project features to this many channels before patching (mixing only), so that 2,000 features
    do not eat a 2M budget. auto decides where a budget is solved, and else patches the features
    themselves, as None does."""
    attention: Annotated[Literal["auto", "fused", "explicit", "narrow"], placement()] = "auto"
    """torch's fused kernel, or products with a softmax between them; auto decides by shape and
    device. (narrow, of runs of before, is auto.)"""
    activation_checkpointing: Annotated[bool, placement()] = False
    """Keep of each layer its input alone and compute the rest again on the way back: a third more
    time a step, and memory for one layer's activations instead of all."""
    attention_residual: bool = False
    """Add each layer's attention scores to the next layer's, as the paper's code does."""

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        sizes = (self.depth, self.width, self.heads)
        if self.budget is None and None in sizes:
            raise ValueError("give a budget, or depth, width and heads")
        if self.budget is not None and any(size is not None for size in sizes) and None in sizes:
            raise ValueError("give a budget alone, or all of depth, width and heads")
        if self.ff_width is not None and self.width is None:
            raise ValueError("ff_width needs depth, width and heads: the solver fills it itself")
        if self.width is not None and self.heads is not None and self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        if self.stride > self.patch_length:
            raise ValueError(f"stride {self.stride} exceeds patch_length and would skip bars")
        if isinstance(self.feature_embedding, int) and self.channels == "independent":
            raise ValueError("feature_embedding mixes channels: it needs channels: mixing")
        return self

    @property
    def is_sized(self) -> bool:
        """Whether depth, width and heads are stated; ``ff_ratio`` stands in for ``ff_width``."""
        return None not in (self.depth, self.width, self.heads)


class DLinearConfig(NetworkConfig):
    """DLinear: linear maps of each channel's trend and of what remains (Zeng et al. 2023)."""

    kind: Literal["dlinear"] = "dlinear"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers that each channel is mapped to in front of the output; solved from the budget when
    absent. A forecast maps straight to its rows and has no width."""
    moving_average: Annotated[int, Field(ge=1)] = 25
    """Bars of the moving average that is the trend."""


class EmbeddedConfig(NetworkConfig):
    """A network that reads its features as they are or projected to fewer channels."""

    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features, and their statistics, are projected to, so that thousands of them
    do not eat a small budget. auto decides where a budget is solved and numbers are predicted, and
    else reads the features themselves."""


class MLPConfig(EmbeddedConfig):
    """A multilayer perceptron on the flattened window."""

    SIZES: ClassVar[tuple[str, ...]] = ("width",)

    kind: Literal["mlp"] = "mlp"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers in a hidden layer; solved from the budget when absent."""
    depth: Annotated[int, Field(ge=1)] = 1
    """Hidden layers."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that each row is projected to in front of the hidden layer, so that many features
    do not eat a small budget. auto decides where a budget is solved, and else reads the features
    themselves."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Dropout behind each hidden layer."""


class BaselineConfig(Section):
    """A model without scale, fitted and scored on exactly the windows that the networks see."""

    kind: Literal["baseline"] = "baseline"
    """Makes the section a baseline's."""
    name: str
    """A registered baseline: base_rate, volatility, logistic …"""
    options: dict[str, float | int | str] = Field(default_factory=dict)
    """Parameters of the baseline."""


#: ``kind`` → the section that describes it. ``ARCHITECTURES.add`` enters a network's section here.
MODEL_CONFIGS: Registry[type[Section]] = Registry("model kind")
MODEL_CONFIGS.add("patchtst", ModelConfig)
MODEL_CONFIGS.add("dlinear", DLinearConfig)
MODEL_CONFIGS.add("mlp", MLPConfig)
MODEL_CONFIGS.add("baseline", BaselineConfig)


def model_section(content: Any) -> type[Section]:
    """Return the class that describes a model section, given as settings; PatchTST by default.

    Raises
    ------
    ValueError
        For a kind that is not registered.
    """
    kind = content.get("kind", "patchtst")
    if kind not in MODEL_CONFIGS:
        load_plugins()
    if kind not in MODEL_CONFIGS:
        known = did_you_mean(str(kind), MODEL_CONFIGS)
        raise ValueError(
            f"{kind!r} is no kind of model ({known.rstrip('?')}; of a plugin that is not loaded?)"
        )
    return MODEL_CONFIGS[kind]


def handed_over(section: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return what a model section keeps when its kind becomes another: what all networks share.

    The rest is about the old kind: it was never chosen for the new one, even where that has a
    setting of the same name. An unknown kind keeps everything and is refused where it is validated.

    Examples
    --------
    >>> handed_over({"budget": "2M", "shape": "wide", "dropout": 0.1}, "mlp")
    {'budget': '2M'}
    """
    if kind == section.get("kind", "patchtst"):
        return dict(section)
    try:
        known = model_section({"kind": kind}).model_fields
    except ValueError:
        return dict(section)
    shared = [name for name in NetworkConfig.model_fields if name in known and name != "kind"]
    return {name: section[name] for name in shared if name in section}


def _registered(value: Any, _: Callable[[Any], Any]) -> Any:
    """Validate a model section as the registered class of its kind, whenever it was registered."""
    if isinstance(value, NetworkConfig | BaselineConfig):
        return value
    if not isinstance(value, dict):
        raise ValueError("model is a section of settings, such as budget: 2M")
    return model_section(value).model_validate(value)


#: A section of any registered kind; written out with the fields of its own class.
AnyModel = Annotated[
    SerializeAsAny[NetworkConfig | BaselineConfig],
    WrapValidator(_registered),
]
