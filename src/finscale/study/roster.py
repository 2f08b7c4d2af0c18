"""Which runs a study is made of, remembered, so that asking how far it is takes no time.

To know a run's identity its data are read and its model is laid out, which takes seconds for a
grid. The answer is kept in ``studies/<name>/.roster.json`` with a key of everything that it follows
from: the resolved study, the manifests of the data, what sweeps have chosen, and the version. The
file is only a cache and may be removed at any moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import StudyConfig, content_hash
from finscale.errors import FinscaleError
from finscale.files import read_json, write_json

if TYPE_CHECKING:
    from finscale.study.study import Study

_NAME = ".roster.json"


@dataclass(frozen=True)
class RosterRun:
    """One run of a study and its place in it."""

    run: str  #: Its identity
    label: str  #: Short name, as in progress lines
    group: str  #: Baseline, size or sweep that it belongs to, in words
    control: str = ""  #: The control's name; empty for the study itself
    family: str = ""  #: Of several architectures, which


@dataclass(frozen=True)
class Roster:
    """Every run of a study, in the order of its grid, sweeps first and controls last."""

    runs: tuple[RosterRun, ...]
    left_out: tuple[str, ...] = field(default=())  #: Sizes that an architecture cannot have


def roster(
    config: StudyConfig, folder: Path, data_root: Path, open_study: Callable[[], Study]
) -> Roster:
    """Return a study's runs: as remembered if nothing has changed, else worked out.

    Parameters
    ----------
    config : StudyConfig
        The study.
    folder : Path
        ``studies/<name>``.
    data_root : Path
        Where its data lie.
    open_study : callable
        Returns the study, where its runs have to be worked out.
    """
    path = folder / _NAME
    key = _key(config, folder, data_root)
    known = _read(path, key)
    if known is not None:
        return known
    study = open_study()
    found = _worked_out(study)
    # the data may have been built meanwhile; before a study is run it has no folder
    settled = not study.tuner.missing(study.cells)
    if settled and folder.is_dir():
        content = {"key": _key(config, folder, data_root), **asdict(found)}
        with contextlib.suppress(FinscaleError):
            write_json(path, content)
    return found


def _worked_out(study: Study) -> Roster:
    from finscale.study.families import sized_words

    def member(planned: Any, control: str = "", *, swept: bool = False) -> RosterRun:
        cell = planned.cell
        group = cell.config.model.name if cell.is_baseline else sized_words(cell.sizes)
        if swept:
            group = f"sweep at {group}"
        label = f"{control} {cell.label}".strip()
        return RosterRun(planned.run_id, label, group, control, cell.family)

    members = [member(one, swept=True) for one in study.tuner.missing(study.cells)]
    members += [member(one) for one in study.plan]
    for name, control in study.controls.items():
        members += [member(one, name) for one in control.plan]
    return Roster(tuple(members), tuple(one.sentence for one in study.left_out))


def _key(config: StudyConfig, folder: Path, data_root: Path) -> str:
    import finscale

    files = [data_root / part / "manifest.json" for part in ("raw", "processed")]
    files.append(folder / "tuning.json")
    return content_hash([finscale.__version__, config.resolved(), *map(_stamp, files)])


def _stamp(path: Path) -> Sequence[int]:
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _read(path: Path, key: str) -> Roster | None:
    try:
        content = read_json(path)
        if content["key"] != key:
            return None
        runs = tuple(RosterRun(**one) for one in content["runs"])
        return Roster(runs, tuple(content["left_out"]))
    except (FinscaleError, KeyError, TypeError):
        return None
