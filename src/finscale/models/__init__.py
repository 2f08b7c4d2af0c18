"""PatchTST, its parameter budgets and costs, and the baselines that it has to beat.

Names are loaded on first use: budgets and counts need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.lazy import lazy_names

if TYPE_CHECKING:
    from finscale.models.baselines import make_baseline
    from finscale.models.build import build_model, design, resolve_model
    from finscale.models.patchtst.architecture import Architecture
    from finscale.models.patchtst.budget import solve_budget
    from finscale.models.patchtst.counts import ParameterCounts, count_parameters, flops_per_sample
    from finscale.models.patchtst.memory import resident_memory, training_memory
    from finscale.models.patchtst.model import PatchTST

_HOMES = {
    "Architecture": ".patchtst.architecture",
    "ParameterCounts": ".patchtst.counts",
    "PatchTST": ".patchtst.model",
    "build_model": ".build",
    "count_parameters": ".patchtst.counts",
    "design": ".build",
    "flops_per_sample": ".patchtst.counts",
    "make_baseline": ".baselines",
    "resident_memory": ".patchtst.memory",
    "resolve_model": ".build",
    "solve_budget": ".patchtst.budget",
    "training_memory": ".patchtst.memory",
}

__all__ = [
    "Architecture",
    "ParameterCounts",
    "PatchTST",
    "build_model",
    "count_parameters",
    "design",
    "flops_per_sample",
    "make_baseline",
    "resident_memory",
    "resolve_model",
    "solve_budget",
    "training_memory",
]

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
