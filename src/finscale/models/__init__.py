"""PatchTST, its parameter budgets and costs, and the baselines that it has to beat.

Names are loaded on first use: budgets and counts need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.lazy import lazy_names

if TYPE_CHECKING:
    from finscale.models.architecture import Architecture
    from finscale.models.baselines import make_baseline
    from finscale.models.budget import solve_budget
    from finscale.models.build import build_model, design, resolve_model
    from finscale.models.counts import ParameterCounts, count_parameters, flops_per_sample
    from finscale.models.memory import resident_memory, training_memory
    from finscale.models.patchtst import PatchTST

_HOMES = {
    "Architecture": ".architecture",
    "ParameterCounts": ".counts",
    "PatchTST": ".patchtst",
    "build_model": ".build",
    "count_parameters": ".counts",
    "design": ".build",
    "flops_per_sample": ".counts",
    "make_baseline": ".baselines",
    "resident_memory": ".memory",
    "resolve_model": ".build",
    "solve_budget": ".budget",
    "training_memory": ".memory",
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
