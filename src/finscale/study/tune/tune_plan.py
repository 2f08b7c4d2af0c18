"""What a search will take, before it starts: trials, runs, FLOPs and time at each size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finscale.study.grid import Cell
from finscale.study.remaining import SPEEDS, TimeLeft
from finscale.study.tune.settings import inner_splits
from finscale.study.tune.space import left_out
from finscale.study.tune.tuner import SearchTuner
from finscale.study.tuning import size_key


@dataclass(frozen=True)
class SearchCost:
    """What the search at one size still takes if nothing is stopped early or widened."""

    label: str
    trials: int  #: Wanted at this size
    tried: int  #: Of them there already
    runs: int  #: Still to be made
    flops: float
    seconds: float  #: Of one worker
    varied: tuple[str, ...]  #: What is varied, with its range
    left_out: tuple[str, ...]  #: What the space asks for and cannot be varied here, and why


def search_costs(
    tuner: SearchTuner, cells: Sequence[Cell], *, workers: int | None = None
) -> tuple[list[SearchCost], float]:
    """Return what the search at each size takes, and the seconds of all together here.

    Speeds are those that were measured on this machine before, or a rule's; nothing is measured.

    Parameters
    ----------
    tuner : SearchTuner
        Of the study.
    cells : sequence of Cell
        The grid.
    workers : int, optional
        Runs at a time; one per core when absent.

    Raises
    ------
    ConfigError
        If the history before the first test block is too short for ``tuning.search.folds``.
    """
    found, costs = tuner.found(cells), []
    wanted: dict[str, int] = {}
    for planned in tuner.forecast(cells):
        key = size_key(planned.cell)
        wanted[key] = wanted.get(key, 0) + 1
    per_trial = tuner.config.folds * len(tuner.config.seeds)
    for key, base in tuner.bases(cells).items():
        list(inner_splits(base.planned, tuner.config.folds))  # too many are refused before a run
        runs, known = wanted.get(key, 0), found.get(key)
        tried = known.num_trials if known else 0
        one = TimeLeft([base.planned], workers=1, remembered=tuner.folder.parent / SPEEDS)
        plan = tuner.plan_of(base)
        costs.append(
            SearchCost(
                label=base.label,
                trials=tried + runs // per_trial,
                tried=tried,
                runs=runs,
                flops=runs * base.planned.cost,
                seconds=runs * one.seconds(),
                varied=tuple(
                    f"{dim.name} {dim.setting(dim.low):.3g}–{dim.setting(dim.high):.3g}"
                    for dim in plan.dims
                ),
                left_out=left_out(tuner.config.space, base.limits(tuner.config)),
            )
        )
    count = min(workers or os.cpu_count() or 1, os.cpu_count() or 1)
    return costs, sum(cost.seconds for cost in costs) / count


def cost_dict(cost: SearchCost) -> dict[str, Any]:
    """Return plain values for JSON."""
    return asdict(cost)
