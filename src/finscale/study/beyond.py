"""What size brings beyond the linear model: the networks of a study against its logistic.

A network that loses to a logistic on the last day's features has found less than a line could:
its scaling curve then measures how slowly it finds that line. So every size is held against it, on
the same days, and the verdict's sentence says what came out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finscale.evaluation.bootstrap import Floats, Metric
from finscale.evaluation.simultaneous import simultaneous_intervals
from finscale.scaling.covariance import size_covariance
from finscale.scaling.digits import number, signed
from finscale.scaling.measure import LOSS, Measure, negated
from finscale.scaling.sentences import interval, size

#: Sizes as measured that differ by less than this share of them are one size.
_ALIKE = 0.01


#: Gains on a day below this share of the smallest effect of interest are the rounding of fp32.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class BeyondLinear:
    """What the network of each size gains on the linear model.

    Parameters
    ----------
    sizes : tuple of float
        As measured, rising.
    gains : tuple of Metric
        How much better than the linear model each is, in the measure's unit; the intervals hold
        for all sizes at once.
    noun : str
        What the sizes are: ``"parameters"``.
    sesoi : float
        Smallest effect of interest, as the study stated it.
    measure : Measure
        What the study is about.
    failed : str
        That the linear model itself failed, as the start of a sentence; empty where it did not.
        Nothing is then claimed over it.
    """

    sizes: tuple[float, ...]
    gains: tuple[Metric, ...]
    noun: str
    sesoi: float
    measure: Measure = LOSS
    failed: str = ""

    @property
    def beating(self) -> list[int]:
        """The sizes that beat the linear model, by place; none where that model failed."""
        return [place for place, gain in enumerate(self.gains) if gain.low > 0 and not self.failed]

    def is_worse(self, size: float) -> bool:
        """Whether the network of a size is seen to lose to the linear model, all sizes at once."""
        gain = self.at(size)
        return gain is not None and gain.high < 0 and not self.failed

    @property
    def headline(self) -> str:
        """What came out, in a few words."""
        if self.failed:
            return "Nothing is said beyond the linear model, which failed"
        beating = self.beating
        if len(beating) == len(self.gains):
            return "Every size beats the linear model"
        if len(self.gains) - 1 in beating:
            return "The largest size beats the linear model"
        if beating:
            return "Only sizes below the largest beat the linear model"
        if all(gain.high < 0 for gain in self.gains):
            return "No size beats the linear model"
        return "No size is seen to beat the linear model"

    def sentence(self, *, pays: bool) -> str:
        """Return what came out, with the largest size's gain; ``pays``: the verdict is LAW."""
        if self.failed:
            return f"{self.failed}: what size brings beyond the linear model is not said."
        largest, beating = self.gains[-1], self.beating
        headline = self.headline
        if pays and largest.low > 0:
            headline = "Size pays beyond the linear model"
        elif pays and not beating and largest.high < 0:
            headline = f"Size pays, but {headline[0].lower()}{headline[1:]}"
        elif pays and not beating:
            headline = "Size pays, but only up to the linear model"
        if beating and largest.low <= 0:
            best = max(beating, key=lambda place: self.gains[place].value)
            headline += f", {self._sized(best)} by {self._amount(interval(self.gains[best]))}"
        text = f"{headline}: at {self._sized(-1)} {self._against(largest)}"
        if not beating and self.excluded and largest.high >= 0:
            text += f"; a gain of {self._amount(number(self.sesoi))} is excluded at every size"
        return f"{text}."

    @property
    def excluded(self) -> bool:
        """Whether a gain of the smallest effect of interest is excluded at every size."""
        return not self.failed and all(gain.high < self.sesoi for gain in self.gains)

    def at(self, measured: float) -> Metric | None:
        """Return the gain at a size as measured; None where it has none.

        Means of what two ways of averaging over runs give differ by a hair.
        """
        known = dict(zip(self.sizes, self.gains, strict=True))
        near = min(known, key=lambda own: abs(own - measured))
        return known[near] if abs(near - measured) <= _ALIKE * measured else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text for JSON."""
        return {
            "unit": self.measure.unit or self.measure.title,
            "noun": self.noun,
            "headline": self.headline,
            "failed": self.failed,
            "sizes": [
                {"size": own, **asdict(gain)}
                for own, gain in zip(self.sizes, self.gains, strict=True)
            ],
        }

    def _sized(self, place: int) -> str:
        return f"{size(self.sizes[place])} {self.noun}"

    def _amount(self, text: str) -> str:
        return f"{text} {self.measure.unit or f'in {self.measure.title}'}"

    def _against(self, gain: Metric) -> str:
        if gain.low > 0:
            return f"the network is {self._amount(interval(gain))} better than it"
        if gain.high < 0:
            return f"the network is {self._amount(interval(negated(gain)))} worse than it"
        return f"the gain on it is {self._amount(signed(gain))}"


def judge_beyond(
    gains_GST: Floats,
    size_G: Floats,
    *,
    noun: str,
    sesoi: float,
    level: float,
    horizon: int = 1,
    nested: bool = False,
    measure: Measure = LOSS,
    failed: str = "",
) -> BeyondLinear:
    """Judge what each size gains on the linear model.

    Parameters
    ----------
    gains_GST : array [G, S, T]
        Improvement on the linear model of each size, seed and test day, in the measure's unit; a
        seed that a size lacks is NaN.
    size_G : array [G]
        The sizes as measured, rising.
    noun, sesoi, measure, failed
        See :class:`BeyondLinear`.
    level : float
        Significance level of all intervals together: one minus what they hold at once.
    horizon : int
        Bars that a label looks ahead; neighbouring days' outcomes overlap over ``horizon`` - 1.
    nested : bool
        Whether replicates go on from size to size, as nestings do.
    """
    # a network that stayed at its linear start differs from the baseline by rounding alone
    gains_GST = np.where(np.abs(gains_GST) < _ROUNDING * sesoi, 0.0, gains_GST)
    luck: dict[str, Any] = {}
    if np.isfinite(gains_GST[:, :, 0]).sum(axis=1).max() > 1:  # of one seed the luck is not known
        covariance = size_covariance(gains_GST, horizon=horizon, nested=nested)
        luck["luck_K"] = np.sqrt(covariance.seed_variance_G / covariance.seeds_G)
        luck["degrees_K"] = covariance.seed_degrees_G
    daily_TG = np.nanmean(gains_GST, axis=1).T
    gains = simultaneous_intervals(daily_TG, overlap=horizon, level=1 - level, **luck)
    return BeyondLinear(tuple(size_G.tolist()), tuple(gains), noun, sesoi, measure, failed)
