"""A study: one file in, runs on disk, a table and a figure out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from finscale.config import StudyConfig, load_config
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.files import write_bytes, write_json
from finscale.runs import Run, RunStore
from finscale.study.executor import Event, Executor, Job, LocalExecutor
from finscale.study.grid import Cell, expand
from finscale.study.preparation import Prepared, prepare

if TYPE_CHECKING:
    import polars as pl

    from finscale.scaling import Verdict


@dataclass(frozen=True)
class Planned:
    """A cell of the grid, resolved: its run's identity is known before it is computed."""

    cell: Cell
    prepared: Prepared

    @property
    def run_id(self) -> str:
        """The run's identity."""
        return self.prepared.run_id

    @property
    def cost(self) -> float:
        """Training FLOPs if no epoch is saved by early stopping."""
        prepared = self.prepared
        epochs = prepared.config.training.epochs
        return 3.0 * prepared.flops_per_sample * len(prepared.split.train) * epochs


class Study:
    """A grid of runs along a scale axis, its baselines and its results.

    Parameters
    ----------
    config : StudyConfig
        The study, completely.
    studies : path, default ``"studies"``
        Folder of all studies; this one writes into ``studies/<name>``.
    runs : RunStore, optional
        Where runs lie; ``runs/`` when absent. A run that is there is not computed again, whichever
        study wanted it first.
    data : DataStore, optional
        Where data lie; the experiment's ``data.root`` when absent.

    Examples
    --------
    >>> study = fs.Study.from_file("configs/studies/sp500_first.yaml")  # doctest: +SKIP
    >>> study.run()                                                     # doctest: +SKIP
    >>> study.results()                                                 # doctest: +SKIP
    """

    def __init__(
        self,
        config: StudyConfig,
        *,
        studies: Path | str = "studies",
        runs: RunStore | None = None,
        data: DataStore | None = None,
    ) -> None:
        self.config = config
        self.folder = Path(studies) / config.name
        self.runs = runs or RunStore()
        self.data = data or DataStore(config.experiment.data.root)

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        settings: Iterable[str] = (),
        *,
        studies: Path | str = "studies",
        runs: RunStore | None = None,
        data: DataStore | None = None,
    ) -> Study:
        """Read a study file; ``settings`` are laid over it, as ``--set`` does."""
        config = load_config(StudyConfig, path, settings)
        return cls(config, studies=studies, runs=runs, data=data)

    @cached_property
    def plan(self) -> list[Planned]:
        """Every run of the study, resolved, in the order of the grid."""
        return [Planned(cell, prepare(cell.config, self.data)) for cell in expand(self.config)]

    def missing(self) -> list[Planned]:
        """Return the runs that are not in the store yet."""
        return [planned for planned in self.plan if planned.run_id not in self.runs]

    def run(
        self, *, executor: Executor | None = None, observe: Callable[[Event], None] | None = None
    ) -> dict[str, str]:
        """Compute what is missing; interrupted, the next call goes on where this one stopped.

        Parameters
        ----------
        executor : Executor, optional
            Where runs are computed; worker processes on this machine when absent.
        observe : callable, optional
            Told of every event, for progress displays.

        Returns
        -------
        dict of str to str
            Label → reason of each run that failed; empty when all is well.
        """
        self._write_resolved()
        missing = self.missing()
        jobs = [
            Job(index, planned.cell.label, planned.prepared.config, planned.cost)
            for index, planned in enumerate(missing)
        ]
        failures = {}
        for event in (executor or LocalExecutor()).run(jobs, self.runs.folder) if jobs else ():
            if event.kind == "failed":
                failures[event.job.label] = event.facts["error"]
            if observe is not None:
                observe(event)
        return failures

    def completed(self) -> list[tuple[Planned, Run]]:
        """Return every planned run that is in the store, with its run."""
        return [(p, self.runs[p.run_id]) for p in self.plan if p.run_id in self.runs]

    def results(self) -> pl.DataFrame:
        """Return one row per finished run and write it as ``results.parquet`` and CSV.

        Raises
        ------
        FinscaleError
            If no run is finished yet.
        """
        from finscale.study.results import results_table, write_results

        completed = self.completed()
        if not completed:
            raise FinscaleError(
                f"study {self.config.name} has no finished run.", hint="finscale study run FILE"
            )
        table = results_table(completed)
        write_results(table, self.folder)
        return table

    def summary(self) -> list[dict[str, str]]:
        """Return the results as printable rows: one per baseline and size."""
        from finscale.study.results import summary

        return summary(self.results(), f"size_{next(iter(self.config.axes))}")

    def verdict(self) -> Verdict:
        """Judge the finished runs and write ``law.json``.

        Raises
        ------
        FinscaleError
            If too few runs are finished to judge.
        """
        from finscale.study.analysis import verdict

        judged = verdict(self.config, self.completed())
        write_json(self.folder / "law.json", {"verdict": judged.to_dict()})
        return judged

    def _write_resolved(self) -> None:
        text = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False)
        header = f"# resolved before the first run; sha256 {self.config.hash()}\n"
        write_bytes(self.folder / "study.yaml", (header + text).encode())
