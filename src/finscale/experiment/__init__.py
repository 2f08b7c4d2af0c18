"""One run, from bars to run folder: resolve, prepare, train, predict, publish."""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Prepared": ".preparation",
    "prepare": ".preparation",
    "run_experiment": ".experiment",
    "make_trainer": ".trainers",
    "TrainedRun": ".trained_run",
    "load_run": ".trained_run",
    "Forecasts": ".forecasting",
    "forecast": ".forecasting",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
