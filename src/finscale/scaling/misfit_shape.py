"""What losses look like that are no power law: a hump, a step, one size that stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from finscale.scaling.covariance import Float, SizeCovariance
from finscale.scaling.digits import number
from finscale.scaling.measure import Measure
from finscale.scaling.sentences import size
from finscale.scaling.swept import Swept, shape
from finscale.scaling.trend import SizeAxis, Trends

ShapeKind = Literal["one size", "step", "hump", "dip", "waves", "uneven", "late"]

#: A turn counts as seen where both its sides exceed this many one-sided 5 % margins: with many days
#: 3.3 standard errors, p = .001.
_SEEN = 2.0
#: A change is made by one size where more than this share of it surely lies in one step.
_ONE_STEP = 0.9
#: A fall starts late where less than this share of it lies before the second size.
_LEVEL_START = 0.15


@dataclass(frozen=True)
class CurveShape:
    """The shape of a curve that is no power law.

    Parameters
    ----------
    kind : str
        ``"one size"`` (a curve describes all others, or it makes the whole change), ``"step"``
        (level before and after), ``"late"`` (level at first, or ever faster), ``"hump"``,
        ``"dip"``, ``"waves"`` (several turns), ``"uneven"`` (one way, along no curve).
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
        turns = self._turns()
        # an end that lies off its neighbours and a hump beside it are one and the same
        if alone in (0, len(self.axis.sizes) - 1) and turns.kind in ("hump", "dip"):
            beside = f"; without {self._size(alone)} a curve describes the others"
            return CurveShape(turns.kind, turns.sizes, turns.words + beside)
        return self._step() or self._late_start() or self._one_size(alone) or turns

    def of_open(self, trends: Trends, exponent: float) -> CurveShape | None:
        """Return the shape of a change that a curve describes, but one too steep or ever faster.

        ``exponent`` is the drop of the likelihood ratio at the ends of an exponent's interval.
        """
        falls = bool(trends.falls_B[0])
        fit = trends.monotone(falls=falls)
        late = trends.late if falls else fit
        # at the slow end of its interval most of the change still happens in one step
        slow = np.array([float(fit.exponent_interval(exponent)[1][0])])
        ends = self.axis.ends
        if shape(slow, self.axis.size_G[[1]], *ends)[0] > _ONE_STEP:
            return self._end(0)
        faster = late.statistic_B[0] - trends.fall.statistic_B[0] > self.misfit
        if not faster or late.exponent_B[0] <= 0:
            return None
        slow = np.array([float(late.exponent_interval(exponent)[0][0])])
        if shape(slow, self.axis.size_G[[-2]], *ends)[0] < 1 - _ONE_STEP:
            return self._end(-1)
        if not falls:
            return None
        return CurveShape("late", (), "ever faster with size, which no power law with a floor does")

    def _end(self, index: int) -> CurveShape:
        mean_G = self.covariance.mean_G
        off = float(mean_G[index] - mean_G[1 if index == 0 else -2])
        which = "smallest" if index == 0 else "largest"
        words = (
            f"the {which} size alone makes the change: {self._off(index, off)} its neighbour "
            f"({_asks(off)})"
        )
        return CurveShape("one size", (self.axis.sizes[index],), words)

    def _off(self, index: int, off: float) -> str:
        measure = self.measure
        side = "above" if (off > 0) != measure.higher_is_better else "below"
        amount = measure.amount(number(abs(off)))
        return f"at {self._size(index)} {measure.title} lies {amount} {side}"

    def _late_start(self) -> CurveShape | None:
        """Return the size at which a power law starts, if one in x plus that size describes all."""
        first, last = self.axis.ends
        start_K, exponent_K = (
            each.ravel()
            for each in np.meshgrid(np.geomspace(first / 3, last, 160), np.geomspace(0.05, 4, 80))
        )
        # (x + start)^-exponent, from 0 at the smallest size to -1 at the largest
        way_KG = np.log1p(self.axis.size_G / start_K[:, None])
        fall_KG = np.expm1(-exponent_K[:, None] * (way_KG - way_KG[:, :1]))
        fall_KG = fall_KG / -fall_KG[:, -1:]
        left_K, fallen_K = self._left(self._swept(), fall_KG)
        left_K = np.where(fallen_K > 0, left_K, np.inf)
        best = int(left_K.argmin())
        if left_K[best] > self.misfit or -fall_KG[best, 1] > _LEVEL_START:
            return None
        start = float(start_K[best])
        about = f"{size(float(f'{start:.1g}'))} {self.title}"
        words = f"only late: level at first, it follows a power law only beyond about {about}"
        return CurveShape("late", (start,), words)

    def _size(self, index: int) -> str:
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
        words = (
            f"one size stands out: {self._off(alone, off)} the curve through the others "
            f"({_asks(off)})"
        )
        return CurveShape("one size", (self.axis.sizes[alone],), words)

    def _step(self) -> CurveShape | None:
        """Return the step if two levels, of two sizes or more each, describe all sizes."""
        num_sizes = len(self.axis.sizes)
        if num_sizes < 4:
            return None
        after_KG = (np.arange(num_sizes) >= np.arange(2, num_sizes - 1)[:, None]).astype(float)
        left_K, height_K = self._left(self._swept(), after_KG)
        best = int(left_K.argmin())
        if left_K[best] > self.misfit:
            return None
        height = float(height_K[best])
        first, second = best + 1, best + 2
        measure = self.measure
        words = (
            f"a step: {measure.title} {measure.moves(better=height < 0)} by "
            f"{measure.amount(number(abs(height)))} between "
            f"{size(self.axis.sizes[first])} and {self._size(second)} and is level on both "
            "sides"
        )
        return CurveShape("step", self.axis.sizes[first : second + 1], words)

    def _swept(self) -> Swept:
        means = self.covariance.mean_G[None], self.covariance.matrix_GG[None]
        return Swept.of(self.axis.size_G, *means)

    @staticmethod
    def _left(swept: Swept, basis_KG: Float) -> tuple[Float, Float]:
        """Return what each curve leaves of the sum of squares, ``[K]``, and its coefficient."""
        weighted_1KG, score_1K = swept.on_grid(basis_KG)
        information_K = (weighted_1KG[0] * basis_KG).sum(axis=1)
        coefficient_K = score_1K[0] / information_K
        return swept.total_B[0] - coefficient_K * score_1K[0], coefficient_K

    def _turns(self) -> CurveShape:
        shown_G, measure = self.measure.shown(self.covariance.mean_G), self.measure
        way, turns = self._seen_turns(shown_G)
        sizes = tuple(self.axis.sizes[index] for index in turns)
        if not turns:
            verb = {1: "rises", -1: "falls", 0: "varies"}[way]
            words = f"{measure.title} {verb} unevenly{self._level_part(shown_G)}"
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

    def _level_part(self, shown_G: Float) -> str:
        """Return which end of the sizes is level, three or more of them, in words."""
        num_sizes = len(shown_G)
        apart_GG = np.array(
            [
                [
                    self._above(shown_G, one, other) or self._above(shown_G, other, one)
                    for other in range(num_sizes)
                ]
                for one in range(num_sizes)
            ]
        )
        for count in range(num_sizes - 1, 2, -1):
            if not apart_GG[-count:, -count:].any():
                return f", and is level from {self._size(num_sizes - count)} on"
            if not apart_GG[:count, :count].any():
                return f", and is level up to {self._size(count - 1)}"
        return ""

    def _above(self, value_G: Float, one: int, other: int) -> bool:
        error = self.covariance.difference(one, other)[1]
        return bool(value_G[one] - value_G[other] > _SEEN * self.margin_GG[one, other] * error)


def _asks(off: float) -> str:
    """Return what to ask of a size whose loss lies off by so much."""
    asks = "trained worse" if off > 0 else "trained or scored otherwise"
    return f"was it {asks}? run it again, or state that it is left out"
