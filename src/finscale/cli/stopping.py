"""What Ctrl-C says: at once, and before anything has to be waited for."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

FIRST = "stopping: every run finishes its step and is kept; Ctrl-C again stops at once"
SECOND = "stopping at once: runs go on from their last resume points"
READING = "stopping: no run was begun; data that are built are kept"
IMPORTING = "stopping: symbols that are registered stay, those at work are read again"
WRITING = "stopping: the file at work is dropped, those that are written are whole"


@contextmanager
def announced_stop(first: str = FIRST, second: str = SECOND) -> Iterator[None]:
    """Answer the first Ctrl-C in a sentence and raise ``KeyboardInterrupt``; so with the second.

    Outside the main thread, where Python delivers no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def handle(number: int, frame: object) -> None:
        nonlocal received
        received += 1
        sys.stderr.write(f"\n{first if received == 1 else second}\n")
        sys.stderr.flush()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
