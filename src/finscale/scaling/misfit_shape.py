"""What losses look like that no curve describes: a hump, a step, one size that stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from finscale.scaling.covariance import Float, SizeCovariance
from finscale.scaling.digits import number
from finscale.scaling.measure import Measure
from finscale.scaling.swept import Swept
from finscale.scaling.trend import SizeAxis, Trends

ShapeKind = Literal["one size", "step", "hump", "dip", "waves", "uneven", "late"]

#: A turn counts as seen where both its sides exceed this many one-sided 5 % margins: with many days
#: 3.3 standard errors, p = .001.
_SEEN = 2.0


@dataclass(frozen=True)
class CurveShape:
    """The shape of a curve that is no power law.

    Parameters
    ----------
    kind : str
        ``"one size"`` (a curve describes all others), ``"step"`` (level before and after),
        ``"hump"``, ``"dip"``, ``"waves"`` (several turns), ``"uneven"`` (one way, along no curve),
        ``"late"`` (it falls, or rises, ever faster).
    sizes : tuple of float
        Where: the size, the two sizes at a step's ends, the sizes at which it turns.
    words : str
        The same as part of a sentence.
    """

    kind: ShapeKind
    sizes: tuple[float, ...]
    words: str


@dataclass(frozen=True)
class ShapeReader:
    """Names the shape of one study's means.

    ``margin_GG`` are one-sided quantiles of Student's t for every pair of sizes, ``misfit`` the
    residual sum of squares that is still luck, ``size_words`` how a size is written.
    """

    axis: SizeAxis
    title: str
    measure: Measure
    covariance: SizeCovariance
    margin_GG: Float
    misfit: float

    def of_misfit(self, alone: int) -> CurveShape:
        """Return the shape of means that no curve describes; ``alone``: the size without, or -1."""
        return self._step() or self._one_size(alone) or self._turns()

    def of_late(self, trends: Trends, limit: float) -> CurveShape | None:
        """Return the shape of a change that speeds up, if it fits better by more than ``limit``."""
        if trends.late.statistic_B[0] - trends.fall.statistic_B[0] <= limit:
            return None
        moves, measure = self.measure.moves(better=True), self.measure
        words = f"{measure.title} {moves} ever faster with size, which no power law with a floor"
        return CurveShape("late", (), f"{words} does")

    def _size(self, index: int) -> str:
        from finscale.scaling.sentences import size

        return f"{size(self.axis.sizes[index])} {self.title}"

    def _one_size(self, alone: int) -> CurveShape | None:
        if alone < 0:
            return None
        mean_G, matrix_GG = self.covariance.mean_G, self.covariance.matrix_GG
        kept = np.delete(np.arange(len(mean_G)), alone)
        rest = self.axis.without(alone).fit(
            mean_G[kept][None], matrix_GG[np.ix_(kept, kept)][None], zoom=True
        )
        where = self.axis.size_G[[alone]]
        inside = 0 < alone < len(mean_G) - 1
        # a valley is not carried on beyond the other sizes
        curve = rest.turn if inside else rest.monotone(falls=bool(rest.falls_B[0]))
        if inside and rest.late.statistic_B[0] > rest.turn.statistic_B[0]:
            curve = rest.late
        off = float(mean_G[alone] - curve.predict(where)[0, 0])
        measure = self.measure
        side = "above" if (off > 0) != measure.higher_is_better else "below"
        asks = "trained worse" if off > 0 else "trained or scored otherwise"
        words = (
            f"one size stands out: at {self._size(alone)} {measure.title} lies "
            f"{measure.amount(number(abs(off)))} {side} the curve through the others "
            f"(was it {asks}? run it again, or state that it is left out)"
        )
        return CurveShape("one size", (self.axis.sizes[alone],), words)

    def _step(self) -> CurveShape | None:
        """Return the step if two levels, of two sizes or more each, describe all sizes."""
        mean_1G, matrix_1GG = self.covariance.mean_G[None], self.covariance.matrix_GG[None]
        num_sizes = mean_1G.shape[1]
        if num_sizes < 4:
            return None
        swept = Swept.of(self.axis.size_G, mean_1G, matrix_1GG)
        after_KG = (np.arange(num_sizes) >= np.arange(2, num_sizes - 1)[:, None]).astype(float)
        weighted_1KG, score_1K = swept.on_grid(after_KG)
        information_K = (weighted_1KG[0] * after_KG).sum(axis=1)
        left_K = swept.total_B[0] - score_1K[0] ** 2 / information_K
        best = int(left_K.argmin())
        if left_K[best] > self.misfit:
            return None
        height = float(score_1K[0, best] / information_K[best])
        first, second = best + 1, best + 2
        measure = self.measure
        words = (
            f"a step: {measure.title} {measure.moves(better=height < 0)} by "
            f"{measure.amount(number(abs(height)))} between {self._size(first)} and "
            f"{self._size(second)} and is level on both sides"
        )
        return CurveShape("step", self.axis.sizes[first : second + 1], words)

    def _turns(self) -> CurveShape:
        shown_G, measure = self.measure.shown(self.covariance.mean_G), self.measure
        way, turns = self._seen_turns(shown_G)
        sizes = tuple(self.axis.sizes[index] for index in turns)
        if not turns:
            words = f"{measure.title} {'rises' if way > 0 else 'falls'} unevenly, along no curve"
            return CurveShape("uneven", (), words)
        legs = []
        points = [*turns, len(shown_G) - 1]
        before = 0
        for index in points:
            height = measure.amount(number(abs(float(shown_G[index] - shown_G[before]))))
            verb = "rises" if shown_G[index] > shown_G[before] else "falls"
            to = "beyond" if index == points[-1] else f"to {self._size(index)}"
            legs.append(f"{verb} by {height} {to}")
            before = index
        kind: ShapeKind = "waves"
        if len(turns) == 1:
            kind = "hump" if way > 0 else "dip"
        name = "several turns" if kind == "waves" else f"a {kind}"
        path = ", ".join(legs[:-1]) + f" and {legs[-1]}"
        return CurveShape(kind, sizes, f"{name}: {measure.title} {path}")

    def _seen_turns(self, shown_G: Float) -> tuple[int, list[int]]:
        """Return the first direction seen (1, -1; 0: none) and the sizes at which it turns."""
        way, extreme, turns = 0, 0, []
        lowest = highest = 0
        for index in range(1, len(shown_G)):
            if way == 0:
                if self._above(shown_G, index, lowest):
                    way, extreme = 1, index
                elif self._above(shown_G, highest, index):
                    way, extreme = -1, index
                lowest = index if shown_G[index] < shown_G[lowest] else lowest
                highest = index if shown_G[index] > shown_G[highest] else highest
                first = way
            elif way * (shown_G[index] - shown_G[extreme]) > 0:
                extreme = index
            elif self._above(way * shown_G, extreme, index):
                turns.append(extreme)
                way, extreme = -way, index
        return (first if way else 0), turns

    def _above(self, value_G: Float, one: int, other: int) -> bool:
        error = self.covariance.difference(one, other)[1]
        return bool(value_G[one] - value_G[other] > _SEEN * self.margin_GG[one, other] * error)
