"""Training: the loop, its callbacks, checkpoints, tracking and the batch-size finder.

Names are loaded on first use: tracking and the settings' resolution do not always need torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.lazy import lazy_names

if TYPE_CHECKING:
    from finscale.config import ThermalConfig, TrackingConfig
    from finscale.errors import TrainingPaused
    from finscale.training.batch_size import BatchSizeReport, find_batch_size
    from finscale.training.callbacks import Callback
    from finscale.training.checkpoint import save_tensors
    from finscale.training.devices import require_memory
    from finscale.training.loaders import from_loaders
    from finscale.training.losses import LOSSES
    from finscale.training.progress import ProgressBar
    from finscale.training.resolve import resolve_training
    from finscale.training.sensors import Reading
    from finscale.training.state import FitResult
    from finscale.training.thermal import ThermalCallback
    from finscale.training.tracking import TrackingCallback, TrackingManager
    from finscale.training.trainer import Trainer

_HOMES = {
    "BatchSizeReport": "finscale.training.batch_size",
    "Callback": "finscale.training.callbacks",
    "FitResult": "finscale.training.state",
    "LOSSES": "finscale.training.losses",
    "ProgressBar": "finscale.training.progress",
    "Reading": "finscale.training.sensors",
    "ThermalCallback": "finscale.training.thermal",
    "ThermalConfig": "finscale.config",
    "TrackingCallback": "finscale.training.tracking",
    "TrackingConfig": "finscale.config",
    "TrackingManager": "finscale.training.tracking",
    "Trainer": "finscale.training.trainer",
    "TrainingPaused": "finscale.errors",
    "find_batch_size": "finscale.training.batch_size",
    "from_loaders": "finscale.training.loaders",
    "require_memory": "finscale.training.devices",
    "resolve_training": "finscale.training.resolve",
    "save_tensors": "finscale.training.checkpoint",
}

__all__ = [
    "LOSSES",
    "BatchSizeReport",
    "Callback",
    "FitResult",
    "ProgressBar",
    "Reading",
    "ThermalCallback",
    "ThermalConfig",
    "TrackingCallback",
    "TrackingConfig",
    "TrackingManager",
    "Trainer",
    "TrainingPaused",
    "find_batch_size",
    "from_loaders",
    "require_memory",
    "resolve_training",
    "save_tensors",
]

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
