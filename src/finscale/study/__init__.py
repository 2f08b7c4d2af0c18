"""One experiment from bars to run folder, then many: grid → executor → results."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Prepared": ".preparation",
    "prepare": ".preparation",
    "run_experiment": ".experiment",
    "make_trainer": ".experiment",
    "Cell": ".grid",
    "Event": ".executor",
    "Executor": ".executor",
    "Job": ".executor",
    "LocalExecutor": ".executor",
    "ControlOutcome": ".control_runs",
    "AXES": ".axes",
    "Axis": ".axes",
    "Planned": ".planned",
    "Study": ".study",
    "results_table": ".results",
    "Scorecard": ".scoring",
    "scorecard": ".scoring",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
