"""The learning rate of every step, as one list made before the first; the order of windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from finscale.config import TrainingConfig
from finscale.registry import Registry

Rise = Callable[[np.ndarray], np.ndarray]
Fall = Callable[[np.ndarray, float], np.ndarray]

#: One cycle starts at this share of its peak (Smith 2018; torch's ``OneCycleLR`` has the same).
_ONE_CYCLE_START = 1 / 25


def learning_rates(config: TrainingConfig, num_steps: int) -> list[float]:
    """Return the learning rate of each of ``num_steps`` optimiser steps.

    Parameters
    ----------
    config : TrainingConfig
        ``learning_rate`` is a number by now; ``schedule``, ``warmup`` and ``final_rate`` shape it.
    num_steps : int
        Steps of the whole training, all epochs counted.
    """
    peak = config.learning_rate
    assert peak != "auto", "resolve_training comes first"
    num_warmup = round(config.warmup * num_steps)
    rise, fall = SCHEDULES[config.schedule]
    share_S = np.concatenate(
        [
            # the first step is not wasted on a rate of zero, the last of the rise is the peak
            rise((np.arange(num_warmup) + 1) / max(num_warmup, 1)),
            fall(np.linspace(0, 1, num_steps - num_warmup), config.final_rate),
        ]
    )
    rates: list[float] = (peak * share_S).tolist()
    return rates


def _linear_rise(progress_S: np.ndarray) -> np.ndarray:
    return progress_S


def _cosine_rise(progress_S: np.ndarray) -> np.ndarray:
    return 1 - _cosine_fall(progress_S, 0.0) * (1 - _ONE_CYCLE_START)


def _cosine_fall(progress_S: np.ndarray, final: float) -> np.ndarray:
    fall_S: np.ndarray = final + (1 - final) * (1 + np.cos(np.pi * progress_S)) / 2
    return fall_S


def _flat(progress_S: np.ndarray, final: float) -> np.ndarray:
    return np.ones_like(progress_S)


#: Schedule → (shape of the warm-up, shape of what follows), both over progress 0 … 1.
SCHEDULES: Registry[tuple[Rise, Fall]] = Registry("schedule")
SCHEDULES.add("cosine", (_linear_rise, _cosine_fall))
SCHEDULES.add("one_cycle", (_cosine_rise, _cosine_fall))
SCHEDULES.add("constant", (_linear_rise, _flat))


def order(num_windows: int, seed: int, epoch: int) -> Tensor:
    """Return the order ``[num_windows]`` of an epoch's windows: a function of seed and epoch.

    However many processes share a step, its windows are the same.
    """
    words = np.random.SeedSequence([seed, epoch]).generate_state(2)
    generator = torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))
    return torch.randperm(num_windows, generator=generator)
