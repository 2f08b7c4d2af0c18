"""Which runs of a study train as one program: those alike but for the seed, where it pays.

A run has the same bits in a stack as alone (:mod:`finscale.training.stack`), so this choice changes
a study's time and nothing else. It is measured for each size when a study starts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

from finscale.study.crew import Crew
from finscale.study.planned import Planned
from finscale.study.speed import same_speed, training_bytes

#: Trainings in one stack at most: beyond it nothing is gained.
LARGEST = 8
#: So much faster than one after another has a stack to be: noise must not decide.
_WORTH = 1.05
#: Share of the free memory that the stacks at work may take together.
_MEMORY_SHARE = 0.5
#: Settings of a training in which the members of a stack may differ.
_OWN = {"learning_rate", "weight_decay"}


class Stacking:
    """Finds the stacks among runs, and remembers what was measured.

    Parameters
    ----------
    seconds : float
        Time to measure each way of training a size.
    """

    def __init__(self, seconds: float = 0.15) -> None:
        self.seconds = seconds
        self.gains: dict[str, float] = {}
        """What was measured: speed together over speed one after another, by size."""

    def names(
        self,
        wanted: Sequence[Planned],
        *,
        workers: int | None = None,
        tell: Callable[[str], object] = lambda label: None,
    ) -> list[str]:
        """Return the name of each run's stack; empty where it trains alone.

        Parameters
        ----------
        wanted : sequence of Planned
            The runs that are to be computed.
        workers : int, optional
            Runs at a time; one per core when absent.
        tell : callable
            Told the label of a run before its size is measured.
        """
        lanes = workers or os.cpu_count() or 1
        groups: dict[str, list[int]] = {}
        for place, one in enumerate(wanted):
            if _can_stack(one):
                groups.setdefault(_alike(one), []).append(place)
        # with few groups, one stack each would leave workers idle
        parts = max(1, math.ceil(lanes / max(1, len(groups))))
        names = [""] * len(wanted)
        # a process of its own, started when needed: the memory that stacks took ends with it
        with Crew(1, 1) as crew:
            for number, places in enumerate(groups.values()):
                first, size = wanted[places[0]], min(LARGEST, math.ceil(len(places) / parts))
                if size > 1 and _fits(first, size, lanes):
                    if _key(first, size) not in self.gains:
                        tell(first.cell.label)
                        self.gains[_key(first, size)] = self._measured(first, size, crew)
                    if self.gain(first, size) >= _WORTH:
                        for position, place in enumerate(places):
                            names[place] = f"{number}.{position // size}"
        return names

    def gain(self, planned: Planned, size: int) -> float:
        """Return how much faster than alone runs like this one train in stacks of ``size``.

        1 where it was not measured.
        """
        return self.gains.get(_key(planned, size), 1.0)

    def _measured(self, planned: Planned, size: int, crew: Crew) -> float:
        config = planned.prepared.config
        alone, together = (
            crew.samples_per_second(config, self.seconds, replicas=replicas)
            for replicas in (1, size)
        )
        return together / alone if alone and together else 1.0


def _key(planned: Planned, size: int) -> str:
    return f"{same_speed(planned)} × {size}"


def _fits(planned: Planned, size: int, lanes: int) -> bool:
    """Tell whether as many stacks as there are workers leave memory enough for the rest."""
    from finscale.training.devices import free_memory

    free = free_memory(planned.prepared.config.training.device)
    return lanes * size * training_bytes(planned) <= _MEMORY_SHARE * free


def _can_stack(planned: Planned) -> bool:
    """Tell whether a run would have the same bits in a stack, and the model can be stacked."""
    if planned.cell.is_baseline:
        return False
    config = planned.prepared.config
    training, network = config.training, config.network
    plain = getattr(network, "norm", "") == "layer" and not getattr(network, "revin_affine", True)
    # several threads cut a stack's tensors elsewhere than those of a model alone
    return plain and not training.compile and (training.device != "cpu" or training.threads == 1)


def _alike(planned: Planned) -> str:
    """Return what the members of a stack share."""
    config = planned.prepared.config
    training = config.training.model_dump_json(exclude=_OWN)
    shared = config.model_dump_json(exclude={"name", "seed", "tracking", "training"})
    return f"{shared} {training} {sorted(planned.prepared.digests.items())}"
