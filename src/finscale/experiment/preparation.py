"""From a config to everything that a run needs: data on disk, windows, split, resolved settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import BaselineConfig, ExperimentConfig, SplitConfig
from finscale.errors import DataError
from finscale.experiment.kept import Kept
from finscale.experiment.labels import label_fault
from finscale.experiment.members import left_out_words, without_short_members
from finscale.experiment.resolve import interface, resolve
from finscale.runs import run_id

if TYPE_CHECKING:
    from finscale.config import DataConfig
    from finscale.data import DataStore, FinancialDataset, Split
    from finscale.models import ParameterCounts

#: Scaled windows, their split, and why they cannot be learned or judged; None where they can.
_Windows = tuple["FinancialDataset", "Split", DataError | None]


def _bytes_of(dataset: FinancialDataset) -> int:
    """Return what a dataset takes in memory."""
    tensors = () if dataset.mapped else (dataset.rows_RF, dataset.relative_RK)
    nbytes: int = sum(tensor.element_size() * tensor.nelement() for tensor in tensors)
    return nbytes + int(dataset.frame.estimated_size())


#: Data read lately: two, of a panel's with all its features one.
_ROOM = {"most": 2, "most_bytes": 2**30}
_DATASETS: Kept[FinancialDataset] = Kept(size=_bytes_of, **_ROOM)
_WINDOWS: Kept[_Windows] = Kept(size=lambda windows: _bytes_of(windows[0]), **_ROOM)


@dataclass(frozen=True)
class Prepared:
    """What one run is about to do; all of it decided, nothing of it done."""

    config: ExperimentConfig
    """Its science resolved. Its placement is as asked for until ``finscale.experiment.place`` fills
    it in, where the run is computed."""
    read: Callable[[], FinancialDataset]
    """Returns the dataset."""
    split: Split
    digests: dict[str, str]
    """Dataset id → SHA-256 of its file."""
    num_features: int
    """Channels of a window."""
    num_relative: int
    """Relative columns of its last row."""
    counts: ParameterCounts | None
    """None for a baseline."""
    flops_per_sample: int
    """Of the forward pass; 0 for a baseline."""
    run_id: str
    left_out: str = ""
    """Which members of the universe have too few bars for one window, in words; empty for none."""

    @property
    def dataset(self) -> FinancialDataset:
        """Windows, scaled by what train windows see."""
        return self.read()

    def interface(self) -> dict[str, Any]:
        """Return what data, task and loss ask of a network."""
        return interface(
            self.config,
            num_features=self.num_features,
            context_length=self.config.data.context_length,
            num_relative=self.num_relative,
        )

    def without_windows(self, store: DataStore) -> Prepared:
        """Return the same, its dataset read again when it is asked for.

        A plan holds hundreds of runs, and a panel's dataset a gigabyte. The last ones read are kept
        in memory, whoever asks.
        """
        return replace(self, read=partial(_dataset, self.config, store))


def prepare(config: ExperimentConfig, data: DataStore | None = None) -> Prepared:
    """Make sure that the data are there, verify them, and resolve what decides the result.

    The outcome is the same on every machine: nothing here asks for a device.

    Parameters
    ----------
    config : ExperimentConfig
        As written by a person.
    data : DataStore, optional
        Where bars and datasets lie; ``config.data.root`` when absent.

    Raises
    ------
    DataError
        If data are missing, changed since they were registered, too short, or weekly bars or
        slower, of which each would count as a day, or if the labels of train or test are all the
        same.
    BudgetError
        If no architecture meets the budget.
    """
    from finscale.data import DataStore

    store, asked = data or DataStore(config.data.root), config
    config = ensure_datasets(config, store)
    left_out = left_out_words(asked, config)
    for symbol in config.data.symbols:
        if store.has_bars(symbol):
            _refuse_slow_bars(symbol, store.bars_entry(symbol).sha256, store.root.resolve())
    dataset, split, fault = _windows(config, store)
    if fault is not None:
        raise DataError(fault.message, hint=fault.hint)
    digests = {entry.id: entry.sha256 for entry in dataset.entries}
    channels = {"num_features": dataset.num_features, "num_relative": len(dataset.relative)}
    counts, flops = None, 0
    if not isinstance(config.model, BaselineConfig):
        resolved = resolve(
            config,
            context_length=dataset.context_length,
            num_windows=len(split.train),
            **channels,
        )
        config, counts, flops = resolved.config, resolved.counts, resolved.flops_per_sample
    return Prepared(
        config=config,
        read=lambda: dataset,
        split=split,
        digests=digests,
        counts=counts,
        flops_per_sample=flops,
        run_id=run_id(config, digests),
        left_out=left_out,
        **channels,
    )


def ensure_datasets(config: ExperimentConfig, store: DataStore) -> ExperimentConfig:
    """Build and register what can be had without a network and is missing or out of date.

    A dataset is out of date when its symbol's bars or a series have a newer version than it was
    made from, or when its tier has other columns today. A config that pins ``data.version`` takes
    that version as it is.

    Returns
    -------
    ExperimentConfig
        The same, or without those members of its universe whose bars are too few for one window.
    """
    from finscale.data import SOURCES, fetch_bars
    from finscale.data.qualities import series_of, wanted_series
    from finscale.data.store import bars_id, dataset_id
    from finscale.features.build import Judged, is_current

    data, wanted, series = config.data, [], series_of(config.data)
    judged: Judged = {}
    beside = set() if data.version else {entry.key for entry in wanted_series(store, data)}
    if data.universe is not None:
        _refuse_without_bars(data, store)
    for symbol in data.symbols:
        name = dataset_id(symbol, data.feature_set, data.timescale, series=series)
        built = store.processed.has(name)
        if built and (data.version or not store.has_bars(symbol)):
            continue
        if built:
            entry = store.processed.get(name)
            parents = {store.raw.get(bars_id(symbol)).key, *beside}
            if parents <= entry.parents.keys() and is_current(store, entry, judged):
                continue
        if not store.has_bars(symbol) and SOURCES[data.source].serves(symbol):
            store.add_bars(fetch_bars(data.source, symbol))
        wanted.append(symbol)
    too_few: dict[str, str] = {}
    if wanted:
        from finscale.features import build_datasets

        about: dict[str, Any] = {"tier": data.feature_set, "timescale": data.timescale}
        told = None if data.universe is None else too_few
        build_datasets(store, wanted, **about, series=series, too_few=told)
    if data.universe is None:
        return config
    return without_short_members(config, store, too_few)


def _refuse_without_bars(data: DataConfig, store: DataStore) -> None:
    """Raise if members of a universe have no bars, with their number instead of the first alone."""
    from finscale.data import SOURCES
    from finscale.data.store import dataset_id

    missing = [
        symbol
        for symbol in data.symbols
        if not store.has_bars(symbol)
        and not SOURCES[data.source].serves(symbol)
        and not store.processed.has(dataset_id(symbol, data.feature_set, data.timescale))
    ]
    if missing:
        some = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        archive = f"finscale data download --source {data.source}, "
        raise DataError(
            f"{len(missing):,} of {len(data.symbols):,} members of {data.universe} have no bars in "
            f"{store.raw.folder}: {some}.",
            hint=(archive if SOURCES[data.source].panel is not None else "")
            + "finscale data import FILE brings a panel in; data.symbols names the members to use, "
            "if some are left out on purpose",
        )


@lru_cache(maxsize=4096)
def _refuse_slow_bars(symbol: str, sha256: str, root: Path) -> None:
    """Raise if a symbol's bars, imported by an earlier version, are weekly or slower."""
    from finscale.data import DataStore
    from finscale.data.cadence import refuse_slow_bars

    try:
        bars = DataStore(root).bars(symbol)
    except DataError:
        return  # datasets may outlive their bars; whoever needs the bars says what is wrong
    if "cadence" not in bars.provenance:
        refuse_slow_bars(bars.frame["date"], what=f"the bars of {symbol}")


#: What a split says beside its dates: it stays when shares of the history take their place.
_NO_DATES = (
    *("embargo", "validation_fraction", "test_fraction"),
    *("symbols", "unseen_fraction", "symbol_seed"),
    *("train_symbols", "train_draw", "train_share"),
)


def fitted_split(
    config: ExperimentConfig, data: DataStore | None = None
) -> tuple[ExperimentConfig, str]:
    """Return an experiment whose split fits its data, and what was changed to that end.

    Dates that were written for other bars give way to shares of the history where they leave a part
    without windows or out of proportion; the shares are a rule, the same on every machine.

    Parameters
    ----------
    config : ExperimentConfig
        Whose data are not those that its split was written for.
    data : DataStore, optional
        Where data lie; ``config.data.root`` when absent.

    Returns
    -------
    config : ExperimentConfig
        The same, or with ``split.method: shares``.
    str
        What was wrong with the dates, in words; empty where they fit.
    """
    from finscale.data import DataStore

    if config.split.method != "dates":
        return config, ""
    store = data or DataStore(config.data.root)
    config = ensure_datasets(config, store)
    kept = config.split.model_dump(include=set(_NO_DATES))
    shares = SplitConfig.model_validate({"method": "shares", **kept})
    fitted = config.model_copy(update={"split": shares})
    # first: data that cannot be read, or are too short for any split, are no fault of the dates
    _windows(fitted, store)
    try:
        caution = _windows(config, store)[1].caution
    except DataError as error:
        caution, *_ = error.message.split(":")
    return (fitted, caution) if caution else (config, "")


def registered_run_id(config: ExperimentConfig, store: DataStore) -> str:
    """Return the id of a run whose config is resolved, as a baseline's is: nothing is read.

    The datasets are built if they are missing, as :func:`prepare` does.
    """
    from finscale.data.registered import registered_entries

    config = ensure_datasets(config, store)
    entries = registered_entries(config, store)
    return run_id(config, {entry.id: entry.sha256 for entry in entries})


def _windows(config: ExperimentConfig, store: DataStore) -> _Windows:
    """Return the scaled dataset, its split and what is wrong with its labels.

    Runs that see the same windows share them.
    """
    from finscale.data.qualities import series_of
    from finscale.data.store import dataset_id

    data = config.data
    about = (data.feature_set, data.timescale)
    names = (dataset_id(symbol, *about, series=series_of(data)) for symbol in data.symbols)
    versions = tuple(store.processed.get(name, data.version).sha256 for name in names)
    whole = isinstance(config.model, BaselineConfig)
    if whole:
        # a baseline reads whole columns of features
        in_memory = data.model_copy(update={"memory_map": False})
        config = config.model_copy(update={"data": in_memory})
    windows = config.model_dump_json(include={"data", "task", "split"})
    key = windows, versions, store.root.resolve(), whole
    return _WINDOWS.get(key, lambda: _read_windows(*key))


def _dataset(config: ExperimentConfig, store: DataStore) -> FinancialDataset:
    return _windows(config, store)[0]


def _read_windows(windows: str, versions: tuple[str, ...], root: Path, whole: bool) -> _Windows:
    """Read and verify the datasets; ``versions`` makes new content a new entry of the cache."""
    from finscale.training.allocator import release_freed_memory

    config = ExperimentConfig.model_validate_json(windows)
    labelled = config.model_dump_json(include={"data", "task"})
    # folds, and draws of a panel's train symbols, share all but their scale: a study would hold
    # each symbol's bars once a fold and draw
    several = config.split.num_folds > 1 or len(config.data.symbols) > 1
    key = labelled, versions, root, whole
    read = partial(_read_dataset, *key)
    dataset = _DATASETS.get(key, read) if several else read()
    folds = dataset.splits(config.split)
    split = folds[config.split.fold]
    fault = label_fault(dataset, split, folds)
    scaled = dataset.scaled(split.train)
    if len(dataset.symbols) > 1:
        # reading a panel takes twice what stays
        release_freed_memory()
    return scaled, split, fault


def _read_dataset(
    labelled: str, versions: tuple[str, ...], root: Path, whole: bool
) -> FinancialDataset:
    """Read and verify the datasets with their labels, unscaled.

    Of a panel a network keeps the bars' columns alone unless it is asked for as a ``whole``: its
    channels lie in the rows, and columns of features would take three times as much again.
    """
    from finscale.data import DataStore, FinancialDataset
    from finscale.data.frames import bars_of

    config = ExperimentConfig.model_validate_json(labelled)
    dataset = FinancialDataset.from_config(config, DataStore(root))
    if whole or len(dataset.symbols) == 1:
        return dataset
    return replace(dataset, frame=bars_of(dataset.frame))
