"""From a source's bars to windows on a device: sources → bars → manifest → targets → windows.

Names are loaded on first use: reading bars needs no torch, and the windows do.
"""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Bars": ".bars",
    "Repair": ".bars",
    "DataStore": ".store",
    "ManifestEntry": ".manifest",
    "ManifestStore": ".manifest",
    "Mismatch": ".manifest",
    "SOURCES": ".sources",
    "fetch_bars": ".sources",
    "import_frame": ".importing",
    "resample": ".timescales",
    "Labels": ".targets",
    "label": ".targets",
    "stacked_labels": ".panel_labels",
    "Split": ".splits",
    "FinancialDataset": ".windows",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
