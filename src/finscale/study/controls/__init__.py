"""The instrument is calibrated before it is believed: worlds of known truth, judged many times."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "CONTROLS": "suite",
    "Check": "case",
    "Control": "case",
    "ControlResult": "suite",
    "ControlsReport": "suite",
    "Losses": "case",
    "draw_figure": "figure",
    "run_controls": "suite",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'finscale.study.controls' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"finscale.study.controls.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
