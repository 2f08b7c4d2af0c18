"""A run's folder: whole or absent.

While a run is at work its files gather in ``runs/.<id>.partial``, resume points included, so that a
killed run goes on from there. When everything is written the folder is renamed to ``runs/<id>``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finscale.errors import FinscaleError
from finscale.locks import hold


def partial_folder(runs: Path, run_id: str) -> Path:
    """Return where an unfinished run keeps its files."""
    return runs / f".{run_id}.partial"


@contextmanager
def exclusive(runs: Path, run_id: str) -> Iterator[None]:
    """Hold the run's lock: of two processes that want the same run, one computes, one waits."""
    try:
        locks = runs / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FinscaleError(
            f"{runs} cannot be written: {error.strerror or error}.",
            hint="choose another folder with --runs",
        ) from error
    with hold(locks / run_id):
        yield


def publish(partial: Path, final: Path) -> None:
    """Rename a finished partial folder; resume points are no longer needed."""
    shutil.rmtree(partial / "resume", ignore_errors=True)
    for cut_off in partial.glob(".*.tmp"):  # a process that was killed while it wrote
        cut_off.unlink(missing_ok=True)
    partial.replace(final)
