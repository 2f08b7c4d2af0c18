"""What a study's report says, in numbers: the findings, apart from how they are found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.config import StudyConfig, format_count
from finscale.config.baselines import LINEAR_BASELINE
from finscale.evaluation.bootstrap import Metric
from finscale.evaluation.calibration import CalibrationError
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import Target
from finscale.judging.claims import Claims, Known
from finscale.study.analysis import is_relative
from finscale.study.axes import AXES
from finscale.study.beyond import BeyondLinear
from finscale.study.data_surface import DataSurface
from finscale.study.economic import EconomicScaling
from finscale.study.findings.cost import TenfoldCost
from finscale.study.findings.curve import Curve
from finscale.study.findings.reach import Reach
from finscale.study.findings.trading import Trading
from finscale.study.holdings import Holdings
from finscale.study.interaction import Interaction
from finscale.study.outcomes import Outcome, outcome_of

if TYPE_CHECKING:
    from finscale.scaling.claim import Verdict
    from finscale.scaling.measure import Measure
    from finscale.study.control_runs import ControlOutcome
    from finscale.study.family_results import FamilyComparison
    from finscale.study.tune.found import FoundSettings


@dataclass(frozen=True)
class BaselineFinding:
    """A model without scale and its outcome on the test days."""

    name: str
    run_id: str
    value: Metric
    knows: Known | None = None  #: Beyond the base rate; None for that itself
    run_ids: tuple[str, ...] = ()  #: One a fold
    of: str = ""  #: The size, in words, whose data it was fitted to, where sizes have their own


@dataclass(frozen=True)
class Findings:
    """What a report says, in numbers."""

    study: StudyConfig  #: The study as it was fixed before its first run
    measure: Measure  #: Title, unit and direction of what the study is about
    loss: Measure  #: The same of losses, in which skill is measured whatever the study is about
    axis: str  #: The first scale axis
    #: First and last test day.
    first: dt.date
    last: dt.date
    #: Test days and test windows.
    num_days: int
    num_windows: int
    base_rate: Metric | None  #: Share of yes on the test days; None where no event is forecast
    runs: pl.DataFrame  #: The results table: one row a run
    missing: tuple[str, ...]  #: Planned runs that are not there
    verdict: Verdict | None  #: None where too few runs are finished; ``no_verdict`` then says why
    no_verdict: str
    along: Mapping[str, Verdict]  #: The verdict at each size of a second axis; empty with one axis
    curve: Curve | None  #: The curve behind the verdict
    #: size (as measured), label (as the study file has it), level and level_size (of a second axis,
    #: in words and as a number), seed, run_id (of the first fold), value (of the outcome, what the
    #: verdict is made of), validation_loss, skill over each baseline.
    seeds: pl.DataFrame
    baselines: tuple[BaselineFinding, ...]  #: On the chosen size's windows
    skills: pl.DataFrame  #: Size columns, over, seeds, value, low, high
    chosen: Predictions  #: The size with the least validation loss, and of its seeds the median one
    groups: pl.DataFrame  #: group, label, over, days, value, low, high of the chosen size
    evaluation: Evaluation  #: All scores of the chosen run
    #: The reliability diagram of the chosen run; empty where no event is forecast.
    reliability: pl.DataFrame
    calibration: CalibrationError | None  #: Of the chosen run
    #: threshold, precision, recall, flagged on test; empty where no event is forecast.
    sweep: pl.DataFrame
    learning: pl.DataFrame  #: run_id, size, seed, fold, epoch, train_loss, validation_loss, best
    trading: Trading | None  #: Backtests; None where no bars are registered
    reaches: tuple[Reach, ...]  #: What could have been seen
    cost: TenfoldCost | None  #: Of the next tenfold
    #: The leakage audit, as ``Certificate.to_dict`` has it, with its ``verdict``.
    certificate: Mapping[str, Any]
    #: What each control had to show and what it showed; empty where the study has none.
    controls: tuple[ControlOutcome, ...]
    failures: Mapping[str, Any]  #: Run → label and error of each run whose last attempt failed
    registration: Mapping[str, Any]  #: When the study was registered, its hash and its amendments
    #: Registered datasets, windows of each fold of the chosen series, and where runs took place.
    data: tuple[Mapping[str, Any], ...]
    windows: tuple[Mapping[str, Any], ...]
    environments: tuple[Mapping[str, Any], ...]
    #: What each size gains on the linear model, where the verdict is; None without such a baseline.
    beyond: BeyondLinear | None = None
    beyond_chosen: Metric | None = None  #: The same of the chosen size
    interaction: Interaction | None = None  #: Of a study of two axes, once its grid is whole
    holdings: Holdings | None = None  #: Of a study along tiers: what each really holds
    #: The architectures that the study compares; None where it has one, or ``not_compared`` says
    #: why. All else here is about the one whose best size has the least validation loss.
    families: FamilyComparison | None = None
    not_compared: str = ""
    searched: tuple[FoundSettings, ...] = ()  #: What a search has found at each size
    lead: str = ""  #: The architecture that all else is about; empty where the study has one
    #: Of a panel, what the chosen run tells of a day's symbols, for how many they count, and the
    #: loss of each; see ``finscale.judging.section``. Empty of one symbol.
    section: pl.DataFrame = field(default_factory=pl.DataFrame)
    effective: pl.DataFrame = field(default_factory=pl.DataFrame)
    symbols: pl.DataFrame = field(default_factory=pl.DataFrame)
    symbols_over: str = ""  #: The baseline over which ``symbols`` has gains
    economic: EconomicScaling | None = None  #: Of a panel: Sharpe ratio after costs by compute
    surface: DataSurface | None = None  #: Of a study along parameters and data

    @property
    def own_runs(self) -> pl.DataFrame:
        """The rows of ``runs`` that are not another architecture's."""
        if not self.lead:
            return self.runs
        return self.runs.filter((pl.col("role") == "baseline") | (pl.col("family") == self.lead))

    @property
    def target(self) -> Target:
        """What is forecast."""
        return self.chosen.target

    @property
    def outcome(self) -> Outcome:
        """What the study is about."""
        return outcome_of(self.study)

    @property
    def is_relative(self) -> bool:
        """Whether values are differences from the base rate's: sizes ask different questions."""
        return is_relative(self.study)

    @property
    def asks_one_question(self) -> bool:
        """Whether a size beyond the largest would still ask the same (ten times a horizon not)."""
        return not any(AXES[axis].relative for axis in self.study.axes)

    @property
    def turns(self) -> bool:
        """Whether the curve turns: then it says nothing beyond the sizes that were run."""
        return self.verdict is not None and self.verdict.name == "TURNS"

    def words(self, size: float) -> str:
        """Return a measured size as people write it: ``5k`` for 5,010 built, ``10 years``."""
        near = self.seeds.sort((pl.col("size") - size).abs()).row(0, named=True)
        if abs(near["size"] - size) <= 1e-6 * size:
            return str(near["label"])
        if self.axis in ("parameters", "compute"):
            return format_count(size)
        return f"{size:,.0f} {AXES[self.axis].unit}"

    @cached_property
    def claims(self) -> Claims:
        """What the chosen size may be said to know beyond each baseline."""
        gains = {one.name: self.skill(one.name) for one in self.baselines}
        rates = None
        if self.chosen.train_means and self.base_rate is not None:
            rates = float(self.chosen.training_mean.mean()), self.base_rate.value
        return Claims(
            {name: gain for name, gain in gains.items() if gain is not None},
            self.num_days,
            self.loss.unit,
            {one.name: one.knows for one in self.baselines if one.knows is not None},
            self.evaluation.metric("auc") if self.target.is_event else None,
            rates,
        )

    def is_worse(self, size: float) -> bool:
        """Whether a size is seen to lose more than the best plain model; studies of losses alone.

        Of a second axis, at the chosen series' size. Against the linear model the intervals hold
        for all sizes at once, as everywhere else on the page.
        """
        best = self.claims.best_baseline
        if best == LINEAR_BASELINE and self.beyond is not None and len(self.study.axes) == 1:
            return self.study.outcome == "loss" and self.beyond.is_worse(size)
        others = {a: s for a, s in self.chosen.sizes.items() if a != self.axis}
        rows = self.skills.filter(
            (pl.col(self.axis) / size - 1).abs() < 0.01,
            *(pl.col(axis) == own for axis, own in others.items()),
            over=best,
        )
        return self.study.outcome == "loss" and any(rows["high"] < 0)

    def skill(self, over: str) -> Metric | None:
        """Return the chosen size's skill over a baseline, if the study has that baseline."""
        place = {axis: pl.col(axis) == size for axis, size in self.chosen.sizes.items()}
        found = self.skills.filter(pl.col("over") == over, *place.values())
        return None if found.is_empty() else Metric(*found.select("value", "low", "high").row(0))
