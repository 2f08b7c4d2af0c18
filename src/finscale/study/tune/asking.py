"""What a sampler would try next: a function of what was tried before, and of nothing else.

Optuna's samplers are asked through a study in memory that is made anew for every round. Each trial
has a seed of its own, so a search that was killed asks for the same settings again.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.errors import ConfigError, missing_extra
from finscale.study.tune.space import Dimension
from finscale.study.tune.trials import Params, SearchTrial

if TYPE_CHECKING:
    from finscale.config.tune import SamplerName, SearchConfig

#: A grid has at least so many values of each dimension: an optimum has neighbours.
_LEAST_LEVELS = 3


@dataclass(frozen=True)
class Asked:
    """A setting that the sampler chose, and what it wants to find again with it."""

    params: Params
    notes: Mapping[str, Any]


@cache
def optuna() -> Any:
    """Return Optuna, quiet.

    Raises
    ------
    FinscaleError
        If it is not installed.
    """
    try:
        import optuna as installed
    except ImportError:
        raise missing_extra("optuna", "tune") from None
    installed.logging.set_verbosity(installed.logging.ERROR)
    return installed


def ask(
    config: SearchConfig,
    dims: Sequence[Dimension],
    earlier: Sequence[SearchTrial],
    numbers: Sequence[int],
) -> list[Asked]:
    """Return what is tried next, a setting for each number.

    Parameters
    ----------
    config : SearchConfig
        The sampler and its seed.
    dims : sequence of Dimension
        What is varied.
    earlier : sequence of SearchTrial
        Trials of earlier rounds, all told.
    numbers : sequence of int
        Numbers of the trials that are asked for.
    """
    if config.sampler == "grid":
        grid = grid_points(dims, config.trials)
        tried = [dict(trial.params) for trial in earlier]
        left = [point for point in grid if point not in tried]
        return [Asked(point, {}) for point in left[: len(numbers)]]
    library = optuna()
    distributions = {dim.key: distribution(dim) for dim in dims}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental is decided here
        study = library.create_study(direction="minimize")
        for trial in earlier:
            study.add_trial(_as_known(trial, distributions, config.sampler, earlier))
        found = []
        for number in numbers:
            study.sampler = _sampler(config, number)
            asked = study.ask(distributions)
            notes = study.trials[-1].system_attrs
            found.append(Asked({k: float(v) for k, v in asked.params.items()}, dict(notes)))
    return found


def grid_points(dims: Sequence[Dimension], trials: int) -> list[dict[str, float]]:
    """Return the points of a grid with as many values of each dimension as the trials allow.

    Raises
    ------
    ConfigError
        If they allow fewer than three values each.
    """
    levels = math.floor(trials ** (1 / len(dims)) + 1e-9)
    if levels < _LEAST_LEVELS:
        raise ConfigError(
            f"a grid over {len(dims)} settings takes {_LEAST_LEVELS ** len(dims):,} trials, and "
            f"there are {trials}.",
            hint="hold more of the space (decay: null …), raise trials, or take sampler: tpe",
        )
    values = []
    for dim in dims:
        places = np.linspace(0, 1, levels)
        if dim.log:
            raw = np.exp(math.log(dim.low) + places * math.log(dim.high / dim.low))
        else:
            raw = dim.low + places * (dim.high - dim.low)
        rounded = [dim.number(dim.setting(float(value))) for value in raw]
        values.append(list(dict.fromkeys(rounded)))
    names = [dim.key for dim in dims]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]


def distribution(dim: Dimension) -> Any:
    """Return Optuna's distribution of a dimension."""
    kinds = optuna().distributions
    if dim.whole:
        return kinds.IntDistribution(int(dim.low), int(dim.high), log=dim.log)
    return kinds.FloatDistribution(dim.low, dim.high, log=dim.log)


def native(dim: Dimension, number: float) -> float | int:
    """Return a number as Optuna stores it."""
    return int(number) if dim.whole else number


def _sampler(config: SearchConfig, number: int) -> Any:
    """Return a new sampler with the seed of one trial."""
    samplers, name = optuna().samplers, config.sampler
    seed = int(np.random.SeedSequence([config.sampler_seed, number]).generate_state(1)[0])
    startup = max(2, min(10, config.trials // 2))
    if name == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=startup)
    if name == "cmaes":
        _require("cmaes")
        return samplers.CmaEsSampler(
            seed=seed, n_startup_trials=startup, warn_independent_sampling=False
        )
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    return samplers.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True)


def _require(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise missing_extra(package, "tune")


def _as_known(
    trial: SearchTrial,
    distributions: Mapping[str, Any],
    sampler: SamplerName,
    all_trials: Sequence[SearchTrial],
) -> Any:
    """Return a trial as the sampler is told of it.

    TPE knows trials that were stopped. The others take them with the loss that they had reached,
    which is no better than what they would have come to by more than they were behind; one without
    a loss counts as the worst.
    """
    library = optuna()
    known = {
        key: _inside(distributions[key], trial.params[key])
        for key in distributions
        if key in trial.params
    }
    facts: dict[str, Any] = {
        "params": known,
        "distributions": {key: distributions[key] for key in known},
        "system_attrs": dict(trial.notes),
    }
    state = library.trial.TrialState
    if trial.is_complete:
        return library.trial.create_trial(state=state.COMPLETE, value=trial.value, **facts)
    if sampler == "tpe":
        curve = dict(enumerate(trial.losses, 1)) if trial.state == "stopped" else {}
        return library.trial.create_trial(state=state.PRUNED, intermediate_values=curve, **facts)
    finite = [one.value for one in all_trials if one.value is not None]
    value = trial.value if trial.value is not None else max(finite, default=0.0)
    return library.trial.create_trial(state=state.COMPLETE, value=value, **facts)


def _inside(kind: Any, number: float) -> float | int:
    value = min(max(number, kind.low), kind.high)
    return int(value) if isinstance(kind.low, int) else float(value)
