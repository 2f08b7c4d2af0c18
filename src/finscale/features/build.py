"""From a store's bars to a registered dataset: adjust, resample, compute, drop the warm-up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from finscale.data.bars import normal_symbol, present, series_columns
from finscale.data.calendar import NONE
from finscale.data.known import join_series, refuse_ended
from finscale.data.manifest import ManifestEntry, same_declared
from finscale.data.parquet import EncodedFrame, encode_frame
from finscale.data.series import Series, read_series, series_entry
from finscale.data.store import DataStore, FrameFacts, dataset_id
from finscale.data.timescales import resample
from finscale.errors import DataError, TooFewBarsError
from finscale.features.contents import dataset_features
from finscale.features.declaration import tier_digest
from finscale.features.engine import compute_features
from finscale.features.feature import INPUTS, Feature
from finscale.features.needs import refuse_short, refuse_unfit
from finscale.features.relative import dataset_columns, relative_columns, slowest_feature
from finscale.features.reuse import in_processes, reusable, side_by_side
from finscale.features.tiers import tier_features

#: Feature columns whose files wait in memory for one write of the manifest: 32 symbols of a20.
_COLUMNS_TOGETHER = 640


def build_dataset(
    store: DataStore,
    symbol: str,
    *,
    tier: str = "a20",
    timescale: str = "daily",
    series: Sequence[str] = (),
) -> ManifestEntry:
    """Compute a tier on a symbol's adjusted bars; register features and dataset; return the latter.

    The features (``SPY.features.a20``) keep every row, with NaN in the warm-up; the dataset
    (``SPY.dataset.a20``) has the bars beside them and the relative columns of both, and begins with
    the first row that is whole. Both name their parents' digests. Building again what is unchanged
    registers nothing, and computes nothing where bars, series and declarations are the same.

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
    series : sequence of str
        Registered series whose features stand beside the tier's: a row knows what had been
        published when its session closed. The dataset begins where all have a value.

    Raises
    ------
    DataError
        If the symbol has no bars, they lack what the tier needs, or there are no more of them than
        the longest lookback of the tier and its relative columns; or if a series is not registered,
        or ends long before the bars.
    FinscaleError
        If the tier or the timescale does not exist.

    Examples
    --------
    ``build_dataset(DataStore(), "SP500").rows`` is 4,832: 5,031 bars less the 199 before the first
    200-day mean.
    """
    return build_datasets(store, [symbol], tier=tier, timescale=timescale, series=series)[0]


def build_datasets(
    store: DataStore,
    symbols: Sequence[str],
    *,
    tier: str = "a20",
    timescale: str = "daily",
    series: Sequence[str] = (),
    again: bool = False,
    workers: int = 1,
    too_few: dict[str, str] | None = None,
) -> list[ManifestEntry]:
    """Build the datasets of many symbols, several at once; see :func:`build_dataset`.

    The entries come in the order of ``symbols``. The manifest is written once for some dozens of
    symbols. When a symbol is refused, those before it are registered.

    Parameters
    ----------
    store, symbols, tier, timescale, series
        See :func:`build_dataset`.
    again : bool
        Compute what is registered, unchanged and intact once more, as after another version of a
        library (``finscale.features.reuse``). Equal content is no new version.
    workers : int
        Processes, where tiers are so large that they are worth their start and memory has room for
        them. A script that asks for more than one guards what it does by
        ``if __name__ == "__main__":``, as `multiprocessing` asks. The files are the same bytes.
    too_few : dict of str to str, optional
        Takes up each symbol whose bars are too few, with the reason, so that it refuses itself and
        not the others; without one such a symbol is an error. With one, a single process builds.
    """
    parents = [series_entry(store, name) for name in series]
    about = (tier, timescale, parents)
    kept = {} if again else _kept(store, dict.fromkeys(symbols), *about)
    wanted = [symbol for symbol in symbols if symbol not in kept]
    if not wanted:
        return [kept[symbol] for symbol in symbols]
    num_features = len(dataset_features(tier, timescale, series))
    known = [store.bars_entry(one).rows for one in wanted if store.has_bars(one)]
    num_rows = max(known, default=1)
    processes = side_by_side(workers, num_features, num_rows, len(wanted))
    if processes > 1 and too_few is None:
        build = partial(
            build_datasets, tier=tier, timescale=timescale, series=tuple(series), again=True
        )
        built = list(in_processes(build, store, wanted, processes, tier))
    else:
        built = _build_all(store, wanted, *about, too_few)
    whole = [symbol for symbol in wanted if symbol not in (too_few or ())]
    found = kept | dict(zip(whole, built, strict=True))
    return [found[symbol] for symbol in symbols if symbol in found]


def _kept(
    store: DataStore,
    symbols: Iterable[str],
    tier: str,
    timescale: str,
    parents: Sequence[ManifestEntry],
) -> dict[str, ManifestEntry]:
    """Return the datasets that are there as they would be built, by symbol as it was given."""
    found = {}
    for symbol in symbols:
        if not store.has_bars(symbol):
            continue  # refused where it is its turn
        entry = reusable(store, symbol, tier, timescale, parents, is_current)
        if entry is not None:
            found[symbol] = entry
    return found


def _build_all(
    store: DataStore,
    symbols: Sequence[str],
    tier: str,
    timescale: str,
    parents: Sequence[ManifestEntry],
    too_few: dict[str, str] | None,
) -> list[ManifestEntry]:
    """Build and register symbols in this process, those of small tiers by several threads."""
    num_features = len(dataset_features(tier, timescale, [one.symbol for one in parents]))
    beside = [read_series(store, entry.symbol, entry.version) for entry in parents]
    together = max(_COLUMNS_TOGETHER // num_features, 1)
    entries: list[ManifestEntry] = []
    built: list[_Built] = []
    # encoding, digests and reading let go of Python's lock
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        for first in range(0, len(symbols), together):
            futures = [
                threads.submit(_build, store, symbol, tier, timescale, beside, parents)
                for symbol in symbols[first : first + together]
            ]
            entries += _register(store, built)  # while the threads are at work
            built = []
            try:
                for symbol, future in zip(symbols[first:], futures, strict=False):
                    try:
                        built.append(future.result())
                    except TooFewBarsError as error:
                        if too_few is None:
                            raise
                        too_few[symbol] = error.message
            except BaseException:
                threads.shutdown(cancel_futures=True)
                _register(store, built)
                raise
    return entries + _register(store, built)


#: What was found of datasets alike: columns, tier, timescale, series and declarations → current.
Judged = dict[tuple[Any, ...], bool]


def is_current(store: DataStore, entry: ManifestEntry, judged: Judged | None = None) -> bool:
    """Tell whether a registered dataset has the columns that would be built of its tier today.

    One that was built before relative columns were, or before its tier or a formula of it was
    declared otherwise, has not. Only the file's header is read; a file that is missing or broken is
    not judged here, since reading it says what is wrong.

    Parameters
    ----------
    store : DataStore
        Where it is registered.
    entry : ManifestEntry
        Of a dataset, such as ``store.processed.get("SPY.dataset.a20")``.
    judged : dict, optional
        Kept by the caller between calls, while nothing is declared anew: of a panel's hundreds of
        datasets that are alike one is looked at.
    """
    try:
        columns = _columns(store.processed.folder / entry.path, entry.sha256)
    except (OSError, pl.exceptions.PolarsError):
        return True
    judged = {} if judged is None else judged
    key = columns, entry.tier, entry.timescale, entry.series, entry.declared
    if key not in judged:
        judged[key] = _is_current(*key)
    return judged[key]


def _is_current(
    columns: tuple[str, ...], tier: str, timescale: str, series: tuple[str, ...], declared: str
) -> bool:
    bars = [name for name in INPUTS if name in columns]
    if columns != dataset_columns(tier, timescale, series, bars=bars):
        return False
    return same_declared(declared, tier_digest(tier))


@lru_cache(maxsize=10_000)
def _columns(path: Path, sha256: str) -> tuple[str, ...]:
    """Return a registered file's columns; the digest keeps them apart from another content's."""
    return tuple(pl.scan_parquet(path, glob=False).collect_schema())


@dataclass(frozen=True)
class _Built:
    """One symbol's features and dataset, encoded, before they are registered."""

    parents: list[ManifestEntry]
    """The bars and the series."""
    features: EncodedFrame
    dataset: EncodedFrame
    about: FrameFacts
    """Of the features."""


def dataset_rows(
    bars: pl.DataFrame,
    *,
    tier: str = "a20",
    timescale: str = "daily",
    series: Sequence[Series] = (),
    calendar: str = NONE,
) -> pl.DataFrame:
    """Return the rows that a dataset of these bars has; nothing is registered.

    Parameters
    ----------
    bars : polars.DataFrame
        One symbol's daily bars, adjusted, in order of date: date, symbol, and of open, high, low,
        close, volume what the tier needs.
    tier, timescale : str
        See :func:`build_dataset`.
    series : sequence of Series
        Whose features stand beside the tier's.
    calendar : str
        Of the bars' exchange: it says when a session closes, and so what a row knows.

    Raises
    ------
    DataError
        If the bars lack what the tier needs, there are no more of them than the longest lookback,
        or a value is not finite after it.
    FinscaleError
        If the tier or the timescale does not exist.
    """
    return _rows(bars, tier, timescale, series, calendar)[1]


def _build(
    store: DataStore,
    symbol: str,
    tier: str,
    timescale: str,
    series: Sequence[Series],
    series_entries: Sequence[ManifestEntry],
) -> _Built:
    symbol = normal_symbol(symbol)
    bars_entry = store.bars_entry(symbol)
    bars = store.bars(symbol, bars_entry.version)
    calendar = bars.provenance.get("calendar", NONE)
    computed, dataset = _rows(bars.adjusted(), tier, timescale, series, calendar)
    names = tuple(one.name for one in series)
    features = dataset_features(tier, timescale, names, bars=present(bars.frame, INPUTS))
    parents = [bars_entry, *series_entries]
    about: FrameFacts = {
        "id": dataset_id(symbol, tier, timescale, "features", series=names),
        "kind": "features",
        "symbol": symbol,
        "tier": tier,
        "timescale": timescale,
        "declared": tier_digest(tier),
        "series": names,
        "parents": parents,
        "adjustment": bars.adjusted_to,
    }
    encoded = encode_frame(computed.select("date", "symbol", *(f.name for f in features)))
    return _Built(parents, encoded, encode_frame(dataset), about)


def _rows(
    bars: pl.DataFrame,
    tier: str,
    timescale: str,
    series: Sequence[Series],
    calendar: str,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return bars and features of all rows, and the rows of the dataset: whole, relative too."""
    symbol = str(bars["symbol"][0])
    refuse_unfit(tier, present(bars, INPUTS), whose=symbol)
    rows = resample(bars, timescale)
    names, known = [one.name for one in series], present(bars, INPUTS)
    features = dataset_features(tier, timescale, names, bars=known)
    slowest = slowest_feature(tier, timescale, names, bars=known)
    warm_up = slowest.lookback
    refuse_short(tier, rows.height, slowest, whose=symbol, columns=known, timescale=timescale)
    if series:
        refuse_ended(rows, series)
        rows = join_series(rows, series, calendar)
    computed = compute_features(rows, features).drop(series_columns(rows))
    warm_up = max(warm_up, _first_whole(computed, features[len(tier_features(tier)) :], symbol))
    dataset = computed.hstack(relative_columns(computed, tier, timescale, names))[warm_up:]
    _assert_whole(dataset, symbol)
    return computed, dataset


def _first_whole(computed: pl.DataFrame, features: Sequence[Feature], symbol: str) -> int:
    """Return the first row that knows every series and a finished bar of every timescale.

    Raises
    ------
    DataError
        If none does.
    """
    first = 0
    for feature in features:
        known_R = np.isfinite(computed[feature.name].to_numpy())
        if not known_R.any():
            raise TooFewBarsError(
                f"{symbol}: no row up to {computed['date'][-1]} has a value of {feature.name}.",
                hint="a series that begins later than the bars, or has too few values, has none; "
                "nor have slower bars of which not one is finished",
            )
        first = max(first, int(known_R.argmax()))
    return first


def _register(store: DataStore, built: Sequence[_Built]) -> list[ManifestEntry]:
    """Register the features of some symbols, then the datasets, which name them as parents."""
    if not built:
        return []
    features = store.add_encoded([(part.features, part.about) for part in built])
    datasets: list[tuple[EncodedFrame, FrameFacts]] = []
    for part, entry in zip(built, features, strict=True):
        id = dataset_id(entry.symbol, entry.tier, entry.timescale, series=entry.series)
        parents = [*part.parents, entry]
        about: FrameFacts = {**part.about, "id": id, "kind": "dataset", "parents": parents}
        datasets.append((part.dataset, about))
    return store.add_encoded(datasets)


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
