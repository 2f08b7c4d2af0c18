"""How many threads each size trains with: measured once, remembered in the study's folder.

Small models share the cores, one run each; large ones take all of them. Where the border lies is
the machine's to say: as many one-thread trainings side by side as there are cores, against one
training on all cores, both in worker processes like a study's own. The rule of
:func:`finscale.training.devices.choose_threads` stands unless the other way is clearly faster.

The order of floating-point sums, and so a run's bits and its identity, depend on its threads. A
choice is therefore never made twice: it stays in ``speed.json``, and where that file is lost, runs
in the store say what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from finscale.config import ExperimentConfig, StudyConfig
from finscale.files import read_json, write_json
from finscale.runs import RunStore, run_id
from finscale.study.crew import Crew
from finscale.study.grid import Cell
from finscale.study.planned import Planned
from finscale.study.speed import same_speed, training_bytes

#: So much faster has the other way to be before it displaces the rule: measurements are noisy.
HYSTERESIS = 1.15
#: Each way is measured so often, in turn, and its best counts: noise can only slow it down.
_ROUNDS = 2


@dataclass(frozen=True)
class ThreadChoice:
    """The threads of one size, and why.

    Parameters
    ----------
    threads : int
        Of each of its runs.
    why : str
        ``measured``, ``rule``, ``memory`` or ``kept``.
    reason : str
        The same in words, with its numbers.
    side_by_side, alone : float or None
        Samples a second of all one-thread trainings together, and of one training on all cores.
    """

    threads: int
    why: str
    reason: str
    side_by_side: float | None = None
    alone: float | None = None


class ThreadChoices:
    """The thread choices of one study.

    Parameters
    ----------
    folder : Path
        ``studies/<name>``: the choices stay in its ``speed.json``.
    config : StudyConfig
        Nothing is chosen unless its ``training.threads`` is auto.
    """

    def __init__(self, folder: Path, config: StudyConfig) -> None:
        self.path = folder / "speed.json"
        self.is_auto = config.experiment.training.threads == "auto"

    def read(self) -> dict[str, ThreadChoice]:
        """Return size → choice; empty before anything was chosen."""
        if not (self.is_auto and self.path.exists()):
            return {}
        return {size: ThreadChoice(**choice) for size, choice in read_json(self.path).items()}

    def apply(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells with the threads of their size; by the rule where none was chosen."""
        chosen = self.read()
        return [_with_threads(cell, chosen.get(size_words(cell))) for cell in cells]

    def choose(
        self,
        plan: Sequence[Planned],
        runs: RunStore,
        *,
        workers: int | None = None,
        seconds: float = 1.0,
        tell: Callable[[str], object] = lambda size: None,
    ) -> dict[str, ThreadChoice]:
        """Choose for the sizes that have no choice yet, write it down, and return all.

        Parameters
        ----------
        plan : sequence of Planned
            The study's runs.
        runs : RunStore
            A size with finished runs keeps their threads.
        workers : int, optional
            Runs at a time; one per core when absent.
        seconds : float
            Time to measure each way.
        tell : callable
            Told each size before it is measured.
        """
        sizes: dict[str, list[Planned]] = {}
        for one in plan:
            if not one.cell.is_baseline:
                sizes.setdefault(size_words(one.cell), []).append(one)
        if not self.is_auto or set(sizes) <= set(self.read()):
            return self.read()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # two calls at once must come to one choice
        with FileLock(self.path.with_name(".speed.lock")):
            known = self.read()
            new = {size: group for size, group in sizes.items() if size not in known}
            known |= _choose(new, runs, workers, seconds, tell)
            write_json(self.path, {size: asdict(choice) for size, choice in known.items()})
        return known


def size_words(cell: Cell) -> str:
    """Return a cell's size as ``speed.json`` names it: ``parameters 5000``."""
    return ", ".join(f"{axis} {size}" for axis, size in sorted(cell.sizes.items()))


def _with_threads(cell: Cell, choice: ThreadChoice | None) -> Cell:
    if choice is None or cell.is_baseline:
        return cell
    training = cell.config.training.model_copy(update={"threads": choice.threads})
    return Cell(cell.config.model_copy(update={"training": training}), cell.sizes)


def _choose(
    sizes: dict[str, list[Planned]],
    runs: RunStore,
    workers: int | None,
    seconds: float,
    tell: Callable[[str], object],
) -> dict[str, ThreadChoice]:
    from finscale.training.devices import available_threads, free_memory

    cores = available_threads()
    lanes = min(workers or cores, cores)
    free = free_memory("cpu")
    # a worker's libraries and data take about what this process holds before it trains
    base = psutil.Process().memory_info().rss
    chosen: dict[str, ThreadChoice] = {}
    measured: dict[str, tuple[float | None, float | None]] = {}
    with Crew(lanes, 1) as side, Crew(1, cores) as all_cores:
        for size, group in sizes.items():
            first = group[0]
            training = first.prepared.config.training
            rule = int(training.threads)
            kept = _threads_of_runs(group, runs, {1, cores, rule})
            needed = lanes * (base + training_bytes(first))
            if kept is not None:
                choice = ThreadChoice(kept, "kept", "finished runs of this size have them")
            elif training.device != "cpu":
                choice = ThreadChoice(rule, "rule", f"the work is done on {training.device}")
            elif cores == 1:
                choice = ThreadChoice(1, "rule", "there is one core")
            elif needed > free:
                reason = (
                    f"{lanes} side by side need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} are "
                    "free"
                )
                choice = ThreadChoice(cores, "memory", reason)
            else:
                key = same_speed(first)
                if key not in measured:
                    tell(size)
                    measured[key] = _measure(first, side, all_cores, seconds)
                choice = decide(rule, cores, lanes, *measured[key])
            chosen[size] = choice
    return chosen


def decide(
    rule: int, cores: int, lanes: int, side_by_side: float | None, alone: float | None
) -> ThreadChoice:
    """Return the faster way; the rule's unless the other is faster by more than noise.

    Parameters
    ----------
    rule : int
        Threads by the rule: 1 or ``cores``.
    cores, lanes : int
        Cores, and one-thread trainings at a time.
    side_by_side, alone : float or None
        Samples a second of the two ways; None where one could not be measured.

    Examples
    --------
    >>> decide(1, 2, 2, 100.0, 110.0).threads, decide(1, 2, 2, 100.0, 116.0).threads
    (1, 2)
    """
    if side_by_side is None or alone is None:
        return ThreadChoice(rule, "rule", "it could not be measured")
    speeds = {1: side_by_side, cores: alone}
    other = cores if rule == 1 else 1
    threads = other if speeds[other] >= HYSTERESIS * speeds[rule] else rule
    reason = (
        f"{lanes} side by side {side_by_side:,.0f} samples/s, one on {cores} cores {alone:,.0f}"
    )
    return ThreadChoice(threads, "measured", reason, round(side_by_side, 1), round(alone, 1))


def _threads_of_runs(
    group: Sequence[Planned], runs: RunStore, candidates: Iterable[int]
) -> int | None:
    """Return with how many threads runs of a size were finished; None where none was."""

    def finished(threads: int) -> int:
        ids = (run_id(_at(one.prepared.config, threads), one.prepared.digests) for one in group)
        return sum(one in runs for one in ids)

    counts = {threads: finished(threads) for threads in sorted(candidates)}
    most = max(counts, key=lambda threads: counts[threads])
    return most if counts[most] else None


def _measure(
    planned: Planned, side: Crew, alone: Crew, seconds: float
) -> tuple[float | None, float | None]:
    """Return the samples a second of both ways, measured in turn; None where a way fails."""
    config = planned.prepared.config
    speeds: dict[Crew, list[float | None]] = {side: [], alone: []}
    for _ in range(_ROUNDS):
        for crew, found in speeds.items():
            found.append(crew.samples_per_second(_at(config, crew.threads), seconds / _ROUNDS))
    best = [None if None in found else max(filter(None, found)) for found in speeds.values()]
    return best[0], best[1]


def _at(config: ExperimentConfig, threads: int) -> ExperimentConfig:
    training = config.training.model_copy(update={"threads": threads})
    return config.model_copy(update={"training": training})
