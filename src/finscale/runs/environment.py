"""Where a run took place: versions, device, git state."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

_PACKAGES = ("finscale", "torch", "numpy", "scipy", "polars", "pyarrow", "TA-Lib", "arch")


def package_versions() -> dict[str, str]:
    """Return the installed version of each package that can change a number."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_state(folder: Path) -> dict[str, Any]:
    """Return commit, branch and whether tracked files differ; empty outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        "commit": commit,
        "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"),
        "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
    }


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            # a look takes no lock: a worker killed here would leave it lying in the repository
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def environment() -> dict[str, Any]:
    """Return what a reader needs to reproduce a run: versions, platform, git state of the code."""
    return {
        "versions": package_versions(),
        "platform": f"{platform.system()} {platform.machine()}",
        "git": git_state(Path(__file__).parent),
    }
