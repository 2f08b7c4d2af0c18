"""Which members of a universe have enough bars to be studied: the others are left out, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from finscale.config import ExperimentConfig
from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.data import DataStore

#: Symbols left out that are named.
_NAMED = 3


def without_short_members(
    config: ExperimentConfig, store: DataStore, too_few: Mapping[str, str]
) -> ExperimentConfig:
    """Return an experiment on the members of its universe that have a window with a label at least.

    Parameters
    ----------
    config : ExperimentConfig
        On a universe, whose datasets are built.
    store : DataStore
        Where they are registered.
    too_few : mapping of str to str
        Members that have no dataset, because their bars are fewer than the tier looks back, with
        the reason.

    Raises
    ------
    DataError
        If no member has enough.
    """
    from finscale.data.qualities import series_of
    from finscale.data.registered import rows_left_out
    from finscale.data.store import dataset_id
    from finscale.data.targets import task_reach

    data = config.data
    needed = data.context_length + task_reach(config.task)
    about = data.feature_set, data.timescale

    def is_long(symbol: str) -> bool:
        name = dataset_id(symbol, *about, series=series_of(data))
        if symbol in too_few or not store.processed.has(name):
            return symbol not in too_few  # one that is not registered is told by who reads it
        entry = store.processed.get(name, data.version)
        first: int = rows_left_out(entry, store, data.warm_up)
        return bool(entry.rows - first >= needed)

    kept = tuple(symbol for symbol in data.symbols if is_long(symbol))
    if kept == data.symbols:
        return config
    if not kept:
        raise DataError(
            f"none of the {len(data.symbols):,} members of {data.universe} has the bars that tier "
            f"{data.feature_set}, a window of {data.context_length} and its label need.",
            hint="bring more history, take a smaller tier (--set data.tier=NAME), or lower "
            "data.context_length",
        )
    return config.model_copy(update={"data": data.model_copy(update={"symbols": kept})})


def left_out_words(asked: ExperimentConfig, used: ExperimentConfig) -> str:
    """Say which members of a universe an experiment leaves out; empty where it has them all."""
    gone = [symbol for symbol in asked.data.symbols if symbol not in set(used.data.symbols)]
    if not gone:
        return ""
    data = asked.data
    named = ", ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
    verb = "are" if len(gone) > 1 else "is"
    return (
        f"{len(gone):,} of {len(data.symbols):,} members of {data.universe} {verb} left out "
        f"({named}): too few {data.timescale} bars for tier {data.feature_set}, a window of "
        f"{data.context_length} and its label"
    )
