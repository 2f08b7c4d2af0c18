"""What a study may claim: LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE, in a sentence to quote.

======================= ==========================================================================
TURNS                   a curve with a valley inside the range beats both monotone ones, and the
                        loss at its bottom is lower than at both ends
LAW                     a falling power law beats the constant, its exponent's interval is finite
                        and off its bounds, and it foretells the largest size, held out, better
                        than the constant does
INVERSE                 the same with a rising loss
NO-LAW                  the gain from smallest to largest size lies within ± the smallest effect of
                        interest (two one-sided tests)
INDETERMINATE           none of these; then the verdict says what would settle it
======================= ==========================================================================

All tests are likelihood ratios by generalised least squares with the covariance of
``finscale.scaling.covariance``; their critical values come from a parametric bootstrap that
estimates the covariance anew in each replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric
from finscale.scaling.covariance import SizeCovariance, size_covariance
from finscale.scaling.decision import (
    VERDICTS,
    Thresholds,
    VerdictName,
    decide_batch,
    exponent_threshold,
    redraw,
)
from finscale.scaling.power import Settlement, equivalence_margin, settlement
from finscale.scaling.sentences import reasons, sentence
from finscale.scaling.trend import FINE_EXPONENTS, Float, MonotoneFit, SizeAxis, Trends, shape

#: Fewer sizes identify no exponent and no valley; sizes closer than this, nothing at all.
LEAST_SIZES, LEAST_SPAN = 4, 4.0
NUM_REPLICATES = 2000


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
        Smallest effect of interest, in ``unit``.
    level : float
        Significance level of every test.
    exclusions : tuple of str
        Runs left out, and the rule that was stated for it.
    unit : str
        Of the losses.
    """

    axis: str
    sizes: tuple[float, ...]
    num_seeds: int
    sesoi: float
    level: float = 0.05
    exclusions: tuple[str, ...] = ()
    unit: str = "nats"


@dataclass(frozen=True)
class Verdict:
    """A verdict with everything it rests on.

    Parameters
    ----------
    name : str
        LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE.
    sentence : str
        What a paper could quote.
    statement : Statement
        What was fixed beforehand.
    gain : Metric
        Loss saved from the smallest size to the largest, with its interval (no curve assumed).
    next_tenfold : Metric
        Loss saved by ten times the largest size, extrapolated along the better monotone curve.
    direction : {"falling", "rising"}
        Which monotone curve fits better.
    exponent : Metric
        Exponent of that curve: loss falls as ``x^-exponent`` towards its floor; of a rising curve,
        ``x^exponent``. An interval that ends on a bound of ``exponent_bounds`` is open there.
    best_size : Metric or None
        Size of least loss when the verdict is TURNS.
    p_falls, p_rises, p_turns, p_equivalent : float
        P values: falling and rising law against the constant, turning curve against both monotone
        ones, and the equivalence test.
    held_out : tuple of float
        Error on the largest size of the curve and of the constant, both fitted without it.
    fits : float
        P value of the curves' misfit: a small one says that no curve here describes the losses.
    reasons : tuple of str
        Why nothing stronger could be said.
    settles : Settlement or None
        What would settle it, when INDETERMINATE.
    up_to_best : Verdict or None
        When the verdict is TURNS and enough sizes are left: the verdict on the sizes up to the
        best one.
    covariance : SizeCovariance
        Mean losses and their covariance.
    """

    name: VerdictName
    sentence: str
    statement: Statement
    gain: Metric
    next_tenfold: Metric
    direction: Literal["falling", "rising"]
    exponent: Metric
    exponent_bounds: tuple[float, float]
    best_size: Metric | None
    p_falls: float
    p_rises: float
    p_turns: float
    p_equivalent: float
    held_out: tuple[float, float]
    fits: float
    reasons: tuple[str, ...]
    settles: Settlement | None
    up_to_best: Verdict | None
    covariance: SizeCovariance

    def __repr__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text for JSON."""
        covariance = self.covariance
        content = {
            key: _plain(value)
            for key, value in vars(self).items()
            if key not in ("covariance", "up_to_best")
        }
        content["up_to_best"] = self.up_to_best.to_dict() if self.up_to_best else None
        content["mean_loss"] = covariance.mean_G.tolist()
        content["covariance"] = covariance.matrix_GG.tolist()
        content["num_days"] = covariance.num_days
        content["seed_deviation"] = np.sqrt(covariance.seed_variance_G).tolist()
        return content


def _plain(value: Any) -> Any:
    if isinstance(value, Metric | Statement | Settlement):
        return {key: _plain(item) for key, item in asdict(value).items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # JSON has no infinity: an open end is null
        return value if np.isfinite(value) else None
    return value


def decide(
    losses: Any,
    sizes: ArrayLike | None = None,
    *,
    sesoi: float,
    axis: str = "parameters",
    loss: str = "loss",
    level: float = 0.05,
    horizon: int = 1,
    exclusions: Sequence[str] = (),
    unit: str = "nats",
    num_replicates: int = NUM_REPLICATES,
    settle: bool = True,
    seed: int = 0,
) -> Verdict:
    """Decide what the losses of a grid of runs allow to be said.

    Parameters
    ----------
    losses : array [G, S, T], array [G, S], or a table
        Loss of each size, seed and test day, or its mean over days; a seed that a size lacks is
        NaN. Or a table (data frame, mapping, CSV or parquet file) with the columns ``axis``,
        ``seed``, ``loss`` and, better, ``day``. Losses may be differences from a baseline.
    sizes : array [G], optional
        The sizes of an array's rows.
    sesoi : float
        Smallest effect of interest: a gain over the whole range that would not be worth having.
    axis, loss : str
        What grows; and the table's column of losses.
    level : float
        Significance level.
    horizon : int
        Bars that a label looks ahead; neighbouring days' losses overlap over ``horizon`` - 1.
    exclusions : sequence of str
        Runs left out by a rule stated before.
    unit : str
        Of the losses, for the sentence.
    num_replicates, seed : int
        Of the parametric bootstrap.
    settle : bool
        Whether an INDETERMINATE verdict works out what would settle it (some tenths of a second).

    Returns
    -------
    Verdict

    Raises
    ------
    FinscaleError
        For losses that cannot be judged: one size, one seed, NaN, all equal, repeated sizes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size = np.geomspace(1e4, 1e7, 7)
    >>> curve = 0.55 + 0.05 * (size / 1e4) ** -0.3
    >>> noise = 0.02 * rng.standard_normal((7, 5, 1000))
    >>> decide(curve[:, None, None] + noise, size, sesoi=0.005).name
    'LAW'
    """
    losses_GS, size_G = _array_and_sizes(losses, sizes, axis, loss)
    if not sesoi > 0:
        raise FinscaleError(f"the smallest effect of interest must be positive, not {sesoi:g}.")
    covariance = size_covariance(losses_GS, horizon=horizon)
    if np.ptp(covariance.mean_G) == 0 and not covariance.seed_variance_G.any():
        raise FinscaleError(
            "all losses are equal: these are the same run over and over.",
            hint="check that the axis reaches the model and that seeds differ",
        )
    _check_distinct(covariance, size_G)
    statement = Statement(
        axis,
        tuple(size_G.tolist()),
        int(covariance.seeds_G.min()),
        float(sesoi),
        level,
        tuple(exclusions),
        unit,
    )
    return _Judge(statement, covariance, num_replicates, seed).verdict(settle=settle)


def _array_and_sizes(
    losses: Any, sizes: ArrayLike | None, axis: str, loss: str
) -> tuple[Float, Float]:
    """Return losses and sizes, rising, of an array or a table."""
    if not isinstance(losses, np.ndarray):
        from finscale.scaling.table import read_table

        table = read_table(losses, x=axis, y=loss, signed=True)
        array = table.losses_nST if table.has_days else table.runs_nS
        return array, table.x_nd[:, 0]
    if sizes is None or np.shape(sizes) != losses.shape[:1]:
        raise FinscaleError(
            f"losses of {losses.shape[0]} sizes need as many sizes.",
            hint="decide(losses, sizes, sesoi=...)",
        )
    size_G = np.asarray(sizes, dtype=np.float64)
    order_G = np.argsort(size_G)
    size_G = size_G[order_G]
    if len(size_G) < 2 or not (np.diff(size_G) > 0).all() or not size_G[0] > 0:
        raise FinscaleError(
            "a verdict needs two sizes or more, positive and each once.",
            hint="runs of one size are its seeds",
        )
    return losses[order_G], size_G


def _check_distinct(covariance: SizeCovariance, size_G: Float) -> None:
    """Refuse two sizes whose runs are the same on every day: their difference has no error."""
    own_GG = covariance.matrix_GG
    variance_G = np.diag(own_GG)
    difference_GG = variance_G[:, None] + variance_G - 2 * own_GG
    same = np.argwhere(np.triu(difference_GG <= 1e-12 * variance_G.max(), 1))
    if len(same):
        first, second = (f"{size_G[index]:g}" for index in same[0])
        raise FinscaleError(
            f"sizes {first} and {second} have the same loss in every run and on every day.",
            hint="is it one run read twice?",
        )


class _Judge:
    """One study's tests, in the order in which they depend on each other."""

    def __init__(
        self, statement: Statement, covariance: SizeCovariance, num_replicates: int, seed: int
    ) -> None:
        self.statement, self.covariance = statement, covariance
        self.num_replicates, self.seed = num_replicates, seed
        self.rng = np.random.default_rng(seed)
        self.axis = SizeAxis(statement.sizes)
        self.mean_1G = covariance.mean_G[None]
        self.matrix_1GG = covariance.matrix_GG[None]
        self.size_G = np.asarray(statement.sizes)

    @cached_property
    def _fine(self) -> SizeAxis:
        return SizeAxis(self.statement.sizes, FINE_EXPONENTS)

    def verdict(self, *, settle: bool) -> Verdict:
        observed = self.axis.fit(self.mean_1G, self.matrix_1GG)
        falls = bool(observed.fall.statistic_B[0] >= observed.rise.statistic_B[0])
        best = observed.fall if falls else observed.rise
        fine_trends = self._fine.fit(self.mean_1G, self.matrix_1GG)
        fine = fine_trends.fall if falls else fine_trends.rise
        flat = self._redrawn(np.zeros(len(self.size_G)))
        monotone_G = best.predict(self.size_G)[0]
        monotone = self._redrawn(monotone_G)
        turning = self._redrawn(observed.turn.predict(self.size_G)[0])
        upper = 1 - self.statement.level
        limits = Thresholds(
            fall=float(np.quantile(flat.fall.statistic_B, upper)),
            rise=float(np.quantile(flat.rise.statistic_B, upper)),
            turn=float(np.quantile(monotone.turn_over_monotone_B, upper)),
            exponent=exponent_threshold(self.axis, self.covariance, monotone_G, monotone, upper),
        )
        decisions = decide_batch(
            self.axis,
            self.mean_1G,
            self.matrix_1GG,
            limits,
            sesoi=self.statement.sesoi,
            margin=equivalence_margin(self.covariance, self.statement.level),
            trends=observed,
        )
        name = VERDICTS[int(decisions.code_B[0])]
        few = self._too_little()
        if few and name != "NO-LAW":
            name = "INDETERMINATE"
        p_values = {
            "p_falls": _p_value(observed.fall.statistic_B, flat.fall.statistic_B),
            "p_rises": _p_value(observed.rise.statistic_B, flat.rise.statistic_B),
            "p_turns": _p_value(observed.turn_over_monotone_B, monotone.turn_over_monotone_B),
            "fits": _p_value(observed.misfit_B, turning.misfit_B),
        }
        facts: dict[str, Any] = {
            **p_values,
            **self._gain(),
            "statement": self.statement,
            "direction": "falling" if falls else "rising",
            "exponent": self._exponent(fine, limits.exponent),
            "exponent_bounds": _exponent_bounds(fine),
            "next_tenfold": self._next_tenfold(fine, monotone),
            "best_size": self._best_size(observed, turning) if name == "TURNS" else None,
            "held_out": self._held_out(falls),
            "covariance": self.covariance,
        }
        open_reasons = (
            (*few, *reasons(facts, pinned=bool(decisions.pinned_B[0])))
            if name == "INDETERMINATE"
            else ()
        )
        settles = None
        if settle and name == "INDETERMINATE" and not few:
            seen = bool(decisions.falls_B[0] or decisions.rises_B[0])
            settles = self._settlement(fine if seen else None, facts["exponent"])
        return Verdict(
            name=name,
            sentence=sentence(name, facts, open_reasons, settles),
            reasons=open_reasons,
            settles=settles,
            up_to_best=self._up_to(facts["best_size"]) if name == "TURNS" else None,
            **facts,
        )

    def _settlement(self, trend: MonotoneFit | None, exponent: Metric) -> Settlement:
        """Return what would settle it: if nothing is there, or if the trend seen goes on.

        An exponent that is not known is taken from the middle of its interval: the estimate itself
        often lies on a bound, where no amount of data would ever pin it down.
        """
        truth_G = np.zeros(len(self.size_G))
        assumption = "if there is no effect"
        if trend is not None:
            middle = np.array(trend.sign * (exponent.low + exponent.high) / 2)
            total = float(trend.total_B[0])
            first, last = self.statement.sizes[0], self.statement.sizes[-1]
            truth_G = trend.sign * total * shape(middle, self.size_G, first, last)
            assumption = f"if the trend is real, with exponent {abs(float(middle)):.2g}"
        return settlement(
            self.statement.sizes,
            self.covariance,
            truth_G,
            sesoi=self.statement.sesoi,
            level=self.statement.level,
            assumption=assumption,
            seed=self.seed,
        )

    def _redrawn(self, truth_G: Float) -> Trends:
        return self.axis.fit(*redraw(self.covariance, truth_G, self.num_replicates, self.rng))

    def _too_little(self) -> tuple[str, ...]:
        sizes, span = self.statement.sizes, self.statement.sizes[-1] / self.statement.sizes[0]
        few = []
        if len(sizes) < LEAST_SIZES:
            few.append(
                f"{len(sizes)} sizes identify no exponent: at least {LEAST_SIZES} are needed"
            )
        if span < LEAST_SPAN:
            few.append(f"the sizes span ×{span:.2g}, and less than ×{LEAST_SPAN:g} shows no law")
        return tuple(few)

    def _gain(self) -> dict[str, Any]:
        from scipy.stats import t

        contrast_G = np.zeros(len(self.size_G))
        contrast_G[[0, -1]] = 1.0, -1.0
        value, error, degrees = self.covariance.contrast(contrast_G)
        half = error * float(t.ppf(1 - self.statement.level / 2, degrees))
        beyond = (self.statement.sesoi - abs(value)) / error if error > 0 else np.inf
        return {
            "gain": Metric(value, value - half, value + half),
            "p_equivalent": float(t.sf(beyond, degrees)),
        }

    def _exponent(self, best: MonotoneFit, threshold: float) -> Metric:
        low_B, high_B = best.exponent_interval(threshold)
        ends = float(low_B[0]), float(high_B[0])
        value = float(best.exponent_B[0])
        if best.sign < 0:
            return Metric(-value, -ends[1], -ends[0])
        return Metric(value, *ends)

    def _next_tenfold(self, best: MonotoneFit, redrawn: Trends) -> Metric:
        falls_B = redrawn.fall.statistic_B >= redrawn.rise.statistic_B
        saved_B = -np.where(falls_B, redrawn.fall.step(10.0), redrawn.rise.step(10.0))
        tail = self.statement.level / 2
        low, high = np.quantile(saved_B, [tail, 1 - tail])
        return Metric(float(-best.step(10.0)[0]), float(low), float(high))

    def _best_size(self, observed: Trends, turning: Trends) -> Metric:
        tail = self.statement.level / 2
        low, high = np.quantile(turning.turn.best_size(), [tail, 1 - tail])
        return Metric(float(observed.turn.best_size()[0]), float(low), float(high))

    def _held_out(self, falls: bool) -> tuple[float, float]:
        inner = self.axis.without_largest().fit(self.mean_1G[:, :-1], self.matrix_1GG[:, :-1, :-1])
        fit = inner.fall if falls else inner.rise
        largest, constant = float(self.mean_1G[0, -1]), float(inner.constant_B[0])
        foretold = float(fit.predict(self.size_G[-1:])[0, 0])
        return abs(largest - foretold), abs(largest - constant)

    def _up_to(self, best_size: Metric) -> Verdict | None:
        keep = self.size_G <= best_size.value * 1.0001
        if keep.sum() < LEAST_SIZES:
            return None
        whole = self.covariance
        part = SizeCovariance(
            whole.mean_G[keep],
            whole.day_GG[np.ix_(keep, keep)],
            whole.seed_variance_G[keep],
            whole.seed_degrees_G[keep],
            whole.seeds_G[keep],
            whole.num_days,
            whole.bandwidth,
            whole.common_variance,
        )
        statement = Statement(
            **{**vars(self.statement), "sizes": tuple(self.size_G[keep].tolist())}
        )
        return _Judge(statement, part, self.num_replicates, self.seed).verdict(settle=False)


def _exponent_bounds(best: MonotoneFit) -> tuple[float, float]:
    lowest, highest = best.bounds
    return (-highest, -lowest) if best.sign < 0 else (lowest, highest)


def _p_value(observed_1: Float, null_B: Float) -> float:
    return float((1 + (null_B >= observed_1[0]).sum()) / (1 + len(null_B)))
