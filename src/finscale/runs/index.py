"""What ``finscale runs list`` shows of each run, kept in a file that is only a cache.

Reading ten thousand ``run.json`` takes seconds; their rows are kept in ``runs/.index.json`` with a
stamp of each file, and a row is read anew when its stamp differs. The time of writing is part of a
stamp and never compared for order: a clock that jumps can make no row stale, since a file made anew
is another file (inode). The index may be removed at any moment. Runs at an address have an index of
their own: :mod:`finscale.runs.remote_index`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from finscale.errors import FinscaleError
from finscale.files import read_json, write_json
from finscale.runs.identity import ID_LENGTH
from finscale.runs.remote import Remote
from finscale.runs.remote_index import index_entries, keep_test_losses
from finscale.runs.run import Run
from finscale.runs.store import RunStore

_NAME = ".index.json"
#: Changes when rows do: an older file is then read as empty.
_VERSION = 2


def summaries(
    store: RunStore, *, test_loss: Callable[[Run], float | None] | None = None
) -> list[dict[str, Any]]:
    """Return one row per finished run, the newest last.

    Parameters
    ----------
    store : RunStore
        Where to look.
    test_loss : callable, optional
        Asked for the test loss of each run of which it is not known yet; rows then have it.
    """
    if store.remote is not None:
        found = _remote_rows(store, store.remote, test_loss)
    else:
        found = _local_rows(store, test_loss)
    return sorted(found, key=lambda row: str(row["finished"]))


def _remote_rows(
    store: RunStore, remote: Remote, test_loss: Callable[[Run], float | None] | None
) -> list[dict[str, Any]]:
    entries, rows, read = index_entries(remote), [], False
    for run_id, entry in entries.items():
        row = _row(run_id, json.loads(entry.marker.run))
        if row is None:
            continue
        if test_loss is not None:
            facts = entry.marker.facts
            if "test_loss" not in facts:
                remote.adopt(entry.marker)
                facts = {**facts, "test_loss": test_loss(Run(store.folder / run_id))}
                known = replace(entry, marker=replace(entry.marker, facts=facts))
                entries[run_id], read = known, True
            row["test_loss"] = facts["test_loss"]
        rows.append(row)
    if read:
        keep_test_losses(remote, entries)
    return rows


def _local_rows(
    store: RunStore, test_loss: Callable[[Run], float | None] | None
) -> list[dict[str, Any]]:
    path = store.folder / _NAME
    known, rows = _read(path), {}
    for run_id, stamp in _stamps(store.folder).items():
        entry = known.get(run_id)
        if entry is None or entry["stamp"] != stamp:
            row = _row_of(store, run_id)
            entry = None if row is None else {"stamp": stamp, "row": row}
        if entry is not None:
            if test_loss is not None and "test_loss" not in entry:
                entry = {**entry, "test_loss": test_loss(store[run_id])}
            rows[run_id] = entry
    if rows != known:
        # a folder that cannot be written can still be listed
        with contextlib.suppress(FinscaleError):
            write_json(path, {"version": _VERSION, "rows": rows})
    return [
        entry["row"] if test_loss is None else {**entry["row"], "test_loss": entry["test_loss"]}
        for entry in rows.values()
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
        return dict(content["rows"]) if content["version"] == _VERSION else {}
    except (FinscaleError, KeyError, TypeError, ValueError):
        return {}


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Return run id → inode, size and time of writing (nanoseconds) of its ``run.json``."""
    if not folder.is_dir():
        return {}
    stamps = {}
    for entry in folder.iterdir():
        if len(entry.name) == ID_LENGTH:
            with contextlib.suppress(OSError):
                stat = (entry / "run.json").stat()
                stamps[entry.name] = [stat.st_ino, stat.st_size, stat.st_mtime_ns]
    return stamps


def _row_of(store: RunStore, run_id: str) -> dict[str, Any] | None:
    """Return the run's row; None for a folder that is not whole."""
    if run_id not in store:
        return None
    try:
        return _row(run_id, read_json(store.folder / run_id / "run.json"))
    except FinscaleError:
        return None


def _row(run_id: str, info: dict[str, Any]) -> dict[str, Any] | None:
    try:
        config = info["config"]
        return {
            "id": run_id,
            "model": config["model"].get("name") or config["model"]["kind"],
            "parameters": info["parameters"].get("total"),
            "symbols": " ".join(config["data"]["symbols"]),
            "tier": config["data"]["tier"],
            "task": config["task"]["name"],
            "horizon": config["task"]["horizon"],
            "control": config["task"].get("control", "none"),
            "fold": config["split"]["fold"],
            "seed": config["seed"],
            "validation_loss": info.get("training", {}).get("best_validation_loss"),
            "seconds": info["seconds"],
            "finished": info["finished"],
        }
    except (KeyError, TypeError):
        return None
