"""From a store's bars to a registered dataset: adjust, resample, compute, drop the warm-up."""

from __future__ import annotations

import numpy as np
import polars as pl

from finscale.data.bars import normal_symbol
from finscale.data.manifest import Kind, ManifestEntry
from finscale.data.store import DataStore, dataset_id
from finscale.data.timescales import resample
from finscale.errors import DataError
from finscale.features.engine import compute_features
from finscale.features.tiers import tier_features


def build_dataset(
    store: DataStore, symbol: str, *, tier: str = "a20", timescale: str = "daily"
) -> ManifestEntry:
    """Compute a tier on a symbol's adjusted bars and register features and dataset.

    The features (``SPY.features.a20``) keep every row, with NaN in the warm-up; the dataset
    (``SPY.dataset.a20``) has the bars beside them and begins with the first row that is whole.
    Both name their parents' digests. Building again what is unchanged registers nothing.

    Parameters
    ----------
    store : DataStore
        Holds the symbol's bars.
    symbol : str
        Whose bars.
    tier : str
        A declared tier.
    timescale : str
        Length of the rows' bars; daily bars are resampled first, and an unfinished last bar is
        left out.

    Returns
    -------
    ManifestEntry
        Of the dataset.

    Raises
    ------
    DataError
        If the symbol has no bars, or no more of them than the tier's longest lookback.
    FinscaleError
        If the tier or the timescale does not exist.

    Examples
    --------
    ``build_dataset(DataStore(), "SP500").rows`` is 4,832: 5,031 bars less the 199 before the first
    200-day mean.
    """
    features = tier_features(tier)
    if timescale == "daily+multi":
        raise DataError(
            f"tier {tier} has no features of several timescales.",
            hint="choose daily, 2d, 3d, 5d, weekly, 2wk or monthly",
        )
    symbol = normal_symbol(symbol)
    bars_entry = store.bars_entry(symbol)
    bars = store.bars(symbol, bars_entry.version)
    rows = resample(bars.adjusted(), timescale)
    warm_up = max(feature.lookback for feature in features)
    if rows.height <= warm_up:
        raise DataError(
            f"{symbol} has {rows.height:,} {timescale} bars; {tier} needs more than {warm_up}.",
            hint=f"its longest feature, {_slowest(tier)}, has no value before",
        )
    computed = compute_features(rows, tier)

    def register(frame: pl.DataFrame, kind: Kind, *parents: ManifestEntry) -> ManifestEntry:
        return store.add_frame(
            frame,
            id=dataset_id(symbol, tier, timescale, kind),
            kind=kind,
            symbol=symbol,
            tier=tier,
            timescale=timescale,
            parents=parents,
            adjustment=bars.adjusted_to,
        )

    names = [feature.name for feature in features]
    dataset = computed[warm_up:]
    _assert_whole(dataset, symbol)
    features_entry = register(computed.select("date", "symbol", *names), "features", bars_entry)
    return register(dataset, "dataset", bars_entry, features_entry)


def _slowest(tier: str) -> str:
    return max(tier_features(tier), key=lambda feature: feature.lookback).name


def _assert_whole(dataset: pl.DataFrame, symbol: str) -> None:
    """Refuse a dataset with a value that is not finite, naming the first."""
    values = dataset.select(pl.selectors.float())
    finite_RF = np.isfinite(values.to_numpy())
    if not finite_RF.all():
        row, column = np.argwhere(~finite_RF)[0]
        raise DataError(
            f"{symbol} has no finite {values.columns[column]} on {dataset['date'][int(row)]}.",
            hint="look at its bars around that date: finscale data show " + symbol,
        )
