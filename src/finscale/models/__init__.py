"""Networks and their budgets and costs, and the baselines that they have to beat.

Names are loaded on first use: PatchTST's budgets and counts need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.lazy import lazy_names

if TYPE_CHECKING:
    from finscale.models.baselines import make_baseline
    from finscale.models.build import NetworkDesign, build_model, design, resolve_model
    from finscale.models.counts import ParameterCounts
    from finscale.models.interface import Interface
    from finscale.models.patchtst.budget import solve_budget
    from finscale.models.patchtst.counts import count_parameters, flops_per_sample
    from finscale.models.patchtst.model import PatchTST
    from finscale.models.patchtst.sizes import PatchTSTSizes
    from finscale.models.zoo import ARCHITECTURES, Architecture

_HOMES = {
    "ARCHITECTURES": ".zoo",
    "Architecture": ".zoo",
    "Interface": ".interface",
    "NetworkDesign": ".build",
    "ParameterCounts": ".counts",
    "PatchTST": ".patchtst.model",
    "PatchTSTSizes": ".patchtst.sizes",
    "build_model": ".build",
    "count_parameters": ".patchtst.counts",
    "design": ".build",
    "flops_per_sample": ".patchtst.counts",
    "make_baseline": ".baselines",
    "resolve_model": ".build",
    "solve_budget": ".patchtst.budget",
}

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Interface",
    "NetworkDesign",
    "ParameterCounts",
    "PatchTST",
    "PatchTSTSizes",
    "build_model",
    "count_parameters",
    "design",
    "flops_per_sample",
    "make_baseline",
    "resolve_model",
    "solve_budget",
]

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
