"""A run's identity, its folder, and the store that finds runs."""

from finscale.runs.environment import environment, git_state, package_versions
from finscale.runs.folder import exclusive, partial_folder, publish
from finscale.runs.identity import run_id
from finscale.runs.reads import SealedReading, choosing
from finscale.runs.run import Run
from finscale.runs.store import RUN_FILES, RunStore

__all__ = [
    "RUN_FILES",
    "Run",
    "RunStore",
    "SealedReading",
    "choosing",
    "environment",
    "exclusive",
    "git_state",
    "package_versions",
    "partial_folder",
    "publish",
    "run_id",
]
