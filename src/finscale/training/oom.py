"""When memory runs out the kernel ends a process: which one, and how its end reads."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

_SCORE = Path("/proc/self/oom_score_adj")
_MOST = "1000"


def die_first() -> None:
    """Ask the kernel to end this process, and not the one that started it, when memory runs out.

    Linux alone has the setting; elsewhere nothing happens.
    """
    with contextlib.suppress(OSError):
        _SCORE.write_text(_MOST)


def how_it_ended(status: int) -> str:
    """Return a dead process's exit status in words, memory named where it is the usual cause.

    Examples
    --------
    >>> how_it_ended(-9)
    'killed by signal 9, as the kernel does when memory runs out'
    >>> how_it_ended(-15), how_it_ended(3)
    ('killed by signal 15', 'ended with status 3')
    """
    if status >= 0:
        return f"ended with status {status}"
    words = f"killed by signal {-status}"
    if -status == signal.SIGKILL:
        words += ", as the kernel does when memory runs out"
    return words
