"""Which registered datasets need not be computed again, and the processes that compute the others.

Running sums that begin elsewhere differ in their last bits, so new bars are never computed from the
tail alone: a symbol is computed whole or taken whole. What was made from the same bars and series
by the same declarations, and is intact, is taken; so a dataset that grew day by day is the same
bytes as one built from nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from finscale.config.tiers import note_tier, noted_tier
from finscale.data.manifest import ManifestEntry
from finscale.data.store import DataStore, dataset_id
from finscale.features.declaration import tier_digest
from finscale.plugins import load_plugins

#: What building a symbol takes beside its interpreter: 2,000 features of 8,400 bars hold 0.7 GiB.
_BYTES_A_NUMBER = 45
_BYTES_A_PROCESS = 300 * 2**20


def reusable(
    store: DataStore,
    symbol: str,
    tier: str,
    timescale: str,
    series: Sequence[ManifestEntry],
    is_current: Callable[[DataStore, ManifestEntry], bool],
) -> ManifestEntry | None:
    """Return a symbol's dataset if it is what would be built now; None where it is not.

    It and the features beside it are intact, were made from the newest bars and the series given,
    and by the declarations of today, under this version of Python.
    """
    names = [entry.symbol for entry in series]
    id, beside = (
        dataset_id(symbol, tier, timescale, kind, series=names) for kind in ("dataset", "features")
    )
    if not (store.processed.has(id) and store.processed.has(beside)):
        return None
    entry, features = store.processed.get(id), store.processed.get(beside)
    parents = [store.bars_entry(symbol), *series]
    made_of = {parent.key: parent.sha256 for parent in parents}
    declared = tier_digest(tier)
    if features.parents != made_of or entry.parents != {**made_of, features.key: features.sha256}:
        return None
    if {features.declared, entry.declared} != {declared} or not is_current(store, entry):
        return None
    return entry if all(map(store.processed.is_intact, (features, entry))) else None


def side_by_side(workers: int, num_features: int, num_rows: int, num_symbols: int) -> int:
    """Return how many processes build at once: no more than are worth it, or memory has room for.

    A process pays for its start, so each has at least as much to do as 2,000 features of a symbol.
    """
    import psutil

    worth = num_features * num_symbols // 2000
    each = _BYTES_A_PROCESS + _BYTES_A_NUMBER * num_features * num_rows
    room = int(psutil.virtual_memory().available * 0.7) // each
    return max(1, min(workers, worth, room, num_symbols))


def in_processes(
    build: Callable[..., Sequence[ManifestEntry]],
    store: DataStore,
    symbols: Sequence[str],
    workers: int,
    tier: str,
) -> Iterator[ManifestEntry]:
    """Yield the entries of symbols in their order, each built and registered by a process.

    ``build`` takes a store and symbols. When a symbol is refused, those after it may have been
    registered.
    """
    # a forked child of polars would wait for locks that nobody holds
    context, listed = get_context("spawn"), (tier, noted_tier(tier))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_ready, initargs=listed)
    with pool:
        try:
            yield from pool.map(partial(_one, build, store.root), symbols)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(build: Callable[..., Sequence[ManifestEntry]], root: Path, symbol: str) -> ManifestEntry:
    return build(DataStore(root), [symbol])[0]


def _ready(tier: str, names: tuple[str, ...] | None) -> None:
    """Know plug-ins and a tier file as the asking process does, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load_plugins()
    if names is not None:
        note_tier(tier, names)
