"""Everything that a study's report shows, computed once: numbers and words, no drawing."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Findings": "findings",
    "find": "findings",
    "Series": "series",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale.study.findings' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"finscale.study.findings.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
