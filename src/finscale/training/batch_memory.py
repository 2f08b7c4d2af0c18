"""What find-batch-size found, remembered per device and architecture."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from finscale.config import ModelConfig, content_hash
from finscale.errors import FinscaleError
from finscale.files import read_json, write_json
from finscale.training.devices import device_name

#: Settings of a model that change neither its speed nor its memory.
_WITHOUT_EFFECT = ("budget", "budget_tolerance", "shape")


def cache_folder() -> Path:
    """Return where measurements of this machine are kept; ``FINSCALE_CACHE`` overrides."""
    if asked := os.environ.get("FINSCALE_CACHE"):
        return Path(asked)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "finscale"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "finscale" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "finscale"


def remembered_batch_size(architecture: ModelConfig, **shape: Any) -> int | None:
    """Return the batch size found for this device and architecture, or None.

    ``shape`` holds num_features, context_length, device and precision.
    """
    entry = _read().get(memory_key(architecture, **shape))
    return int(entry["batch_size"]) if entry else None


def remember_batch_size(entry: dict[str, Any], architecture: ModelConfig, **shape: Any) -> Path:
    """Write what was found (``batch_size`` and how) and return the file."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        write_json(path, {**_read(), memory_key(architecture, **shape): entry})
    return path


def memory_key(
    architecture: ModelConfig,
    *,
    num_features: int,
    context_length: int,
    device: str,
    precision: str,
) -> str:
    """Return the device's name and a hash of the shapes: what throughput depends on."""
    network = architecture.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT))
    shapes = [network, num_features, context_length, precision]
    return f"{device_name(device)} | {content_hash(shapes)[:16]}"


def _file() -> Path:
    return cache_folder() / "batch_sizes.json"


def _read() -> dict[str, Any]:
    """Return all entries; a cache that is missing or damaged is an empty one."""
    try:
        content = read_json(_file())
    except FinscaleError:
        return {}
    return content if isinstance(content, dict) else {}
