"""A second process that judges the last of many models while the first judges the first.

Most of a judgement is many short steps, which threads of one process take in turn. Nothing heavy is
imported here, so that the second process can start before the first has imported what it needs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from threading import RLock
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.evaluation.comparison import Comparison
    from finscale.judging.bench import Bench
    from finscale.judging.judge import Candidate, Judgement
    from finscale.judging.tables import Options
    from finscale.runs import RunStore

#: From so many models on a second process pays for its start.
_FEWEST_SHARED = 30
#: Models in a helper's hands: one that it judges, and one that it can go on with.
_BEGUN_AT_ONCE = 2


class Helper:
    """A second process; where it dies, or is not worth its start, all is done in this one.

    Parameters
    ----------
    num_models : int
        How many models, or runs, there are to be judged; few are judged without help.
    """

    def __init__(self, num_models: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._others: Sequence[Candidate] = ()
        # what is begun is never cancelled: a pool that breaks meanwhile would not end its process
        self._free: deque[int] = deque()
        self._begun: dict[int, Future[Judgement]] = {}
        self._comparison: Future[Comparison] | None = None
        self._lock = RLock()
        if num_models >= _FEWEST_SHARED and (os.cpu_count() or 1) > 1:
            # a new interpreter: a copy of this one would share locks that nobody opens
            spawn = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_wake)
            with suppress(BrokenExecutor):
                self._pool.submit(int)  # the process starts with the first thing to do

    @property
    def is_there(self) -> bool:
        """Whether there is a second process."""
        return self._pool is not None

    def start(self, judged: Sequence[Candidate], bench: Bench) -> None:
        """Let the helper compare all models, and then judge them from the last to the second."""
        with suppress(BrokenExecutor, RuntimeError):
            if self._pool is not None:
                self._pool.submit(_prepare_helper, bench.runs, bench.data, bench.options)
                self._comparison = self._pool.submit(_compare, judged)
                self._others = judged[1:]
                self._free.extend(range(len(self._others)))
        for _ in range(_BEGUN_AT_ONCE):
            self._begin()

    def take(self, number: int) -> Judgement | None:
        """Return the helper's judgement of a model, the second's number being 0.

        None for one that it has not begun. A helper that died, or could not start from the script
        that runs here, has begun none.
        """
        with self._lock:
            if number not in self._begun:
                if self._free:
                    self._free.popleft()
                return None
        with suppress(BrokenExecutor):
            return self._begun[number].result()
        return None

    def comparison(self) -> Comparison | None:
        """Return the helper's comparison of all models; None where there is none."""
        with suppress(BrokenExecutor):
            return None if self._comparison is None else self._comparison.result()
        return None

    def _begin(self, last: Future[Judgement] | None = None) -> None:
        if last is not None and (last.cancelled() or last.exception() is not None):
            return
        with self._lock, suppress(BrokenExecutor, RuntimeError):
            if self._pool is not None and self._free:
                future = self._pool.submit(_help, self._others[self._free[-1]])
                self._begun[self._free.pop()] = future
                future.add_done_callback(self._begin)
            elif self._pool is not None and self._others:
                # it ends after what it has begun, while this process judges its last model
                self._pool.shutdown(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._free.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


#: The bench of a helper, for as long as it lives.
_HELPING: list[Bench] = []


def _wake() -> None:
    """Import what a judgement takes, and compute with one thread from then on."""
    from finscale.evaluation.blas import one_blas_thread
    from finscale.training.allocator import keep_freed_memory

    keep_freed_memory()
    # to look for the libraries whose threads these are takes as long as a table of a judgement
    one_blas_thread()


def _prepare_helper(runs: RunStore, data: DataStore | None, options: Options) -> None:
    from finscale.judging.bench import Bench

    _HELPING[:] = [Bench(runs, data, options)]


def _help(candidate: Candidate) -> Judgement:
    from finscale.judging.judge import judge_on_one_thread

    return judge_on_one_thread(candidate, _HELPING[0])


def _compare(judged: Sequence[Candidate]) -> Comparison:
    from finscale.judging.judge import judge_pairs

    bench = _HELPING[0]
    return judge_pairs(judged, bench.runs, bench=bench)
