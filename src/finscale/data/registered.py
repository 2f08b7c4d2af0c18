"""Look up the registered datasets that a config names, without building tensors."""

from __future__ import annotations

import polars as pl

from finscale.config import ExperimentConfig
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
        name = dataset_id(symbol, data.tier, data.timescale, series=series_of(data))
        if not store.processed.has(name):
            raise DataError(
                f"{name} is not in {store.processed.folder}.",
                hint="`finscale train` builds it; in Python: finscale.features.build_dataset("
                f"store, {symbol!r}, tier={data.tier!r}, timescale={data.timescale!r})",
            )
        entries.append(store.processed.get(name, data.version))
    return entries


def registered_bars(config: ExperimentConfig, store: DataStore) -> pl.DataFrame:
    """Return the adjusted bars of a config's datasets: date, symbol, open, close of all symbols.

    The rows are those of ``FinancialDataset.frame``, digests verified and the warm-up left out.
    """
    parts = []
    for entry in registered_entries(config, store):
        frame, _ = store.frame(entry.id, entry.version)
        names = channels([frame], None)
        rows = prepared(frame, names, config.data.context_length, config.task)
        parts.append(rows.select(*KEYS, "open", "close"))
    return pl.concat(parts)
