"""Everything that a study's report shows, computed once: numbers and words, no drawing."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Findings": ".findings",
    "find": ".finding",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
