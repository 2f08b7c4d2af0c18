"""The search at one size: which trials come next, when it is done, what it has found.

All of it is a function of the trials that were told. So a search that was killed goes on as if
nothing had happened, and one with more trials goes on from those that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from finscale.config.tune import SearchConfig
from finscale.study.tune.asking import Asked, ask, grid_points
from finscale.study.tune.pruning import Hyperband
from finscale.study.tune.space import AtEdge, Dimension, edges, widen
from finscale.study.tune.storage import TrialLog
from finscale.study.tune.trials import Params, SearchTrial, best_of

#: A widened range is given this share of the trials again, and a round of them at least.
_EXTRA = 5


@dataclass(frozen=True)
class SearchPlan:
    """What a search at one size is, before its first trial."""

    name: str  #: Of the search, in the storage
    label: str  #: Of the size, in words
    config: SearchConfig
    dims: tuple[Dimension, ...]
    forced: tuple[tuple[str, Params], ...]  #: Tried first, by what they are called
    most_epochs: int  #: Of the longest training in the space

    @property
    def num_trials(self) -> int:
        """Trials before any range is widened."""
        if self.config.sampler == "grid":
            return len(self.forced) + len(grid_points(self.dims, self.config.trials))
        return max(self.config.trials, len(self.forced))

    @property
    def rungs(self) -> Hyperband | None:
        """Where trials are stopped early; None where they are not."""
        if self.config.pruning == "none":
            return None
        known = self.config.first_rung, self.config.reduction
        return Hyperband(self.name, self.most_epochs, *known)


@dataclass(frozen=True)
class Stage:
    """Where a search stands."""

    dims: tuple[Dimension, ...]  #: As wide as they are by now
    wanted: int  #: Trials until its end, as far as is known
    is_done: bool
    at_edge: tuple[AtEdge, ...] = ()  #: Of the best trial, once it is done
    widened: tuple[str, ...] = ()  #: Ranges that were widened, in words
    #: Tried first in a range that was widened.
    beyond: tuple[tuple[str, Params], ...] = ()
    since: int = 0  #: Trials before the last widening


@dataclass
class SizeSearch:
    """A search at one size and its trials."""

    plan: SearchPlan
    log: TrialLog
    trials: list[SearchTrial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trials = self.log.read()

    @property
    def told(self) -> list[SearchTrial]:
        """Trials that have ended, of rounds that have ended."""
        current = self._round
        return [trial for trial in self.trials if trial.round < current]

    @property
    def _round(self) -> int:
        """The first round that has a trial to come; rounds are told whole."""
        for number in sorted({trial.round for trial in self.trials}):
            own = [trial for trial in self.trials if trial.round == number]
            # a coordinator that was killed may have added a part of a round
            if len(own) < own[0].together or not all(trial.is_told for trial in own):
                return number
        return max((trial.round for trial in self.trials), default=-1) + 1

    def stage(self, told: Sequence[SearchTrial] | None = None) -> Stage:
        """Return where the search stands."""
        known = list(self.told if told is None else told)
        plan, dims, wanted = self.plan, self.plan.dims, self.plan.num_trials
        words: list[str] = []
        beyond: tuple[tuple[str, Params], ...] = ()
        since = 0
        for widening in range(plan.config.widenings + 1):
            if len(known) < wanted:
                return Stage(dims, wanted, False, (), tuple(words), beyond, since)
            best = best_of(known[:wanted])
            at = tuple(edges(dims, best.params)) if best else ()
            loose = [one for one in at if one.dimension.can_widen(one.end)]
            if best is None or not loose or widening == plan.config.widenings:
                return Stage(dims, wanted, True, at, tuple(words))
            dims = widen(dims, loose)
            now = {dim.name: dim for dim in dims}
            beyond = tuple(
                (f"wider {one.dimension.name}", _moved(best.params, now[one.dimension.name], one))
                for one in loose
            )
            words += [_widened_words(one, now[one.dimension.name]) for one in loose]
            since, wanted = wanted, wanted + self._extra(len(beyond))
        raise AssertionError("a search ends at its last widening")

    def _extra(self, forced: int) -> int:
        config = self.plan.config
        if config.sampler == "grid":
            return forced
        return max(forced, config.together, config.trials // _EXTRA)

    def _intended(self, known: Sequence[SearchTrial], number: int) -> list[tuple[str, Asked]]:
        """Return the trials of a round, by the trials of the rounds before it."""
        if not known:
            return [(name, Asked(params, {})) for name, params in self.plan.forced]
        stage = self.stage(known)
        if stage.is_done:
            return []
        first = stage.beyond if len(known) == stage.since else ()
        count = min(self.plan.config.together, stage.wanted - len(known)) - len(first)
        found = [(name, Asked(params, {})) for name, params in first]
        if count > 0:
            start = len(known) + len(first)
            numbers = range(start, start + count)
            found += [("", one) for one in ask(self.plan.config, stage.dims, known, numbers)]
        return found

    def next_round(self) -> list[SearchTrial]:
        """Return the trials that are wanted next, none of them told; empty when it is done."""
        number = self._round
        known = [trial for trial in self.trials if trial.round < number]
        intended = self._intended(known, number)
        there = {trial.number: trial for trial in self.trials if trial.round == number}
        for place, (forced, asked) in enumerate(intended, len(known)):
            there.setdefault(
                place,
                SearchTrial(place, asked.params, number, len(intended), forced, notes=asked.notes),
            )
        return [trial for _, trial in sorted(there.items()) if not trial.is_told]

    def begin(self, trial: SearchTrial) -> None:
        """Add a trial to the storage, unless it is there."""
        if trial.number >= len(self.trials):
            self.log.add(trial, self.stage().dims)
            self.trials.append(trial)

    def tell(self, trial: SearchTrial) -> None:
        """Record how a trial ended."""
        self.trials[trial.number] = trial
        self.log.tell(trial)

    def limits(self, trial: SearchTrial, epochs: int) -> tuple[tuple[int, float], ...]:
        """Return the losses beyond which a trial is stopped; the forced ones never are."""
        rungs = self.plan.rungs
        if rungs is None or trial.forced:
            return ()
        earlier = [one for one in self.trials if one.round < trial.round]
        return rungs.limits(trial.number, epochs, earlier)


def _moved(params: Params, wide: Dimension, at: AtEdge) -> Params:
    """Return a setting with one dimension at the end of its widened range."""
    return {**params, wide.key: float(wide.low if at.end == "low" else wide.high)}


def _widened_words(at: AtEdge, wide: Dimension) -> str:
    end = wide.low if at.end == "low" else wide.high
    best = at.dimension.words(at.number)
    return f"{best} was the best and at the edge: widened to {wide.words(end)}"


def with_trials(plan: SearchPlan, trials: int) -> SearchPlan:
    """Return the plan of a search with another number of trials."""
    config = plan.config.model_copy(update={"trials": trials})
    return replace(plan, config=config)
