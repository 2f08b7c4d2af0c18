"""A run store on an object store: what lies there, and how a run gets there whole or not at all.

::

    s3://bucket/runs/<run-id>/<version>/run.json, predictions.parquet, …
    s3://bucket/runs/_index/<run-id>.json      the marker: the run is there
    s3://bucket/runs/_index.parquet            all markers in one object; only a cache
    s3://bucket/runs/_reads/<run-id>/….json    who has read the test part

A run's files are uploaded first and its marker last: a run without a marker is absent, whatever
else of it is there. The version is the digest of ``run.json``, which holds the digests of the other
files. So two writers of one run either write the same bytes to the same places or write two
versions, of which the later marker names one, whole; nobody needs a lock.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shlex
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finscale.errors import ConfigError, FinscaleError, did_you_mean, missing_extra
from finscale.files import file_digests, read_json, write_bytes
from finscale.hidden import hide_in_text
from finscale.runs.address import address_of, mirror_of, mirrored
from finscale.runs.identity import ID_LENGTH

_INDEX = "_index"
_PACK = "_index.parquet"
_READS = "_reads"
_WRITABLE = "_writable"


@dataclass(frozen=True)
class Marker:
    """What stands in for a finished run: its ``run.json``, and its test loss where it is known."""

    run_id: str
    run: str  #: The text of ``run.json``
    facts: dict[str, Any]  #: Beside it: ``test_loss``

    @property
    def version(self) -> str:
        """Digest of ``run.json``: the folder of the run's files."""
        return version_of(self.run.encode())

    def encoded(self) -> bytes:
        """Return the marker's bytes."""
        content = {"run": self.run, **self.facts}
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def decoded(cls, run_id: str, content: bytes) -> Marker | None:
        """Return the marker; None for one that is being written, or is damaged."""
        try:
            facts = json.loads(content)
            run = facts.pop("run")
            json.loads(run)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(run_id, run, facts)


def version_of(run_json: bytes) -> str:
    """Return the name of the folder that holds the files of a ``run.json``."""
    return hashlib.sha256(run_json).hexdigest()[:8]


@dataclass(frozen=True)
class Remote:
    """Runs at an address, and their mirror on this machine.

    Parameters
    ----------
    url : str
        ``s3://bucket/runs``; any protocol that fsspec knows.
    mirror : Path
        Where runs are computed, and where files that were read are kept.
    """

    url: str
    mirror: Path

    @functools.cached_property
    def _fs(self) -> Any:
        import fsspec
        from fsspec.registry import known_implementations

        protocol = self.url.partition("://")[0]
        try:
            # listings are asked for anew: other machines write
            return fsspec.filesystem(protocol, use_listings_cache=False)
        except ImportError:
            if protocol in ("s3", "s3a"):
                raise missing_extra("s3fs", "remote") from None
            known = known_implementations[protocol].get("err", "")
            raise FinscaleError(
                f"runs at {protocol}:// need a package that is not installed.", hint=known
            ) from None
        except ValueError as error:
            if "Protocol not known" not in str(error):
                raise
            raise ConfigError(
                f"{protocol}:// is no protocol that runs can be kept on.",
                hint=did_you_mean(protocol, ["s3", "gs", "abfs", "sftp", "memory"]),
            ) from None

    @property
    def _whole(self) -> dict[str, int]:
        """How a small object is read by one request: s3fs asks for its size before."""
        return {"max_concurrency": 1} if self.protocol in ("s3", "s3a") else {}

    @property
    def protocol(self) -> str:
        """The address's protocol, such as ``s3``."""
        return self.url.partition("://")[0]

    def path(self, *names: str) -> str:
        """Return the address of an object."""
        return "/".join([self.url, *names])

    def marker(self, run_id: str) -> Marker | None:
        """Return the marker of a run, by one request; None for a run that is absent."""
        with self._asking(), contextlib.suppress(FileNotFoundError):
            return Marker.decoded(
                run_id, self._fs.cat_file(self.path(_INDEX, f"{run_id}.json"), **self._whole)
            )
        return None

    def markers(self, run_ids: Sequence[str]) -> dict[str, Marker]:
        """Return many markers, asked for side by side; those of absent runs are left out."""
        if not run_ids:
            return {}
        names = {self.path(_INDEX, f"{one}.json"): one for one in run_ids}
        with self._asking():
            # a list of one would be answered without its name
            found = self._fs.cat([*names], on_error="omit", **self._whole)
        if isinstance(found, bytes):
            found = {next(iter(names)): found}
        read = (
            Marker.decoded(Path(path).stem, content)
            for path, content in found.items()
            if isinstance(content, bytes)
        )
        return {one.run_id: one for one in read if one is not None}

    def stamps(self) -> dict[str, str]:
        """Return the id of every finished run → what changes with its marker.

        One request tells a thousand.

        Raises
        ------
        FinscaleError
            If the store cannot be reached, or its bucket does not exist.
        """
        found = {}
        for entry in self._listed(_INDEX):
            run_id, _, kind = Path(entry["name"]).name.partition(".")
            if len(run_id) == ID_LENGTH and kind == "json":
                found[run_id] = _stamp(entry)
        if not found:
            self.require_bucket()
        return found

    def require_bucket(self) -> None:
        """Refuse a bucket that does not exist: what it holds would read as no runs at all."""
        if self.protocol not in ("s3", "s3a", "gs", "gcs"):
            return
        bucket = self.url.partition("://")[2].partition("/")[0]
        with self._asking():
            if self._fs.exists(bucket):
                return
        raise FinscaleError(
            f"the bucket of {self.url} does not exist, or is not yours to see.",
            hint=f"make it (aws s3 mb s3://{bucket}), or name another by --runs",
        )

    def require_writable(self) -> None:
        """Write an empty object: no training of a night is to end where it cannot be stored."""
        self.require_bucket()
        with self._asking("written"):
            self._make_folder()
            self._fs.pipe_file(self.path(_WRITABLE), b"")

    def sizes(self, run_id: str, version: str) -> dict[str, int]:
        """Return the files of a run's version that are there → their bytes."""
        listed = self._listed(run_id, version)
        return {Path(entry["name"]).name: int(entry["size"]) for entry in listed}

    def upload(self, marker: Marker, folder: Path) -> None:
        """Upload a run's files, then its marker; files that are there already stay."""
        where = (marker.run_id, marker.version)
        there = self.sizes(*where)
        files = [p for p in sorted(folder.iterdir()) if p.is_file() and p.name[0] != "."]
        with self._asking("written"):
            self._make_folder(*where)
            self._make_folder(_INDEX)
            for path in files:
                if there.get(path.name) != path.stat().st_size:
                    self._fs.put_file(str(path), self.path(*where, path.name))
            self._fs.pipe_file(self.path(_INDEX, f"{marker.run_id}.json"), marker.encoded())

    def adopt(self, marker: Marker) -> None:
        """Write a run's ``run.json`` into the mirror; files of another version go."""
        folder, content = self.mirror / marker.run_id, marker.run.encode()
        path = folder / "run.json"
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return
        for stale in folder.glob("*.*"):
            stale.unlink(missing_ok=True)
        write_bytes(path, content, flush=False)

    def fetch(self, run_id: str, name: str) -> None:
        """Bring a file of a run into the mirror, checked against its digest."""
        folder = self.mirror / run_id
        if not (folder / "run.json").is_file():
            self._adopt_again(run_id)
        if (folder / name).is_file():
            return
        try:
            self._fetch(run_id, name)
        except FileNotFoundError:
            # computed again by another machine since: its marker names another version
            before = (folder / "run.json").read_bytes()
            self._adopt_again(run_id)
            if before == (folder / "run.json").read_bytes():
                version = version_of(before)
                raise self._damaged(self.path(run_id, version, name), "is not there") from None
            self._fetch(run_id, name)

    def _adopt_again(self, run_id: str) -> None:
        marker = self.marker(run_id)
        if marker is None:
            raise FinscaleError(
                f"run {run_id} is not in {self.url}.",
                hint=f"`finscale runs list --runs {shlex.quote(self.url)}` shows what is",
            )
        self.adopt(marker)

    def _fetch(self, run_id: str, name: str) -> None:
        """Bring one file; raise FileNotFoundError where the version that is known here is gone."""
        folder = self.mirror / run_id
        written = read_json(folder / "run.json").get("files", {}).get(name)
        if written is None:
            return
        source = self.path(run_id, version_of((folder / "run.json").read_bytes()), name)
        partial = folder / f".{name}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            with self._asking():
                self._fs.get_file(source, str(partial))
            if file_digests(partial).sha256 != written["sha256"]:
                raise self._damaged(source, "is not what was written")
            partial.replace(folder / name)
        finally:
            partial.unlink(missing_ok=True)

    def _damaged(self, source: str, how: str) -> FinscaleError:
        return FinscaleError(
            f"{source} {how}.",
            hint=f"`finscale runs gc --runs {shlex.quote(self.url)}` removes the run, and it can "
            "be made again",
        )

    def remove(self, run_id: str) -> None:
        """Remove a run: its marker first, so that it is absent before it is in pieces."""
        with self._asking("changed"):
            for name in (f"{_INDEX}/{run_id}.json", run_id):
                with contextlib.suppress(FileNotFoundError):
                    self._fs.rm(self.path(name), recursive="." not in name)

    def remove_version(self, run_id: str, version: str) -> None:
        """Remove the files of one version."""
        with self._asking("changed"), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self.path(run_id, version), recursive=True)

    def every_file(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """Yield run id, version, name and entry of each object that is a run's file."""
        with self._asking():
            found = self._fs.find(self.url, detail=True)
        for path, entry in found.items():
            run_id, version, name = ("", "", "", *path.split("/"))[-3:]
            if len(run_id) == ID_LENGTH:
                yield run_id, version, name, entry

    def read_pack(self) -> bytes | None:
        """Return the object that holds all markers; None where nobody has written it yet."""
        with self._asking(), contextlib.suppress(FileNotFoundError):
            return bytes(self._fs.cat_file(self.path(_PACK)))
        return None

    def write_pack(self, content: bytes) -> None:
        """Replace the object that holds all markers; of several writers the last one stays."""
        with self._asking("written"):
            self._fs.pipe_file(self.path(_PACK), content)

    def note(self, run_id: str, line: bytes) -> None:
        """Add a line to the record of who has read a run's test part: each line is an object."""
        name = hashlib.sha256(line).hexdigest()[:16]
        with self._asking("written"):
            self._make_folder(_READS, run_id)
            self._fs.pipe_file(self.path(_READS, run_id, f"{name}.json"), line)

    def notes(self, run_id: str) -> list[str]:
        """Return the lines of that record, in no order."""
        with self._asking(), contextlib.suppress(FileNotFoundError):
            paths = [entry["name"] for entry in self._listed(_READS, run_id)]
            found = self._fs.cat(paths, on_error="omit", **self._whole) if paths else {}
            return [content.decode() for content in found.values()]
        return []

    def _listed(self, *names: str) -> list[dict[str, Any]]:
        with self._asking(), contextlib.suppress(FileNotFoundError):
            listed = self._fs.ls(self.path(*names), detail=True)
            return [entry for entry in listed if entry["type"] == "file"]
        return []

    def _make_folder(self, *names: str) -> None:
        # object stores have none, and their clients would ask for the bucket each time
        if self.protocol in ("sftp", "ssh", "smb", "hdfs", "webhdfs", "arrow_hdfs", "ftp"):
            self._fs.makedirs(self.path(*names), exist_ok=True)

    @contextlib.contextmanager
    def _asking(self, what: str = "read") -> Iterator[None]:
        """Turn whatever a client library raises into one sentence without a secret."""
        try:
            yield
        except (FinscaleError, FileNotFoundError):
            raise
        except Exception as error:  # each library has errors of its own
            raise self._unreachable(error, what) from None

    def _unreachable(self, error: Exception, what: str) -> FinscaleError:
        name = type(error).__name__
        first, _, rest = f"{error}".strip().partition("\n")
        # "Parameter validation failed:" is no reason yet
        said = f"{first} {rest.strip().partition(chr(10))[0]}" if first.endswith(":") else first
        reason = hide_in_text(said) or name
        if name in ("NoCredentialsError", "DefaultCredentialsError"):
            return FinscaleError(
                f"{self.url} cannot be {what}: no credentials were found.",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run "
                "`aws configure` (Google: `gcloud auth application-default login`)",
            )
        if isinstance(error, PermissionError):
            return FinscaleError(
                f"{self.url} cannot be {what}: {reason.rstrip('.')}.",
                hint="the credentials in use do not allow it: see AWS_PROFILE, or ask its owner",
            )
        return FinscaleError(
            f"{self.url} cannot be {what} ({name}: {reason.rstrip('.')}).",
            hint="see whether the network and AWS_ENDPOINT_URL are right; what was computed is "
            "kept, and the same command goes on",
        )


def remote_of(place: Path | str) -> Remote | None:
    """Return the remote store at an address, or behind a mirror; None for a folder of runs."""
    url = address_of(place)
    if url:
        return Remote(url, mirror_of(url))
    url = mirrored(Path(place))
    return Remote(url, Path(place)) if url else None


def require_shared(folder: Path) -> None:
    """Refuse a store that other processes cannot see; a study's workers are such processes."""
    remote = remote_of(folder)
    if remote is not None and remote.protocol == "memory":
        raise FinscaleError(
            f"{remote.url} is this process's memory alone: worker processes cannot see it.",
            hint="name a folder or a bucket by --runs",
        )


def _stamp(entry: dict[str, Any]) -> str:
    """Return what tells an object from one that is put in its place."""
    tag = entry.get("ETag") or entry.get("etag")
    if tag:
        return str(tag)
    when: Iterable[Any] = (entry.get(name) for name in ("LastModified", "mtime", "created"))
    return f"{entry['size']} {next((str(one) for one in when if one), '')}"
