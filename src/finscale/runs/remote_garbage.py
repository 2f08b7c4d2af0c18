"""What may be removed from a run store at an address."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass

from finscale.runs.remote import Remote
from finscale.runs.remote_index import index_entries

#: Files without a marker may be those of a writer at work until they are so old.
_UPLOAD = dt.timedelta(days=1)


@dataclass(frozen=True)
class RemoteGarbage:
    """A run at an address that may go, or files of one that no marker names."""

    remote: Remote
    run_id: str
    version: str  #: Empty for the whole run
    reason: str
    size: int

    @property
    def folder(self) -> str:
        """Its address."""
        return self.remote.path(self.run_id, *([self.version] if self.version else []))

    def remove(self) -> None:
        """Remove it."""
        if self.version:
            self.remote.remove_version(self.run_id, self.version)
        else:
            self.remote.remove(self.run_id)


def unfinished_and_damaged(remote: Remote, *, now: dt.datetime) -> Iterator[RemoteGarbage]:
    """Yield uploads that nobody finished for a day, and runs that lack a file."""
    files: dict[tuple[str, str], dict[str, int]] = {}
    newest: dict[tuple[str, str], dt.datetime] = {}
    for run_id, version, name, entry in remote.every_file():
        key = run_id, version
        files.setdefault(key, {})[name] = int(entry["size"])
        newest[key] = max(newest.get(key, _EPOCH), _written(entry))
    entries = index_entries(remote)
    named = {(run_id, entry.marker.version) for run_id, entry in entries.items()}
    for key in sorted(files.keys() - named):
        if now - newest[key] > _UPLOAD:
            reason = "uploaded in part, or replaced since"
            yield RemoteGarbage(remote, *key, reason, sum(files[key].values()))
    for run_id, version in sorted(named):
        there = files.get((run_id, version), {})
        written = json.loads(entries[run_id].marker.run).get("files", {})
        if any(there.get(name) != file["bytes"] for name, file in written.items()):
            yield RemoteGarbage(remote, run_id, "", "not whole", sum(there.values()))


_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


def _written(entry: dict[str, object]) -> dt.datetime:
    """Return when an object was written; the epoch where its store does not say."""
    for name in ("LastModified", "mtime", "created", "updated"):
        when = entry.get(name)
        if isinstance(when, str):
            when = dt.datetime.fromisoformat(when)
        if isinstance(when, int | float):
            when = dt.datetime.fromtimestamp(when, dt.UTC)
        if isinstance(when, dt.datetime):
            return when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return _EPOCH
