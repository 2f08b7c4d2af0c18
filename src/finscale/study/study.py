"""A study: one file in, runs on disk, a table, a verdict and a figure out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.calling import spoken
from finscale.config import StudyConfig, load_study
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.files import null_for_nan, write_json
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore
from finscale.study.aligned import aligned
from finscale.study.control_grid import control_study
from finscale.study.execution.compute import compute
from finscale.study.execution.executors import make_executor
from finscale.study.execution.failures import Failures
from finscale.study.execution.local import Event, Executor, LocalExecutor
from finscale.study.families import LeftOut, fitting_cells, of_family
from finscale.study.grid import Cell, alone_studies, expand
from finscale.study.planned import Planned, plan_cells
from finscale.study.registration import Registration
from finscale.study.roster import roster
from finscale.study.showing import Showing
from finscale.study.telling import Tell, silent
from finscale.study.tracked import StudyTracking
from finscale.study.tune.tuner import make_tuner

if TYPE_CHECKING:
    from finscale.scaling import Law, Verdict
    from finscale.study.beyond import BeyondLinear
    from finscale.study.daily import Completed
    from finscale.study.family_results import FamilyComparison

__all__ = ["Planned", "Study"]


class Study(Showing):
    """A grid of runs along one or two scale axes, its baselines, controls and results.

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
    family : str
        The architecture, where the study is one's part of a comparison: a control of it.

    Examples
    --------
    >>> study = fs.Study.from_file("configs/studies/sp500_first.yaml")  # doctest: +SKIP
    >>> study.run()                                                     # doctest: +SKIP
    >>> study.results()                                                 # doctest: +SKIP
    """

    @spoken('Study.from_file("sp500_parameters")')
    def __init__(
        self,
        config: StudyConfig,
        *,
        studies: Path | str = "studies",
        runs: RunStore | None = None,
        data: DataStore | None = None,
        family: str = "",
    ) -> None:
        load_plugins()
        self.config, self.family = aligned(config), family
        self.folder = Path(studies) / config.name
        self.runs = runs or RunStore()
        self.data = data or DataStore(config.experiment.data.root)
        self.tuner = make_tuner(self.config, self.data, self.runs, self.folder)
        self.registration = Registration(self.folder, self.config)
        self.failures = Failures(self.folder)
        self.tracking = StudyTracking(self)
        self._compared: tuple[list[str], FamilyComparison] | None = None
        #: What was judged, by what and by which runs: a report asks several times
        self._judgements: dict[tuple[object, ...], Any] = {}

    @classmethod
    @spoken('Study.from_file("sp500_parameters")')
    def from_file(
        cls,
        path: Path | str,
        settings: Iterable[str] | Mapping[str, Any] = (),
        *,
        quick: bool = False,
        studies: Path | str = "studies",
        runs: RunStore | None = None,
        data: DataStore | None = None,
    ) -> Study:
        """Read a study file (``quick``: its rehearsal); ``settings`` lie over it, as ``--set``."""
        return cls(load_study(path, settings, quick=quick), studies=studies, runs=runs, data=data)

    @cached_property
    def cells(self) -> list[Cell]:
        """The grid before anything is tuned or resolved."""
        return self._grid[0]

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Sizes that one of several architectures cannot have; they are no part of the grid."""
        return self._grid[1]

    @cached_property
    def _grid(self) -> tuple[list[Cell], tuple[LeftOut, ...]]:
        if self.config.architectures or self.family:
            return fitting_cells(self.config, self.data, family=self.family)
        return expand(self.config), ()

    @cached_property
    def plan(self) -> list[Planned]:
        """Every run of the study, resolved, in the order of the grid; sweeps and controls apart.

        While a sweep is not finished, sizes that it has not settled stand with the transferred
        learning rate, and their identities will change.
        """
        return plan_cells(self.tuner.tune(self.cells), self.data)

    @cached_property
    def controls(self) -> dict[str, Study]:
        """The studies beside this one whose outcome is known, by name of the control.

        Of several architectures each has its own: ``gru permuted_labels``.
        """
        return {
            f"{family} {kind}".strip(): Study(
                control_study(alone, kind),
                studies=self.folder / "controls" / family,
                runs=self.runs,
                data=self.data,
                family=family,
            )
            for family, alone in alone_studies(self.config).items()
            for kind in self.config.controls.kinds
            if not family or any(cell.family == family for cell in self.cells)
        }

    def missing(self) -> list[Planned]:
        """Return the runs that are not in the store yet: sweeps, the grid, then the controls.

        A run whose files are not what was written counts as missing.
        """
        every = self._with_controls()
        there = self.runs.whole(one.run_id for one in every)
        return [*self.tuner.missing(self.cells), *(p for p in every if p.run_id not in there)]

    def run(
        self,
        *,
        executor: Executor | str | None = None,
        observe: Callable[[Event], None] | None = None,
        amend: bool = False,
    ) -> dict[str, str]:
        """Compute what is missing; interrupted, the next call goes on where this one stopped.

        Parameters
        ----------
        executor : Executor or str, optional
            Where runs are computed: ``local``, worker processes on this machine, when absent;
            ``ray``; one of a plug-in; or one with settings of its own, ``RayExecutor("auto")``.
        observe : callable, optional
            Told of every event, for progress displays.
        amend : bool
            Go on although the study differs from what was registered before its first run; the
            amendment is recorded.

        Returns
        -------
        dict of str to str
            Label → reason of each run that failed; empty when all is well.

        Raises
        ------
        FinscaleError
            If the study is not what was registered and ``amend`` is not given, or this machine is
            to compute it and cannot: no such device, or no arithmetic for the precision.
        """
        self.registration.register(amend=amend)
        engine = (
            make_executor(executor or "local") if isinstance(executor, str | None) else executor
        )
        if isinstance(engine, LocalExecutor):
            self._require_placement()
        self.tracking.start()
        failed = self.tuner.first_searched(self.cells, engine, observe)
        while waiting := [
            one for one in self.tuner.missing(self.cells) if one.cell.label not in failed
        ]:
            failed |= self._compute(waiting, engine, observe)
        self.__dict__.pop("plan", None)
        self._write_records()
        # remembered, so that `study status` beside it takes no time
        roster(self.config, self.folder, self.config.experiment.data.root, lambda: self)
        return failed | self._compute(self.missing(), engine, observe)

    def _require_placement(self) -> None:
        """Refuse at once what this machine cannot compute, before a worker is started."""
        from finscale.training.placement import place_training

        for one in self.plan:
            if not one.cell.is_baseline and one.run_id not in self.runs:
                place_training(one.prepared.config.training, num_parameters=1)

    def completed(self) -> list[tuple[Planned, Run]]:
        """Return every planned run that is in the store, with its run."""
        there = self.runs.among(p.run_id for p in self.plan)
        return [(p, self.runs[p.run_id]) for p in self.plan if p.run_id in there]

    def results(self, tell: Tell = silent) -> pl.DataFrame:
        """Return one row per finished run and write it as ``results.parquet`` and CSV.

        ``tell`` is told how many runs of how many are scored.

        Raises
        ------
        FinscaleError
            If no run is finished yet.
        """
        from finscale.study.results import written_results

        completed = self.completed()
        if not completed:
            raise FinscaleError(
                f"study {self.config.name} has no finished run.", hint="finscale study run FILE"
            )
        return written_results(completed, self.folder, tell)

    def summary(self) -> list[dict[str, str]]:
        """Return the results as printable rows: one per baseline and size."""
        from finscale.study.failed import failed_baselines
        from finscale.study.outcomes import loss_measure
        from finscale.study.results import summary

        families = list(self.config.families) or [""]
        beyond = {
            (family, level): self.beyond_linear(level, family=family)
            for family in families
            for level in self._levels()
        }
        known = self.results(), list(self.config.axes), beyond
        failed = failed_baselines(self.completed())
        return summary(*known, failed, digits=loss_measure(self.config).digits)

    def verdict(self) -> Verdict:
        """Judge the finished runs and write ``law.json``.

        With two axes the verdict is along the first at the largest size of the second;
        :meth:`verdicts` and ``law.json`` have the others, :meth:`surface` fits both. Of several
        architectures it is the verdict of the one that validation prefers; :meth:`compare` and
        ``law.json`` have all.

        Raises
        ------
        FinscaleError
            If too few runs are finished to judge.
        """
        from finscale.study.analysis import verdict

        content: dict[str, Any] = {}
        if self.config.architectures:
            compared = self.compare()
            content["families"] = compared.to_dict()
            lead = compared[compared.lead]
            if lead.verdict is None:
                write_json(self.folder / "law.json", null_for_nan({"verdict": None, **content}))
                raise FinscaleError(lead.no_verdict)
            judged = lead.verdict
        else:
            completed = self.completed()
            judged = self._once(
                lambda: verdict(self.config, completed, self.data), "verdict", completed
            )
        content = {"verdict": judged.to_dict(), **content}
        beyond = self.beyond_linear()
        if beyond is not None:
            content["beyond_linear"] = beyond.to_dict()
        if len(self.config.axes) > 1:
            content["verdicts"] = {
                str(size): along.to_dict() for size, along in self.verdicts().items()
            }
        write_json(self.folder / "law.json", null_for_nan(content))
        return judged

    def verdicts(self) -> dict[int | str, Verdict]:
        """Return the verdict along the first axis at each size of the second."""
        from finscale.study.analysis import verdicts

        return verdicts(*self.judged(), self.data)

    def beyond_linear(
        self, level: int | str | None = None, *, family: str = ""
    ) -> BeyondLinear | None:
        """Return what each size gains on the linear model; None where that is not known.

        ``level`` is a size of the second axis, its largest when None; ``family`` one of several
        architectures, the one that validation prefers when empty.
        """
        from finscale.study.analysis import beyond_linear

        try:
            config, completed = self.judged(family)
        except FinscaleError:
            return None  # no architecture leads yet
        found: BeyondLinear | None = self._once(
            lambda: beyond_linear(config, completed, level, self.data),
            ("beyond linear", family, level),
            completed,
        )
        return found

    def _once(self, judge: Callable[[], Any], what: object, completed: Completed) -> Any:
        key = (what, *(run.id for _, run in completed))
        if key not in self._judgements:
            self._judgements[key] = judge()
        return self._judgements[key]

    def _levels(self) -> tuple[int | str | None, ...]:
        """Return the sizes of the second axis; of one axis nothing to choose from."""
        return (None,) if len(self.config.axes) < 2 else [*self.config.axes.values()][1]

    def surface(self) -> Law:
        """Return the law fitted over both axes."""
        from finscale.study.analysis import surface

        return surface(*self.judged(), self.data)

    def compare(self) -> FamilyComparison:
        """Compare the study's architectures: a verdict for each, and the differences between them.

        Raises
        ------
        FinscaleError
            If the study has one architecture, or fewer than two have finished a size.
        """
        from finscale.study.family_comparison import compare_families

        if not self.config.architectures:
            raise FinscaleError(
                f"study {self.config.name} has one architecture: nothing is compared.",
                hint="architectures: [patchtst, dlinear]",
            )
        completed = self.completed()
        known = [planned.run_id for planned, _ in completed]
        if self._compared is None or self._compared[0] != known:
            found = compare_families(self.config, completed, self.data, self.left_out)
            self._compared = known, found
        return self._compared[1]

    def judged(self, family: str = "") -> tuple[StudyConfig, Completed]:
        """Return what is judged: of several architectures one's part, the leading one's if empty.

        Raises
        ------
        FinscaleError
            If no architecture is named and none leads yet: fewer than two have finished a size.
        """
        completed = self.completed()
        if not self.config.architectures:
            return self.config, completed
        family = family or self.compare().lead
        return self.config.of_family(family), of_family(completed, family)

    def _with_controls(self) -> list[Planned]:
        plans = (self.plan, *(control.plan for control in self.controls.values()))
        # architectures share the baselines of their controls
        return list({one.run_id: one for plan in plans for one in plan}.values())

    def _compute(
        self,
        wanted: Sequence[Planned],
        engine: Executor,
        observe: Callable[[Event], None] | None,
    ) -> dict[str, str]:
        """Compute runs; those that fail are recorded, and the others go on."""
        note, track = self.failures.note, self.tracking.observe
        return compute(wanted, engine, self.runs.folder, note=note, track=track, observe=observe)

    def _write_records(self) -> None:
        """Write what sweeps chose, and which runs are the study's: none of them is cleared away."""
        record = self.tuner.record(self.cells)
        if record:
            write_json(self.folder / "tuning.json", record)
        ids = {planned.run_id for planned in self._with_controls()}
        ids |= self.tuner.run_ids(self.cells)
        write_json(self.folder / "runs.json", sorted(ids))
        self.tuner.note_chosen(self.cells, [one.run_id for one in self.plan])
