"""Cells of a grid, resolved: each run's identity and cost are known before it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finscale.config import ExperimentConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.score_power import same_day_correlation
from finscale.experiment.preparation import Prepared, prepare
from finscale.runs import run_id
from finscale.study.grid import Cell


@dataclass(frozen=True)
class WindowFacts:
    """What a plan asks of windows once they have left memory."""

    base_rate: float  #: Mean label of train
    test_days: NDArray[np.datetime64]  #: Each once
    symbols_a_day: float  #: Of test
    correlation: float  #: Of two labels of one day, in train

    @classmethod
    def of(cls, prepared: Prepared) -> WindowFacts:
        """Measure them."""
        dataset, split = prepared.dataset, prepared.split
        days, labels = dataset.dates(split.train), dataset.targets(split.train)
        test_days = np.unique(dataset.dates(split.test))
        return cls(
            base_rate=dataset.base_rate(split.train),
            test_days=test_days,
            symbols_a_day=len(split.test) / len(test_days),
            correlation=same_day_correlation(days, labels),
        )


@dataclass(frozen=True)
class Planned:
    """A cell of the grid, resolved."""

    cell: Cell
    prepared: Prepared
    facts: WindowFacts

    @property
    def run_id(self) -> str:
        """The run's identity."""
        return self.prepared.run_id

    @property
    def cost(self) -> float:
        """Training FLOPs if no epoch is saved by early stopping; 0 for a baseline."""
        prepared = self.prepared
        samples = len(prepared.split.train) * prepared.config.training.epochs
        return 3.0 * prepared.flops_per_sample * samples

    @property
    def threads(self) -> int:
        """CPU threads that the run takes here: the file's, or by the rule; 1 for a baseline."""
        from finscale.training.devices import choose_threads

        counts = self.prepared.counts
        if counts is None:
            return 1
        wanted = self.prepared.config.training.threads
        return choose_threads(wanted, num_parameters=counts.total)


def plan_cells(cells: Sequence[Cell], data: DataStore) -> list[Planned]:
    """Resolve every cell, in the order given; cells that differ by seed alone are resolved once.

    Raises
    ------
    FinscaleError
        If two cells are the same run: sizes that come to the same thing.
    """
    known: dict[str, Prepared] = {}
    facts: dict[str, WindowFacts] = {}
    for cell in sorted(cells, key=_reads):
        alike = _alike(cell)
        if alike not in known:
            prepared, windows = prepare(cell.config, data), windows_key(cell.config)
            facts[windows] = facts.get(windows) or WindowFacts.of(prepared)
            known[alike] = prepared.without_windows(data)
    planned: dict[str, Planned] = {}
    for cell in cells:
        prepared = known[_alike(cell)]
        own = {"name": cell.config.name, "seed": cell.config.seed, "tracking": cell.config.tracking}
        config = prepared.config.model_copy(update=own)
        identity = run_id(config, prepared.digests)
        if identity in planned:
            raise FinscaleError(
                f"{planned[identity].cell.label} and {cell.label} are the same run: "
                "their sizes come to the same thing.",
                hint="choose sizes that differ, and no longer history than the data have",
            )
        own_run = replace(prepared, config=config, run_id=identity)
        planned[identity] = Planned(cell, own_run, facts[windows_key(cell.config)])
    return list(planned.values())


def split_cautions(plan: Sequence[Planned]) -> list[str]:
    """Return what a plan leaves out or splits out of proportion, each once."""
    found: dict[str, None] = {}
    for one in plan:
        if one.prepared.left_out:
            found.setdefault(one.prepared.left_out)
        split = one.prepared.split
        if split.caution:
            where = f"fold {split.fold}: " if one.prepared.config.split.num_folds > 1 else ""
            found.setdefault(where + split.caution)
    return list(found)


def windows_key(config: ExperimentConfig) -> str:
    """Return what decides the windows: a network is held against baselines with the same key."""
    return config.model_dump_json(include={"data", "task", "split"})


def _reads(cell: Cell) -> tuple[bool, str, str]:
    """Return what orders cells so that those which read the same follow one another.

    The last data read are kept in memory: a panel's bars for its networks, with all its features
    for its baselines, and of each its folds and its draws of train symbols.
    """
    config = cell.config
    labelled = config.model_dump_json(include={"data", "task"})
    return cell.is_baseline, labelled, windows_key(config)


def _alike(cell: Cell) -> str:
    """Return what cells share that are resolved as one."""
    return cell.config.model_dump_json(exclude={"name", "seed", "tracking"})
