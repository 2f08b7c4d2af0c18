"""Runs judged from their predictions: scores, comparisons, tables."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Scorecard": ".scoring",
    "scorecard": ".scoring",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
