"""The section of ModernTCN."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from finscale.config.model import EmbeddedConfig


class ModernTCNConfig(EmbeddedConfig):
    """ModernTCN: kernels over time, products within and across variables (Luo & Wang 2024)."""

    SIZES: ClassVar[tuple[str, ...]] = ("width", "mixing_width")

    kind: Literal["moderntcn"] = "moderntcn"
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers that hold a variable at a patch; solved from the budget when absent."""
    mixing_width: Annotated[int, Field(ge=1)] | None = None
    """Numbers that the variables are widened to where they are mixed; ``ff_ratio`` times the
    variables when absent. The budget solver's fine dial."""
    ff_ratio: Annotated[int, Field(ge=1)] = 1
    """Hidden numbers over those that enter, in the products within variables."""
    depth: Annotated[int, Field(ge=1)] = 1
    """Blocks."""
    kernel: Annotated[int, Field(ge=1)] = 51
    """Patches that the depthwise kernel spans, an odd number; cut to what reaches the window."""
    patch_length: Annotated[int, Field(ge=1)] = 8
    """Bars in one patch."""
    stride: Annotated[int, Field(ge=1)] = 4
    """Bars between the starts of neighbouring patches."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout behind each product, and in front of the head."""

    @model_validator(mode="after")
    def _consistent(self) -> ModernTCNConfig:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even: it has no patch in its middle")
        if self.stride > self.patch_length:
            raise ValueError(f"stride {self.stride} exceeds patch_length and would skip bars")
        if self.mixing_width is not None and self.width is None:
            raise ValueError("mixing_width needs width: the solver fills it itself")
        return self

    @property
    def is_sized(self) -> bool:
        """Whether the width is stated; ``ff_ratio`` stands in for ``mixing_width``."""
        return self.width is not None
