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
    "Study": "finscale.study",
    "run_experiment": "finscale.study",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
