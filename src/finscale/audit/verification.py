"""Is this machine fit to train, and is every registered file what it was when registered."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from finscale.data import DataStore

_GIB = 2**30
_MIN_MEMORY = 1.0
_MIN_DISK = 1.0
_MIN_PYTHON = (3, 11)


@dataclass(frozen=True)
class EnvironmentCheck:
    """One thing looked at: what, whether it is as it should be, and what was found."""

    subject: str
    ok: bool
    found: str


def verify_environment(folder: Path = Path()) -> Iterator[EnvironmentCheck]:
    """Check Python, every required package's version, device, threads, free memory and disk."""
    version = sys.version_info
    yield EnvironmentCheck(
        "python",
        version[:2] >= _MIN_PYTHON,
        f"{version.major}.{version.minor}.{version.micro} (3.11 or newer is needed)",
    )
    yield from _packages()
    yield from _machine(folder)


def _packages() -> Iterator[EnvironmentCheck]:
    for line in importlib.metadata.requires("finscale") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        ok, installed = False, "not installed"
        with suppress(importlib.metadata.PackageNotFoundError):
            installed = importlib.metadata.version(requirement.name)
            ok = requirement.specifier.contains(installed, prereleases=True)
        yield EnvironmentCheck(requirement.name, ok, f"{installed} (needs {requirement.specifier})")


def _machine(folder: Path) -> Iterator[EnvironmentCheck]:
    from finscale.training.devices import (
        available_threads,
        choose_device,
        device_name,
        free_memory,
        has_bf16_units,
    )

    device = choose_device("auto")
    units = "bf16 units" if has_bf16_units(device) else "no bf16 units"
    yield EnvironmentCheck("device", True, f"{device}: {device_name(device)}, {units}")
    yield EnvironmentCheck("threads", available_threads() >= 1, str(available_threads()))
    memory = free_memory(device) / _GIB
    yield EnvironmentCheck(
        "free memory", memory >= _MIN_MEMORY, f"{memory:.1f} GiB (needs {_MIN_MEMORY:g})"
    )
    disk = shutil.disk_usage(folder.resolve()).free / _GIB
    yield EnvironmentCheck("free disk", disk >= _MIN_DISK, f"{disk:.1f} GiB (needs {_MIN_DISK:g})")


def verify_manifests(root: Path) -> Iterator[EnvironmentCheck]:
    """Check every manifest entry's file and parents, and look for files that no entry names."""
    store = DataStore(root)
    mismatches = store.verify()
    wrong = {mismatch.key for mismatch in mismatches}
    for entry in (*store.raw.entries(), *store.processed.entries()):
        if entry.key not in wrong:
            yield EnvironmentCheck(entry.key, True, f"{entry.rows:,} rows, md5 {entry.md5[:8]}")
    for mismatch in mismatches:
        yield EnvironmentCheck(mismatch.key or mismatch.path.name, False, str(mismatch))
