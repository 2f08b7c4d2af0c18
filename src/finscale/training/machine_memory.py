"""Measurements of this machine, remembered from one command to the next."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from finscale.config import NetworkConfig, content_hash
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


def shape_key(device: str, architecture: NetworkConfig, *shapes: Any) -> str:
    """Return the device's name and a hash of the shapes: what speed and memory depend on."""
    network = architecture.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT))
    return f"{device_name(device)} | {content_hash([network, *shapes])[:16]}"


class MachineMemory:
    """Entries by key in one JSON file under :func:`cache_folder`.

    Parameters
    ----------
    name : str
        The file's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def path(self) -> Path:
        """The file."""
        return cache_folder() / self._name

    def get(self, key: str) -> dict[str, Any] | None:
        """Return an entry, if it is there."""
        return self._read().get(key)

    def put(self, key: str, entry: dict[str, Any]) -> Path:
        """Write an entry and return the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            write_json(self.path, {**self._read(), key: entry})
        return self.path

    def _read(self) -> dict[str, Any]:
        """Return all entries; a cache that is missing or damaged is an empty one."""
        try:
            content = read_json(self.path)
        except FinscaleError:
            return {}
        return content if isinstance(content, dict) else {}
