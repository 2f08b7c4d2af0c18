"""What was stated beforehand, and what may be claimed afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from finscale.evaluation.bootstrap import Metric
from finscale.files import null_for_nan
from finscale.scaling.covariance import Float, SizeCovariance
from finscale.scaling.decision import VerdictName
from finscale.scaling.measure import LOSS, Measure
from finscale.scaling.misfit_shape import CurveShape
from finscale.scaling.outliers import OutlyingRun
from finscale.scaling.settlement import Settlement


@dataclass(frozen=True)
class Statement:
    """What was fixed before the first run; a verdict repeats it.

    Parameters
    ----------
    axis : str
        What grows: ``"parameters"``, ``"features"``, ``"symbols"``, ``"days"``.
    sizes : tuple of float
        Sizes along the axis, rising.
    num_seeds : int
        Runs of each size (the fewest of any size).
    sesoi : float
        Smallest effect of interest, in the measure's unit.
    level : float
        Significance level of every test.
    exclusions : tuple of str
        Runs left out, and the rule that was stated for it.
    measure : Measure
        What the verdict is about: a loss, or an outcome for which higher is better.
    shared_days : bool
        Whether runs of one size may share luck of the test days; false where it was stated that
        they do not. It matters only without daily losses.
    """

    axis: str
    sizes: tuple[float, ...]
    num_seeds: int
    sesoi: float
    level: float = 0.05
    exclusions: tuple[str, ...] = ()
    measure: Measure = LOSS
    shared_days: bool = True


@dataclass(frozen=True)
class PairDifference:
    """How much better the second of two sizes is than the first, with its interval of ``level``."""

    sizes: tuple[float, float]
    gain: Metric
    level: float


@dataclass(frozen=True)
class Verdict:
    """A verdict with everything it rests on.

    Parameters
    ----------
    name : str
        LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE.
    shows : str
        What the losses show of the test days that they come from: the same, unless no daily losses
        were given. Then nothing is decided beyond those days, and ``name`` is INDETERMINATE.
    sentence : str
        What a paper could quote.
    statement : Statement
        What was fixed beforehand.
    gain : Metric
        Improvement from the smallest size to the largest (loss saved, or outcome gained), with its
        interval (no curve assumed).
    widest : PairDifference
        The two sizes whose difference may be largest. NO-LAW is said only where its interval, 90 %
        for tests at 5 %, lies within ± SESOI.
    next_tenfold : Metric
        Improvement by ten times the largest size, extrapolated along the better monotone curve.
    direction : {"falling", "rising"}
        Which way the measure goes along the monotone curve that fits better.
    exponent : Metric
        Exponent of that curve: loss (or what is missing of the best outcome) falls as
        ``x^-exponent`` towards its floor; where things get worse, ``x^exponent``. An interval that
        ends on a bound of ``exponent_bounds`` is open there.
    best_size : Metric or None
        Size of the best outcome when the verdict is TURNS.
    p_improves, p_worsens, p_turns, p_equivalent : float
        P values: improving and worsening law against the constant, turning curve against both
        monotone ones, and the tests that every size lies within ± SESOI of every other (the
        largest p value of any pair).
    held_out : tuple of float
        Error on the largest size of the curve and of the constant, both fitted without it.
    fits : float
        P value of the curves' misfit: a small one says that no curve here describes the losses.
    shape : CurveShape or None
        What the losses look like (a hump, a step, one size that stands out) where no curve here
        describes them (p < .001), or where they fall ever faster.
    alike : bool
        Whether every size lies surely within ± SESOI of every other.
    reasons : tuple of str
        Why nothing stronger could be said.
    settles : Settlement or None
        What would settle it, when INDETERMINATE.
    up_to_best : Verdict or None
        When the verdict is TURNS and enough sizes are left: the verdict on the sizes up to the
        best one.
    covariance : SizeCovariance
        Means by size and their covariance, as losses (:meth:`Measure.as_loss`).
    outlying : tuple of OutlyingRun
        Runs that count here and stand apart from the other seeds of their size.
    """

    name: VerdictName
    shows: VerdictName
    sentence: str
    statement: Statement
    gain: Metric
    widest: PairDifference
    next_tenfold: Metric
    direction: Literal["falling", "rising"]
    exponent: Metric
    exponent_bounds: tuple[float, float]
    best_size: Metric | None
    p_improves: float
    p_worsens: float
    p_turns: float
    p_equivalent: float
    held_out: tuple[float, float]
    fits: float
    shape: CurveShape | None
    alike: bool
    reasons: tuple[str, ...]
    settles: Settlement | None
    up_to_best: Verdict | None
    covariance: SizeCovariance
    outlying: tuple[OutlyingRun, ...] = ()

    @property
    def improves(self) -> bool:
        """Whether the monotone curve that fits better gets better with size."""
        return (self.direction == "rising") == self.statement.measure.higher_is_better

    @property
    def mean_G(self) -> Float:
        """The measure by size, averaged over seeds and days, in its own terms."""
        return self.statement.measure.shown(self.covariance.mean_G)

    def __repr__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text for JSON."""
        covariance = self.covariance
        content = {
            key: null_for_nan(asdict(value) if isinstance(value, _RECORDS) else value)
            for key, value in vars(self).items()
            if key not in ("covariance", "up_to_best", "outlying")
        }
        content["up_to_best"] = self.up_to_best.to_dict() if self.up_to_best else None
        content["outlying"] = [asdict(run) for run in self.outlying]
        content["mean"] = self.mean_G.tolist()
        content["covariance"] = covariance.matrix_GG.tolist()
        content["num_days"] = covariance.num_days
        content["seed_deviation"] = np.sqrt(covariance.seed_variance_G).tolist()
        return content


_RECORDS = (Metric, PairDifference, Statement, Settlement, CurveShape)
