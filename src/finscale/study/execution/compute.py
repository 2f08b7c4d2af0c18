"""Planned runs become jobs of an executor; what happens to each is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from finscale.study.execution.jobs import jobs_of
from finscale.study.execution.local import Event, Executor
from finscale.study.planned import Planned


def compute(
    wanted: Sequence[Planned],
    engine: Executor,
    runs: Path,
    *,
    note: Callable[[Planned, Event], object],
    track: Callable[[Event, Planned], object] | None = None,
    observe: Callable[[Event], object] | None = None,
) -> dict[str, str]:
    """Compute runs; those that fail are noted, and the others go on.

    Parameters
    ----------
    wanted : sequence of Planned
        Which.
    engine : Executor
        Where.
    runs : Path
        The folder of the run store.
    note : callable
        Told each run that is done or failed, with its event.
    track : callable, optional
        Told every event, with its run.
    observe : callable, optional
        Told every event.

    Returns
    -------
    dict of str to str
        Label → reason of each run that failed.
    """
    jobs = jobs_of(wanted, engine)
    failed: dict[str, str] = {}
    for event in engine.run(jobs, runs) if jobs else ():
        if event.kind == "failed":
            failed[event.job.label] = event.facts["error"]
        if event.kind in ("done", "failed"):
            note(wanted[event.job.index], event)
        if track is not None:
            track(event, wanted[event.job.index])
        if observe is not None:
            observe(event)
    return failed
