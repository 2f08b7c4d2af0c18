"""The leakage audit: what was proven about a dataset and its splits, how, and what was found.

Each check is an entry of :data:`CHECKS`; adding one is adding an entry.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "audit": "certify",
    "CHECKS": "checks",
    "Certificate": "certificate",
    "Check": "certificate",
    "Outcome": "certificate",
    "Evidence": "evidence",
    "Fitted": "evidence",
    "collect": "evidence",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale.study.audit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"finscale.study.audit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
