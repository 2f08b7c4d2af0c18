"""What find-batch-size found, remembered per device and architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finscale.config import NetworkConfig
from finscale.training.machine_memory import MachineMemory, shape_key

_MEMORY = MachineMemory("batch_sizes.json")


def remembered_batch_size(architecture: NetworkConfig, **shape: Any) -> int | None:
    """Return the batch size found for this device and architecture, or None.

    ``shape`` holds num_features, context_length, device and precision.
    """
    entry = _MEMORY.get(_key(architecture, **shape))
    return int(entry["batch_size"]) if entry else None


def remember_batch_size(entry: dict[str, Any], architecture: NetworkConfig, **shape: Any) -> Path:
    """Write what was found (``batch_size`` and how) and return the file."""
    return _MEMORY.put(_key(architecture, **shape), entry)


def _key(
    architecture: NetworkConfig,
    *,
    num_features: int,
    context_length: int,
    device: str,
    precision: str,
) -> str:
    return shape_key(device, architecture, num_features, context_length, precision)
