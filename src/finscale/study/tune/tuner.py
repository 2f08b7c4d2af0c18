"""A study's rule ``search``: every size takes the settings that its search has found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import StudyConfig, content_hash, validate
from finscale.config.model import model_section
from finscale.config.tune import SearchConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.files import null_for_nan, read_json, write_json
from finscale.runs import RunStore, choosing
from finscale.runs.searches import SearchRecord, note_search
from finscale.study.grid import Cell
from finscale.study.planned import Planned, plan_cells
from finscale.study.tune.coordinator import (
    Coordinator,
    SearchedSize,
    TuneBudget,
    alone,
    trial_rows,
)
from finscale.study.tune.found import FoundSettings, found_of, plain_name
from finscale.study.tune.search import SearchPlan, SizeSearch
from finscale.study.tune.settings import Base, largest_epochs, sections_of, told_settings
from finscale.study.tune.space import dimensions, forced
from finscale.study.tune.storage import JOURNAL, TrialLog, open_storage
from finscale.study.tune.transfer import by_family, transfer_words, verifying
from finscale.study.tune.trials import SearchTrial, best_of
from finscale.study.tuning import Tuner, size_key

if TYPE_CHECKING:
    from finscale.study.execution.local import Event, Executor

#: What was found, in a study's folder.
FOUND = Path("tune") / "found.json"
#: Settings that say how long a search lasts; with others it goes on from the trials that it has.
_LENGTH = {"trials", "verify_trials", "widenings"}


@dataclass(frozen=True)
class SearchOutcome:
    """How a call of the search ended."""

    failed: dict[str, str]  #: Label → reason of runs that failed for no fault of their settings
    stopped_by: str  #: What ended it before it was done; empty where nothing did


class SearchTuner(Tuner):
    """Searches each size's settings, and lays them over the cells of the grid.

    Parameters
    ----------
    study : StudyConfig
        With ``tuning.rule: search``.
    data, runs : DataStore, RunStore
        Where data and runs lie.
    folder : Path
        ``studies/<name>``: the journal and what was found lie in its ``tune``.
    """

    def __init__(self, study: StudyConfig, data: DataStore, runs: RunStore, folder: Path) -> None:
        super().__init__(study, data, runs)
        self.folder = folder
        self.config: SearchConfig = study.tuning.search
        #: Where trials are kept; the journal in the study's folder unless a URL is set.
        self.storage: str | Path = folder / JOURNAL
        self._known_bases: tuple[tuple[str, ...], dict[str, Base]] | None = None

    # what a study asks of its tuner

    def tune(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells with the settings that were found; transferred ones where none are."""
        transferred, _ = self._transferred(cells)
        found = self.found(cells)
        return [self._with_found(cell, found) for cell in transferred]

    def missing(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return nothing: which trials are wanted is known round by round; see :meth:`search`."""
        return []

    def forecast(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return a stand-in for every run that the searches may still make, for their price.

        A trial stands with the default settings, which cost about what the middle of the space
        does, trained to its end. A range that is widened costs more, a trial that is stopped less.
        """
        found, wanted = self.found(cells), []
        for key, base in self.bases(cells).items():
            known = found.get(key)
            count = self._num_trials(key, base, cells) - (known.num_trials if known else 0)
            runs = self.config.folds * len(self.config.seeds)
            if not (known and known.is_done):
                wanted += [base.planned] * (max(count, 0) * runs)
        return wanted

    def record(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """Return what was found at each size."""
        return [one.to_dict() for one in self.found(cells).values()]

    def run_ids(self, cells: Sequence[Cell]) -> set[str]:
        """Return every run of the searches."""
        return {run for one in self.found(cells).values() for run in one.run_ids}

    def num_trials(self, cells: Sequence[Cell]) -> int:
        """Return how many settings were tried at all sizes together."""
        return sum(one.num_trials for one in self.found(cells).values())

    def sentences(self, cells: Sequence[Cell]) -> list[str]:
        """Return what was found, one sentence a size."""
        return [one.sentence for one in self.found(cells).values()]

    def searched(self, cells: Sequence[Cell]) -> list[FoundSettings]:
        """Return what was found at each size."""
        return list(self.found(cells).values())

    def note_chosen(self, cells: Sequence[Cell], run_ids: Sequence[str]) -> None:
        """Record beside the runs how many settings they were chosen among."""
        self._note(self.found(cells), run_ids)

    def _note(self, found: Mapping[str, FoundSettings], run_ids: Sequence[str]) -> None:
        for one in found.values():
            if one.num_trials:
                known = tuple(one.run_ids), tuple(run_ids)
                note_search(self._runs.folder, SearchRecord(one.search, one.num_trials, *known))

    def first_searched(
        self, cells: Sequence[Cell], engine: Executor, observe: Callable[[Event], None] | None
    ) -> dict[str, str]:
        """Make the searches before a study's grid; return the runs that failed."""
        return self.search(cells, engine, observe=observe).failed

    def describe(self) -> str:
        """Return the rule in a sentence, for the plan of a study."""
        config = self.config
        where = (
            "at the smallest size, transferred, and verified at the largest"
            if config.at == "smallest"
            else "for each size"
        )
        held = config.space
        varied = [name for name in type(held).model_fields if getattr(held, name) is not None]
        judged = "the first fold" if config.folds == 1 else f"{config.folds} blocks before any test"
        seeds = f" and {len(config.seeds)} seeds" if len(config.seeds) > 1 else ""
        return (
            f"a search {where}, on validation of {judged}{seeds}: {config.trials} trials by "
            f"{config.sampler} over {', '.join(varied)}; extremes are tried first"
        )

    # the searches

    def found(self, cells: Sequence[Cell]) -> dict[str, FoundSettings]:
        """Return what was found, by key of the size: of other settings or data, nothing."""
        try:
            content = read_json(self.folder / FOUND)
        except FinscaleError:
            return {}
        bases, known = self.bases(cells), {}
        for key, one in content.items():
            with contextlib.suppress(TypeError, KeyError):
                if key in bases and one["key"] == self._digest(bases[key]):
                    known[key] = found_of(one)
        return known

    def bases(self, cells: Sequence[Cell]) -> dict[str, Base]:
        """Return every size before its search, on the study's first fold."""
        names = tuple(cell.label for cell in cells)
        if self._known_bases is None or self._known_bases[0] != names:
            transferred, _ = self._transferred(cells)
            held = "compute" in self.study.axes
            bases = {}
            for key, cell in self._first_fold(transferred).items():
                (planned,) = plan_cells([cell], self._data)
                bases[key] = Base(cell, planned, _words(cell), holds_compute=held)
            self._known_bases = names, bases
        return self._known_bases[1]

    def search(
        self,
        cells: Sequence[Cell],
        engine: Executor,
        *,
        budget: TuneBudget | None = None,
        observe: Callable[[Event], None] | None = None,
        tell: Callable[[SearchedSize, SearchTrial], None] | None = None,
    ) -> SearchOutcome:
        """Make every trial that is missing; killed, the next call goes on where it was.

        Parameters
        ----------
        cells : sequence of Cell
            The grid.
        engine : Executor
            Where runs are computed.
        budget : TuneBudget, optional
            When to stop before the end.
        observe, tell : callable, optional
            Told of every event, and of every trial that has ended.

        Raises
        ------
        FinscaleError
            If another process is at the same searches, or the storage cannot be opened.
        """
        bases = self.bases(cells)
        with alone(self.folder / FOUND.parent):
            storage = open_storage(self.storage)
            first = self._first_searches(bases, storage)
            outcome = self._rounds(first, engine, budget, observe, tell)
            self._write(bases, first, {})
            if self.config.at == "smallest" and not (outcome.failed or outcome.stopped_by):
                second = self._verifying(bases, first, storage)
                outcome = self._rounds(second, engine, budget, observe, tell)
                self._write(bases, first, second)
        return outcome

    def _rounds(
        self,
        searches: dict[str, SearchedSize],
        engine: Executor,
        budget: TuneBudget | None,
        observe: Callable[[Event], None] | None,
        tell: Callable[[SearchedSize, SearchTrial], None] | None,
    ) -> SearchOutcome:
        coordinator = Coordinator(
            list(searches.values()), self._data, self._runs, engine, budget or TuneBudget()
        )
        coordinator.observe = observe or coordinator.observe
        coordinator.tell = tell or coordinator.tell
        with choosing("settings in a search"):
            coordinator.run()
        return SearchOutcome(coordinator.failed, coordinator.stopped_by)

    def _first_searches(self, bases: dict[str, Base], storage: Any) -> dict[str, SearchedSize]:
        """Return the searches that need no other: at every size, or at each family's smallest."""
        return {
            key: SearchedSize(base, SizeSearch(plan, TrialLog(storage, plan.name)))
            for key, base in self._searched(bases).items()
            for plan in [self.plan_of(base)]
        }

    def _searched(self, bases: dict[str, Base]) -> dict[str, Base]:
        if self.config.at == "each":
            return bases
        return {key: bases[key] for key in by_family(bases).values()}

    def plan_of(self, base: Base) -> SearchPlan:
        """Return the search at a size, before its first trial."""
        dims = dimensions(self.config.space, base.limits(self.config))
        if not dims:
            raise FinscaleError(
                f"{base.label}: nothing of the space can be varied at this size.",
                hint="widen tuning.search.space",
            )
        first = forced(dims, base.own(dims))
        if self.config.sampler == "grid":
            first = first[:1]  # a grid has its extremes
        name = f"{self.study.name}/{plain_name(base.label)}@{self._digest(base)[:8]}"
        epochs = largest_epochs(base, dims)
        return SearchPlan(name, base.label, self.config, dims, tuple(first), epochs)

    def _verifying(
        self, bases: dict[str, Base], first: dict[str, SearchedSize], storage: Any
    ) -> dict[str, SearchedSize]:
        """Return a short search around the transferred settings at each family's largest size."""
        found = {}
        for family, key in by_family(bases, largest=True).items():
            source = next(one for one in first.values() if one.base.cell.family == family)
            best = best_of(source.search.told)
            if key in first or best is None:
                continue
            plan = verifying(self.plan_of(bases[key]), best.params)
            found[key] = SearchedSize(bases[key], SizeSearch(plan, TrialLog(storage, plan.name)))
        return found

    def _write(
        self,
        bases: dict[str, Base],
        first: dict[str, SearchedSize],
        verified: dict[str, SearchedSize],
    ) -> None:
        """Write what was found; of a search that has no complete trial yet, nothing."""
        found: dict[str, FoundSettings] = {}
        for key, size in first.items():
            best = best_of(size.search.told)
            if best is not None:
                found[key] = self._found_at(size, best)
        if self.config.at == "smallest":
            for key, base in bases.items():
                source = next(
                    (k for k, one in first.items() if one.base.cell.family == base.cell.family), ""
                )
                if key not in first and source in found:
                    found[key] = self._transferred_to(base, first[source], verified.get(key))
        content = {
            key: {"key": self._digest(bases[key]), **one.to_dict()} for key, one in found.items()
        }
        write_json(self.folder / FOUND, null_for_nan(content))
        self._note(found, ())

    def _found_at(self, size: SearchedSize, best: SearchTrial) -> FoundSettings:
        search, base = size.search, size.base
        stage = search.stage()
        planned = size.planned(best, self._data)[0]
        default = next((one for one in search.told if one.forced == "default"), None)
        return FoundSettings(
            label=base.label,
            family=base.cell.family,
            search=search.plan.name,
            settings=told_settings(planned.cell, planned),
            sections=sections_of(planned.cell),
            best_loss=best.value,
            default_loss=default.value if default and default.is_complete else None,
            best_trial=best.number,
            is_done=stage.is_done,
            interior=not any(one.dimension.can_widen(one.end) for one in stage.at_edge),
            at_edge=[one.words for one in stage.at_edge],
            widened=list(stage.widened),
            trials=trial_rows(size),
        )

    def _transferred_to(
        self, base: Base, source: SearchedSize, verified: SearchedSize | None
    ) -> FoundSettings:
        best = best_of(source.search.told)
        assert best is not None
        dims = source.search.stage().dims
        own = {dim.key: dim for dim in dimensions(self.config.space, base.limits(self.config))}
        # a shape that this size does not have is held at the nearest that it has
        params = {
            key: min(value, own[key].most) if key in own else value
            for key, value in best.params.items()
        }
        is_default = best.forced == "default"
        cell = base.cell if is_default else base.applied(dims, params)
        (planned,) = plan_cells([cell], self._data)
        words = ""
        losses: tuple[float | None, float | None] = (None, None)
        if verified is not None:
            words, losses = transfer_words(verified.search)
        return FoundSettings(
            label=base.label,
            family=base.cell.family,
            search=verified.search.plan.name if verified else source.search.plan.name,
            settings=told_settings(planned.cell, planned),
            sections=sections_of(cell),
            best_loss=losses[0],
            default_loss=losses[1],
            best_trial=None,
            is_done=verified is None or verified.search.stage().is_done,
            interior=True,
            trials=trial_rows(verified) if verified else (),
            transferred_from=source.base.label,
            transfer=words,
        )

    def _num_trials(self, key: str, base: Base, cells: Sequence[Cell]) -> int:
        bases = self.bases(cells)
        if key in self._searched(bases):
            return self.plan_of(base).num_trials
        return self.config.verify_trials if key in by_family(bases, largest=True).values() else 0

    def _digest(self, base: Base) -> str:
        """Return what tells one search from another: its rule, and the size's own run."""
        rule = self.config.model_dump(mode="json", exclude=_LENGTH)
        return content_hash([rule, base.planned.run_id, sorted(base.cell.sizes.items())])

    def _with_found(self, cell: Cell, found: dict[str, FoundSettings]) -> Cell:
        one = None if cell.is_baseline else found.get(size_key(cell))
        if one is None:
            return cell
        model = one.sections["model"]
        section = validate(model_section(model), model, place="tune/found.json")
        training = cell.config.training.model_copy(update=dict(one.sections["training"]))
        update = {"training": training, "model": section}
        return replace(cell, config=cell.config.model_copy(update=update))


def _words(cell: Cell) -> str:
    from finscale.study.families import sized_words

    words = sized_words(cell.sizes)
    return f"{cell.family} {words}".strip()


def make_tuner(study: StudyConfig, data: DataStore, runs: RunStore, folder: Path) -> Tuner:
    """Return what applies a study's tuning rule."""
    if study.tuning.rule == "search":
        return SearchTuner(study, data, runs, folder)
    return Tuner(study, data, runs)
