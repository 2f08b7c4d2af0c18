"""Look up the registered datasets that a config names, without building tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from finscale.config import ExperimentConfig
from finscale.data.bars import present
from finscale.data.frames import KEYS, channels, prepared
from finscale.data.manifest import ManifestEntry
from finscale.data.qualities import series_of
from finscale.data.store import DataStore, dataset_id
from finscale.errors import DataError


def registered_entries(config: ExperimentConfig, store: DataStore) -> list[ManifestEntry]:
    """Return the manifest entry of each symbol's dataset.

    Raises
    ------
    DataError
        If one is not registered; the hint builds it.
    """
    data, entries = config.data, []
    for symbol in data.symbols:
        name = dataset_id(symbol, data.feature_set, data.timescale, series=series_of(data))
        if not store.processed.has(name):
            raise DataError(
                f"{name} is not in {store.processed.folder}.",
                hint="`finscale train` builds it; in Python: finscale.features.build_dataset("
                f"store, {symbol!r}, tier={data.feature_set!r}, timescale={data.timescale!r})",
            )
        entries.append(store.processed.get(name, data.version))
    return entries


def registered_frames(
    entries: Sequence[ManifestEntry], store: DataStore, *, warm_up: int | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the rows of datasets, digests verified: those after ``warm_up`` bars of their symbol.

    Raises
    ------
    DataError
        If a file has changed, or it is not known how many bars lie before a dataset's first row.
    """
    for entry in entries:
        frame, _ = store.frame(entry.id, entry.version)
        yield frame[rows_left_out(entry, store, warm_up) :]


def rows_left_out(entry: ManifestEntry, store: DataStore, warm_up: int | None) -> int:
    """Return how many rows of a dataset lie within a warm-up that is longer than its own."""
    if warm_up is None:
        return 0
    for key in entry.parents:
        id, _, version = key.rpartition("@")
        if id == dataset_id(entry.symbol, entry.tier, entry.timescale, "features"):
            # features have a row for every bar; the dataset begins after its own warm-up
            own = store.processed.get(id, version).rows - entry.rows
            return max(warm_up - own, 0)
    raise DataError(
        f"{entry.key} does not say how many bars lie before its first row.",
        hint="build it anew (finscale features build), or leave data.warm_up out",
    )


def registered_bars(config: ExperimentConfig, store: DataStore) -> pl.DataFrame:
    """Return the adjusted bars of a config's datasets: date, symbol, open, close of all symbols.

    Bars of closes alone have no open.

    The rows are those of ``FinancialDataset.frame``, digests verified and the warm-up left out.
    """
    parts = []
    entries = registered_entries(config, store)
    for frame in registered_frames(entries, store, warm_up=config.data.warm_up):
        names = channels([frame], None)
        rows = prepared(frame, names, config.data.context_length, config.task)
        parts.append(rows.select(*KEYS, *present(rows, ("open", "close"))))
    return pl.concat(parts, how="diagonal")
