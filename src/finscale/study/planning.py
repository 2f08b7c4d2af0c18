"""What a study will take, before anything is spent: runs, FLOPs, time, memory, disk, power.

Speed is measured: each size takes real optimiser steps on its own windows for about a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from finscale.study.axes import AXES
from finscale.study.planned import Planned
from finscale.study.power import PowerPlan, power_plan, smallest_seen

if TYPE_CHECKING:
    from finscale.study.preparation import Prepared
    from finscale.study.study import Study

#: A baseline's fit and a run's own overhead (imports are shared by a worker's runs).
_BASELINE_SECONDS, _RUN_SECONDS = 1.0, 0.5
#: Bytes of one prediction and of a run's JSON and metrics.
_BYTES_PER_WINDOW, _BYTES_PER_RUN = 24, 20_000
_FEWEST_STEPS, _MOST_STEPS = 3, 400


@dataclass(frozen=True)
class SizePlan:
    """What one size takes; or a group of runs beside the grid.

    Parameters
    ----------
    label : str
        The size in words, or ``baselines``, ``sweep``, ``controls``.
    runs, there : int
        Runs, and how many of them are in the store already.
    parameters : int or None
        Built parameters of one model.
    flops : float
        Training FLOPs of all its runs, if none stops early.
    seconds : float
        Of one run, if it does not stop early; measured.
    threads : int
        CPU threads of one run.
    memory, disk : int
        Bytes: the peak of one training process, and what all runs leave on disk.
    sees : float or None
        Smallest gain in the study's outcome over the smallest size that its runs would show with
        80 % power.
    """

    label: str
    runs: int
    there: int
    parameters: int | None
    flops: float
    seconds: float
    threads: int
    memory: int
    disk: int
    sees: float | None = None


@dataclass(frozen=True)
class StudyPlan:
    """A study's price and power.

    Parameters
    ----------
    sizes : tuple of SizePlan
        The grid's sizes, then baselines, sweep and controls.
    seconds : float
        Time of the missing runs on this machine.
    workers : int
        Runs at a time.
    power : PowerPlan or None
        None where it cannot be said; ``why_no_power`` then says why.
    """

    sizes: tuple[SizePlan, ...]
    seconds: float
    workers: int
    power: PowerPlan | None
    why_no_power: str = ""

    @property
    def runs(self) -> int:
        """Runs of the study, sweeps and controls included."""
        return sum(size.runs for size in self.sizes)

    @property
    def flops(self) -> float:
        """Training FLOPs if no run stops early."""
        return sum(size.flops for size in self.sizes)

    @property
    def disk(self) -> int:
        """Bytes that the runs leave on disk."""
        return sum(size.disk for size in self.sizes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {**asdict(self), "runs": self.runs, "flops": self.flops, "disk": self.disk}


def plan_study(study: Study, *, workers: int | None = None, seconds: float = 1.0) -> StudyPlan:
    """Measure what a study will take here.

    Parameters
    ----------
    study : Study
        Not run yet, or in part.
    workers : int, optional
        Runs at a time; one per core when absent.
    seconds : float
        Time to spend on the measured steps of each size.
    """
    meter = _Meter(seconds, study)
    networks = [one for one in study.plan if not one.cell.is_baseline]
    by_size: dict[str, list[Planned]] = {}
    for one in networks:
        by_size.setdefault(_words(one), []).append(one)
    sizes = [meter.group(label, group) for label, group in by_size.items()]
    beside = {
        "baselines": [one for one in study.plan if one.cell.is_baseline],
        "sweep": study.tuner.missing(study.cells),
        "controls": [one for control in study.controls.values() for one in control.plan],
    }
    rows = [*sizes, *(meter.group(name, group) for name, group in beside.items() if group)]
    count = workers or os.cpu_count() or 1
    power, why_not = power_plan(study, networks)
    sees = smallest_seen(study.config, networks)
    return StudyPlan(
        sizes=tuple(replace(row, sees=sees) if row.label in by_size else row for row in rows),
        seconds=_wall_time(rows, count),
        workers=count,
        power=power,
        why_no_power=why_not,
    )


def _words(planned: Planned) -> str:
    return " · ".join(AXES[axis].words(size) for axis, size in planned.cell.sizes.items())


class _Meter:
    """Measures each architecture once, whatever runs share it."""

    def __init__(self, seconds: float, study: Study) -> None:
        self._seconds, self._runs = seconds, study.runs
        self._speeds: dict[str, float] = {}
        # a worker's libraries and data take about what this process holds before it trains
        self._base_memory = 0

    def group(self, label: str, planned: Sequence[Planned]) -> SizePlan:
        seconds = [self._run_seconds(one) for one in planned]
        self._base_memory = self._base_memory or psutil.Process().memory_info().rss
        networks = [one for one in planned if not one.cell.is_baseline]
        counts = networks[0].prepared.counts if networks else None
        return SizePlan(
            label=label,
            runs=len(planned),
            there=sum(one.run_id in self._runs for one in planned),
            parameters=counts.total if counts and len(_models(networks)) == 1 else None,
            flops=sum(one.cost for one in planned),
            seconds=float(np.mean(seconds)),
            threads=max((_threads(one) for one in networks), default=1),
            memory=self._base_memory + max(map(_training_memory, networks), default=0),
            disk=sum(map(_disk, planned)),
        )

    def _run_seconds(self, planned: Planned) -> float:
        prepared = planned.prepared
        if planned.cell.is_baseline:
            return _BASELINE_SECONDS
        key = f"{_model(planned)} {prepared.config.training.model_dump_json()}"
        if key not in self._speeds:
            self._speeds[key] = measured_speed(prepared, seconds=self._seconds)
        split, epochs = prepared.split, prepared.config.training.epochs
        # a forward pass is a third of a training step
        samples = epochs * (len(split.train) + len(split.validation) / 3) + len(split.test) / 3
        return _RUN_SECONDS + samples / self._speeds[key]


def measured_speed(prepared: Prepared, *, seconds: float) -> float:
    """Return the windows a second of real optimiser steps on the run's own windows."""
    import torch

    from finscale.study.experiment import make_trainer
    from finscale.training.devices import use_threads

    config = prepared.config
    batch_size = int(config.training.batch_size)
    # one long epoch of the run's own windows, so that the measurement cannot run out of steps
    training = config.training.model_copy(update={"epochs": 1})
    windows = np.resize(prepared.split.train, batch_size * _MOST_STEPS)
    trainer = make_trainer(
        replace(
            prepared,
            config=config.model_copy(update={"training": training}),
            split=replace(prepared.split, train=windows),
        )
    )
    ends_B = torch.from_numpy(windows[:batch_size]).to(trainer.device)
    taken: list[float] = []
    with use_threads(int(trainer.config.threads)):
        trainer.setup()
        trainer.model.train()
        trainer.train_step(ends_B)  # the first step allocates
        while len(taken) < _FEWEST_STEPS or (sum(taken) < seconds and len(taken) < _MOST_STEPS - 1):
            started = time.perf_counter()
            trainer.train_step(ends_B)
            taken.append(time.perf_counter() - started)
    return len(ends_B) / float(np.median(taken))


def _model(planned: Planned) -> str:
    data = planned.prepared.config.data
    return f"{planned.prepared.config.network.model_dump_json()} {data.context_length} {data.tier}"


def _models(planned: Iterable[Planned]) -> set[str]:
    return {_model(one) for one in planned}


def _threads(planned: Planned) -> int:
    return int(planned.prepared.config.training.threads)


def _training_memory(planned: Planned) -> int:
    from finscale.models.build import design
    from finscale.models.memory import training_memory

    config = planned.prepared.config
    architecture = design(
        config.network,
        num_features=len(planned.prepared.dataset.features),
        context_length=config.data.context_length,
        head=config.task.kind,
    )
    half = config.training.precision == "bf16-mixed"
    return training_memory(
        architecture,
        int(config.training.batch_size),
        "bf16-mixed" if half else "fp32",
        accumulate=config.training.accumulate,
    )


def _disk(planned: Planned) -> int:
    counts, split = planned.prepared.counts, planned.prepared.split
    weights = 4 * counts.total if counts else 0
    windows = len(split.validation) + len(split.test)
    return weights + _BYTES_PER_WINDOW * windows + _BYTES_PER_RUN


def _wall_time(sizes: Sequence[SizePlan], workers: int) -> float:
    """Return the time of the missing runs: cores are shared, and the longest run is a floor."""
    cores = os.cpu_count() or 1
    missing = [(size, size.runs - size.there) for size in sizes if size.runs > size.there]
    work = sum(size.seconds * count / workers for size, count in missing)
    core_work = sum(
        size.seconds * count * min(size.threads, cores) / cores for size, count in missing
    )
    return max([work, core_work, *(size.seconds for size, _ in missing)], default=0.0)
