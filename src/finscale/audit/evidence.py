"""What an audit looks at, gathered from a config, a registered dataset or one in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import ExperimentConfig, SplitConfig
from finscale.config.data import InputsName
from finscale.data.bars import real_moves
from finscale.data.calendar import NONE
from finscale.data.frames import RELATIVE, level_names
from finscale.data.manifest import ManifestEntry
from finscale.data.splits import Split
from finscale.data.store import DataStore
from finscale.data.windows import FinancialDataset
from finscale.evaluation.targets import TARGETS
from finscale.features.causality import Computation
from finscale.features.feature import INPUTS
from finscale.features.relative import declared_features
from finscale.runs import Run, RunStore

#: Share of the decision days in train and in train plus validation, where no split is given.
_ORDINARY_SPLIT = (0.6, 0.8)


@dataclass(frozen=True)
class Fitted:
    """Something whose parameters are learnt from data: a scaler, a calibrator, a selection."""

    fit: Callable[..., Any]
    """``fit(dataset, split)`` → parameters as an array, where it learns from train; and
    ``fit(predictions)`` → parameters, where it learns from validation: the table has date,
    symbol, fold, split, target and logit, as ``predictions.parquet``."""
    learns_from: Literal["train", "validation"] = "train"
    """The only part that its parameters may depend on."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the checks may look at."""

    subject: str
    """What is audited, in words."""
    dataset: FinancialDataset
    """Rows, labels and windows."""
    folds: tuple[Split, ...]
    """Every fold; a leak in any is a leak."""
    split: SplitConfig | None = None
    """The settings that made the folds; None where nobody named any."""
    bars: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Symbol → adjusted daily bars, the warm-up included; without some symbols in memory."""
    features: Mapping[str, Computation] = field(default_factory=dict)
    """Channel → what computes it."""
    timescale: str = "daily"
    """Of the dataset's rows."""
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    """What is learnt from data on the way to the model and behind it."""
    calendars: Mapping[str, str] = field(default_factory=dict)
    """Symbol → exchange calendar; a symbol without one is not compared with sessions."""
    real_moves: Mapping[str, frozenset[dt.date]] = field(default_factory=dict)
    """Symbol → days whose strange prices the user has called real at import."""
    registered: Mapping[str, dt.datetime] = field(default_factory=dict)
    """Symbol → when its bars were registered."""
    runs: tuple[Run, ...] = ()
    """Finished runs on this dataset."""
    store: DataStore | None = None
    """Where the dataset is registered."""
    bar_entries: tuple[ManifestEntry, ...] = ()
    """The registered bars behind the dataset."""
    seed: int = 0
    """Of random cuts and noise."""
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    """With a zone; no bar may lie after it."""

    def part(self, symbol: str) -> pl.DataFrame:
        """Return one symbol's rows of the dataset."""
        # symbols follow one another: a panel's frame is not searched once for each
        place = self.dataset.symbols.index(symbol)
        first, end = np.searchsorted(self.dataset.symbol_R, (place, place + 1)).tolist()
        return self.dataset.frame.slice(first, end - first)

    @property
    def known_rows(self) -> NDArray[np.int64]:
        """Decision rows of train and validation, all folds: what an audit may look at labels of."""
        held = np.unique(np.concatenate([fold.test for fold in self.folds]))
        seen = np.unique(np.concatenate([np.r_[f.train, f.validation] for f in self.folds]))
        return np.setdiff1d(seen, held)


def channel_scale(dataset: FinancialDataset, split: Split) -> NDArray[np.float64]:
    """Return the scale that training divides each channel by."""
    return dataset.scaled(split.train).scale_F


def collect(
    subject: ExperimentConfig | FinancialDataset,
    *,
    split: SplitConfig | Sequence[Split] | None = None,
    bars: Mapping[str, pl.DataFrame] | None = None,
    features: Mapping[str, Computation] | None = None,
    fitted: Mapping[str, Fitted] | None = None,
    calendars: Mapping[str, str] | None = None,
    timescale: str | None = None,
    data: DataStore | None = None,
    runs: RunStore | None = None,
    seed: int = 0,
) -> Evidence:
    """Gather the evidence; see :func:`finscale.audit.audit` for the parameters."""
    store = data
    if isinstance(subject, ExperimentConfig):
        store = store or DataStore(subject.data.root)
        dataset = _dataset(subject, store)
        split = split if split is not None else subject.split
        timescale = subject.data.timescale
    else:
        dataset = subject
        timescale = timescale or (dataset.entries[0].timescale if dataset.entries else "daily")
    asked = split if isinstance(split, SplitConfig) else None
    split = split if split is not None else ordinary_split(dataset)
    folds = dataset.splits(split) if isinstance(split, SplitConfig) else list(split)

    given, zones = dict(bars or {}), dict(calendars or {})
    real: dict[str, frozenset[dt.date]] = {}
    entries: dict[str, ManifestEntry] = {}
    for symbol in dataset.symbols:
        if store is None or not store.has_bars(symbol):
            continue
        version = _bar_version(dataset, symbol, store)
        registered_bars = store.bars(symbol, version)
        entries[symbol] = store.bars_entry(symbol, version)
        given.setdefault(symbol, registered_bars.adjusted())
        zones.setdefault(symbol, registered_bars.provenance.get("calendar", NONE))
        # said when the bars were imported, or imported again
        real[symbol] = real_moves(registered_bars) | real_moves(store.bars(symbol))
    return Evidence(
        subject=_in_words(dataset, timescale, len(folds)),
        dataset=dataset,
        folds=tuple(folds),
        split=asked,
        bars=given,
        features={**declared_features(_columns(dataset)), **(features or {})},
        timescale=timescale,
        fitted={**_own_fits(dataset, folds), **(fitted or {})},
        calendars=zones,
        real_moves=real,
        registered={symbol: entry.created for symbol, entry in entries.items()},
        runs=tuple(_runs_on(dataset, asked, runs)) if runs is not None else (),
        store=store,
        bar_entries=tuple(entries.values()),
        seed=seed,
    )


def _columns(dataset: FinancialDataset) -> list[str]:
    """Return what a model may read and what else lies in the dataset, each once."""
    return list(dict.fromkeys((*dataset.columns, *level_names(dataset.frame.columns))))


def _bar_version(dataset: FinancialDataset, symbol: str, store: DataStore) -> str | None:
    """Return the version of the bars that a symbol's registered dataset was made from."""
    entries = [e for e in store.raw.entries() if e.symbol == symbol and e.kind == "bars"]
    known = {entry.key: entry.version for entry in entries}
    parents = (key for e in dataset.entries if e.symbol == symbol for key in e.parents)
    return next((known[key] for key in parents if key in known), None)


def _own_fits(dataset: FinancialDataset, folds: Sequence[Split]) -> dict[str, Fitted]:
    """Return what finscale itself fits: the channels' scale, and each calibration method."""
    fits = {"channel scale": Fitted(channel_scale)}
    if not TARGETS[dataset.task.kind].is_event or any(
        # a validation block with labels of one kind calibrates nothing
        np.ptp(dataset.targets(fold.validation)) == 0
        for fold in folds
    ):
        return fits
    from finscale.evaluation.calibration import calibrated
    from finscale.evaluation.calibrators import CALIBRATORS
    from finscale.evaluation.predictions import Predictions

    def calibrate(method: str, predictions: pl.DataFrame) -> NDArray[np.float64]:
        return calibrated(Predictions(predictions), method).validation["logit"].to_numpy()

    for method in CALIBRATORS:
        fits[f"{method} calibration"] = Fitted(partial(calibrate, method), "validation")
    return fits


def ordinary_split(dataset: FinancialDataset) -> SplitConfig:
    """Return a split by dates: 60 % of the decision days train, the next 20 % validate."""
    days = np.unique(dataset.date_R[dataset.ends_W]).astype(object)
    train_end, validation_end = (days[int(share * len(days))] for share in _ORDINARY_SPLIT)
    return SplitConfig(method="dates", train_end=train_end, validation_end=validation_end)


def originals(dataset: FinancialDataset) -> dict[str, NDArray[np.float64]]:
    """Return the channels before any scaling, as float64 columns; without :func:`unread` ones."""
    present = [name for name in dataset.features if name in dataset.frame.columns]
    return {name: dataset.frame[name].to_numpy() for name in present}


def unread(dataset: FinancialDataset) -> tuple[str, ...]:
    """Say which channels cannot be looked at: a mapped dataset keeps no column of its features."""
    missing = [name for name in dataset.features if name not in dataset.frame.columns]
    if not missing:
        return ()
    count = f"{len(missing)} channel{'s' * (len(missing) > 1)}, first {missing[0]}"
    return (
        f"{count}: a memory-mapped dataset has no columns to look at; audit the config, or the "
        "dataset made with memory_map: false",
    )


def _dataset(config: ExperimentConfig, store: DataStore) -> FinancialDataset:
    from finscale.experiment.preparation import ensure_datasets

    config = ensure_datasets(config, store)
    # the examination reads whole columns of features
    in_memory = config.data.model_copy(update={"memory_map": False})
    return FinancialDataset.from_config(config.model_copy(update={"data": in_memory}), store)


def _runs_on(dataset: FinancialDataset, split: SplitConfig | None, runs: RunStore) -> list[Run]:
    """Return the finished runs on the same files and task, and on the split, where one is given."""
    digests = {entry.sha256 for entry in dataset.entries}
    return [
        run
        for run in runs
        if {entry["sha256"] for entry in run.info["data"]} == digests
        and run.is_known
        and run.config.task == dataset.task
        and run.config.data.context_length == dataset.context_length
        and run.config.data.inputs == _inputs_of(dataset)
        and (split is None or run.config.split.model_copy(update={"fold": split.fold}) == split)
    ]


def _inputs_of(dataset: FinancialDataset) -> InputsName:
    """Return what the windows of a dataset hold, told by its channels."""
    relative = [name.startswith(RELATIVE) for name in dataset.features]
    return "relative" if all(relative) else "both" if any(relative) else "level"


def _in_words(dataset: FinancialDataset, timescale: str, num_folds: int) -> str:
    symbols = " ".join(dataset.symbols[:4]) + (" …" if len(dataset.symbols) > 4 else "")
    known = [name for name in dataset.features if name not in INPUTS]
    folds = f" · {num_folds} folds" if num_folds > 1 else ""
    versions = " ".join(sorted({entry.version for entry in dataset.entries}))
    registered = f"registered {versions}" if versions else "in memory"
    return (
        f"{symbols} · {timescale} · {len(known)} features and "
        f"{dataset.num_features - len(known)} bar columns · {dataset.ends_W.size:,} windows of "
        f"{dataset.context_length} · {dataset.task.name}, H = {dataset.task.horizon}{folds} · "
        f"{registered}" + (f" · {dataset.membership}" if dataset.membership else "")
    )
