"""What a study will take, before anything is spent: runs, FLOPs, time, memory, disk, power.

Speed is measured where the device is here: each size takes real optimiser steps on its own windows
for about a second. The measurement enters the estimate of time and no run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import psutil

from finscale.experiment.place import place
from finscale.study.aligned import aligned_words
from finscale.study.axes import AXES
from finscale.study.planned import Planned
from finscale.study.power_plan import PowerPlan, panel_size, power_plan, smallest_seen
from finscale.study.priced import priced
from finscale.study.remaining import (
    RUN_SECONDS,
    SPEEDS,
    baseline_seconds,
    machine_key,
    windows_of,
    write_speeds,
)
from finscale.study.speed import measured_speed, model_key, same_speed, training_bytes
from finscale.study.study import Study

#: Bytes of one prediction and of a run's JSON and metrics.
_BYTES_PER_WINDOW, _BYTES_PER_RUN = 24, 20_000
#: Groups of runs that are no sizes of the grid.
BESIDE = ("baselines", "sweep", "controls")


@dataclass(frozen=True)
class SizePlan:
    """What one size takes; or a group of runs beside the grid."""

    label: str  #: The size in words, or one of ``BESIDE``
    #: Runs, and how many of them are in the store already.
    runs: int
    there: int
    parameters: int | None  #: Built parameters of one model
    flops: float  #: Training FLOPs of all its runs, if none stops early
    #: Of one run, if it does not stop early; measured. None where the device is not here.
    seconds: float | None
    threads: int | None  #: CPU threads of one run; None for baselines
    #: Bytes: the peak of one training process, and what all runs leave on disk.
    memory: int
    disk: int
    #: Smallest gain in the study's outcome over the smallest size that its runs would show with
    #: 80 % power.
    sees: float | None = None
    family: str = ""  #: Of several architectures, the one whose size it is


@dataclass(frozen=True)
class StudyPlan:
    """A study's price and power."""

    sizes: tuple[SizePlan, ...]  #: The grid's sizes, then baselines, sweep and controls
    #: Time of the missing runs on this machine; None where the device is not here.
    seconds: float | None
    workers: int  #: Runs at a time
    power: PowerPlan | None  #: None where it cannot be said; ``why_no_power`` then says why
    tuning: str  #: What is tuned anew for each size, in words
    why_no_power: str = ""
    #: Sizes that one of several architectures cannot have, a sentence each.
    left_out: tuple[str, ...] = ()
    #: Of a panel: for how many symbols its labels count, and what would count more.
    panel: str = ""
    priced: str = ""  #: Across a section: what the smallest effect of interest is worth
    aligned: str = ""  #: Along tiers: from which bar on all of them decide, and why

    @property
    def families(self) -> dict[str, SizePlan]:
        """What each of several architectures takes, all its sizes together."""
        parts: dict[str, list[SizePlan]] = {}
        for size in self.sizes:
            if size.family:
                parts.setdefault(size.family, []).append(size)
        return {name: _together(name, sizes) for name, sizes in parts.items()}

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
        """Return plain numbers for JSON; architectures only where there are several."""
        content = {**asdict(self), "runs": self.runs, "flops": self.flops, "disk": self.disk}
        for name in ("panel", "priced", "aligned"):
            if not content[name]:
                del content[name]
        if self.families:
            return {**content, "families": [asdict(one) for one in self.families.values()]}
        del content["left_out"]
        for size in content["sizes"]:
            del size["family"]
        return content


def plan_study(
    study: Study,
    *,
    workers: int | None = None,
    seconds: float = 1.0,
    tell: Callable[[str], object] = lambda step: None,
) -> StudyPlan:
    """Say what a study will take here.

    Parameters
    ----------
    study : Study
        Not run yet, or in part.
    workers : int, optional
        Runs at a time; one per core when absent.
    seconds : float
        Time to spend on the measured steps of each size.
    tell : callable
        Told what is measured, before it is.

    Raises
    ------
    TrainingError
        If the study's device is here and cannot compute it, as its precision.
    """
    networks = [one for one in study.plan if not one.cell.is_baseline]
    meter = _Meter(seconds, study, tell)
    by_size: dict[str, list[Planned]] = {}
    for one in networks:
        words = [AXES[axis].words(size) for axis, size in one.cell.sizes.items()]
        words = [one.cell.family, *words] if one.cell.family else words
        by_size.setdefault(" · ".join(words), []).append(one)
    sizes = [meter.group(label, group) for label, group in by_size.items()]
    beside = {
        BESIDE[0]: [one for one in study.plan if one.cell.is_baseline],
        BESIDE[1]: study.tuner.forecast(study.cells),
        # architectures share the baselines of their controls
        BESIDE[2]: list(
            {
                one.run_id: one for control in study.controls.values() for one in control.plan
            }.values()
        ),
    }
    rows = [*sizes, *(meter.group(name, group) for name, group in beside.items() if group)]
    write_speeds(study.folder.parent / SPEEDS, meter.measured)
    count = workers or os.cpu_count() or 1
    # each architecture is judged by itself, on as many days and seeds as any other
    one_family = [one for one in networks if one.cell.family == networks[0].cell.family]
    power, why_not = power_plan(study.config, one_family)
    sees, panel = smallest_seen(study.config, one_family), panel_size(one_family)
    return StudyPlan(
        sizes=tuple(replace(row, sees=sees) if row.label in by_size else row for row in rows),
        seconds=_wall_time(rows, count),
        workers=count,
        power=power,
        tuning=study.tuner.describe(),
        why_no_power=why_not,
        left_out=tuple(one.sentence for one in study.left_out),
        panel="" if panel is None else panel.words(study.config),
        priced="" if panel is None else priced(study.config, panel.symbols),
        aligned=aligned_words(study.config),
    )


class _Meter:
    """Measures each architecture once, whatever runs share it."""

    def __init__(self, seconds: float, study: Study, tell: Callable[[str], object]) -> None:
        self._seconds, self._runs, self._tell = seconds, study.runs, tell
        self._speeds: dict[str, float] = {}
        self.measured: dict[str, float] = {}  #: For :class:`~finscale.study.remaining.TimeLeft`
        # a worker's libraries and data take about what this process holds before it trains
        self._base_memory = 0

    def group(self, label: str, planned: Sequence[Planned]) -> SizePlan:
        self._tell(f"speed of {label}")
        seconds = [self._run_seconds(one) for one in planned]
        self._base_memory = self._base_memory or psutil.Process().memory_info().rss
        networks = [one for one in planned if not one.cell.is_baseline]
        counts = networks[0].prepared.counts if networks else None
        families = {one.cell.family for one in planned}
        is_one_model = len({model_key(one) for one in networks}) == 1
        known = [one for one in seconds if one is not None]
        return SizePlan(
            label=label,
            runs=len(planned),
            there=len(self._runs.among(one.run_id for one in planned)),
            parameters=counts.total if counts and is_one_model else None,
            flops=sum(one.cost for one in planned),
            seconds=float(np.mean(known)) if len(known) == len(seconds) else None,
            threads=max((one.threads for one in networks), default=None),
            memory=self._base_memory + max(map(training_bytes, networks), default=0),
            disk=sum(map(_disk, planned)),
            family=families.pop() if len(families) == 1 else "",
        )

    def _run_seconds(self, planned: Planned) -> float | None:
        prepared = planned.prepared
        if planned.cell.is_baseline:
            return baseline_seconds(planned)
        from finscale.training.devices import is_present

        if not is_present(prepared.config.training.device):
            return None
        key = same_speed(planned)
        if key not in self._speeds:
            self._speeds[key] = measured_speed(place(prepared), seconds=self._seconds)
        self.measured[machine_key(planned)] = self._speeds[key]
        return RUN_SECONDS + windows_of(planned) / self._speeds[key]


def _together(name: str, sizes: Sequence[SizePlan]) -> SizePlan:
    """Return what some sizes of one architecture take together."""
    seconds = [size.seconds for size in sizes if size.seconds is not None]
    runs = sum(size.runs for size in sizes)
    work = sum(size.runs * (size.seconds or 0.0) for size in sizes)
    return SizePlan(
        label=name,
        runs=runs,
        there=sum(size.there for size in sizes),
        parameters=None,
        flops=sum(size.flops for size in sizes),
        seconds=work / runs if len(seconds) == len(sizes) else None,
        threads=max((size.threads for size in sizes if size.threads), default=None),
        memory=max(size.memory for size in sizes),
        disk=sum(size.disk for size in sizes),
        family=name,
    )


def _disk(planned: Planned) -> int:
    counts, split = planned.prepared.counts, planned.prepared.split
    windows = len(split.validation) + len(split.test)
    return 4 * (counts.total if counts else 0) + _BYTES_PER_WINDOW * windows + _BYTES_PER_RUN


def _wall_time(sizes: Sequence[SizePlan], workers: int) -> float | None:
    """Return the time of the missing runs: cores are shared, and the longest run is a floor."""
    cores = os.cpu_count() or 1
    work = core_work = longest = 0.0
    for size in sizes:
        count = size.runs - size.there
        if not count:
            continue
        if size.seconds is None:
            return None
        work += size.seconds * count / workers
        core_work += size.seconds * count * min(size.threads or 1, cores) / cores
        longest = max(longest, size.seconds)
    return max(work, core_work, longest)
