"""The section of a gated recurrent network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from finscale.config.model import EmbeddedConfig


class GRUConfig(EmbeddedConfig):
    """Gated recurrent units that read a window row by row (Cho et al. 2014)."""

    kind: Literal["gru"] = "gru"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers in the state; solved from the budget when absent."""
    depth: Annotated[int, Field(ge=1)] = 1
    """Recurrent layers, each reading the states of the one before."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Dropout between layers and on the last state."""
