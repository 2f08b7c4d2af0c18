"""What may be removed from a run store: what dead processes left, and old runs when asked for."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from finscale.errors import FinscaleError
from finscale.files import read_json
from finscale.locks import hold
from finscale.runs.identity import ID_LENGTH
from finscale.runs.index import summaries
from finscale.runs.remote_garbage import RemoteGarbage, unfinished_and_damaged
from finscale.runs.store import RunStore


@dataclass(frozen=True)
class Garbage:
    """One folder that may go, why, and its bytes."""

    folder: Path
    reason: str
    size: int

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def find_garbage(
    store: RunStore,
    *,
    older_than: float | None = None,
    used: Collection[str] | None = None,
    now: dt.datetime | None = None,
) -> Sequence[Garbage | RemoteGarbage]:
    """Return what may be removed; nothing is.

    Parameters
    ----------
    store : RunStore
        Where to look.
    older_than : float, optional
        Also runs that were finished more than so many days ago. A run from the future (the clock
        was wrong then, or is now) is not old.
    used : collection of str, optional
        Also runs whose id is not among these; with ``older_than``, only those that are both.
    now : datetime, optional
        For tests; the present when absent.
    """
    now = now or dt.datetime.now(dt.UTC)
    found: list[Garbage | RemoteGarbage] = list(_unfinished(store))
    if store.remote is None:
        found += _damaged(store)
    else:
        found += unfinished_and_damaged(store.remote, now=now)
    damaged = {one.run_id for one in found if isinstance(one, RemoteGarbage) and not one.version}
    if older_than is None and used is None:
        return found
    limit = None
    if older_than is not None:
        limit = now - dt.timedelta(days=older_than)
    for row in summaries(store):
        old = limit is None or dt.datetime.fromisoformat(row["finished"]) < limit
        unused = used is None or row["id"] not in used
        if old and unused and row["id"] not in damaged:
            reason = f"finished {row['finished'][:10]}" + ("" if used is None else ", in no study")
            if store.remote is None:
                found.append(_garbage(store.folder / row["id"], reason))
            else:
                found.append(RemoteGarbage(store.remote, row["id"], "", reason, 0))
    return found


def used_by_studies(studies: Path) -> set[str]:
    """Return the ids of all runs that the studies in a folder name.

    Raises
    ------
    FinscaleError
        If a study does not say which runs are its own.
    """
    used: set[str] = set()
    for registered in sorted(studies.glob("*/registration.json")):
        path = registered.parent / "runs.json"
        if not path.exists():
            raise FinscaleError(
                f"{registered.parent} does not say which runs are its own.",
                hint="`finscale study run` on its file writes them down",
            )
        used.update(read_json(path))
    return used


def studies_of_runs(studies: Path) -> dict[str, list[str]]:
    """Return run id → names of the studies in a folder that name it.

    A study that does not say which runs are its own is passed over.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(studies.glob("*/runs.json")):
        with contextlib.suppress(FinscaleError):
            for run_id in read_json(path):
                found.setdefault(run_id, []).append(path.parent.name)
    return found


def _unfinished(store: RunStore) -> Iterator[Garbage]:
    for folder in sorted(store.folder.glob(".*.partial")):
        run_id = folder.name.removeprefix(".").removesuffix(".partial")
        if _is_free(store.folder / ".locks" / run_id):
            yield _garbage(folder, "unfinished, and its process is gone")


def _is_free(lock: Path) -> bool:
    """Tell whether no process holds a run's lock; one that cannot be opened may be held."""
    try:
        with hold(lock, timeout=0):
            return True
    except (Timeout, FinscaleError):
        return False


def _damaged(store: RunStore) -> Iterator[Garbage]:
    if not store.folder.is_dir():
        return
    for folder in sorted(store.folder.iterdir()):
        if len(folder.name) == ID_LENGTH and folder.name not in store:
            yield _garbage(folder, "not whole")


def _garbage(folder: Path, reason: str) -> Garbage:
    return Garbage(folder, reason, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()))
