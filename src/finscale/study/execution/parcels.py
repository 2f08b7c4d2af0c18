"""A run's files as bytes: what travels between a node of a cluster and the run store.

A parcel maps relative paths to arrays of bytes. Finished runs travel whole; of a run at work the
newest resume point does, so that it outlives the node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from finscale.errors import FinscaleError
from finscale.files import bytes_digests, read_json, write_bytes
from finscale.runs import RunStore, exclusive, partial_folder, publish

#: Relative path → content, uint8 [bytes].
Parcel = dict[str, np.ndarray]

_INDEX = "resume.json"
#: A training replaces its resume points while they are read: so often a reading is tried.
_READINGS = 3


def pack(folder: Path) -> Parcel:
    """Return every file of a folder; those of a write that was cut off are left out."""
    return {
        path.relative_to(folder).as_posix(): _bytes_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def digest(parcel: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a parcel: of every path in it and what lies there."""
    whole = hashlib.sha256()
    for name in sorted(parcel):
        whole.update(f"{name}\0{parcel[name].size}\0".encode())
        whole.update(parcel[name].tobytes())
    return whole.hexdigest()


def unpack(parcel: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write a parcel's files into a folder, ``run.json`` and ``resume.json`` after all others.

    Raises
    ------
    FinscaleError
        If a path leads out of the folder, or it cannot be written.
    """
    last = {"run.json", _INDEX}
    for name in sorted(parcel, key=lambda name: PurePosixPath(name).name in last):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise FinscaleError(f"{name!r} leads out of {folder}: it is no run's file.")
        write_bytes(folder / path, parcel[name].tobytes(), flush=False)


def pack_resume(runs: Path, run_id: str) -> Parcel:
    """Return the newest resume point of an unfinished run, whole; empty where there is none."""
    folder = partial_folder(runs, run_id)
    parcel: Parcel = {}
    for index in sorted((folder / "resume").rglob(_INDEX)):
        for name, content in _newest_point(index).items():
            parcel[(index.parent / name).relative_to(folder).as_posix()] = content
    placements = folder / "resume" / "placements.json"
    if parcel and placements.is_file():
        parcel["resume/placements.json"] = _bytes_of(placements)
    return parcel


def unpack_resume(parcel: Mapping[str, np.ndarray], runs: Path, run_id: str) -> None:
    """Let an unfinished run go on from a parcel, unless what is there has come further."""
    folder = partial_folder(runs, run_id)
    if parcel and position_of(parcel) > progress(runs, run_id):
        unpack(parcel, folder)
        for path in (folder / "resume").rglob("*"):  # older points
            if path.is_file() and path.relative_to(folder).as_posix() not in parcel:
                path.unlink(missing_ok=True)


def progress(runs: Path, run_id: str) -> tuple[int, int]:
    """Return epoch and step of the newest resume point; (-1, -1) where there is none."""
    indices = (partial_folder(runs, run_id) / "resume").rglob(_INDEX)
    return max(map(_position, filter(None, map(_points, indices))), default=(-1, -1))


def position_of(parcel: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Return epoch and step of the resume point in a parcel; (-1, -1) where there is none."""
    indices = (content for name, content in parcel.items() if name.endswith(_INDEX))
    found = (json.loads(content.tobytes())["points"] for content in indices)
    return max(map(_position, found), default=(-1, -1))


def receive(parcel: Mapping[str, np.ndarray], runs: Path, run_id: str) -> None:
    """Publish a finished run that came from a node; one that is in the store already stays.

    Raises
    ------
    FinscaleError
        If the files are not what was written when the run was finished.
    """
    store = RunStore(runs)
    with exclusive(runs, run_id):
        if store.is_whole(run_id):
            return
        store.discard(run_id)
        folder = partial_folder(runs, run_id)
        unpack(parcel, folder)
        publish(folder, runs / run_id)
        if not store.is_whole(run_id):
            store.discard(run_id)
            raise FinscaleError(f"run {run_id} came back damaged.", hint="it is computed again")


def _newest_point(index: Path) -> Parcel:
    """Return the files of the newest undamaged point, and an index that names it alone."""
    for _ in range(_READINGS):
        for point in _points(index):
            files = dict(_undamaged(index.parent, point))
            if len(files) == len(point["sha256"]):
                alone = {**read_json(index), "points": [point]}
                content = np.frombuffer(json.dumps(alone).encode(), np.uint8)
                return {**files, _INDEX: content}
    return {}


def _undamaged(folder: Path, point: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for name, sha256 in point["sha256"].items():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            return  # replaced by a newer point meanwhile
        if bytes_digests(content).sha256 == sha256:
            yield name, np.frombuffer(content, np.uint8)


def _points(index: Path) -> list[dict[str, Any]]:
    try:
        return list(read_json(index)["points"])
    except (FinscaleError, OSError, KeyError, TypeError):
        return []


def _position(points: list[dict[str, Any]]) -> tuple[int, int]:
    return int(points[0]["epoch"]), int(points[0]["step"])


def _bytes_of(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), np.uint8)
