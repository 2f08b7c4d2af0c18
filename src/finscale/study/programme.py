"""A programme: a grid of studies that share data and baselines, judged together.

Every cell is a study of its own, with its folder, registration, verdict and report under
``studies/<programme>/cells/``. The runs of all cells are computed by one executor, each once
however many cells ask for it, and the verdicts of all cells are one family of tests.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from finscale.config import StudyConfig
from finscale.config.loading import each_setting
from finscale.config.programme import ProgrammeCell, ProgrammeConfig, load_programme
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.files import read_json, write_json
from finscale.runs import RunStore
from finscale.study.execution.compute import compute
from finscale.study.execution.failures import Failures
from finscale.study.execution.local import Event, Executor, LocalExecutor
from finscale.study.planned import Planned
from finscale.study.programme_results import CellResult, judged_together, refused, result_of
from finscale.study.roster import roster
from finscale.study.study import Study
from finscale.study.telling import Tell, silent


@dataclass(frozen=True)
class CellState:
    """How far one cell is."""

    cell: ProgrammeCell
    runs: int
    there: int
    refused: str = ""
    """Why its data or labels make no study; empty where they do."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        cell = self.cell
        where = {"task": cell.task, "timescale": cell.timescale}
        where |= {"assets": cell.assets, "quality": cell.quality}
        return {
            "cell": cell.name,
            **where,
            "runs": self.runs,
            "there": self.there,
            "refused": self.refused,
        }


class Programme:
    """A grid of studies over tasks, timescales, assets and qualities of data.

    Parameters
    ----------
    config : ProgrammeConfig
        The programme, completely.
    studies : path, default ``"studies"``
        Folder of all studies; this one writes into ``studies/<name>``.
    runs : RunStore, optional
        Where runs lie; ``runs/`` when absent.
    data_root : path, optional
        Where data lie, over what the cells' experiments say.

    Examples
    --------
    >>> programme = Programme.from_file("seed", quick=True)  # doctest: +SKIP
    >>> programme.run()                                      # doctest: +SKIP
    >>> programme.results()                                  # doctest: +SKIP
    """

    def __init__(
        self,
        config: ProgrammeConfig,
        *,
        studies: Path | str = "studies",
        runs: RunStore | None = None,
        data_root: Path | str | None = None,
    ) -> None:
        self.config = config
        self.folder = Path(studies) / config.name
        self.runs = runs or RunStore()
        self.data_root = Path(data_root) if data_root is not None else None
        self.cells = [self._placed(cell) for cell in config.cells()]

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        settings: Iterable[str] | Mapping[str, Any] = (),
        *,
        quick: bool = False,
        **where: Any,
    ) -> Programme:
        """Read a programme's file (``quick``: its rehearsal); ``where`` as the class takes it."""
        if where.get("data_root") is not None:
            # a universe may lie in the data folder
            root = json.dumps(str(where["data_root"]))
            settings = [*each_setting(settings), f"study.experiment.data.root={root}"]
        return cls(load_programme(path, settings, quick=quick), **where)

    def _placed(self, cell: ProgrammeCell) -> ProgrammeCell:
        if self.data_root is None:
            return cell
        data = cell.study.experiment.data.model_copy(update={"root": self.data_root})
        experiment = cell.study.experiment.model_copy(update={"data": data})
        study: StudyConfig = cell.study.model_copy(update={"experiment": experiment})
        return ProgrammeCell(cell.task, cell.timescale, cell.assets, cell.quality, study)

    def study(self, cell: ProgrammeCell) -> Study:
        """Return the study of one cell; its windows are let go of with it."""
        data = DataStore(cell.study.experiment.data.root)
        return Study(cell.study, studies=self.folder / "cells", runs=self.runs, data=data)

    def report_of(self, cell: ProgrammeCell) -> Path:
        """Return where the report of a cell's study lies, or will."""
        return self.folder / "cells" / cell.name / "report.html"

    def states(self, tell: Tell = silent) -> list[CellState]:
        """Return how far every cell is; what is remembered of an earlier call takes no time."""
        found = []
        for number, cell in enumerate(self.cells, 1):
            tell(cell.name, number, len(self.cells))
            folder, root = self.folder / "cells" / cell.name, cell.study.experiment.data.root
            try:
                members = roster(cell.study, folder, root, partial(self.study, cell)).runs
            except FinscaleError as error:
                found.append(CellState(cell, 0, 0, _sentence(error)))
                continue
            there = sum(self.runs.looks_whole(one.run) for one in members)
            found.append(CellState(cell, len(members), there))
        return found

    def missing(self, tell: Tell = silent) -> tuple[list[Planned], dict[str, str]]:
        """Return the runs that no store has, each once, and the refused cells with the reason.

        A run that several cells share, as a baseline of theirs, is the first one's. Its label has
        the cell's name before its own.
        """
        wanted: dict[str, Planned] = {}
        refused_cells: dict[str, str] = {}
        for number, cell in enumerate(self.cells, 1):
            tell(cell.name, number, len(self.cells))
            try:
                for one in self.study(cell).missing():
                    wanted.setdefault(one.run_id, _named(one, cell.name))
            except FinscaleError as error:
                refused_cells[cell.name] = _sentence(error)
        return list(wanted.values()), refused_cells

    def run(
        self,
        *,
        executor: Executor | None = None,
        observe: Callable[[Event], None] | None = None,
        amend: bool = False,
        tell: Tell = silent,
        started: Callable[[Sequence[Planned]], object] = lambda wanted: None,
    ) -> dict[str, str]:
        """Compute what is missing of every cell; interrupted, the next call goes on.

        Parameters
        ----------
        executor : Executor, optional
            Where runs are computed; worker processes on this machine when absent.
        observe : callable, optional
            Told of every event.
        amend : bool
            Go on although a study differs from what was registered; recorded.
        tell : callable
            Told which cell is being planned.
        started : callable
            Told the runs that will be computed, before the first.

        Returns
        -------
        dict of str to str
            Label → reason of each run that failed.

        Raises
        ------
        FinscaleError
            If a study is not what was registered and ``amend`` is not given.
        """
        engine = executor or LocalExecutor()
        for cell in self.cells:
            self.study(cell).registration.register(amend=amend)
        failed: dict[str, str] = {}
        # a sweep decides which runs follow it, so there may be several rounds
        while True:
            missing, refused_cells = self.missing(tell)
            waiting = [one for one in missing if one.cell.label not in failed]
            if not waiting:
                break
            started(waiting)
            failures = {cell.name: self.study(cell).failures for cell in self.cells}
            failed |= compute(
                waiting,
                engine,
                self.runs.folder,
                note=partial(_note, failures),
                observe=observe,
            )
        for cell in self.cells:
            if cell.name not in refused_cells:
                with contextlib.suppress(FinscaleError):
                    self.study(cell).run(executor=engine)  # nothing is missing: its records
        return failed

    def results(self, *, reports: bool = True, tell: Tell = silent) -> tuple[CellResult, ...]:
        """Judge every cell, correct the verdicts together, and write ``programme.json``.

        Parameters
        ----------
        reports : bool
            Whether the report of each cell's study is written where it is missing or older than
            its verdict.
        tell : callable
            Told which cell is being judged.
        """
        found = []
        for number, cell in enumerate(self.cells, 1):
            tell(cell.name, number, len(self.cells))
            found.append(self._result(cell, reports=reports))
        results = judged_together(found, self.config.level)
        content = {
            "programme": self.config.name,
            "hash": self.config.hash(),
            "level": self.config.level,
            "cells": [one.to_dict() for one in results],
        }
        write_json(self.folder / "programme.json", content)
        return results

    def _result(self, cell: ProgrammeCell, *, reports: bool) -> CellResult:
        """Return what came out of a cell; kept with the runs that it was judged from."""
        report = self.report_of(cell)
        kept = report.parent / ".cell.json"
        try:
            study = self.study(cell)
            runs = sorted(planned.run_id for planned, _ in study.completed())
        except FinscaleError as error:
            return refused(cell, _sentence(error))
        key = [cell.study.hash(), runs]
        with contextlib.suppress(FinscaleError, KeyError, TypeError):
            known = read_json(kept)
            if known["key"] == key and (report.exists() or not reports):
                return CellResult.from_dict(known["result"])
        result = result_of(cell, study)
        if reports and runs:
            with contextlib.suppress(FinscaleError):
                study.results()
                study.report()
        if runs:
            write_json(kept, {"key": key, "result": result.to_dict()})
        return result


def _named(planned: Planned, cell: str) -> Planned:
    """Return a run whose label has its cell's name; its own config and identity stay."""
    label = {"name": f"{cell} {planned.cell.label}"}
    config = planned.cell.config.model_copy(update=label)
    return replace(planned, cell=replace(planned.cell, config=config))


def _note(failures: Mapping[str, Failures], planned: Planned, event: Event) -> None:
    failures[planned.cell.label.split(" ", 1)[0]].note(planned, event)


def _sentence(error: FinscaleError) -> str:
    return f"{error.message} {error.hint}".strip()
