"""Names of declared things that a config may hold; those of plugins are found when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from finscale.config.tiers import is_tier_file, looks_like_file, noted_tier, read_tier_file
from finscale.registry import Names

TaskKind = Literal["classification", "regression"]
#: How initial weights, multipliers and rates follow from a network's sizes.
Parametrisation = Literal["mup", "standard"]


class TierNames(Names):
    """Names of tiers: those declared, files that list features, and the keys of such files."""

    def check(self, name: str) -> str:
        """Return the name; see :meth:`Names.check`."""
        if is_tier_file(name):
            read_tier_file(name)
            return name
        if noted_tier(name):
            return name
        base, dot, nesting = name.rpartition(".n")
        if dot and base in self and name not in self:
            raise ValueError(f"is a nesting: write tier {base} and data.nesting {nesting}")
        if looks_like_file(name):
            raise ValueError("is not a tier; the name of a tier file ends in .yaml")
        return super().check(name)


TIER_NAMES = TierNames(
    "tier",
    (
        *(f"a{size}" for size in (20, 50, 100, 200, 500, 1000, 2000)),
        *(f"c{size}" for size in (20, 50, 100, 200)),
    ),
)
LOSS_NAMES = Names(
    "loss",
    ("cross_entropy", "focal", "label_smoothing", "soft_auc", "mse", "huber", "quantile"),
)
AXIS_NAMES = Names(
    "scale axis",
    (
        "parameters",
        "compute",
        "rows",
        "assets",
        "data",
        "tier",
        "quality",
        "context_length",
        "horizon",
    ),
)

#: Task → what its labels are.
TASK_KINDS: dict[str, TaskKind] = {
    "direction": "classification",
    **{f"threshold_{percent}pct": "classification" for percent in ("0.5", "1", "2", "3", "5")},
    "regression": "regression",
    "outperform": "classification",
    "top_fifth": "classification",
    "rank": "regression",
    "residual": "regression",
}
TASK_NAMES = Names("task", TASK_KINDS)
#: Tasks whose label compares the symbols of one day: they need a panel.
CROSS_SECTIONAL = {"outperform", "top_fifth", "rank", "residual"}


@dataclass(frozen=True)
class OneOf:
    """Restricts a string to known names; the schema lists the built-in ones."""

    names: Names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.names.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "examples": list(self.names.built_in)}


TierName = Annotated[str, OneOf(TIER_NAMES)]
TaskName = Annotated[str, OneOf(TASK_NAMES)]
LossName = Annotated[str, OneOf(LOSS_NAMES)]
AxisName = Annotated[str, OneOf(AXIS_NAMES)]
