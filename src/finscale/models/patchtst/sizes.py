"""The sizes of a PatchTST as plain numbers, without torch: to build, to count, to solve for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finscale.config.names import Parametrisation
from finscale.errors import ConfigError
from finscale.models.base_sizes import attention_scale, branch_multiplier
from finscale.models.interface import STATS_PER_CHANNEL, HeadName

AttentionName = Literal["auto", "fused", "explicit", "narrow"]

#: Up to this many tokens a CPU multiplies attention out; see ``kernels.accelerate``.
EXPLICIT_UP_TO = 64


@dataclass(frozen=True, kw_only=True)
class PatchTSTSizes:
    """Every size and switch of one PatchTST.

    Parameters
    ----------
    num_features : int
        F, channels of a window.
    context_length : int
        L, rows of a window.
    depth, width, heads, ff_width : int
        Encoder layers, model dimension, attention heads (a divisor of the width), feed-forward
        dimension.
    patch_length, stride : int
        Rows in one patch and between the starts of neighbouring patches.
    pad_end : bool
        Repeat the last row ``stride`` times before patching (the paper).
    channels : {"mixing", "independent"}
        A token holds a patch of all channels, or each channel is its own sequence (the paper).
    norm : {"layer", "batch"}
        Layer norm in front of each block, or the paper's batch norm behind it.
    attention : {"auto", "fused", "explicit"}
        Fused kernel or explicit product; auto decides by shape and device. ("narrow", of runs of
        before, is auto.)
    attention_residual : bool
        Add each layer's attention scores to the next layer's (RealFormer, as in the authors' code).
    dropout, attention_dropout, head_dropout : float
        Dropout on the embedding and each residual branch, on attention weights, before the head.
    revin, revin_affine : bool
        Normalise each window by its own moments; learn a scale and shift per channel after it.
    instance_stats : bool
        Feed each window's statistics back to its tokens.
    feature_embedding : int, optional
        Project the features to this many channels before patching (channel mixing only).
    activation_checkpointing : bool
        Keep of each layer its input alone and compute the rest again on the way back.
    head : {"classification", "regression", "forecast"}
        What is predicted.
    num_outputs : int
        Q, numbers per window of the regression head.
    forecast_length : int, optional
        H, steps of the forecast head.
    parametrisation : {"mup", "standard"}
        How multipliers and initial weights follow from the sizes.

    References
    ----------
    Nie et al. (2023), "A time series is worth 64 words", ICLR. He et al. (2021), "RealFormer".
    """

    num_features: int
    context_length: int
    depth: int
    width: int
    heads: int
    ff_width: int
    patch_length: int = 16
    stride: int = 8
    pad_end: bool = False
    channels: Literal["mixing", "independent"] = "mixing"
    norm: Literal["layer", "batch"] = "layer"
    attention: AttentionName = "auto"
    attention_residual: bool = False
    dropout: float = 0.3
    attention_dropout: float = 0.0
    head_dropout: float = 0.0
    revin: bool = True
    revin_affine: bool = False
    instance_stats: bool = True
    feature_embedding: int | None = None
    activation_checkpointing: bool = False
    head: HeadName = "classification"
    num_outputs: int = 1
    forecast_length: int | None = None
    parametrisation: Parametrisation = "mup"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is not divisible by heads {self.heads}.")
        if self.rows < self.patch_length:
            raise ConfigError(
                f"context_length {self.context_length} is shorter than one patch of "
                f"{self.patch_length} rows.",
                hint="lengthen the context or set model.patch_length and model.stride",
            )
        if self.feature_embedding is not None and self.channels == "independent":
            raise ConfigError("feature_embedding mixes channels: it needs channels: mixing.")
        if (self.head == "forecast") != (self.forecast_length is not None):
            raise ConfigError("forecast_length belongs to head 'forecast', which needs it.")
        if self.attention_residual and self.attention == "fused":
            raise ConfigError("attention_residual needs scores, which fused attention hides.")

    @property
    def rows(self) -> int:
        """Rows of a window after padding."""
        return self.context_length + (self.stride if self.pad_end else 0)

    @property
    def num_patches(self) -> int:
        """Patches, which are the tokens, of one sequence; rows too few for a last one go first."""
        return (self.rows - self.patch_length) // self.stride + 1

    @property
    def num_sequences(self) -> int:
        """Sequences that one window becomes."""
        return self.num_features if self.channels == "independent" else 1

    @property
    def num_tokens(self) -> int:
        """Tokens of one window, all its sequences together."""
        return self.num_sequences * self.num_patches

    @property
    def token_channels(self) -> int:
        """Channels inside one token."""
        return 1 if self.channels == "independent" else self.feature_embedding or self.num_features

    @property
    def num_stats(self) -> int:
        """Window statistics that one sequence gets."""
        if not self.instance_stats:
            return 0
        return STATS_PER_CHANNEL * (1 if self.channels == "independent" else self.num_features)

    @property
    def head_inputs(self) -> int:
        """Numbers that the head's projection reads."""
        if self.channels == "independent" and self.head != "forecast":
            return self.num_features * self.width
        return self.num_patches * self.width

    @property
    def head_outputs(self) -> int:
        """Numbers that the head's projection writes (per sequence, when forecasting)."""
        if self.forecast_length is None:
            return self.num_outputs
        return self.forecast_length * (1 if self.channels == "independent" else self.num_features)

    @property
    def branch_multiplier(self) -> float:
        """Factor of each residual branch."""
        return branch_multiplier(self.depth, self.parametrisation)

    @property
    def attention_scale(self) -> float:
        """Factor of q·k."""
        return attention_scale(self.width // self.heads, self.parametrisation)

    @property
    def explicit_attention(self) -> bool:
        """Whether attention weights are multiplied out (on a CPU, where it is left to auto).

        Where weights are dropped while training, a CPU multiplies out whatever this says.
        """
        if self.attention == "auto":
            return self.attention_residual or self.num_patches <= EXPLICIT_UP_TO
        return self.attention != "fused"
