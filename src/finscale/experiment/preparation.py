"""From a config to everything that a run needs: data on disk, windows, split, resolved settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.runs import run_id

if TYPE_CHECKING:
    from finscale.data import DataStore, FinancialDataset, Split
    from finscale.models import NetworkDesign, ParameterCounts
    from finscale.training.numerics import Numerics, Shape


@dataclass(frozen=True)
class Prepared:
    """What one run is about to do; all of it decided, nothing of it done."""

    config: ExperimentConfig
    """Every ``auto`` and the budget resolved."""
    dataset: FinancialDataset
    """Scaled by what train windows see."""
    split: Split
    digests: dict[str, str]
    """Dataset id → SHA-256 of its file."""
    counts: ParameterCounts | None
    """None for a baseline."""
    flops_per_sample: int
    """Of the forward pass; 0 for a baseline."""
    run_id: str
    numerics: Numerics | None = None
    """What was measured about precision, attention and compilation, where that was open."""


def prepare(config: ExperimentConfig, data: DataStore | None = None) -> Prepared:
    """Make sure that the data are there, verify them, and resolve every open setting.

    Parameters
    ----------
    config : ExperimentConfig
        As written by a person.
    data : DataStore, optional
        Where bars and datasets lie; ``config.data.root`` when absent.

    Raises
    ------
    DataError
        If data are missing, changed since they were registered, or too short.
    BudgetError
        If no architecture meets the budget.
    """
    from finscale.data import DataStore

    store = data or DataStore(config.data.root)
    ensure_datasets(config, store)
    dataset, split = _windows(config, store)
    digests = {entry.id: entry.sha256 for entry in dataset.entries}
    if isinstance(config.model, BaselineConfig):
        return Prepared(config, dataset, split, digests, None, 0, run_id(config, digests))
    resolved, counts, flops, numerics = _resolve(config, dataset, split)
    identity = run_id(resolved, digests)
    return Prepared(resolved, dataset, split, digests, counts, flops, identity, numerics)


def ensure_datasets(config: ExperimentConfig, store: DataStore) -> None:
    """Build and register what can be had without a network and is missing or out of date.

    A dataset is out of date when its symbol's bars have a newer version than it was made from. A
    config that pins ``data.version`` takes that version as it is.
    """
    from finscale.data import SOURCES, fetch_bars
    from finscale.data.store import bars_id, dataset_id

    data, wanted = config.data, []
    for symbol in data.symbols:
        name = dataset_id(symbol, data.tier, data.timescale)
        built = store.processed.has(name)
        if built and (data.version or not store.has_bars(symbol)):
            continue
        if built and store.raw.get(bars_id(symbol)).key in store.processed.get(name).parents:
            continue
        if not store.has_bars(symbol) and SOURCES[data.source].serves(symbol):
            store.add_bars(fetch_bars(data.source, symbol))
        wanted.append(symbol)
    if wanted:
        from finscale.features import build_datasets

        build_datasets(store, wanted, tier=data.tier, timescale=data.timescale)


def registered_run_id(config: ExperimentConfig, store: DataStore) -> str:
    """Return the id of a run whose config is resolved, as a baseline's is: nothing is read.

    The datasets are built if they are missing, as :func:`prepare` does.
    """
    from finscale.data.registered import registered_entries

    ensure_datasets(config, store)
    entries = registered_entries(config, store)
    return run_id(config, {entry.id: entry.sha256 for entry in entries})


def _windows(config: ExperimentConfig, store: DataStore) -> tuple[FinancialDataset, Split]:
    """Return the scaled dataset and its split; runs that see the same windows share them."""
    from finscale.data.store import dataset_id

    data = config.data
    names = (dataset_id(symbol, data.tier, data.timescale) for symbol in data.symbols)
    versions = tuple(store.processed.get(name, data.version).sha256 for name in names)
    if isinstance(config.model, BaselineConfig):
        # a baseline reads whole columns of features
        in_memory = data.model_copy(update={"memory_map": False})
        config = config.model_copy(update={"data": in_memory})
    windows = config.model_dump_json(include={"data", "task", "split"})
    return _windows_of(windows, versions, store.root.resolve())


@lru_cache(maxsize=4)
def _windows_of(
    windows: str, versions: tuple[str, ...], root: Path
) -> tuple[FinancialDataset, Split]:
    """Read and verify the datasets; ``versions`` makes new content a new entry of the cache."""
    from finscale.data import DataStore, FinancialDataset

    config = ExperimentConfig.model_validate_json(windows)
    dataset = FinancialDataset.from_config(config, DataStore(root))
    split = dataset.split(config.split)
    return dataset.scaled(split.train), split


def _resolve(
    config: ExperimentConfig, dataset: FinancialDataset, split: Split
) -> tuple[ExperimentConfig, ParameterCounts, int, Numerics | None]:
    from finscale.models import design
    from finscale.training import resolve_training
    from finscale.training.numerics import remembered_numerics

    shape = interface(config, dataset)
    made = design(config.network, **shape)
    network, counts = made.config, made.counts
    training = resolve_training(
        config.training,
        width=made.architecture.hidden_width(network),
        num_parameters=counts.total,
        num_windows=len(split.train),
        num_features=dataset.num_features,
        context_length=dataset.context_length,
        architecture=network,
    )
    resolved = config.model_copy(update={"model": network, "training": training})
    to_compute, numerics = open_shape(config, resolved, made), None
    if to_compute.open:
        numerics = remembered_numerics(to_compute)
        if numerics is not None:
            training, network = numerics.applied(to_compute.training, network)
            resolved = config.model_copy(update={"model": network, "training": training})
    return resolved, counts, made.flops, numerics


def open_shape(config: ExperimentConfig, resolved: ExperimentConfig, made: NetworkDesign) -> Shape:
    """Return what a run computes, as open as in its config."""
    from finscale.training.numerics import Shape

    asked = {name: getattr(config.training, name) for name in ("precision", "compile")}
    training = resolved.training.model_copy(update=asked)
    return Shape(resolved.network, training, config.task, made)


def interface(config: ExperimentConfig, dataset: FinancialDataset) -> dict[str, Any]:
    """Return what data, task and loss ask of a network: its inputs, its head, its outputs."""
    from finscale.training.losses import loss_name, num_outputs

    training = config.training
    return {
        "num_features": dataset.num_features,
        "context_length": dataset.context_length,
        "head": config.task.kind,
        "num_outputs": num_outputs(
            loss_name(training.loss, config.task.kind), training.loss_options
        ),
    }
