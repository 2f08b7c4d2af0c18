"""What a training borrows from its process and gives back: random state and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import torch

#: Ctrl-C, and what a scheduler sends before it kills.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def own_random_state(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Let the block draw as it likes; the process's generators are as before afterwards."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    fork: contextlib.AbstractContextManager[None] = torch.random.fork_rng(devices)
    return fork


@contextlib.contextmanager
def on_signal(notify: Callable[[str], None]) -> Iterator[None]:
    """Pass the first Ctrl-C or SIGTERM to ``notify``; the second one interrupts at once.

    The first Ctrl-C is answered at once on standard error: a step may take long to end.

    Outside the main thread, where Python delivers no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        # of several processes that train one model the first one speaks
        if number == signal.SIGINT and os.environ.get("RANK", "0") == "0":
            sys.stderr.write("\nstopping: finishing this step; Ctrl-C again stops at once\n")
        notify("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
