"""The settings of an iTransformer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from finscale.config.model import NetworkConfig


class ITransformerConfig(NetworkConfig):
    """An iTransformer: each channel is a token, and channels attend to each other (Liu 2024)."""

    SIZES: ClassVar[tuple[str, ...]] = ("depth", "width", "ff_width")

    kind: Literal["itransformer"] = "itransformer"
    depth: Annotated[int, Field(ge=1)] | None = None
    """Encoder layers; solved from the budget when absent."""
    width: Annotated[int, Field(ge=1)] | None = None
    """Model dimension; a multiple of ``head_size``."""
    ff_width: Annotated[int, Field(ge=1)] | None = None
    """Feed-forward dimension; ``ff_ratio`` times the width when absent."""
    ff_ratio: Annotated[float, Field(gt=0)] = 4.0
    """Feed-forward dimension over width: the authors' 2048 to 512; their scripts often set 1."""
    head_size: Annotated[int, Field(ge=1)] = 8
    """Dimension of an attention head, the same at every width; the authors' is 64 at width 512."""
    norm: Literal["post", "pre"] = "post"
    """Layer norm behind each residual sum, as in the paper, or in front of each branch."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout on tokens, on each residual branch and in front of the output; the authors' is 0.1,
    on far longer data."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on attention weights; the authors' is that of the branches."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features are mixed to before they become tokens, so that many features do not
    eat a small budget; not for a forecast. auto decides where a budget is solved, and else makes
    each feature a token."""

    @model_validator(mode="after")
    def _consistent(self) -> ITransformerConfig:
        if (self.depth is None) != (self.width is None):
            raise ValueError("give both depth and width, or a budget alone")
        if self.depth is None and self.budget is None:
            raise ValueError("give a budget, or depth and width")
        if self.ff_width is not None and self.width is None:
            raise ValueError("ff_width needs depth and width: the solver fills it itself")
        if self.width is not None and self.width % self.head_size:
            raise ValueError(f"width {self.width} is no multiple of head_size {self.head_size}")
        return self

    @property
    def is_sized(self) -> bool:
        """Whether depth and width are stated; ``ff_ratio`` stands in for ``ff_width``."""
        return None not in (self.depth, self.width)
