"""Resume points on disk: whole or absent, with a digest, never a pickle.

A folder holds the two newest points, ``point-<n>.safetensors`` (tensors, and plain facts as JSON in
the header), and ``resume.json``, which names them with their SHA-256 and says whose they are. A
point counts from the moment in which ``resume.json`` names it. Of a model of which several
processes hold a share each, a point is a folder: :mod:`finscale.training.distributed_state`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from finscale.errors import FinscaleError, FinscaleWarning, TrainingError
from finscale.files import atomic_path, read_json, write_bytes, write_json
from finscale.locks import hold

_INDEX = "resume.json"
#: What the tensors and facts of a point are called; 2 holds the state of a ``torch.optim.AdamW``.
_FORMAT = 2
_NUM_KEPT = 2

#: An epoch's end gets a resume point if the last one is older than this many times its cost, so
#: that training spends at most about 1 % of its time on them.
_COST_SHARE = 100


@dataclass(frozen=True)
class Point:
    """One resume point as read back."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class CheckpointFolder:
    """The resume points of one training.

    Parameters
    ----------
    folder : path
        Made when the first point is written.
    identity : mapping
        Whose points they are: whatever changes the outcome of the training. Plain JSON values.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))
        self._points: list[dict[str, Any]] = []
        self._saved_at, self._save_seconds = time.perf_counter(), 0.0

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the folder: it can be written to, and nobody else trains into it.

        Raises
        ------
        FinscaleError
            If the folder cannot be written, before any time is spent on training.
        TrainingError
            If another process is training into it.
        """
        lock = self.folder / ".lock"
        write_bytes(self.folder / ".writable", b"")
        (self.folder / ".writable").unlink(missing_ok=True)
        try:
            with hold(lock, timeout=0):
                yield
        except Timeout:
            raise TrainingError(
                f"{self.folder} is in use: another process trains into it.",
                hint="wait for it, or choose another folder",
            ) from None

    def is_due(self, minutes: float, *, epoch_end: bool = False) -> bool:
        """Tell whether it is time for a resume point."""
        age = time.perf_counter() - self._saved_at
        return age >= 60 * minutes or (epoch_end and age >= _COST_SHARE * self._save_seconds)

    def save(
        self,
        tensors: Mapping[str, Tensor],
        facts: Mapping[str, Any],
        needs: Mapping[str, str] | None = None,
    ) -> None:
        """Write a new point and drop the oldest; a crash at any moment leaves a good one.

        ``needs`` maps further files in the folder that the point refers to to their SHA-256.
        """
        with self.timed():
            name = f"{self.next_name()}.safetensors"
            header = {"facts": json.dumps(facts, allow_nan=False)}
            sha256 = save_tensors(self.folder / name, tensors, header)
            self.enter(name, facts, {name: sha256, **(needs or {})})

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Note when a point is written, and how long that takes."""
        started = time.perf_counter()
        yield
        self._saved_at = time.perf_counter()
        self._save_seconds = self._saved_at - started

    def next_name(self) -> str:
        """Return what the next point is called: ``point-3``."""
        return f"point-{self._next_serial}"

    @property
    def _next_serial(self) -> int:
        return int(self._points[0]["serial"]) + 1 if self._points else 1

    def enter(self, name: str, facts: Mapping[str, Any], sha256: Mapping[str, str]) -> None:
        """Let a point that is written count from now on: a file, or a folder of shares."""
        entry = {
            "serial": self._next_serial,
            "file": name,
            "epoch": facts["epoch"],
            "step": facts["step"],
            "sha256": dict(sha256),
        }
        self._points = [entry, *self._points][:_NUM_KEPT]
        write_json(
            self.folder / _INDEX,
            {"format": _FORMAT, "identity": self.identity, "points": self._points},
        )
        self._sweep()

    def load(self) -> Point | None:
        """Return the newest undamaged point of one process; see :meth:`find`."""
        name = self.find()
        return None if name is None else self.read(name)

    def read(self, name: str) -> Point:
        """Return the point that a file holds."""
        return Point(load_tensors(self.folder / name), read_facts(self.folder / name))

    def find(self) -> str | None:
        """Return the name of the newest undamaged point, or None where there is none yet.

        Raises
        ------
        TrainingError
            If the points belong to a different training, or all are damaged.
        """
        if not (self.folder / _INDEX).exists():
            return None
        index = self._read_index()
        self._points = index["points"]
        self._sweep()
        for position, entry in enumerate(self._points):
            damage = self._damage(entry)
            if not damage:
                # a damaged point is never counted on again, as a fallback least of all
                self._points = self._points[position:]
                return str(entry["file"])
            warnings.warn(
                f"{self.folder / entry['file']} {damage}; going back to the point before it",
                FinscaleWarning,
                stacklevel=2,
            )
        raise TrainingError(
            f"No resume point in {self.folder} is undamaged.",
            hint="delete that folder to train from the start",
        )

    def newest(self) -> str:
        """Return where the newest point lies in the training, for messages."""
        if not self._points:
            return "none yet"
        point = self._points[0]
        return f"{self.folder / point['file']} (epoch {point['epoch'] + 1}, step {point['step']})"

    def _read_index(self) -> dict[str, Any]:
        path = self.folder / _INDEX
        try:
            index: dict[str, Any] = read_json(path)
            found, points = index["identity"], index["points"]
            written_as = index.get("format", 1)
            assert isinstance(points, list)
        except (FinscaleError, KeyError, TypeError, AssertionError):
            raise TrainingError(
                f"{path} is damaged, so the resume points beside it cannot be trusted.",
                hint="delete that folder to train from the start",
            ) from None
        if written_as != _FORMAT:
            raise TrainingError(
                f"{self.folder} holds resume points of format {written_as}, written by another "
                f"version of finscale; this one reads format {_FORMAT}.",
                hint="finish it with that version, or delete that folder to train from the start",
            )
        if found != self.identity:
            raise TrainingError(
                f"{self.folder} holds a resume point of a different training "
                f"({_difference(found, self.identity)}).",
                hint="choose another folder, or delete that one to train from the start",
            )
        return index

    def _damage(self, entry: dict[str, Any]) -> str:
        for name, sha256 in entry["sha256"].items():
            if not (self.folder / name).exists():
                return f"cannot be used ({name} is missing)"
            if _sha256(self.folder / name) != sha256:
                return f"cannot be used ({name} is damaged: its SHA-256 has changed)"
        return ""

    def _sweep(self) -> None:
        """Remove what no point refers to: older points, and parts of a write that was killed."""
        kept = {name for entry in self._points for name in entry["sha256"]}
        kept |= {entry["file"] for entry in self._points}
        parts = ("*.safetensors", ".*.tmp", "point-*")
        for path in {path for part in parts for path in self.folder.glob(part)}:
            if path.name in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> str:
    """Write tensors as safetensors, atomically, and return the file's SHA-256.

    Raises
    ------
    FinscaleError
        If the folder cannot be written or the disk is full; what was there before stays.
    """
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=metadata)
        except SafetensorError as error:
            # safetensors wraps the operating system's error; atomic_path knows how to explain it
            raise OSError(str(error)) from error
    return _sha256(path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file into memory."""
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def read_facts(path: Path) -> dict[str, Any]:
    """Read the plain facts of a point that is a file."""
    with safe_open(path, framework="pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
    return facts


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _difference(found: Any, wanted: Any, place: str = "") -> str:
    """Name the first setting in which two identities differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            if found.get(key) != wanted.get(key):
                inner = f"{place}.{key}" if place else key
                return _difference(found.get(key), wanted.get(key), inner)
    return f"{place} was {found}, is {wanted}"
