"""What every live display of many runs shares: it is drawn while it is entered, and warns once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from finscale.cli.options import say

if TYPE_CHECKING:
    from rich.progress import Progress

    from finscale.study import Event


class LiveDisplay:
    """A display of ``rich`` bars; whoever derives from it sets ``_progress``."""

    _progress: Progress

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def warn(self, event: Event) -> None:
        """Show what an event warns of, each text once."""
        text = event.facts["text"]
        if text not in self._warned:
            self._warned.add(text)
            say(f"warning: {text}", self._progress.console)
