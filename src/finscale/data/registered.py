"""Look up the registered datasets that a config names, without building tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from finscale.config import ExperimentConfig
from finscale.data.frames import KEYS, channels, prepared
from finscale.data.store import DataStore, dataset_id
from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.data.manifest import ManifestEntry


def registered_entries(config: ExperimentConfig, store: DataStore) -> list[ManifestEntry]:
    """Return the manifest entry of each symbol's dataset.

    Raises
    ------
    DataError
        If one is not registered; the hint builds it.
    """
    return [_entry(config, store, symbol) for symbol in config.data.symbols]


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


def _entry(config: ExperimentConfig, store: DataStore, symbol: str) -> ManifestEntry:
    """Return the registered dataset of one symbol of a config."""
    data = config.data
    name = dataset_id(symbol, data.tier, data.timescale)
    if not store.processed.has(name):
        raise DataError(
            f"{name} is not in {store.processed.folder}.",
            hint="`finscale train` builds it; in Python: finscale.features.build_dataset("
            f"store, {symbol!r}, tier={data.tier!r}, timescale={data.timescale!r})",
        )
    return store.processed.get(name, data.version)
