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
    """The record ``failures.json`` in the folder of one study: run id → what went wrong."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "failures.json"

    def read(self) -> dict[str, dict[str, Any]]:
        """Return run id → label, error and time of each run whose last attempt failed."""
        if not self.path.exists():
            return {}
        return dict(read_json(self.path))

    def note(self, planned: Planned, event: Event) -> None:
        """Record how a run ended; one that came off at last is forgotten."""
        before = self.read()
        known = {run_id: facts for run_id, facts in before.items() if run_id != planned.run_id}
        if event.kind == "failed":
            known[planned.run_id] = {
                "label": planned.cell.label,
                **({"family": planned.cell.family} if planned.cell.family else {}),
                "error": event.facts["error"],
                "traceback": event.facts.get("traceback", ""),
                "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
        if known != before:
            write_json(self.path, known)
