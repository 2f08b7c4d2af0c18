"""How far a run has come that was stopped before its end."""

from __future__ import annotations

from pathlib import Path

from finscale.errors import FinscaleError
from finscale.files import read_json
from finscale.runs.folder import partial_folder


def begun_at(runs: Path, run_id: str) -> str:
    """Return where a stopped run goes on, ``epoch 4, step 120``; empty where it has not begun.

    The newest resume point is told; should it prove damaged, the run says so and takes the one
    before it.
    """
    for index in sorted((partial_folder(runs, run_id) / "resume").rglob("resume.json")):
        try:
            newest = read_json(index)["points"][0]
            return f"epoch {newest['epoch'] + 1}, step {newest['step']}"
        except (FinscaleError, KeyError, IndexError, TypeError):
            continue
    return ""
