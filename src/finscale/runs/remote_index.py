"""All runs of a remote store by few requests: one object that holds the markers, read once.

Each run has a marker of its own, so writers never wait for one another. To read ten thousand of
them would take ten thousand requests: whoever has read many puts them into one object,
``_index.parquet``, and keeps a copy in the mirror. Markers are listed anew each time (a thousand a
request), and one that the object lacks, or that has another stamp there, is read by itself. The
object is only a cache: two that write it at once lose nothing but the time of the first.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finscale.errors import FinscaleError
from finscale.files import atomic_path
from finscale.runs.remote import Marker, Remote

_LOCAL = ".index.parquet"
#: So many markers are read one by one rather than with the whole object.
_FEW = 16
#: The object is written again when it lacks so many.
_MANY = 100
#: One publisher in 256 writes the object, whichever draws it by its run's id: without an
#: agreement, about as many markers as that are left to be read one by one.
_PACKER = "00"


@dataclass(frozen=True)
class IndexEntry:
    """A marker, and the stamp that it was listed with."""

    stamp: str
    marker: Marker


def index_entries(remote: Remote, *, pack: bool = False) -> dict[str, IndexEntry]:
    """Return run id → entry of every finished run.

    Parameters
    ----------
    remote : Remote
        The store.
    pack : bool
        Write the object that holds all markers if it lacks any.

    Raises
    ------
    FinscaleError
        If the store cannot be reached.
    """
    stamps = remote.stamps()
    path = remote.mirror / _LOCAL
    known = _current(_decoded(path.read_bytes() if path.is_file() else None), stamps)
    lacking = stamps.keys() - known.keys()
    if not lacking and not pack:
        return known
    unshared = set(lacking)
    if pack or len(lacking) > _FEW:
        shared = _current(_decoded(remote.read_pack()), stamps)
        unshared = stamps.keys() - shared.keys()
        known = shared | known
    read = remote.markers(sorted(stamps.keys() - known.keys()))
    known |= {run_id: IndexEntry(stamps[run_id], marker) for run_id, marker in read.items()}
    content = _encoded(known)
    # a store that cannot be written can still be listed
    with contextlib.suppress(FinscaleError):
        keep(path, content)
        if len(unshared) >= (1 if pack else _MANY):
            remote.write_pack(content)
    return known


def keep_test_losses(remote: Remote, entries: Mapping[str, IndexEntry]) -> None:
    """Keep entries whose test losses were read here, for the next list on this machine."""
    with contextlib.suppress(FinscaleError):
        keep(remote.mirror / _LOCAL, _encoded(entries))


def keep(path: Path, content: bytes) -> None:
    """Write the mirror's copy."""
    with atomic_path(path, flush=False) as temporary:
        temporary.write_bytes(content)


def packs(run_id: str) -> bool:
    """Tell whether the publisher of a run also writes the object that holds all markers."""
    return run_id.endswith(_PACKER)


def _current(known: Mapping[str, IndexEntry], stamps: Mapping[str, str]) -> dict[str, IndexEntry]:
    return {
        run_id: known[run_id]
        for run_id, stamp in stamps.items()
        if run_id in known and known[run_id].stamp == stamp
    }


def _encoded(entries: Mapping[str, IndexEntry]) -> bytes:
    import polars as pl

    table = pl.DataFrame(
        {
            "run": list(entries),
            "stamp": [entry.stamp for entry in entries.values()],
            "marker": [entry.marker.encoded() for entry in entries.values()],
        },
        schema={"run": pl.String, "stamp": pl.String, "marker": pl.Binary},
    )
    stream = io.BytesIO()
    table.sort("run").write_parquet(stream, compression="zstd")
    return stream.getvalue()


def _decoded(content: bytes | None) -> dict[str, IndexEntry]:
    """Return what an index holds; nothing of one that is damaged."""
    import polars as pl

    if content is None:
        return {}
    try:
        rows = pl.read_parquet(io.BytesIO(content)).select("run", "stamp", "marker").rows()
    except (pl.exceptions.PolarsError, OSError):
        return {}
    found = ((stamp, Marker.decoded(run_id, marker)) for run_id, stamp, marker in rows)
    return {one.run_id: IndexEntry(stamp, one) for stamp, one in found if one is not None}
