"""From a source's bars to windows on a device: sources → bars → manifest → targets → windows.

Names are loaded on first use: reading bars needs no torch, and the windows do.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Bars": "bars",
    "Repair": "bars",
    "DataStore": "store",
    "ManifestEntry": "manifest",
    "ManifestStore": "manifest",
    "Mismatch": "manifest",
    "SOURCES": "sources",
    "fetch_bars": "sources",
    "resample": "timescales",
    "Labels": "targets",
    "label": "targets",
    "Split": "splits",
    "FinancialDataset": "windows",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"finscale.data.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
