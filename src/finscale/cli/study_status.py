"""``finscale study status | list``: how far a study is, and which studies there are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    RunsFolder,
    Settings,
    console,
    plain_table,
    print_json,
    say,
    with_options,
)
from finscale.cli.study import study_app
from finscale.cli.study_file import (
    STUDIES,
    Quick,
    StudiesFolder,
    StudyFile,
    find_study,
    names_of,
    open_study,
)

if TYPE_CHECKING:
    from finscale.runs import RunStore
    from finscale.study.roster import RosterRun

#: This module adds its verbs to ``study_app``.
__all__ = ["study_app"]


@study_app.command("status")
def status(
    config: StudyFile,
    settings: Settings = None,
    quick: Quick = False,
    each: Annotated[bool, typer.Option("--each", help="A line for every run.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of every run, not its size alone.")
    ] = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say which runs of the study are there, which are missing and which failed."""
    from finscale.config import load_study
    from finscale.runs import RunStore
    from finscale.runs.begun import begun_at
    from finscale.study.execution.failures import Failures
    from finscale.study.registration import Registration
    from finscale.study.roster import roster

    path, overlay = find_study(config, studies, quick=quick)
    changes = with_options(settings, data_root=("experiment.data.root", data_root))
    study = load_study(path, changes, quick=overlay)
    folder, store = studies / study.name, RunStore(runs)
    found = roster(
        study,
        folder,
        study.experiment.data.root,
        lambda: open_study(config, settings, runs, studies, data_root, quick=quick),
    )
    failed = Failures(folder).read()
    there = store.whole((one.run for one in found.runs), every_byte=verify)
    if verify and store.remote is not None:
        there = {run_id for run_id in there if store.is_whole(run_id)}
    rows: list[dict[str, Any]] = []
    for one in found.runs:
        done = one.run in there
        rows.append(
            {
                "run": one.run,
                "label": one.label,
                "group": one.group,
                "control": one.control,
                **({"family": one.family} if study.architectures else {}),
                "done": done,
                "begun": "" if done else begun_at(store.folder, one.run),
                "failed": "" if done else failed.get(one.run, {}).get("error", ""),
            }
        )
    if as_json:
        print_json(rows)
        return
    if each:
        for row in rows:
            mark = "✓" if row["done"] else "✗" if row["failed"] else "·"
            begun = f"  begun, {row['begun']}" if row["begun"] else ""
            say(f"{mark} {row['run']}  {row['label']}{begun}")
    else:
        console().print(_groups(found.runs, rows))
    for row in rows:
        if row["failed"]:
            say(f"✗ {row['label']}  {row['failed'].strip().splitlines()[0]}")
    for sentence in found.left_out:
        say(f"left out  {sentence}")
    for family in study.families:
        own = [bool(row["done"]) for row in rows if row["family"] == family]
        say(f"{family}: {sum(own)} of {len(own)} runs are there")
    say(_summary(rows))
    if verdict := _verdict(folder):
        say(f"verdict   {verdict['sentence']}")
    registration = Registration(folder, study)
    for change in registration.changes():
        say(f"changed since it was registered: {change}")
    if not all(row["done"] for row in rows):
        words = [*(f"--set '{one}'" for one in settings or ()), *(["--quick"] if quick else [])]
        say(" ".join([f"next      finscale study run {config}", *words]))


def _groups(members: Iterable[RosterRun], rows: list[dict[str, Any]]) -> Any:
    """Return a table with a line for each baseline, size and control."""
    counts: dict[str, list[int]] = {}
    for one, row in zip(members, rows, strict=True):
        group = f"control {one.control}" if one.control else f"{one.family} {one.group}".strip()
        count = counts.setdefault(group, [0, 0, 0, 0])
        count[0] += 1
        count[1] += bool(row["done"])
        count[2] += bool(row["begun"])
        count[3] += bool(row["failed"])
    lines = [
        (
            "✓" if done == total else "✗" if failed else "·",
            group,
            f"{done} of {total}",
            str(begun or "–"),
            str(failed or "–"),
        )
        for group, (total, done, begun, failed) in counts.items()
    ]
    columns = ("", "runs of", "there", "begun", "failed")
    return plain_table(columns, lines, left=("", "runs of"), whole=("runs of", "there"))


def _summary(rows: list[dict[str, Any]]) -> str:
    done = sum(bool(row["done"]) for row in rows)
    parts = [f"{done} of {len(rows)} runs are there"]
    for name in ("begun", "failed"):
        if count := sum(bool(row[name]) for row in rows):
            parts.append(f"{count} {name}")
    return " · ".join(parts)


def _verdict(folder: Path) -> dict[str, Any] | None:
    from finscale.errors import FinscaleError
    from finscale.files import read_json

    try:
        return dict(read_json(folder / "law.json")["verdict"])
    except (FinscaleError, KeyError, TypeError):
        return None


@study_app.command("list")
def list_studies(
    studies: StudiesFolder = STUDIES, runs: RunsFolder = RUNS, as_json: AsJson = False
) -> None:
    """List the studies of a folder: what each asks, how far it is and what it found."""
    from finscale.errors import FinscaleError
    from finscale.files import read_json
    from finscale.runs import RunStore

    store, rows = RunStore(runs), []
    for name in names_of(studies):
        folder = studies / name
        try:
            record = read_json(folder / "registration.json")
            asked = record["study"]
            row = {
                "study": name,
                "question": asked.get("question", ""),
                "axis": " × ".join(asked["axes"]),
                "outcome": asked.get("outcome", "loss"),
                "registered": record["registered"][:10],
                **_state(folder, store),
            }
        except (FinscaleError, KeyError, TypeError, AttributeError) as error:
            say(f"warning: {folder} is passed over: {error}", console(stderr=True))
            continue
        rows.append(row)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say(f"no studies in {studies}; `finscale study run FILE` makes one")
        return
    columns = ("study", "state", "verdict", "axis", "outcome", "registered")
    cells = ([str(row[name] or "–") for name in columns] for row in rows)
    drop = ("registered", "outcome", "axis")
    console().print(plain_table(columns, cells, left=columns, whole=columns, drop=drop))


def _state(folder: Path, store: RunStore) -> dict[str, Any]:
    """Return how far a study is, by the runs that it names itself, and its verdict."""
    from finscale.errors import FinscaleError
    from finscale.files import read_json

    verdict = _verdict(folder)
    try:
        ids = list(read_json(folder / "runs.json"))
    except FinscaleError:
        ids = []
    done = len(store.among(ids))
    state = "finished" if ids and done == len(ids) else f"{done} of {len(ids)} runs"
    failed = (folder / "failures.json").exists() and bool(read_json(folder / "failures.json"))
    return {
        "state": (state if ids else "begun") + (", some failed" if failed else ""),
        "done": done,
        "runs": len(ids),
        "verdict": verdict["name"] if verdict else "",
        "sentence": verdict["sentence"] if verdict else "",
    }
