"""finscale measures whether scale pays on financial time series.

Names are loaded on first use, so that ``import finscale`` stays fast and imports no torch.
"""

from __future__ import annotations

from finscale.lazy import lazy_names

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
    "from_loaders": "finscale.training",
    "import_frame": "finscale.data",
    "RunStore": "finscale.runs",
    "Law": "finscale.scaling",
    "fit_law": "finscale.scaling",
    "fit_curves": "finscale.scaling",
    "compare_forms": "finscale.scaling",
    "compare_approaches": "finscale.scaling",
    "decide": "finscale.scaling",
    "Measure": "finscale.scaling",
    "plan": "finscale.scaling.plan",
    "study_power": "finscale.scaling",
    "audit": "finscale.audit",
    "judge": "finscale.judging.judge",
    "Study": "finscale.study",
    "run_experiment": "finscale.experiment",
    "load_run": "finscale.experiment",
    "synthetic": "finscale.data.synthetic",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
