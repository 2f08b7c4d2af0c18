"""The data of runs on a node of a cluster: shipped once, kept by digest.

A node keeps files in a cache folder under their SHA-256, and data folders whose files are links to
these. A data folder holds exactly what some runs read: their datasets, what these were made from,
and the newest bars. It is named by its content, so studies on the same data share it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

from finscale.config import ExperimentConfig, content_hash
from finscale.data import DataStore
from finscale.data.manifest import ManifestEntry
from finscale.data.registered import registered_entries
from finscale.data.store import bars_id
from finscale.errors import FinscaleError
from finscale.experiment.preparation import ensure_datasets
from finscale.files import bytes_digests, file_digests, write_bytes, write_json
from finscale.locks import hold

#: Names the cache folder of a node.
VARIABLE = "FINSCALE_NODE_CACHE"

#: What a node keeps of a study, and nobody asked for again, is removed after so long.
_KEPT_SECONDS = 7 * 86_400
_PARTS = ("raw", "processed")
#: Of a manifest, as ``finscale.data.manifest`` writes it.
_FORMAT = 1


@dataclass(frozen=True)
class DataParts:
    """What runs on the same data read of a data folder; plain values, which JSON can hold."""

    root: str
    """Where the folder lies on the machine that ships it."""
    manifests: dict[str, list[dict[str, Any]]]
    """``raw`` and ``processed`` → entries; earlier versions of an id stand without their files."""
    files: dict[str, str]
    """Path below the folder → SHA-256 of each file that is read."""
    digests: dict[str, str]
    """Dataset id → SHA-256, as a run's identity takes them."""

    @classmethod
    def of(cls, config: ExperimentConfig) -> Self:
        """Return what a run reads; datasets that are missing or out of date are built first.

        Raises
        ------
        DataError
            If data are missing or cannot be read.
        """
        store = DataStore(config.data.root)
        config = ensure_datasets(config, store)
        datasets = registered_entries(config, store)
        bars = [
            store.raw.get(bars_id(symbol))
            for symbol in config.data.symbols
            if store.has_bars(symbol)
        ]
        folders = {"raw": store.raw.entries(), "processed": store.processed.entries()}
        read = _with_parents([*datasets, *bars], [*folders["raw"], *folders["processed"]])
        newest: dict[str, int] = {}
        for entry in read.values():
            newest[entry.id] = max(newest.get(entry.id, 0), _number(entry))
        return cls(
            root=str(config.data.root),
            # a version is counted from those before it
            manifests={
                part: [
                    entry.model_dump(mode="json")
                    for entry in entries
                    if _number(entry) <= newest.get(entry.id, 0)
                ]
                for part, entries in folders.items()
            },
            files={
                f"{part}/{entry.path}": entry.sha256
                for part, entries in folders.items()
                for entry in entries
                if entry.key in read
            },
            digests={entry.id: entry.sha256 for entry in datasets},
        )

    @cached_property
    def name(self) -> str:
        """The name of the data folder that holds these parts on a node."""
        return content_hash({"manifests": self.manifests, "files": self.files})[:32]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, with the name."""
        return {**asdict(self), "name": self.name}


def _number(entry: ManifestEntry) -> int:
    return int(entry.version[1:])


def _with_parents(
    entries: Iterable[ManifestEntry], known: Iterable[ManifestEntry]
) -> dict[str, ManifestEntry]:
    """Return entries and all that they were made from, by key."""
    by_key = {entry.key: entry for entry in known}
    found = {entry.key: entry for entry in entries}
    ahead = list(found)
    while ahead:
        for parent in by_key[ahead.pop()].parents:
            if parent in by_key and parent not in found:
                found[parent] = by_key[parent]
                ahead.append(parent)
    return found


def node_cache() -> Path:
    """Return this node's cache folder: ``FINSCALE_NODE_CACHE``, or one of the temporary folder.

    Raises
    ------
    FinscaleError
        If it belongs to another user.
    """
    given = os.environ.get(VARIABLE)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"finscale-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise FinscaleError(
            f"{folder} belongs to another user.", hint=f"{VARIABLE} names another folder"
        )
    return folder


def clear_old(kept: Path) -> None:
    """Remove the folders of ``kept`` that nothing was put into for a week."""
    for folder in kept.glob("*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def data_folder(parts: dict[str, Any], cache: Path, fetch: Callable[[str], bytes]) -> Path:
    """Return the node's data folder with these parts, made where it is missing.

    Parameters
    ----------
    parts : dict
        As :meth:`DataParts.to_dict` returns them.
    cache : Path
        The node's cache folder.
    fetch : callable
        SHA-256 → content of a file that the node lacks.

    Raises
    ------
    FinscaleError
        If what was fetched is not what was meant, or the cache cannot be written.
    """
    folder = cache / "data" / str(parts["name"])
    (cache / "data").mkdir(exist_ok=True)
    with hold(cache / "data" / f".{parts['name']}.lock"):
        if folder.is_dir() and _is_intact(folder, tuple(parts["files"].items())):
            return folder
        for sha256 in dict.fromkeys(parts["files"].values()):
            _keep(cache, sha256, fetch)
        _assemble(parts, folder, cache)
    return folder


@lru_cache(maxsize=64)
def _is_intact(folder: Path, files: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a data folder's files are what they were; asked once by each process."""
    return all(
        (folder / path).is_file() and file_digests(folder / path).sha256 == sha256
        for path, sha256 in files
    )


def _kept(cache: Path, sha256: str) -> Path:
    return cache / "files" / sha256


def _keep(cache: Path, sha256: str, fetch: Callable[[str], bytes]) -> None:
    """Make sure that a file is in the cache, undamaged."""
    path = _kept(cache, sha256)
    path.parent.mkdir(exist_ok=True)
    with hold(path.parent / f".{sha256}.lock"):
        if path.is_file() and file_digests(path).sha256 == sha256:
            return
        content = fetch(sha256)
        if bytes_digests(content).sha256 != sha256:
            raise FinscaleError(
                f"a data file came to this node with another content than {sha256[:16]}….",
                hint="`make verify` checks the files where the study was started",
            )
        write_bytes(path, content, flush=False)


def _assemble(parts: dict[str, Any], folder: Path, cache: Path) -> None:
    """Make a data folder of links to the cache's files; it is whole or absent."""
    made = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    for path, sha256 in parts["files"].items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(_kept(cache, sha256), made / path)
        except OSError:  # a file system without hard links
            shutil.copyfile(_kept(cache, sha256), made / path)
    for part in _PARTS:
        content = {"format": _FORMAT, "entries": parts["manifests"][part]}
        write_json(made / part / "manifest.json", content, flush=False)
    shutil.rmtree(folder, ignore_errors=True)
    made.replace(folder)
    _is_intact.cache_clear()
