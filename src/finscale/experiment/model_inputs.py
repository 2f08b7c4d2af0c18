"""What a trained network reads: its columns in order, their scale, the range that training saw.

They lie beside the weights. Runs of earlier versions stored the scale alone: the rest is taken from
the run's own data, where they are still at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.frames import channels, relative_names
from finscale.data.manifest import ManifestEntry
from finscale.data.membership import universe_of, with_members
from finscale.data.qualities import series_of
from finscale.data.registered import rows_left_out
from finscale.errors import DataError, FinscaleError
from finscale.features import dataset_columns
from finscale.runs import Run

if TYPE_CHECKING:
    import torch

    from finscale.data import DataStore, FinancialDataset, Split

#: Tensors of ``model.safetensors`` that are no weights.
_INPUTS = ("input_scale", "input_low", "input_high")

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """The columns of a dataset's rows that a network reads.

    Parameters
    ----------
    channels : tuple of str
        The F columns of a window, in order.
    relative : tuple of str
        The K relative columns, which a linear path reads of the last row.
    scale_F : ndarray of float32
        What each channel is divided by.
    range_K : tuple of two ndarray of float32, optional
        Least and largest value of each relative column on the rows that training saw; None where
        that is not known.
    """

    channels: tuple[str, ...]
    relative: tuple[str, ...]
    scale_F: Floats
    range_K: tuple[Floats, Floats] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        return tuple(dict.fromkeys((*self.channels, *self.relative)))


def stored_weights(run: Run) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], Any]:
    """Return a run's weights, what lies beside them, and the names of its inputs, if stored.

    Raises
    ------
    FinscaleError
        If the run has no weights, or they cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = run.path("model.safetensors")
    if name := baseline_name(run):
        raise FinscaleError(
            f"run {run.id} is the baseline {name}: it has no network.",
            hint="`finscale predict` fits it again; `finscale runs list` shows which runs are "
            "networks",
        )
    if not path.is_file():
        raise FinscaleError(
            f"run {run.id} has no weights: {path} is not there.",
            hint="remove its folder and train it again: the same bits come back",
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            names = json.loads((file.metadata() or {}).get("inputs", "null"))
    except (SafetensorError, OSError, ValueError) as error:
        raise FinscaleError(
            f"{path} cannot be read: {error}.",
            hint="remove the run's folder and train it again: the same bits come back",
        ) from None
    beside = {name: tensors.pop(name) for name in _INPUTS if name in tensors}
    return tensors, beside, names


def model_inputs(
    run: Run, beside: Mapping[str, torch.Tensor], names: Any, data: DataStore
) -> ModelInputs:
    """Return what a run's network reads.

    Parameters
    ----------
    run : Run
        Of a network.
    beside, names
        As :func:`stored_weights` returns them.
    data : DataStore
        Where the run's data are looked for, if it stored no names.

    Raises
    ------
    FinscaleError
        If the columns are not known any more.
    """
    scale_F = beside["input_scale"].numpy().astype(np.float32)
    if names is not None:
        low_K, high_K = (beside[name].numpy() for name in _INPUTS[1:])
        known = tuple(names["channels"]), tuple(names["relative"])
        return ModelInputs(*known, scale_F, (low_K, high_K))
    try:
        found = dataset_inputs(*trained_dataset(run, data))
    except FinscaleError:
        return _declared(run, scale_F)
    return replace(found, scale_F=scale_F)


def dataset_inputs(dataset: FinancialDataset, split: Split) -> ModelInputs:
    """Return what a model of a dataset reads, unscaled, and the range of its training rows."""
    from finscale.data.spread import channel_ranges, rows_seen

    seen_R = rows_seen(split.train, dataset.context_length, dataset.date_R.size)
    span_K = channel_ranges(dataset.relative_RK, seen_R)
    scale_F = np.ones(dataset.num_features, np.float32)
    return ModelInputs(dataset.features, dataset.relative, scale_F, span_K)


def baseline_name(run: Run) -> str:
    """Return the name of a run's baseline; empty where it is a network."""
    model = run.info["config"]["model"]
    return str(model["name"]) if model["kind"] == "baseline" else ""


def _declared(run: Run, scale_F: Floats) -> ModelInputs:
    """Return the columns that the run's tier is declared to have today, if they can be its own."""
    config = run.config.data
    columns = dataset_columns(config.feature_set, config.timescale, series_of(config))
    frame = pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64))
    names = channels([frame], None, config.inputs)
    if len(names) != len(scale_F):
        raise DataError(
            f"run {run.id} reads {len(scale_F)} channels, {config.feature_set} has {len(names)} "
            "today, and the run's own data are not here.",
            hint="give the folder that holds them with --data-root",
        )
    return ModelInputs(names, relative_names(columns), scale_F)


def trained_dataset(run: Run, data: DataStore) -> tuple[FinancialDataset, Split]:
    """Return the very dataset that a run was trained on, unscaled, and its split.

    Raises
    ------
    DataError
        If a file of it is missing or has changed.
    """
    from finscale.data import FinancialDataset

    config = run.config
    entries = [ManifestEntry.model_validate(entry) for entry in run.info["data"]]
    universe, warm_up = universe_of(config.data, data.root), config.data.warm_up
    frames = [
        with_members(_verified(entry, data)[rows_left_out(entry, data, warm_up) :], universe)
        for entry in entries
    ]
    dataset = FinancialDataset.from_frames(
        frames,
        context_length=config.data.context_length,
        task=config.task,
        inputs=config.data.inputs,
        cross_section=config.data.cross_section,
        entries=entries,
        groups=universe.groups if universe is not None else None,
    )
    return dataset, dataset.split(config.split)


def _verified(entry: ManifestEntry, data: DataStore) -> pl.DataFrame:
    frame: pl.DataFrame
    frame, found = data.frame(entry.id, entry.version)
    if found.sha256 != entry.sha256:
        raise DataError(f"{entry.key} in {data.processed.folder} is not what the run was made of.")
    return frame


def rows_array(frame: pl.DataFrame, names: Sequence[str]) -> Floats:
    """Return columns of a frame as float32 rows, as training reads them."""
    from finscale.data.frames import stacked_array

    return stacked_array([frame], tuple(names))
