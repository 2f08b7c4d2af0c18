"""What is tuned anew for each size: the learning rate, and with a sweep the weight decay.

Fixing them across sizes moved the exponent of a published law from .84 to .50 (Porian et al. 2024).
A sweep reads validation losses of the first fold alone: the validation blocks of later folds are
the test blocks of earlier ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finscale.config import StudyConfig
from finscale.config.study import TuningConfig
from finscale.data import DataStore
from finscale.runs import RunStore
from finscale.study.grid import Cell
from finscale.study.planned import Planned, plan_cells

Resolve = Callable[[Sequence[Cell]], list[Planned]]


@dataclass(frozen=True)
class Trial:
    """One setting that a sweep tries."""

    factor: float
    learning_rate: float
    weight_decay: float
    planned: Planned
    validation_loss: float | None
    """None until the run is finished."""


@dataclass(frozen=True)
class Tuned:
    """What a size is trained with, and where it comes from."""

    label: str
    learning_rate: float
    weight_decay: float
    interior: bool
    """Whether the best setting has worse neighbours on both sides."""
    extended: bool
    """Whether the grid was extended once because the best lay at its edge."""
    trials: tuple[dict[str, float | str | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class Tuner:
    """Applies a study's tuning rule to the cells of its grid.

    Parameters
    ----------
    study : StudyConfig
        The rule and the seed of its sweep.
    data : DataStore
        Where data lie.
    runs : RunStore
        Where sweep runs are found; they are runs like any other.
    """

    def __init__(self, study: StudyConfig, data: DataStore, runs: RunStore) -> None:
        self.study, self.rule = study, study.tuning
        self._runs = runs
        self._resolve: Resolve = lambda cells: plan_cells(cells, data)
        self._sweeps: dict[str, list[Trial]] = {}
        self._chosen: dict[str, Tuned] = {}

    def tune(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells with the settings of their size; a size still swept keeps the transfer.

        Ask :meth:`missing` whether every size has its settings.
        """
        rate = self.study.experiment.training.learning_rate
        if self.rule.rule == "fixed" or (self.rule.rule == "transfer" and rate == "auto"):
            return list(cells)
        transferred = self._transferred(cells)
        if self.rule.rule == "transfer":
            return transferred
        self._settle(transferred)
        return [self._with_chosen(cell) for cell in transferred]

    def missing(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return the sweep runs that are wanted next; empty when every size is settled."""
        self.tune(cells)
        return [
            trial.planned
            for trials in self._sweeps.values()
            for trial in trials
            if trial.validation_loss is None
        ]

    def record(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """Return what a sweep has chosen for each size; empty where nothing is swept."""
        self.tune(cells)
        return [tuned.to_dict() for tuned in self._chosen.values()]

    def chosen(self, cell: Cell) -> Tuned | None:
        """Return what the sweep chose for a cell's size, once the cells were tuned."""
        return self._chosen.get(_size_key(cell))

    def _transferred(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells with explicit rates: the smallest size's, scaled by width."""
        networks = [cell for cell in cells if not cell.is_baseline]
        one_each = {_size_key(cell): cell for cell in reversed(networks)}
        planned = dict(zip(one_each, self._resolve(list(one_each.values())), strict=True))
        rate = self.study.experiment.training.learning_rate
        least = min(planned.values(), key=lambda one: one.cost).prepared.config.network.width
        assert least is not None
        result = []
        for cell in cells:
            if not cell.is_baseline:
                resolved = planned[_size_key(cell)].prepared.config
                width = resolved.network.width
                assert width is not None
                own = (
                    resolved.training.learning_rate
                    if rate == "auto"
                    else _scaled(float(rate), least, width)
                )
                cell = _with(cell, learning_rate=own)
            result.append(cell)
        return result

    def _settle(self, cells: Sequence[Cell]) -> None:
        """Look at the sweep runs that are there, and choose where all of a size's are."""
        self._sweeps.clear()
        first_fold = self.study.run_folds[0]
        for cell in cells:
            key = _size_key(cell)
            if cell.is_baseline or key in self._sweeps:
                continue
            split = cell.config.split.model_copy(update={"fold": first_fold})
            base = Cell(cell.config.model_copy(update={"split": split}), cell.sizes)
            self._sweeps[key] = trials = self._trials(base, self.rule.rate_factors)
            if any(trial.validation_loss is None for trial in trials):
                continue
            more = extension(self.rule, _best(trials).factor)
            if more is not None:
                trials = self._sweeps[key] = [*trials, *self._trials(base, (more,))]
            if all(trial.validation_loss is not None for trial in trials):
                self._chosen[key] = _choose(base, trials, extended=more is not None)

    def _trials(self, cell: Cell, factors: Iterable[float]) -> list[Trial]:
        base = cell.config.training
        assert isinstance(base.learning_rate, float)
        decays = self.rule.weight_decays or (base.weight_decay,)
        settings = list(itertools.product(factors, decays))
        cells = [
            _sweep_cell(cell, base.learning_rate * factor, decay, self.rule.seed)
            for factor, decay in settings
        ]
        return [
            Trial(factor, base.learning_rate * factor, decay, planned, self._loss(planned))
            for (factor, decay), planned in zip(settings, self._resolve(cells), strict=True)
        ]

    def _loss(self, planned: Planned) -> float | None:
        if planned.run_id not in self._runs:
            return None
        return float(self._runs[planned.run_id].info["training"]["best_validation_loss"])

    def _with_chosen(self, cell: Cell) -> Cell:
        tuned = self._chosen.get(_size_key(cell))
        if tuned is None:
            return cell
        return _with(cell, learning_rate=tuned.learning_rate, weight_decay=tuned.weight_decay)


def extension(rule: TuningConfig, best: float) -> float | None:
    """Return the factor that follows the grid beyond its edge, where the best lies on that edge.

    Examples
    --------
    >>> extension(TuningConfig(rate_factors=(0.5, 1, 2)), 2)
    4.0
    >>> extension(TuningConfig(rate_factors=(0.5, 1, 2)), 1) is None
    True
    """
    factors = rule.rate_factors
    if best == factors[0]:
        return float(factors[0] ** 2 / factors[1])
    if best == factors[-1]:
        return float(factors[-1] ** 2 / factors[-2])
    return None


def _best(trials: Sequence[Trial]) -> Trial:
    # a training that diverged has no loss, and is no candidate
    return min(trials, key=lambda trial: _or_infinite(trial.validation_loss))


def _or_infinite(loss: float | None) -> float:
    return math.inf if loss is None or math.isnan(loss) else loss


def _choose(cell: Cell, trials: Sequence[Trial], *, extended: bool) -> Tuned:
    best = _best(trials)
    factors = sorted({trial.factor for trial in trials})
    return Tuned(
        label="-".join(f"{axis}{size}" for axis, size in cell.sizes.items()),
        learning_rate=best.learning_rate,
        weight_decay=best.weight_decay,
        interior=factors[0] < best.factor < factors[-1],
        extended=extended,
        trials=tuple(
            {
                "run_id": trial.planned.run_id,
                "learning_rate": trial.learning_rate,
                "weight_decay": trial.weight_decay,
                "validation_loss": trial.validation_loss,
            }
            for trial in trials
        ),
    )


def _sweep_cell(cell: Cell, rate: float, decay: float, seed: int) -> Cell:
    sizes = "-".join(f"{axis}{size}" for axis, size in cell.sizes.items())
    name = f"sweep-{sizes}-lr{rate:.2g}-wd{decay:.2g}"
    changed = _with(cell, learning_rate=rate, weight_decay=decay)
    config = changed.config.model_copy(update={"name": name, "seed": seed})
    return Cell(config, cell.sizes)


def _with(cell: Cell, **training: Any) -> Cell:
    section = cell.config.training.model_copy(update=training)
    return Cell(cell.config.model_copy(update={"training": section}), cell.sizes)


def _scaled(rate: float, least: int, width: int) -> float:
    """Return a rate at the smallest width carried to another: it falls with the square root."""
    return rate * math.sqrt(least / width)


def _size_key(cell: Cell) -> str:
    """Return what a size is, whatever the seed and the fold."""
    return repr(sorted(cell.sizes.items()))
