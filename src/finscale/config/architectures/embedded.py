"""What the sections of networks share that can project many features to fewer channels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from finscale.config.model import NetworkConfig


class EmbeddedConfig(NetworkConfig):
    """A network that reads its features as they are or projected to fewer channels."""

    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features, and their statistics, are projected to, so that thousands of them
    do not eat a small budget. auto decides where a budget is solved and numbers are predicted, and
    else reads the features themselves."""
