"""Processes that judge many models side by side: a standard pool.

Nothing heavy is imported here, so that they can start before this process has imported what it
needs itself.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

#: Each process pays for its start, some two seconds of imports, from so many models on.
_MODELS_A_PROCESS = 15


def judging_pool(num_models: int) -> ProcessPoolExecutor | None:
    """Return a pool whose processes are starting; None where so few models are judged here.

    Parameters
    ----------
    num_models : int
        How many models, or runs, there are to be judged.
    """
    workers = min(os.cpu_count() or 1, num_models // _MODELS_A_PROCESS)
    if workers < 2:
        return None
    # new interpreters: copies of this one would share locks that nobody opens
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_wake)
    for _ in range(workers):
        pool.submit(int)  # a process starts when there is something to do
    return pool


def _wake() -> None:
    """Import what a judgement takes, and leave Ctrl-C to the process that waits for the results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    import finscale.judging.judge  # noqa: F401
    from finscale.training.allocator import keep_freed_memory

    keep_freed_memory()
