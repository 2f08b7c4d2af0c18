"""The section of N-HiTS."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finscale.config.model import EmbeddedConfig

_PerStack = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class NHiTSConfig(EmbeddedConfig):
    """N-HiTS: stacks of perceptrons, each at a rate of its own (Challu et al. 2023)."""

    kind: Literal["nhits"] = "nhits"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers in a hidden layer; solved from the budget when absent."""
    depth: Annotated[int, Field(ge=1)] = 2
    """Hidden layers of a block."""
    blocks: Annotated[int, Field(ge=1)] = 1
    """Blocks of a stack."""
    pooling: _PerStack = (8, 4, 1)
    """Rows that each stack pools to one, coarse before fine; its length is the number of stacks."""
    rows_per_knot: _PerStack = (24, 12, 1)
    """Rows from one written number to the next, between which a stack interpolates."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Dropout behind each hidden layer."""

    @model_validator(mode="after")
    def _one_each(self) -> NHiTSConfig:
        if len(self.pooling) != len(self.rows_per_knot):
            raise ValueError(
                f"pooling names {len(self.pooling)} stacks and rows_per_knot "
                f"{len(self.rows_per_knot)}: give each one number a stack"
            )
        return self
