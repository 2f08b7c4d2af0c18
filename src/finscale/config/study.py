"""What a study is: one experiment, one or two scale axes, seeds, baselines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from finscale.config.base import Section, content_hash
from finscale.config.experiment import ExperimentConfig
from finscale.config.quantities import parse_count

AxisName = Literal["parameters"]

#: The setting that each axis varies.
AXIS_SETTINGS: dict[str, str] = {"parameters": "model.budget"}


class StudyConfig(Section):
    """A grid of runs along a scale axis, fixed before the first run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The study's folder under ``studies/``."""
    question: str = ""
    """What the study asks, for the top of the report."""
    experiment: ExperimentConfig = ExperimentConfig()
    """What all runs share."""
    axes: dict[AxisName, tuple[int, ...]]
    """Scale axis → its sizes: ``parameters: [10k, 50k, 250k, 1M]``."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per size and seed."""
    baselines: tuple[str, ...] = ("base_rate", "volatility", "logistic")
    """Models without scale, scored on the same windows."""
    sesoi: Annotated[float, Field(gt=0)] = 0.005
    """Smallest effect of interest: loss saved over the whole range of sizes (nats a decision, or
    squared return) below which a gain would not be worth having."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Significance level of every test behind the verdict."""

    @field_validator("axes", mode="before")
    @classmethod
    def _counts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            axis: tuple(parse_count(size) for size in sizes)
            if isinstance(sizes, list | tuple)
            else sizes
            for axis, sizes in value.items()
        }

    @field_validator("seeds", mode="before")
    @classmethod
    def _seed_count(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _whole(self) -> StudyConfig:
        if not self.axes:
            raise ValueError("name one axis, such as parameters: [10k, 50k, 250k, 1M]")
        for axis, sizes in self.axes.items():
            if not sizes or len(set(sizes)) != len(sizes):
                raise ValueError(f"axis {axis} needs at least one size, each once")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must be given, each once")
        return self

    def hash(self) -> str:
        """Return the SHA-256 of the whole resolved study: its pre-registration."""
        return content_hash(self.model_dump(mode="json"))
