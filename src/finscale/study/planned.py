"""Cells of a grid, resolved: each run's identity and cost are known before it is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from finscale.config import BaselineConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.experiment.preparation import Prepared, prepare
from finscale.runs import run_id
from finscale.study.grid import Cell


@dataclass(frozen=True)
class Planned:
    """A cell of the grid, resolved."""

    cell: Cell
    prepared: Prepared

    @property
    def run_id(self) -> str:
        """The run's identity."""
        return self.prepared.run_id

    @property
    def cost(self) -> float:
        """Training FLOPs if no epoch is saved by early stopping; 0 for a baseline."""
        prepared = self.prepared
        if isinstance(prepared.config.model, BaselineConfig):
            return 0.0
        epochs = prepared.config.training.epochs
        return 3.0 * prepared.flops_per_sample * len(prepared.split.train) * epochs

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
    places = sorted(range(len(cells)), key=lambda place: _windows_of(cells[place]))
    planned: dict[int, Planned] = {}
    for place in places:
        cell = cells[place]
        alike = cell.config.model_dump_json(exclude={"name", "seed", "tracking"})
        if alike not in known:
            known[alike] = prepare(cell.config, data)
        planned[place] = Planned(cell, _for_cell(known[alike], cell))
    in_order = [planned[place] for place in range(len(cells))]
    _refuse_twins(in_order)
    return in_order


def _windows_of(cell: Cell) -> str:
    """Return what decides the windows: cells that share them follow one another."""
    return cell.config.model_dump_json(include={"data", "task", "split"})


def _for_cell(prepared: Prepared, cell: Cell) -> Prepared:
    own = {"name": cell.config.name, "seed": cell.config.seed, "tracking": cell.config.tracking}
    config = prepared.config.model_copy(update=own)
    return replace(prepared, config=config, run_id=run_id(config, prepared.digests))


def _refuse_twins(planned: Iterable[Planned]) -> None:
    first: dict[str, Cell] = {}
    for one in planned:
        if one.run_id in first:
            raise FinscaleError(
                f"{first[one.run_id].label} and {one.cell.label} are the same run: "
                "their sizes come to the same thing.",
                hint="choose sizes that differ, and no longer history than the data have",
            )
        first[one.run_id] = one.cell
