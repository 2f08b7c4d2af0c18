"""Who has read the test part of a run, and on which day: ``runs/.reads/<run-id>.jsonl``.

One program on one day is one reading, however many tables it makes of the predictions: the record
grows by a line a program and day, and by nothing else. A line is appended in one write, so many
processes need no lock; two that note the same reading at once leave two equal lines, which count
as one. The record lies beside the run and not in it: a run's files stay what they were, and a run
that is removed and computed again has still been read. Of runs at an address the mirror's record is
this machine's, and each of its lines lies at the address as well, as an object of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

from finscale.errors import FinscaleError, FinscaleWarning
from finscale.runs.remote import remote_of

#: Environment variable in which the command line names its verb.
PROGRAM = "FINSCALE_PROGRAM"
#: The program that the predictions were written by.
TRAINING = "training"

_choice: ContextVar[str] = ContextVar("choice", default="")
_noted: set[tuple[Path, str, str, str]] = set()


@dataclass(frozen=True)
class SealedReading:
    """One program that read the test part of a run on one day.

    Parameters
    ----------
    program : str
        A verb such as ``finscale evaluate``, a script's name, or ``training`` for the run's own
        prediction of its test windows.
    day : str
        ISO date, UTC.
    choice : str
        What was being chosen while the test part was read; empty where nothing was.
    time : str
        Of the first reading that day.
    process : int
        Its process.
    """

    program: str
    day: str
    choice: str = ""
    time: str = ""
    process: int = 0


@contextmanager
def choosing(what: str) -> Iterator[None]:
    """Mark that something is being chosen: a test part that is read meanwhile is a leak.

    Reading is not refused, it is recorded as what it is, and ``finscale audit`` finds it.
    """
    token = _choice.set(what)
    try:
        yield
    finally:
        _choice.reset(token)


def note_reading(runs: Path, run_id: str, program: str | None = None) -> None:
    """Record that the test part of a run is read now.

    A folder that cannot be written is read all the same, with a warning that it is not counted.
    """
    now = dt.datetime.now(dt.UTC)
    reading = SealedReading(
        program or _program(),
        now.date().isoformat(),
        _choice.get(),
        now.isoformat(timespec="seconds"),
        os.getpid(),
    )
    path = _path(runs, run_id)
    key = (path, *_key(reading))
    if key in _noted:
        return
    _noted.add(key)
    try:
        if any(_key(known) == _key(reading) for known in _parsed(_lines(path))):
            return
        line = (json.dumps(asdict(reading)) + "\n").encode()
        remote = remote_of(runs)
        if remote is not None:
            remote.note(run_id, line)
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as stream:
            stream.write(line)
    except (OSError, FinscaleError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        warnings.warn(
            f"{path.parent} cannot be written ({reason}): that the test part is read is not "
            "counted.",
            FinscaleWarning,
            stacklevel=3,
        )


def readings(runs: Path, run_id: str) -> list[SealedReading]:
    """Return every reading of a run's test part that is on record, the first one first."""
    remote = remote_of(runs)
    found = _parsed([*_lines(_path(runs, run_id)), *(remote.notes(run_id) if remote else [])])
    return sorted(found, key=lambda one: one.time) if remote else found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _parsed(lines: Iterable[str]) -> list[SealedReading]:
    """Return the readings that lines tell; of equal ones the first alone."""
    known = []
    for line in lines:
        try:
            known.append(SealedReading(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # cut off by a full disk, or written by a later version
    found: dict[tuple[str, str, str], SealedReading] = {}
    for reading in known:
        found.setdefault(_key(reading), reading)
    return list(found.values())


def _path(runs: Path, run_id: str) -> Path:
    return runs.resolve() / ".reads" / f"{run_id}.jsonl"


def _key(reading: SealedReading) -> tuple[str, str, str]:
    return reading.program, reading.day, reading.choice


def _program() -> str:
    script = Path(sys.argv[0] if sys.argv else "").name
    return os.environ.get(PROGRAM) or (script if script not in ("", "-c", "-m") else "python")
