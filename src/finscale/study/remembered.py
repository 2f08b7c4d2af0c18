"""Scores that were computed before, by the content of what they were computed from.

A thousand bootstrap replicates of a dozen scores take a tenth of a second a run, and every table
and report asks for the same ones. They are kept in a file that is only a cache: it may be removed,
or damaged, at any moment. A key holds the digests of all predictions behind a value and of the code
that computes it, and no times: what is remembered is never older than what it stands for.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from finscale.config import content_hash
from finscale.errors import FinscaleError
from finscale.files import null_for_nan, read_json, write_json
from finscale.runs import Run

#: Where scores are computed: a change in any file of these rooms makes other keys.
_ROOMS = ("finscale.evaluation", "finscale.judging")


class RememberedScores:
    """Rows of numbers by key, in one JSON file, which :meth:`save` creates."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = _read(path)
        self._now: dict[str, dict[str, Any]] = {}

    def row(self, key: str | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the row of a key, computed if it is not known; without a key, always computed."""
        if key is None:
            return compute()
        if key not in self._now:
            # JSON keeps the digits of a float; NaN is null there
            self._now[key] = self._before.get(key) or null_for_nan(compute())
        row = self._now[key]
        return {name: math.nan if value is None else value for name, value in row.items()}

    def save(self) -> None:
        """Write the rows that were asked for; others are of runs that are no more the study's."""
        if self._now != self._before:
            # a folder that cannot be written can still be looked at
            with contextlib.suppress(FinscaleError):
                write_json(self.path, self._now)


def score_key(run: Run, others: Sequence[Run]) -> str | None:
    """Return a key for what is computed of a run and of others on the same windows.

    None for a run without digests of its files.
    """
    files = (one.info.get("files", {}) for one in (run, *others))
    digests = [known.get("predictions.parquet", {}).get("sha256") for known in files]
    if None in digests:
        return None
    names = [one.config.model_dump(mode="json")["model"].get("name") for one in others]
    task = run.config.task
    mean = run.info["windows"]["train_mean"]
    return content_hash([code_digest(), digests, names, task.kind, task.horizon, mean])


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the digest of the code that computes scores."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in code_files())).hexdigest()


def code_files() -> list[Path]:
    """Return every file of the rooms that scores come from, and the table's own."""
    rooms = [Path(place) for name in _ROOMS for place in import_module(name).__path__]
    files = [path for room in rooms for path in sorted(room.rglob("*.py"))]
    return [*files, Path(__file__).with_name("results.py")]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = read_json(path)
    except FinscaleError:
        return {}
    return content if isinstance(content, dict) else {}
