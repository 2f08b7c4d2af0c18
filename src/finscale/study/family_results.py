"""What a comparison of architectures found: a curve and a verdict each, and their differences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from finscale.evaluation.bootstrap import Metric
from finscale.scaling import Verdict
from finscale.scaling.measure import Measure
from finscale.study.beyond import BeyondLinear
from finscale.study.families import LeftOut

#: Where each architecture stands at its own best size.
AT_BEST = "their best sizes"


@dataclass(frozen=True)
class FamilySize:
    """One architecture at one size."""

    label: str  #: The size in words, all axes: ``5k parameters``
    words: str  #: That of the first axis alone, without what it counts: ``5k``
    at: str  #: Of two axes, the size of the second in words
    x: float  #: What the first axis measures of it
    parameters: float
    num_seeds: int
    #: The study's outcome. The interval is that of its distance to the mean of all architectures
    #: and sizes: easy or hard test days, which all share, are left out.
    value: Metric
    validation_loss: float  #: Mean over seeds; what the best size is chosen by


@dataclass(frozen=True)
class FamilyResult:
    """One architecture: its curve and its verdict."""

    name: str  #: As in run labels
    title: str  #: As papers write it
    sizes: tuple[FamilySize, ...]  #: Rising
    best: FamilySize  #: The least validation loss
    verdict: Verdict | None  #: Along the first axis; None where it cannot be judged
    no_verdict: str  #: Why it cannot
    #: What each size gains on the linear model, where the verdict is, and what the best one gains;
    #: None without such a baseline.
    beyond: BeyondLinear | None = None
    beyond_best: Metric | None = None

    @property
    def verdict_name(self) -> str:
        """The verdict in a word."""
        return self.verdict.name if self.verdict else "NO VERDICT"


@dataclass(frozen=True)
class FamilyDifference:
    """Two architectures on the same days."""

    at: str  #: The size in words, or ``AT_BEST``
    first: str  #: Title of one architecture, and its size
    first_size: str
    second: str
    second_size: str
    #: By how much the first is better, in the outcome's unit. All intervals of a comparison hold
    #: at once.
    gain: Metric
    p_value: float  #: Two-sided, adjusted for all differences

    @property
    def is_seen(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.gain.low > 0 or self.gain.high < 0


@dataclass(frozen=True)
class FamilyComparison:
    """The architectures of a study, compared."""

    families: tuple[FamilyResult, ...]  #: In the order of the study file
    #: At each size, then at the best sizes.
    differences: tuple[FamilyDifference, ...]
    lead: str  #: Name of the family whose best size has the least validation loss of all
    measure: Measure
    level: float  #: Significance level of verdicts, and of all differences together
    sesoi: float  #: Smallest effect of interest
    num_days: int
    seeds_count: bool  #: Whether intervals hold the luck of seeds: two are needed
    left_out: tuple[LeftOut, ...]

    def __getitem__(self, name: str) -> FamilyResult:
        return next(one for one in self.families if one.name == name)

    @property
    def num_series(self) -> int:
        """Models that were tested: architectures, sizes and seeds."""
        return sum(size.num_seeds for one in self.families for size in one.sizes)

    @property
    def at_best(self) -> tuple[FamilyDifference, ...]:
        """The differences between best sizes."""
        return tuple(one for one in self.differences if one.at == AT_BEST)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text for JSON."""
        families = {
            one.name: {
                "title": one.title,
                "verdict": one.verdict.to_dict() if one.verdict else None,
                "no_verdict": one.no_verdict,
                "best": one.best.label,
                "sizes": [asdict(size) for size in one.sizes],
                "beyond_linear": one.beyond.to_dict() if one.beyond else None,
            }
            for one in self.families
        }
        return {
            "lead": self.lead,
            "families": families,
            "differences": [asdict(one) for one in self.differences],
            "left_out": [asdict(one) for one in self.left_out],
            "level": self.level,
            "num_days": self.num_days,
        }
