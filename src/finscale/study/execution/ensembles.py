"""Which runs of a study train as one program: small models on a GPU, by a fixed rule.

A step of a small model leaves a GPU idle: its kernels take as long to launch as to compute, and as
long for one model as for many. On a CPU, runs side by side as processes are faster: there the rule
never stacks. The rule counts and measures nothing, so a study is planned alike everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from finscale.experiment.programs import program_of
from finscale.study.planned import Planned
from finscale.study.speed import training_bytes

#: Parameters below which so many models are one program; above the last, a model fills a GPU alone.
_LARGEST = ((300_000, 32), (3_000_000, 8))
#: Share of the free memory that the programs of all workers may take.
_MEMORY_SHARE = 0.5


def ensemble_size(device: str, *, parameters: int, needed: int, free: int) -> int:
    """Return how many trainings of one size are one program: 1 trains each alone.

    One takes ``needed`` bytes at its peak, and the device has ``free``; only ``cuda`` stacks.

    Examples
    --------
    >>> ensemble_size("cuda", parameters=50_000, needed=2**26, free=2**34)
    32
    >>> ensemble_size("cuda", parameters=50_000, needed=2**30, free=2**34)
    8
    >>> ensemble_size("cpu", parameters=50_000, needed=2**26, free=2**34)
    1
    """
    if device != "cuda":
        return 1
    largest = next((size for below, size in _LARGEST if parameters < below), 1)
    return max(1, min(largest, int(_MEMORY_SHARE * free / needed)))


def ensembles(
    wanted: Sequence[Planned],
    *,
    workers: int,
    choose: Callable[[str], str],
    free: Callable[[str], int],
) -> list[str]:
    """Return the name of each run's ensemble; empty where it trains alone.

    Parameters
    ----------
    wanted : sequence of Planned
        The runs that are to be computed.
    workers : int
        Programs at a time, which share the device's memory.
    choose : callable
        ``training.device`` → the device that it means here; ``finscale.training.devices`` has it.
    free : callable
        Device → bytes that can be taken there.
    """
    programs: dict[str, list[int]] = {}
    for place, planned in enumerate(wanted):
        programs.setdefault(program_of(planned.prepared), []).append(place)
    programs.pop("", None)
    names = [""] * len(wanted)
    for number, places in enumerate(programs.values()):
        prepared = wanted[places[0]].prepared
        device = choose(prepared.config.training.device)
        if len(places) == 1 or device != "cuda":
            continue
        assert prepared.counts is not None
        size = ensemble_size(
            device,
            parameters=prepared.counts.total,
            needed=training_bytes(wanted[places[0]]),
            free=free(device) // workers,
        )
        for position, place in enumerate(places if size > 1 else ()):
            names[place] = f"{number}.{position // size}"
    return names
