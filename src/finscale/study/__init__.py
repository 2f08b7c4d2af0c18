"""Many runs of one question: grid → planning → execution → results → analysis → findings."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Cell": ".grid",
    "Event": ".execution.local",
    "Executor": ".execution.local",
    "Job": ".execution.local",
    "LocalExecutor": ".execution.local",
    "RayExecutor": ".execution.ray_executor",
    "EXECUTORS": ".execution.executors",
    "ExecutorOptions": ".execution.executors",
    "make_executor": ".execution.executors",
    "ControlOutcome": ".control_runs",
    "control_outcomes": ".control_runs",
    "AXES": ".axes",
    "Axis": ".axes",
    "FamilyComparison": ".family_results",
    "Planned": ".planned",
    "Study": ".study",
    "results_table": ".results",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
