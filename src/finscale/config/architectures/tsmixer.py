"""The settings of a TSMixer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from finscale.config.model import NetworkConfig


class TSMixerConfig(NetworkConfig):
    """A TSMixer: dense layers over time and over channels, in turn (Chen et al. 2023)."""

    SIZES: ClassVar[tuple[str, ...]] = ("depth", "ff_width", "width", "rows")

    kind: Literal["tsmixer"] = "tsmixer"
    depth: Annotated[int, Field(ge=1)] | None = None
    """Mixing blocks; solved from the budget when absent."""
    ff_width: Annotated[int, Field(ge=1)] | None = None
    """Hidden numbers of each block's feature mixing."""
    width: Annotated[int, Field(ge=1)] | None = None
    """Channels inside the blocks, mixed from the features in front of them; the features themselves
    when absent beside stated sizes, as in the paper's basic model."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """Rows inside the blocks, projected from the window's in front of them; the window's own rows
    when absent beside stated sizes, as in the paper's basic model."""
    ff_ratio: Annotated[float, Field(gt=0)] = 4.0
    """Hidden numbers of feature mixing over channels, from which the solver starts."""
    norm: Literal["layer", "batch"] = "layer"
    """Normalise over the rows and channels of a window, or each of them over the batch, which is
    what the paper's experiments do."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout behind each dense layer of a block; the authors tune it from 0.1 to 0.9."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features are mixed to in front of ``width``, so that many features do not eat a
    small budget; not for a forecast. auto decides where a budget is solved, and else reads the
    features themselves."""

    @model_validator(mode="after")
    def _consistent(self) -> TSMixerConfig:
        if (self.depth is None) != (self.ff_width is None):
            raise ValueError("give both depth and ff_width, or a budget alone")
        if self.depth is None and self.budget is None:
            raise ValueError("give a budget, or depth and ff_width")
        if self.depth is None and (self.width, self.rows) != (None, None):
            raise ValueError("width and rows need depth and ff_width: the solver fills them itself")
        return self

    @property
    def is_sized(self) -> bool:
        """Whether depth and ff_width are stated; width and rows may stay those of the windows."""
        return None not in (self.depth, self.ff_width)
