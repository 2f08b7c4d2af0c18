"""Start the processes that train one model together on this machine, and end them together.

This is what ``torchrun --standalone`` does, with what a person at a terminal expects beside it:
Ctrl-C writes a resume point however long a step takes, and the loss of a process is one sentence.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from finscale.errors import TrainingError
from finscale.training.oom import how_it_ended

#: Seconds in which the others may notice by themselves that one is gone; then they are told, and
#: after as many again they are ended.
_GRACE = 10.0
_POLL = 0.05


def launch(command: Sequence[str], devices: int, *, again: str) -> int:
    """Run a command in ``devices`` processes and return what the first of them ended with.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; each process finds its rank in the environment, as under torchrun.
    devices : int
        How many.
    again : str
        What a person types to go on.

    Raises
    ------
    TrainingError
        If one was killed.
    """
    # here, so that what they leave in it outlives each of them; the system chooses the port
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes = [
        subprocess.Popen(
            command,
            env=environment(rank, devices, store.port),
            stdin=subprocess.DEVNULL,
            # the first one speaks
            stdout=None if rank == 0 else subprocess.DEVNULL,
            # Ctrl-C comes from here, once
            start_new_session=True,
        )
        for rank in range(devices)
    ]
    with _passing_on(processes):
        try:
            ended = _wait(processes)
        finally:
            _end(processes)
    for rank, status in ended.items():
        if status < 0:
            raise TrainingError(
                f"Process {rank + 1} of {devices} {how_it_ended(status)}; the others have stopped.",
                hint=f"the same command goes on from the last resume point: {again}",
            )
    return next((status for status in ended.values() if status), 0)


def environment(rank: int, devices: int, port: int) -> dict[str, str]:
    """Return the environment of one of the processes, in torchrun's words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {"OMP_NUM_THREADS": str(max(1, (cores or 1) // devices))}
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": devices,
        "LOCAL_WORLD_SIZE": devices,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        # torch's name for a store that the starting process holds
        "TORCHELASTIC_USE_AGENT_STORE": True,
    }
    return {**threads, **os.environ, **{name: str(value) for name, value in place.items()}}


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> dict[int, int]:
    """Return the statuses of those that ended by themselves: all, or soon after a failure."""
    deadline = float("inf")
    while True:
        ended = {
            rank: status
            for rank, process in enumerate(processes)
            if (status := process.poll()) is not None
        }
        if len(ended) == len(processes) or time.monotonic() > deadline:
            return ended
        if any(ended.values()):
            deadline = min(deadline, time.monotonic() + _GRACE)
        time.sleep(_POLL)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End those that still run: asked first, then not."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _passing_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass Ctrl-C and SIGTERM on to the processes, which then stop at a resume point."""

    def handle(number: int, frame: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def own_command() -> list[str]:
    """Return the command of this very process: the same arguments to the same module."""
    return [sys.executable, "-m", "finscale", *sys.argv[1:]]
