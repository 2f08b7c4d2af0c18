"""What benchmarks of whole fits share: seconds by part, and a progress bar that nobody sees."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Parts:
    """Seconds of each part of a fit: what a part calls and is timed itself counts there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def watching(self, owner: Any, name: str, part: str) -> Iterator[None]:
        """Time a function wherever it is called inside the block."""
        original = getattr(owner, name)
        self.watch(owner, name, part)
        try:
            yield
        finally:
            setattr(owner, name, original)

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Time a function wherever it is called from now on."""
        original = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._note()
            self._inside.append(part)
            try:
                return original(*args, **kwargs)
            finally:
                self._note()
                self._inside.pop()

        setattr(owner, name, timed)

    def _note(self) -> None:
        now = time.perf_counter()
        if self._inside:
            part = self._inside[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now


def progress_bar() -> Any:
    """Return the bar of ``finscale train`` on a terminal that nobody sees."""
    from rich.console import Console

    from finscale.training import ProgressBar

    return ProgressBar(Console(file=Path(os.devnull).open("w"), force_terminal=True, width=100))
