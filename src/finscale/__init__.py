"""finscale measures whether scale pays on financial time series.

Names are loaded on first use, so that ``import finscale`` stays fast and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ExperimentConfig": "finscale.config",
    "StudyConfig": "finscale.config",
    "TrackingConfig": "finscale.config",
    "load_config": "finscale.config",
    "FinscaleError": "finscale.errors",
    "DataStore": "finscale.data",
    "FinancialDataset": "finscale.data",
    "ManifestStore": "finscale.data",
    "prove_causality": "finscale.features",
    "PatchTST": "finscale.models",
    "solve_budget": "finscale.models",
    "ThermalCallback": "finscale.training",
    "TrackingManager": "finscale.training",
    "Trainer": "finscale.training",
    "RunStore": "finscale.runs",
    "Law": "finscale.scaling",
    "fit_law": "finscale.scaling",
    "compare_forms": "finscale.scaling",
    "compare_approaches": "finscale.scaling",
    "decide": "finscale.scaling",
    "plan": "finscale.scaling.plan",
    "study_power": "finscale.scaling",
    "audit": "finscale.study.audit",
    "judge": "finscale.study.evaluate",
    "Study": "finscale.study",
    "run_experiment": "finscale.study",
}

_MODULES = {"synthetic": "finscale.data.synthetic"}

__all__ = sorted([*_HOMES, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'finscale' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
