"""The register of data files: what each one is, where it lies, and its digests."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from filelock import Timeout
from pydantic import Field, ValidationError

from finscale.config.base import Section
from finscale.errors import DataError, did_you_mean
from finscale.files import Digests, atomic_path, file_digests, read_json, write_bytes
from finscale.locks import hold

Kind = Literal["bars", "series", "features", "dataset"]

_LOCK_SECONDS = 120.0
_WRITERS = 8
_FORMAT = 1
_OUTSIDE = "lies outside the manifest's folder, behind a symbolic link"
_MEND = "restore the file, or import or build it again; `make verify` checks every file"

#: Inode, time and size of a manifest.
_Stamp = tuple[int, int, int]


class FileFacts(Section):
    """What is known of a data file before it is written."""

    id: str
    """``SPY.OHLCV.daily``, ``CPIAUCSL.series``, ``SPY.features.a20``, ``SPY.dataset.a20``; other
    timescales and series are added at the end: ``SPY.dataset.a20.weekly+CPIAUCSL``."""
    kind: Kind
    symbol: str
    tier: str = ""
    """Feature tier; empty for bars."""
    declared: str = ""
    """Digest of what computed the tier's columns (``finscale.features.declaration``); empty where
    nobody recorded one."""
    timescale: str
    rows: int
    first_date: dt.date
    last_date: dt.date
    adjustment: str
    """What has been done to the file's prices: ``raw``, ``split`` or ``split+dividend``. Of a
    series whether its values are ``as published`` or ``as revised later``."""
    source: str
    series: tuple[str, ...] = ()
    """Series whose features stand beside those of the tier."""
    parents: dict[str, str] = Field(default_factory=dict)
    """What the file was made from: ``id@version`` → SHA-256."""


class ManifestEntry(FileFacts):
    """One version of one data file."""

    version: str
    """``v1``, ``v2`` … counted for each id."""
    path: str
    """Relative to the manifest's folder, with forward slashes."""
    md5: str
    sha256: str
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
class Addition:
    """A file that is to be registered."""

    facts: FileFacts
    path: Callable[[str], str]
    """Version (``v1``) → path of the file relative to the manifest's folder."""
    write: Callable[[Path], object]
    """Writes the content to the path it is given; the same content must give the same bytes."""
    digests: Digests | None = None
    """Of what ``write`` writes, where they are known already; else the file is read for them."""


def same_declared(one: str, other: str) -> bool:
    """Tell whether two digests of declarations are the same, as far as they can be compared.

    One that nobody recorded, or that is of another version of Python, cannot.
    """
    versions = {one.partition(":")[0], other.partition(":")[0]}
    return one == other or "" in (one, other) or len(versions) > 1


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
        self._read: tuple[_Stamp | None, dict[str, ManifestEntry]] = None, {}

    def entries(self) -> tuple[ManifestEntry, ...]:
        """Return all entries in the order in which they were registered."""
        return tuple(self._known().values())

    def has(self, id: str) -> bool:
        """Tell whether any version of ``id`` is registered."""
        return f"{id}@v1" in self._known()

    def get(self, id: str, version: str | None = None) -> ManifestEntry:
        """Return the entry of ``id``: the version named, or the newest.

        Raises
        ------
        DataError
            If the id or the version is not registered.
        """
        known = self._known()
        versions = _versions(known, id)
        if not versions:
            ids = {entry.id for entry in known.values()}
            hint = did_you_mean(id, ids) if ids else "nothing is registered there yet"
            raise DataError(f"{id} is not registered in {self.path}.", hint=hint)
        if version is None:
            return versions[-1]
        if f"{id}@{version}" not in known:
            raise DataError(
                f"{id} has no version {version} in {self.path}.",
                hint="Known: " + ", ".join(entry.version for entry in versions),
            )
        return known[f"{id}@{version}"]

    def register(
        self, facts: FileFacts, *, path: Callable[[str], str], write: Callable[[Path], object]
    ) -> ManifestEntry:
        """Write a file and register it: :meth:`register_all` of one."""
        return self.register_all([Addition(facts, path, write)])[0]

    def register_all(self, additions: Sequence[Addition]) -> list[ManifestEntry]:
        """Write files and register them; content equal to an id's newest version adds no version.

        The manifest is written once, after all files are in place. If the process is killed before
        that, the manifest is unchanged, and the same call writes the unregistered files again.

        Raises
        ------
        FinscaleError
            If the folder cannot be written or the disk is full.
        """
        with self._locked(), self._staged(additions) as staged:
            before = self._known()
            known = dict(before)
            entries = [self._add(*each, known) for each in zip(additions, staged, strict=True)]
            if len(known) > len(before):
                self._write(known.values())
                self._read = self._stamp(), known
        return entries

    @contextmanager
    def _staged(self, additions: Sequence[Addition]) -> Iterator[list[tuple[Path, Digests]]]:
        """Write all files next to the manifest; remove leftovers at the end."""
        # One process writes at a time, so numbers suffice; leftovers are overwritten.
        paths = [self.folder / f".staged-{number}.parquet" for number in range(len(additions))]

        def stage(addition: Addition, path: Path) -> tuple[Path, Digests]:
            with atomic_path(path) as temporary:
                addition.write(temporary)
            return path, addition.digests or file_digests(path)

        try:
            # parallel flushes take hardly longer than one
            with ThreadPoolExecutor(_WRITERS) as threads:
                yield list(threads.map(stage, additions, paths))
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def _add(
        self, addition: Addition, staged: tuple[Path, Digests], known: dict[str, ManifestEntry]
    ) -> ManifestEntry:
        path, digests = staged
        versions = _versions(known, addition.facts.id)
        newest, declared = versions[-1] if versions else None, addition.facts.declared
        # a formula that changed and gives the same values is a version all the same
        if newest and newest.sha256 == digests.sha256 and same_declared(newest.declared, declared):
            # this also restores a missing or damaged file
            self._place(path, newest)
            return newest
        version = f"v{len(versions) + 1}"
        entry = ManifestEntry(
            **addition.facts.model_dump(),
            version=version,
            path=addition.path(version),
            md5=digests.md5,
            sha256=digests.sha256,
            created=dt.datetime.now(dt.UTC).replace(microsecond=0),
        )
        self._check_inside(entry)
        self._place(path, entry)
        known[entry.key] = entry
        return entry

    def _place(self, staged: Path, entry: ManifestEntry) -> None:
        target = self._file(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    def content(self, entry: ManifestEntry) -> bytes:
        """Return the bytes of an entry's file, verified.

        Raises
        ------
        DataError
            If the file is missing, lies outside the folder, or its digest is not the registered
            one.
        """
        file = self._file(entry)
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
        """Return every missing, changed or unregistered file; empty if all is well."""
        registered = {self.folder / entry.path: entry for entry in self.entries()}
        found = [
            Mismatch(file, entry.key, problem)
            for file, entry in registered.items()
            if (problem := self._problem(entry)) is not None
        ]
        found += [
            Mismatch(file, "", "is not registered")
            for file in sorted(self.folder.rglob("*.parquet"))
            if file not in registered and not file.name.startswith(".")
        ]
        return found

    def _problem(self, entry: ManifestEntry) -> str | None:
        file = self.folder / entry.path
        if self._is_outside(file):
            return _OUTSIDE
        if not file.is_file():
            return "is missing"
        digests = file_digests(file)
        if (digests.md5, digests.sha256) != (entry.md5, entry.sha256):
            return f"has changed: md5 {digests.md5}, registered {entry.md5}"
        return None

    def _file(self, entry: ManifestEntry) -> Path:
        """Return where an entry's file lies; never outside the folder."""
        file = self.folder / entry.path
        if self._is_outside(file):
            raise DataError(f"{file} ({entry.key}) {_OUTSIDE}.", hint=_MEND)
        return file

    def _is_outside(self, file: Path) -> bool:
        return not file.resolve().is_relative_to(self.folder.resolve())

    def _check_inside(self, entry: ManifestEntry) -> None:
        path = PurePosixPath(entry.path)
        strange = "\\" in entry.path or not entry.path.isprintable()
        if strange or path.is_absolute() or ".." in path.parts or not path.parts:
            raise DataError(
                f"{self.path}: the path of {entry.key} leads out of its folder: {entry.path!r}.",
                hint="this manifest was not written by finscale: restore it from a backup",
            )

    def _known(self) -> dict[str, ManifestEntry]:
        """Return the entries by key, re-read only when the file has changed.

        A manifest is replaced as a whole and only grows, so two versions never share a stamp.
        """
        stamp = self._stamp()
        if self._read[0] != stamp:
            self._read = stamp, {} if stamp is None else {e.key: e for e in self._entries()}
        return self._read[1]

    def _stamp(self) -> _Stamp | None:
        with suppress(FileNotFoundError):
            status = self.path.stat()
            return status.st_ino, status.st_mtime_ns, status.st_size
        return None

    def _entries(self) -> list[ManifestEntry]:
        content = read_json(self.path)
        try:
            entries = [ManifestEntry.model_validate(item) for item in content["entries"]]
        except (ValidationError, TypeError, KeyError) as error:
            raise DataError(
                f"{self.path} is not a manifest ({str(error).splitlines()[0]}).",
                hint="restore it from a backup, or move its folder away and import the data again",
            ) from error
        for entry in entries:
            self._check_inside(entry)
        return entries

    def _write(self, entries: Iterable[ManifestEntry]) -> None:
        # one line per entry: diffs stay short, and thousands of entries are written quickly
        lines = ",\n  ".join(entry.model_dump_json() for entry in entries)
        text = f'{{\n"format": {_FORMAT},\n"entries": [\n  {lines}\n]\n}}\n'
        write_bytes(self.path, text.encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with hold(self.folder / ".manifest.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise DataError(
                f"{self.path} has been locked by another process for {_LOCK_SECONDS:.0f} s.",
                hint="wait for it to end, or stop it",
            ) from None
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written: {error.strerror}.") from error


def _versions(known: Mapping[str, ManifestEntry], id: str) -> list[ManifestEntry]:
    """Return the registered versions of ``id``, oldest first."""
    keys = (f"{id}@v{number}" for number in itertools.count(1))
    return [known[key] for key in itertools.takewhile(known.__contains__, keys)]
