"""What is tuned anew for each size: learning rate and batch size, and with a sweep weight decay.

Fixing them across sizes moved the exponent of a published law from .84 to .50 (Porian et al. 2024).
Four rules:

- ``transfer``: one learning rate and one batch size for all sizes, the smallest size's. That is how
  µP transfers: it scales the rate layer by layer, and the optimal batch hardly depends on the size
  (it follows the loss and the data). In the standard parametrisation the rate falls as 1 / width.
- ``sweep``: both by validation loss, see :mod:`finscale.study.sweep`. It reads validation losses of
  the first fold alone: the validation blocks of later folds are the test blocks of earlier ones.
- ``search``: all settings and the shape, see :mod:`finscale.study.tune`.
- ``fixed``: the experiment's learning rate for all.

References
----------
Yang et al. (2022), "Tensor programs V"; Zhang et al. (2024), "How does critical batch size scale in
pre-training?"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig, StudyConfig
from finscale.data import DataStore
from finscale.runs import RunStore, choosing
from finscale.study.grid import Cell
from finscale.study.planned import Planned, plan_cells
from finscale.study.sweep import Trial, TuningSetting, TuningSweep, sweep

if TYPE_CHECKING:
    from finscale.study.execution.local import Event, Executor
    from finscale.study.tune.found import FoundSettings


class Tuner:
    """Applies a study's tuning rule to the cells of its grid; a sweep's runs are like any other."""

    def __init__(self, study: StudyConfig, data: DataStore, runs: RunStore) -> None:
        self.study, self.rule = study, study.tuning
        self._data, self._runs = data, runs
        self._sweeps: dict[str, TuningSweep] = {}
        self._planned: dict[tuple[str, ...], list[Planned]] = {}

    def tune(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells with the settings of their size; a size still swept keeps the transfer.

        Ask :meth:`missing` whether every size has its settings.
        """
        if self.rule.rule == "fixed":
            return list(cells)
        training = self.study.experiment.training
        as_it_is = training.learning_rate == "auto" and training.batch_size != "auto"
        if self.rule.rule == "transfer" and as_it_is:
            # the house rule is the transfer, and it is applied wherever a run is resolved
            return list(cells)
        transferred, num_windows = self._transferred(cells)
        if self.rule.rule == "transfer":
            return transferred
        self._settle(transferred, num_windows)
        return [self._with_chosen(cell) for cell in transferred]

    def missing(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return the sweep runs that are wanted next; empty when every size is settled."""
        self.tune(cells)
        return [planned for found in self._sweeps.values() for planned in found.wanted]

    def forecast(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return :meth:`missing` and what will follow it, for the price of a study.

        Batch sizes are tried at a rate that is not known before the rates are finished: they stand
        with the transferred one, which costs the same.
        """
        wanted = self.missing(cells)
        first = self._first_fold(self.tune(cells))
        later = [
            trial.planned
            for key, found in self._sweeps.items()
            for trial in self._trials(first[key], found.later)
        ]
        return [*wanted, *later]

    def record(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """Return what a sweep has chosen for each size; empty where nothing is swept."""
        self.tune(cells)
        return [asdict(found.chosen) for found in self._sweeps.values() if found.chosen]

    def run_ids(self, cells: Sequence[Cell]) -> set[str]:
        """Return the runs that settings were chosen by."""
        return {trial["run_id"] for tuned in self.record(cells) for trial in tuned["trials"]}

    def num_trials(self, cells: Sequence[Cell]) -> int:
        """Return how many settings were tried at all sizes together; 0 where none are."""
        return len(self.run_ids(cells))

    def searched(self, cells: Sequence[Cell]) -> list[FoundSettings]:
        """Return what a search has found at each size; empty where none is the rule."""
        return []

    def note_chosen(self, cells: Sequence[Cell], run_ids: Sequence[str]) -> None:
        """Record that runs were made with settings that a search has found, where one has."""
        return

    def first_searched(
        self, cells: Sequence[Cell], engine: Executor, observe: Callable[[Event], None] | None
    ) -> dict[str, str]:
        """Make the searches that come before a study's grid; return the runs that failed."""
        return {}

    def sentences(self, cells: Sequence[Cell]) -> list[str]:
        """Return :meth:`record` in words, one sentence a size."""
        self.tune(cells)
        return [found.chosen.sentence for found in self._sweeps.values() if found.chosen]

    def describe(self) -> str:
        """Return the rule in a sentence, for the plan of a study."""
        training, rule = self.study.experiment.training, self.rule
        if rule.rule == "fixed":
            rate = training.learning_rate
            return f"learning rate {rate:g} and batch size {training.batch_size} for every size"
        if rule.rule == "transfer":
            batch = training.batch_size
            held = "the smallest size's" if batch == "auto" else str(batch)
            transfer = (
                "one base learning rate (µP scales it layer by layer)"
                if training.parametrisation == "mup"
                else "learning rate as 1/width from the smallest size"
            )
            return f"{transfer}; batch size held: {held} for every size"
        tried = f"{len(rule.rate_factors)} learning rates"
        if rule.weight_decays:
            tried += f" × {len(rule.weight_decays)} weight decays"
        if rule.batch_sizes:
            tried += f", then batch sizes {', '.join(map(str, rule.batch_sizes))}"
        return f"a sweep for each size, on validation of the first fold: {tried}"

    def _transferred(self, cells: Sequence[Cell]) -> tuple[list[Cell], dict[str, int]]:
        """Return the cells with explicit rates and batch sizes, and each size's training windows.

        Both are the smallest size's; in the standard parametrisation the rate falls with the width.
        """
        from finscale.models.zoo import hidden_width
        from finscale.training.resolve import transferred_rate

        networks = [cell for cell in cells if not cell.is_baseline]
        one_each = {size_key(cell): cell for cell in reversed(networks)}
        resolved = self._plan(list(one_each.values()))
        planned = dict(zip(one_each, resolved, strict=True))
        given = self.study.experiment.training
        # an architecture's own smallest: widths of two architectures say nothing to each other
        least: dict[str, ExperimentConfig] = {}
        for one in sorted(planned.values(), key=lambda one: one.cost):
            least.setdefault(one.cell.family, one.prepared.config)
        num_windows = {key: len(one.prepared.split.train) for key, one in planned.items()}
        result = []
        for cell in cells:
            if not cell.is_baseline:
                key = size_key(cell)
                own = planned[key].prepared.config
                rate, batch = own.training.learning_rate, own.training.batch_size
                smallest = least[cell.family]
                if given.learning_rate != "auto":
                    rate = float(given.learning_rate)
                    if given.parametrisation == "standard":
                        widths = (hidden_width(one.network) for one in (smallest, own))
                        rate = transferred_rate(rate, *widths)
                if given.batch_size == "auto":
                    batch = min(int(smallest.training.batch_size), num_windows[key])
                decay = own.training.weight_decay
                cell = _with(cell, learning_rate=rate, batch_size=batch, weight_decay=decay)
            result.append(cell)
        return result, num_windows

    def _settle(self, cells: Sequence[Cell], num_windows: dict[str, int]) -> None:
        """Look at the sweep runs that are there, and choose where all of a size's are."""
        self._sweeps.clear()
        for key, base in self._first_fold(cells).items():
            training = base.config.training
            own = TuningSetting(
                float(training.learning_rate),
                float(training.weight_decay),
                int(training.batch_size),
            )
            attempt = partial(self._trials, base)
            self._sweeps[key] = sweep(
                _label(base), own, self.rule, attempt, largest_batch=num_windows[key]
            )

    def _first_fold(self, cells: Iterable[Cell]) -> dict[str, Cell]:
        """Return one network of each size, its first, on the first fold."""
        first: dict[str, Cell] = {}
        for cell in cells:
            if not cell.is_baseline and size_key(cell) not in first:
                split = cell.config.split.model_copy(update={"fold": self.study.run_folds[0]})
                config = cell.config.model_copy(update={"split": split})
                first[size_key(cell)] = replace(cell, config=config)
        return first

    def _trials(self, base: Cell, settings: Sequence[TuningSetting]) -> list[Trial]:
        cells = [_sweep_cell(base, setting, self.rule.seed) for setting in settings]
        return [
            Trial(setting, planned, self._loss(planned))
            for setting, planned in zip(settings, self._plan(cells), strict=True)
        ]

    def _plan(self, cells: Sequence[Cell]) -> list[Planned]:
        """Plan cells once: a study is asked often how far it is, and a panel takes seconds each."""
        key = tuple(cell.config.model_dump_json() for cell in cells)
        if key not in self._planned:
            self._planned[key] = plan_cells(cells, self._data)
        return self._planned[key]

    def _loss(self, planned: Planned) -> float | None:
        if planned.run_id not in self._runs:
            return None
        with choosing("settings in a sweep"):
            return float(self._runs[planned.run_id].info["training"]["best_validation_loss"])

    def _with_chosen(self, cell: Cell) -> Cell:
        found = self._sweeps.get(size_key(cell))
        if not found or not found.chosen:
            return cell
        settings = ("learning_rate", "weight_decay", "batch_size")
        return _with(cell, **{name: getattr(found.chosen, name) for name in settings})


def _sweep_cell(cell: Cell, setting: TuningSetting, seed: int) -> Cell:
    rate, decay, batch = asdict(setting).values()
    name = f"sweep-{_label(cell)}-lr{rate:.2g}-wd{decay:.2g}-batch{batch}"
    config = _with(cell, **asdict(setting)).config
    return replace(cell, config=config.model_copy(update={"name": name, "seed": seed}))


def _with(cell: Cell, **training: Any) -> Cell:
    section = cell.config.training.model_copy(update=training)
    return replace(cell, config=cell.config.model_copy(update={"training": section}))


def _label(cell: Cell) -> str:
    family = [cell.family] if cell.family else []
    return "-".join([*family, *(f"{axis}{size}" for axis, size in cell.sizes.items())])


def size_key(cell: Cell) -> str:
    """Return what a size of an architecture is, whatever the seed and the fold."""
    return f"{cell.family} {sorted(cell.sizes.items())}"
