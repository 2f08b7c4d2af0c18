"""The settings of a TiDE."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from finscale.config.model import NetworkConfig


class TiDEConfig(NetworkConfig):
    """A TiDE: a dense encoder and decoder of each channel, beside a linear map (Das 2023)."""

    SIZES: ClassVar[tuple[str, ...]] = ("depth", "width", "decoder_width")

    kind: Literal["tide"] = "tide"
    depth: Annotated[int, Field(ge=1)] | None = None
    """Residual blocks of the encoder, and of the decoder; solved from the budget when absent."""
    width: Annotated[int, Field(ge=1)] | None = None
    """Hidden numbers of a block, and those between blocks."""
    decoder_width: Annotated[int, Field(ge=1)] | None = None
    """Numbers that the decoder writes for each row to come (a classification or regression has one
    such row); a sixteenth of the width, 2 to 32, when absent."""
    temporal_width: Annotated[int, Field(ge=1)] = 32
    """Hidden numbers of the temporal decoder, which reads a row's numbers; forecasts only."""
    layer_norm: bool = True
    """Layer norm behind each block; the authors tune whether."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout behind each block's hidden layer; the authors tune it from 0 to 0.5."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features are mixed to before anything else, so that many features do not eat a
    small budget; not for a forecast. auto decides where a budget is solved, and else reads the
    features themselves."""

    @model_validator(mode="after")
    def _consistent(self) -> TiDEConfig:
        if (self.depth is None) != (self.width is None):
            raise ValueError("give both depth and width, or a budget alone")
        if self.depth is None and self.budget is None:
            raise ValueError("give a budget, or depth and width")
        if self.decoder_width is not None and self.width is None:
            raise ValueError("decoder_width needs depth and width: the solver fills it itself")
        return self

    @property
    def is_sized(self) -> bool:
        """Whether depth and width are stated; the decoder's width follows from them."""
        return None not in (self.depth, self.width)
