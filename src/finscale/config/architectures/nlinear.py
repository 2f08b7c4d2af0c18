"""The settings of an NLinear."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from finscale.config.model import NetworkConfig


class NLinearConfig(NetworkConfig):
    """NLinear: one linear map of each channel, seen from its last value (Zeng et al. 2023)."""

    kind: Literal["nlinear"] = "nlinear"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers that each channel is mapped to in front of the output; solved from the budget when
    absent. A forecast without width or budget maps straight to its rows, as in the paper."""
    feature_embedding: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels that features are mixed to before anything else, so that many features do not eat a
    small budget; not for a forecast. auto decides where a budget is solved, and else reads the
    features themselves."""
