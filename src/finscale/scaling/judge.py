"""All tests of one study, in the order in which they depend on each other."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from finscale.evaluation.bootstrap import Metric
from finscale.scaling.claim import PairDifference, Statement, Verdict
from finscale.scaling.covariance import SizeCovariance
from finscale.scaling.decision import (
    VERDICTS,
    Decisions,
    Thresholds,
    VerdictName,
    decide_batch,
    redraw,
    thresholds,
    valley_without,
)
from finscale.scaling.digits import number
from finscale.scaling.equivalence import difference_interval, widest_difference
from finscale.scaling.intervals import percentile_metric
from finscale.scaling.measure import negated
from finscale.scaling.misfit_shape import CurveShape, ShapeReader
from finscale.scaling.sentences import NO_DAYS, describing, reasons, resting, sentence
from finscale.scaling.settlement import Settlement, settlement
from finscale.scaling.trend import FINE_EXPONENTS, Float, MonotoneFit, SizeAxis, Trends, shape

#: Fewer sizes identify no exponent and no valley; sizes closer than this, nothing at all.
LEAST_SIZES, LEAST_SPAN = 4, 4.0


class Judge:
    """One study: its best curves, studies redrawn around each, and the verdict that follows.

    ``num_replicates`` and ``seed`` are those of the parametric bootstrap.
    """

    def __init__(
        self, statement: Statement, covariance: SizeCovariance, num_replicates: int, seed: int
    ) -> None:
        self.statement, self.covariance = statement, covariance
        self.num_replicates, self.seed = num_replicates, seed
        self.axis = SizeAxis(statement.sizes)
        self.size_G = self.axis.size_G
        self.mean_1G = covariance.mean_G[None]
        self.matrix_1GG = covariance.matrix_GG[None]
        self.observed = self.axis.fit(self.mean_1G, self.matrix_1GG, zoom=True)
        self.falls = bool(self.observed.falls_B[0])
        self.monotone_G = self.observed.monotone(falls=self.falls).predict(self.size_G)[0]
        # studies redrawn as if the loss were flat, followed the better monotone curve, or the
        # turning one
        rng = np.random.default_rng(seed)
        flat = redraw(covariance, np.zeros(len(self.size_G)), num_replicates, rng)
        self.if_flat = self.axis.fit(*flat)
        self.if_monotone = self._redrawn(self.monotone_G, rng)
        self.if_turning = self._redrawn(self.observed.turn.predict(self.size_G)[0], rng)

    def verdict(self, *, settle: bool) -> Verdict:
        """Return the verdict; ``settle`` works out what would settle an open one."""
        limits = self._limits()
        decisions = decide_batch(
            self.axis, self.mean_1G, self.matrix_1GG, limits, trends=self.observed
        )
        few = self._too_little()
        shows: VerdictName = VERDICTS[int(decisions.code_B[0])]
        if few and shows != "NO-LAW":
            shows = "INDETERMINATE"
        statement = self.statement
        # the luck of days that runs of one size share is in no number: nothing is decided beyond
        grounded = self.covariance.num_days > 0 or not statement.shared_days
        name: VerdictName = shows if grounded else "INDETERMINATE"
        facts = self._facts(limits)
        facts["shape"] = self._shape(limits, decisions)
        facts["alike"] = bool(decisions.equivalent_B[0])
        facts["best_size"] = self._best_size() if shows == "TURNS" else None
        rests_on = self._rests_on(limits) if shows == "TURNS" else ()
        why: tuple[str, ...] = ()
        settles = None
        if shows == "INDETERMINATE":
            why = (*few, *reasons(facts, decisions))
            if settle and grounded and not few and facts["shape"] is None:
                seen = bool(decisions.falls_B[0] or decisions.rises_B[0])
                settles = self._settlement(facts["exponent"] if seen else None)
        text = sentence(shows, facts, why, settles) + resting(rests_on, statement.axis)
        if not grounded:
            why, text = (*why, NO_DAYS), describing(text, shows)
        up_to = self._up_to(facts["best_size"]) if facts["best_size"] is not None else None
        return Verdict(
            name=name,
            shows=shows,
            sentence=text,
            reasons=why,
            settles=settles,
            up_to_best=up_to,
            **facts,
        )

    def _limits(self) -> Thresholds:
        return thresholds(
            self.axis,
            self.covariance,
            self.monotone_G,
            if_flat=self.if_flat,
            if_monotone=self.if_monotone,
            if_turning=self.if_turning,
            level=self.statement.level,
            sesoi=self.statement.sesoi,
        )

    def _shape(self, limits: Thresholds, decisions: Decisions) -> CurveShape | None:
        """Return what the losses look like where no curve describes them, or only a late fall."""
        said = self.statement
        measured = self.covariance, limits.alike.margin_GG, limits.misfit
        reader = ShapeReader(self.axis, said.axis, said.measure, *measured)
        if not decisions.fits_B[0]:
            return reader.of_misfit(int(decisions.alone_B[0]))
        seen = decisions.falls_B[0] or decisions.rises_B[0]
        undecided = decisions.code_B[0] == VERDICTS.index("INDETERMINATE")
        return reader.of_open(self.observed, limits.exponent) if seen and undecided else None

    @cached_property
    def _fine(self) -> MonotoneFit:
        """The better monotone curve on a grid fine enough to be reported."""
        axis = SizeAxis(self.statement.sizes, FINE_EXPONENTS)
        return axis.fit(self.mean_1G, self.matrix_1GG, zoom=True).monotone(falls=self.falls)

    def _redrawn(self, truth_G: Float, rng: np.random.Generator) -> Trends:
        drawn = redraw(self.covariance, truth_G, self.num_replicates, rng)
        return self.axis.fit(*drawn, zoom=True)

    def _facts(self, limits: Thresholds) -> dict[str, Any]:
        observed, flat, monotone = self.observed, self.if_flat, self.if_monotone
        lowest, highest = self._fine.bounds
        return {
            "statement": self.statement,
            "covariance": self.covariance,
            "p_improves": _p_value(observed.fall.statistic_B, flat.fall.statistic_B),
            "p_worsens": _p_value(observed.rise.statistic_B, flat.rise.statistic_B),
            "p_turns": _p_value(observed.turn_over_monotone_B, monotone.turn_over_monotone_B),
            "fits": _p_value(observed.misfit_B, self.if_turning.misfit_B),
            "gain": difference_interval(self.covariance, 0, -1, 1 - self.statement.level),
            "widest": self._widest(),
            "p_equivalent": limits.alike.p_value(self.mean_1G, self.matrix_1GG),
            "direction": {"rises": "rising", "falls": "falling"}[
                self.statement.measure.moves(better=self.falls)
            ],
            "exponent": self._exponent(limits.exponent),
            "exponent_bounds": (-highest, -lowest) if self._fine.sign < 0 else (lowest, highest),
            "next_tenfold": self._next_tenfold(),
            "held_out": self._held_out(),
        }

    def _settlement(self, exponent: Metric | None) -> Settlement:
        """Return what would settle it, if there is no effect or if the observed trend is real.

        The exponent assumed is the middle of its interval: the estimate itself often lies on a
        bound, where no amount of data would pin it down.
        """
        truth_G = np.zeros(len(self.size_G))
        assumption = "if there is no effect"
        if exponent is not None:
            sign, total = self._fine.sign, float(self._fine.total_B[0])
            middle = np.array(sign * (exponent.low + exponent.high) / 2)
            truth_G = sign * total * shape(middle, self.size_G, *self.axis.ends)
            digits = number(float(f"{abs(float(middle)):.2g}"))
            assumption = f"if the trend is real and its exponent is {digits}"
        return settlement(
            self.statement.sizes,
            self.covariance,
            truth_G,
            sesoi=self.statement.sesoi,
            level=self.statement.level,
            assumption=assumption,
            seed=self.seed,
        )

    def _too_little(self) -> tuple[str, ...]:
        sizes, span = self.statement.sizes, self.statement.sizes[-1] / self.statement.sizes[0]
        few = f"{len(sizes)} sizes identify no exponent: at least {LEAST_SIZES} are needed"
        close = f"the sizes span ×{span:.2g}, and less than ×{LEAST_SPAN:g} shows no law"
        return (few,) * (len(sizes) < LEAST_SIZES) + (close,) * (span < LEAST_SPAN)

    def _widest(self) -> PairDifference:
        # two one-sided tests at a level are the interval of twice that level
        level, sizes = 1 - 2 * self.statement.level, self.statement.sizes
        first, second, gain = widest_difference(self.covariance, level)
        return PairDifference((sizes[first], sizes[second]), gain, level)

    def _exponent(self, threshold: float) -> Metric:
        low_B, high_B = self._fine.exponent_interval(threshold)
        found = Metric(float(self._fine.exponent_B[0]), float(low_B[0]), float(high_B[0]))
        return negated(found) if self._fine.sign < 0 else found

    def _next_tenfold(self) -> Metric:
        redrawn = self.if_monotone
        saved_B = -np.where(redrawn.falls_B, redrawn.fall.step(10.0), redrawn.rise.step(10.0))
        saved = float(-self._fine.step(10.0)[0])
        return percentile_metric(saved, saved_B, 1 - self.statement.level)

    def _best_size(self) -> Metric:
        best, drawn_B = (each.turn.best_size() for each in (self.observed, self.if_turning))
        return percentile_metric(float(best[0]), drawn_B, 1 - self.statement.level)

    def _rests_on(self, limits: Thresholds) -> tuple[float, ...]:
        """Return the sizes without any one of which no valley is seen."""
        one = self.mean_1G[0], self.matrix_1GG[0], limits.alike.margin_GG
        sizes = enumerate(self.statement.sizes)
        return tuple(size for index, size in sizes if not valley_without(index, *one))

    def _held_out(self) -> tuple[float, float]:
        inner = self.axis.without_largest().fit(
            self.mean_1G[:, :-1], self.matrix_1GG[:, :-1, :-1], zoom=True
        )
        fit = inner.monotone(falls=self.falls)
        largest, constant = float(self.mean_1G[0, -1]), float(inner.constant_B[0])
        predicted = float(fit.predict(self.size_G[-1:])[0, 0])
        return abs(largest - predicted), abs(largest - constant)

    def _up_to(self, best_size: Metric) -> Verdict | None:
        keep = self.size_G <= best_size.value * 1.0001
        whole = self.covariance
        # a verdict needs a size with two seeds, to estimate the variance between seeds
        if keep.sum() < LEAST_SIZES or whole.seeds_G[keep].max() < 2:
            return None
        by_size = ("mean_G", "seed_variance_G", "seed_degrees_G", "seeds_G")
        kept: dict[str, Any] = {name: getattr(whole, name)[keep] for name in by_size}
        square = np.ix_(keep, keep)
        if whole.seed_correlation_GG is not None:
            kept["seed_correlation_GG"] = whole.seed_correlation_GG[square]
        part = replace(whole, day_GG=whole.day_GG[square], **kept)
        statement = replace(self.statement, sizes=tuple(self.size_G[keep].tolist()))
        return Judge(statement, part, self.num_replicates, self.seed).verdict(settle=False)


def _p_value(observed_1: Float, null_B: Float) -> float:
    return float((1 + (null_B >= observed_1[0]).sum()) / (1 + len(null_B)))
