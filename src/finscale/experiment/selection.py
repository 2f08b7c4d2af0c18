"""Choose features by how stably they inform about the label, on training rows alone.

A feature's worth is the mutual information between its relative column, cut into eighths of the
training rows, and the label. Blocks of training days are drawn again many times; what counts is in
how many draws a feature is among the best. The candidates are trials: whoever judges the best of
several runs counts them.

References
----------
Meinshausen and Bühlmann (2010), Stability selection, JRSS B 72; blocks of days after Künsch (1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.data.frames import RELATIVE
from finscale.errors import FinscaleError
from finscale.experiment.preparation import Prepared, prepare
from finscale.features.quality import NEAR_COPY
from finscale.features.tiers import tier_names
from finscale.files import write_bytes

if TYPE_CHECKING:
    from finscale.data import DataStore

Floats = NDArray[np.float64]

#: Parts that a column's values, and a label that is a number, are cut into.
NUM_BINS, _NUM_CLASSES = 8, 5
#: Decision days of a block, about a quarter, and draws of blocks.
BLOCK_DAYS, NUM_DRAWS = 63, 200
_LEAST_BLOCKS = 8


@dataclass(frozen=True)
class Selection:
    """Features that were chosen, and what the choice rests on."""

    features: tuple[str, ...]
    """The stablest first."""
    frequency: dict[str, float]
    """Share of draws in which each was among the best."""
    information: dict[str, float]
    """Mutual information with the label on all training rows, in nats."""
    copies: tuple[str, ...]
    """Left out as near copies of one that was chosen."""
    facts: dict[str, Any]
    """How it was done, for the file: candidates, rows, days, blocks, seed."""

    def to_yaml(self) -> str:
        """Return the tier file."""
        chosen = {name: round(self.frequency[name], 3) for name in self.features}
        content = {
            "features": list(self.features),
            "selection": {**self.facts, "left_out_as_copies": len(self.copies)},
            "frequency": chosen,
        }
        head = "# data.tier: this file. selection.trials are counted where the best is judged.\n"
        return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def select_features(
    config: ExperimentConfig,
    *,
    top: int,
    data: DataStore | None = None,
    draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Selection:
    """Choose features of an experiment's tier by stability, on train rows of its first fold.

    The first fold's training days are train in every fold: no validation or test day is looked at.

    Parameters
    ----------
    config : ExperimentConfig
        Whose data, label and split; its tier are the candidates.
    top : int
        How many to choose.
    draws, seed : int
        Of the bootstrap over blocks of days.

    Raises
    ------
    FinscaleError
        If more are wanted than there are, or train has too few days to draw blocks of.
    """
    split = config.split.model_copy(update={"fold": 0})
    bare = config.model_copy(update={"split": split, "model": BaselineConfig(name="base_rate")})
    names = tier_names(config.data.feature_set)
    if top > len(names):
        raise FinscaleError(
            f"{top} features cannot be chosen of the {len(names)} of {config.data.feature_set}.",
            hint="a lower --top, or a larger --tier",
        )
    prepared = prepare(bare, data)
    value_NK, label_N, day_N = _train_rows(prepared, names)
    block_N, num_blocks = _blocks(day_N)
    table_SKBC = _tables(value_NK, label_N, block_N, num_blocks)
    rng = np.random.default_rng(seed)
    weight_DS = rng.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), size=draws)
    count_K = np.zeros(len(names))
    for weight_S in weight_DS:
        drawn_K = mutual_information(np.tensordot(weight_S.astype(float), table_SKBC, axes=1))
        count_K[np.argsort(-drawn_K, kind="stable")[:top]] += 1
    information_K = mutual_information(table_SKBC.sum(axis=0))
    order = np.lexsort((-information_K, -count_K))
    chosen, copies = _distinct(value_NK, order, top)
    if len(chosen) < top:
        raise FinscaleError(
            f"only {len(chosen)} of the {len(names)} features of {config.data.feature_set} are no "
            "near copies of one another.",
            hint=f"--top {len(chosen)}, or a larger --tier",
        )
    facts = {
        "trials": len(names),
        "from": config.data.feature_set,
        "method": f"mutual information, {NUM_BINS} parts; share of draws among the best {top}",
        "symbols": list(config.data.symbols),
        "task": config.task.name,
        "horizon": config.task.horizon,
        "train_windows": len(label_N),
        "first_day": str(day_N.min()),
        "last_day": str(day_N.max()),
        "blocks": num_blocks,
        "draws": draws,
        "seed": seed,
        "data": prepared.digests,
    }
    return Selection(
        features=tuple(names[place] for place in chosen),
        frequency={name: float(count / draws) for name, count in zip(names, count_K, strict=True)},
        information=dict(zip(names, map(float, information_K), strict=True)),
        copies=tuple(names[place] for place in copies),
        facts=facts,
    )


def write_tier(selection: Selection, path: Path) -> None:
    """Write a tier file; one that is there stays as it is: see :func:`refuse_place`."""
    refuse_place(path)
    write_bytes(path, selection.to_yaml().encode())


def refuse_place(path: Path) -> None:
    """Raise where no tier file can be written, before anything is computed.

    Raises
    ------
    FinscaleError
        If it exists, or is not named as YAML.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise FinscaleError(f"{path} is not named as YAML.", hint=f"--out {path.stem}.yaml")
    if path.exists():
        raise FinscaleError(
            f"{path} exists already and was left as it is.", hint="choose another name with --out"
        )


def mutual_information(count_KBC: Floats) -> Floats:
    """Return the mutual information ``[K]`` in nats of counts ``[K, bins, classes]``.

    The bias of the plug-in estimate, about (B − 1)(C − 1) / 2N, is taken off (Miller 1955).
    """
    total_K11 = count_KBC.sum(axis=(1, 2), keepdims=True)
    share_KBC = count_KBC / total_K11
    expected_KBC = share_KBC.sum(axis=2, keepdims=True) * share_KBC.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        each_KBC = np.where(share_KBC > 0, share_KBC * np.log(share_KBC / expected_KBC), 0.0)
    bins_K = (count_KBC.sum(axis=2) > 0).sum(axis=1)
    classes_K = (count_KBC.sum(axis=1) > 0).sum(axis=1)
    bias_K = (bins_K - 1) * (classes_K - 1) / (2 * total_K11[:, 0, 0])
    return np.asarray(each_KBC.sum(axis=(1, 2)) - bias_K)


def _train_rows(
    prepared: Prepared, names: tuple[str, ...]
) -> tuple[Floats, Floats, NDArray[np.datetime64]]:
    """Return relative columns, labels and days of the decision rows of train."""
    dataset, ends = prepared.dataset, prepared.split.train
    places = [dataset.relative.index(f"{RELATIVE}{name}") for name in names]
    value_NK = dataset.relative_RK.numpy()[ends][:, places].astype(np.float64)
    return value_NK, np.asarray(dataset.targets(ends), np.float64), dataset.dates(ends)


def _blocks(day_N: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], int]:
    """Return the block of days that each row lies in, and how many there are."""
    days, place_N = np.unique(day_N, return_inverse=True)
    count = math.ceil(len(days) / BLOCK_DAYS)
    if count < _LEAST_BLOCKS:
        raise FinscaleError(
            f"train has {len(days):,} decision days: fewer than {_LEAST_BLOCKS} blocks of "
            f"{BLOCK_DAYS} say nothing of stability.",
            hint="more history, or fewer validation and test days",
        )
    return place_N // BLOCK_DAYS, count


def _tables(
    value_NK: Floats, label_N: Floats, block_N: NDArray[np.int64], num_blocks: int
) -> Floats:
    """Return counts ``[blocks, K, bins, classes]``; bins are parts of the training rows."""
    classes, class_N = np.unique(label_N, return_inverse=True)
    if len(classes) > _NUM_CLASSES:
        edges = np.quantile(label_N, np.linspace(0, 1, _NUM_CLASSES + 1)[1:-1])
        class_N = np.searchsorted(edges, label_N, side="right")
    num_classes = int(class_N.max()) + 1
    levels = np.linspace(0, 1, NUM_BINS + 1)[1:-1]
    num_columns = value_NK.shape[1]
    table_SKBC = np.zeros((num_blocks, num_columns, NUM_BINS, num_classes))
    for column in range(num_columns):
        value_N = value_NK[:, column]
        bin_N = np.searchsorted(np.quantile(value_N, levels), value_N, side="right")
        place_N = (block_N * NUM_BINS + bin_N) * num_classes + class_N
        counts = np.bincount(place_N, minlength=num_blocks * NUM_BINS * num_classes)
        table_SKBC[:, column] = counts.reshape(num_blocks, NUM_BINS, num_classes)
    return table_SKBC


def _distinct(value_NK: Floats, order: NDArray[np.int64], top: int) -> tuple[list[int], list[int]]:
    """Return the first ``top`` columns in ``order`` of which none is a near copy, and the copies.

    A column that does not move informs of nothing and is passed over.
    """
    away_NK = value_NK - value_NK.mean(axis=0)
    size_K = np.sqrt((away_NK**2).sum(axis=0))
    moves_K = size_K > 1e-12 * math.sqrt(len(value_NK))
    away_NK = away_NK / np.where(moves_K, size_K, 1.0)
    chosen: list[int] = []
    copies: list[int] = []
    for place in map(int, order):
        if len(chosen) == top:
            break
        if not moves_K[place]:
            continue
        alike = bool(chosen) and np.abs(away_NK[:, chosen].T @ away_NK[:, place]).max() > NEAR_COPY
        (copies if alike else chosen).append(place)
    return chosen, copies
