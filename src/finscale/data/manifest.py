"""The register of data files: what each is, where it lies, and the digests it must have."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import ValidationError

from finscale.config.base import Section
from finscale.errors import DataError, did_you_mean
from finscale.files import Digests, atomic_path, file_digests, read_json, write_json

Kind = Literal["bars", "features", "dataset"]

_LOCK_SECONDS = 120.0
_STAGED = ".staged.parquet"
_FORMAT = 1


class ManifestEntry(Section):
    """One version of one data file."""

    id: str
    """``SPY.OHLCV.daily``, ``SPY.features.a20``, ``SPY.dataset.a20``; other timescales are added
    at the end: ``SPY.dataset.a20.weekly``."""
    version: str
    """``v1``, ``v2`` … counted for each id."""
    kind: Kind
    symbol: str
    tier: str = ""
    """Feature tier; empty for bars."""
    timescale: str
    path: str
    """Relative to the manifest's folder, with forward slashes."""
    md5: str
    sha256: str
    rows: int
    first_date: dt.date
    last_date: dt.date
    adjustment: str
    """What has been done to the file's prices: ``raw``, ``split`` or ``split+dividend``."""
    source: str
    parents: dict[str, str]
    """What the file was made from: ``id@version`` → SHA-256."""
    created: dt.datetime

    @property
    def key(self) -> str:
        """``id@version``, as parents are named."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True)
class Mismatch:
    """One way in which a folder is not what its manifest says."""

    path: Path
    key: str
    """``id@version`` of the entry; empty for a file that no entry names."""
    problem: str

    def __str__(self) -> str:
        return f"{self.path} {f'({self.key}) ' if self.key else ''}{self.problem}"


@dataclass(frozen=True)
class Description:
    """What is known of a file before it is written: an entry without version, path or digests."""

    id: str
    kind: Kind
    symbol: str
    timescale: str
    rows: int
    first_date: dt.date
    last_date: dt.date
    adjustment: str
    source: str
    tier: str = ""
    parents: Sequence[ManifestEntry] = ()


class ManifestStore:
    """An append-only manifest and the files beside it.

    Entries are never changed or removed; new content for an id is its next version, and the files
    of older versions stay. Any number of processes may register at once.

    Parameters
    ----------
    folder : Path
        Holds ``manifest.json`` and, below it, the files. Created when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "manifest.json"

    def entries(self) -> tuple[ManifestEntry, ...]:
        """Return all entries in the order in which they were registered."""
        if not self.path.exists():
            return ()
        content = read_json(self.path)
        try:
            return tuple(ManifestEntry.model_validate(item) for item in content["entries"])
        except (ValidationError, TypeError, KeyError) as error:
            raise DataError(
                f"{self.path} is not a manifest ({str(error).splitlines()[0]}).",
                hint="restore it from a backup, or move its folder away and import the data again",
            ) from error

    def has(self, id: str) -> bool:
        """Tell whether any version of ``id`` is registered."""
        return any(entry.id == id for entry in self.entries())

    def get(self, id: str, version: str | None = None) -> ManifestEntry:
        """Return the entry of ``id``: the version named, or the newest.

        Raises
        ------
        DataError
            If the id or the version is not registered.
        """
        entries = self.entries()
        versions = {entry.version: entry for entry in entries if entry.id == id}
        if not versions:
            known = {entry.id for entry in entries}
            hint = did_you_mean(id, known) if known else "nothing is registered there yet"
            raise DataError(f"{id} is not registered in {self.path}.", hint=hint)
        if version is None:
            return list(versions.values())[-1]
        if version not in versions:
            raise DataError(
                f"{id} has no version {version} in {self.path}.",
                hint="Known: " + ", ".join(versions),
            )
        return versions[version]

    def register(
        self,
        description: Description,
        *,
        path: Callable[[str], str],
        write: Callable[[Path], None],
    ) -> ManifestEntry:
        """Write a file and register it; content that the id's newest version has is no new version.

        A process killed on the way leaves the manifest as it was.

        Parameters
        ----------
        description : Description
            What the file is.
        path : callable
            Version (``v1``) → path of the file relative to the manifest's folder.
        write : callable
            Writes the content to the path it is given; the same content must give the same bytes.

        Raises
        ------
        FinscaleError
            If the folder cannot be written or the disk is full.
        """
        with self._locked():
            # One writer at a time, so one name will do: what a killed process left is overwritten.
            staged = self.folder / _STAGED
            with atomic_path(staged) as temporary:
                write(temporary)
            digests = file_digests(staged)
            entries = self.entries()
            versions = [entry for entry in entries if entry.id == description.id]
            newest = versions[-1] if versions else None
            if newest and newest.sha256 == digests.sha256:
                # where the file is missing or damaged, this is the cure
                self._place(staged, newest)
                return newest
            entry = _entry(description, f"v{len(versions) + 1}", path, digests)
            self._place(staged, entry)
            self._write((*entries, entry))
        return entry

    def _place(self, staged: Path, entry: ManifestEntry) -> None:
        target = self.folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    def content(self, entry: ManifestEntry) -> bytes:
        """Return the bytes of an entry's file, verified.

        Raises
        ------
        DataError
            If the file is missing or its digest is not the registered one.
        """
        file = self.folder / entry.path
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(
                f"{file} ({entry.key}) cannot be read: {error.strerror}.", hint=_MEND
            ) from error
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise DataError(
                f"{file} ({entry.key}) has changed since it was registered.", hint=_MEND
            )
        return content

    def is_intact(self, entry: ManifestEntry) -> bool:
        """Tell whether an entry's file is there and has the registered digests."""
        return self._problem(entry) is None

    def verify(self) -> list[Mismatch]:
        """Return every missing, changed or unregistered file; an empty list is a clean bill."""
        entries = self.entries()
        found = [
            Mismatch(self.folder / entry.path, entry.key, problem)
            for entry in entries
            if (problem := self._problem(entry)) is not None
        ]
        registered = {self.folder / entry.path for entry in entries}
        found += [
            Mismatch(file, "", "is not registered")
            for file in sorted(self.folder.rglob("*.parquet"))
            if file not in registered and not file.name.startswith(".")
        ]
        return found

    def _problem(self, entry: ManifestEntry) -> str | None:
        file = self.folder / entry.path
        if not file.is_file():
            return "is missing"
        digests = file_digests(file)
        if (digests.md5, digests.sha256) != (entry.md5, entry.sha256):
            return f"has changed: md5 {digests.md5}, registered {entry.md5}"
        return None

    def _write(self, entries: Sequence[ManifestEntry]) -> None:
        listed = [entry.model_dump(mode="json") for entry in entries]
        write_json(self.path, {"format": _FORMAT, "entries": listed})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".manifest.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise DataError(
                f"{self.path} has been locked by another process for {_LOCK_SECONDS:.0f} s.",
                hint="wait for it to end, or stop it",
            ) from None
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written: {error.strerror}.") from error


_MEND = "restore the file, or import or build it again; `make verify` checks every file"


def check_parents(
    entries: Sequence[ManifestEntry], registered: Mapping[str, ManifestEntry]
) -> list[tuple[ManifestEntry, str]]:
    """Return each entry whose parents are not registered with the digests that it remembers."""
    found = []
    for entry in entries:
        for key, sha256 in entry.parents.items():
            parent = registered.get(key)
            if parent is None:
                found.append((entry, f"was made from {key}, which is not registered"))
            elif parent.sha256 != sha256:
                found.append((entry, f"was made from another content of {key}"))
    return found


def _entry(
    description: Description, version: str, path: Callable[[str], str], digests: Digests
) -> ManifestEntry:
    fields = {name: getattr(description, name) for name in Description.__dataclass_fields__}
    return ManifestEntry(
        **{
            **fields,
            "version": version,
            "path": path(version),
            "md5": digests.md5,
            "sha256": digests.sha256,
            "parents": {parent.key: parent.sha256 for parent in description.parents},
            "created": dt.datetime.now(dt.UTC).replace(microsecond=0),
        }
    )
