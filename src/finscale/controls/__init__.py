"""The instrument is calibrated before it is believed: worlds of known truth, judged many times."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "CONTROLS": ".suite",
    "ControlCheck": ".case",
    "Control": ".case",
    "ControlResult": ".suite",
    "ControlsReport": ".suite",
    "Losses": ".case",
    "draw_figure": ".figure",
    "run_controls": ".suite",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
