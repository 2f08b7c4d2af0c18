"""One experiment from bars to run folder, then many: grid → executor → results."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Prepared": "preparation",
    "prepare": "preparation",
    "run_experiment": "experiment",
    "make_trainer": "experiment",
    "Cell": "grid",
    "Event": "executor",
    "Executor": "executor",
    "Job": "executor",
    "LocalExecutor": "executor",
    "ControlOutcome": "control_runs",
    "AXES": "axes",
    "Axis": "axes",
    "Planned": "planned",
    "Study": "study",
    "results_table": "results",
    "Scorecard": "scoring",
    "scorecard": "scoring",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale.study' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"finscale.study.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
