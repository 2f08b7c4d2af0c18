"""Runs of a study that failed: recorded with their traceback, so that a report can name them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.files import read_json, write_json

if TYPE_CHECKING:
    from finscale.study.execution.local import Event
    from finscale.study.planned import Planned


class Failures:
    """The record ``failures.json`` of one study: run id → what went wrong.

    Parameters
    ----------
    folder : Path
        ``studies/<name>``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "failures.json"

    def read(self) -> dict[str, dict[str, Any]]:
        """Return run id → label, error and time of each run whose last attempt failed."""
        if not self.path.exists():
            return {}
        content: dict[str, dict[str, Any]] = read_json(self.path)
        return content

    def note(self, planned: Planned, event: Event) -> None:
        """Record how a run ended; one that came off at last is forgotten."""
        known = self.read()
        before = dict(known)
        if event.kind == "failed":
            known[planned.run_id] = {
                "label": planned.cell.label,
                "error": event.facts["error"],
                "traceback": event.facts.get("traceback", ""),
                "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
        else:
            known.pop(planned.run_id, None)
        if known != before:
            write_json(self.path, known)
