"""A channel that knows more about the label than a price of that day can.

A level of AUC proves nothing: volatility alone tells a 3 % threshold at .93. But what is legitimate
fades slowly: the value of one horizon ago knows nearly as much. Knowledge of the bars that the
label counts is gone one horizon earlier. So the **fall of the AUC over one horizon** is judged, not
its height. On 23 daily series and 7 simulated markets, a clean channel's fall stayed below .05 plus
its noise (docs/leakage.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence, originals, unread
from finscale.audit.prices import MEND_PRICES, impossible_prices
from finscale.data.targets import task_reach
from finscale.evaluation.targets import TARGETS

#: Largest fall that a clean channel may have beyond its noise.
_ALLOWED_FALL = 0.05
#: Probability of any false alarm from noise, over all statistics of the audit.
_FALSE_ALARM = 1e-3
#: Windows that are ranked; more add seconds and no power that matters.
_MOST_ROWS = 50_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Fall:
    """How far a channel's AUC falls over one horizon, and how far that may be."""

    channel: str
    view: str
    auc: float
    earlier: float
    error: float

    @property
    def size(self) -> float:
        return abs(self.auc - 0.5) - abs(self.earlier - 0.5)

    def excess(self, quantile: float) -> float:
        """Return by how much the fall exceeds what a clean channel's noise allows."""
        return self.size - _ALLOWED_FALL - quantile * self.error


def examine_plausibility(evidence: Evidence) -> CheckOutcome:
    """Look for channels that know more than they can, and for prices that no market made."""
    outcome = _examine_channels(evidence)
    prices = impossible_prices(evidence)
    if not prices:
        return replace(outcome, statement=f"{outcome.statement}; no price out of scale")
    mends = [outcome.mend] if outcome.findings else []
    return replace(
        outcome,
        findings=(*outcome.findings, *prices),
        mend="; ".join([*mends, MEND_PRICES]),
    )


def _examine_channels(evidence: Evidence) -> CheckOutcome:
    """Compare each channel's single-variable AUC with its AUC one horizon earlier."""
    from scipy.stats import norm

    dataset, reach = evidence.dataset, task_reach(evidence.dataset.task)
    rows = _comparable_rows(evidence)
    target = dataset.targets(rows).astype(np.float64)
    label = target > (0.5 if TARGETS[dataset.task.kind].is_event else np.median(target))
    if not 0 < label.sum() < label.size:
        return CheckOutcome(
            "plausibility",
            "no single-variable AUC exists",
            unproven=("train and validation hold labels of one kind only",),
        )
    _, day = np.unique(dataset.date_R[rows], return_inverse=True)
    falls = [
        _fall(channel, view, value_R[rows], value_R[rows - reach], label, day, reach)
        for channel, view, value_R in _views(evidence)
    ]
    if not falls:
        return CheckOutcome("plausibility", "no channel is at hand", unproven=unread(dataset))
    # standard errors that noise may make, with Bonferroni's correction
    quantile = float(norm.isf(_FALSE_ALARM / (2 * len(falls))))
    nearest = max(falls, key=lambda fall: fall.excess(quantile))
    falls.sort(key=lambda fall: fall.excess(quantile))
    by_channel = {fall.channel: fall for fall in falls}  # the worst view comes last
    worst = [fall for fall in by_channel.values() if fall.excess(quantile) > 0]
    proven = (
        f": none falls further than noise allows (nearest {nearest.channel}, {nearest.view}: "
        f"{nearest.size:.3f} of {nearest.size - nearest.excess(quantile):.3f}); no test label was "
        "used"
    )
    return CheckOutcome(
        "plausibility",
        f"{len(falls)} views of {len(originals(dataset))} channels on {rows.size:,} train and "
        f"validation windows, AUC at t against t−{reach}" + proven * (not worst),
        tuple(
            f"{fall.channel} ({fall.view}) tells the label with AUC {fall.auc:.3f}, its value of "
            f"{reach} row{'s' * (reach > 1)} before with {fall.earlier:.3f}: it knows bars "
            "after t"
            for fall in worst
        ),
        unread(dataset),
        mend="find how the channel is made; a shift in the wrong direction is the usual cause",
    )


def _comparable_rows(evidence: Evidence) -> Ints:
    """Return train and validation rows that have a row of the same symbol one horizon before."""
    dataset, reach = evidence.dataset, task_reach(evidence.dataset.task)
    rows = evidence.known_rows
    rows = rows[rows > reach]
    rows = rows[dataset.symbol_R[rows - reach - 1] == dataset.symbol_R[rows]]
    step = -(-rows.size // _MOST_ROWS)
    if step > 1:
        _, day = np.unique(dataset.date_R[rows], return_inverse=True)
        rows = rows[day % step == 0]
    return np.asarray(rows, np.int64)


def _views(evidence: Evidence) -> Iterator[tuple[str, str, Floats]]:
    """Yield each channel in the ways in which a level may hide what it knows."""
    frame, symbol_R = evidence.dataset.frame, evidence.dataset.symbol_R
    first_R = np.r_[True, np.diff(symbol_R) != 0]
    close_R = frame["close"].to_numpy() if "close" in frame.columns else None
    for channel, value_R in originals(evidence.dataset).items():
        plain = [("level", value_R), ("change", _change(value_R, first_R))]
        if (value_R > 0).all():
            plain.append(("growth", _change(np.log(value_R), first_R)))
            if close_R is not None and channel != "close":
                plain.append(("over the close", np.log(value_R / close_R)))
        for view, plain_R in plain:
            if len(evidence.dataset.symbols) > 1:
                plain_R = _ranked_within(plain_R, symbol_R)
            if np.ptp(plain_R) > 0:
                yield channel, view, plain_R
                yield channel, f"size of {view}", np.abs(plain_R - np.median(plain_R))


def _change(value_R: Floats, first_R: NDArray[np.bool_]) -> Floats:
    change_R = np.diff(value_R, prepend=value_R[0])
    change_R[first_R] = 0.0
    return change_R


def _ranked_within(value_R: Floats, symbol_R: Ints) -> Floats:
    """Return each value's rank in its own symbol, so that symbols of any level can be pooled."""
    from scipy.stats import rankdata

    ranked_R = np.empty_like(value_R)
    for symbol in np.unique(symbol_R):
        own = symbol_R == symbol
        ranked_R[own] = rankdata(value_R[own]) / own.sum()
    return ranked_R


def _fall(
    channel: str,
    view: str,
    now: Floats,
    before: Floats,
    label: NDArray[np.bool_],
    day: Ints,
    reach: int,
) -> _Fall:
    """Return the fall with its standard error; windows of one day and overlapping labels covary."""
    auc, influence = _auc(now, label)
    earlier, influence_before = _auc(before, label)
    daily = np.bincount(day, weights=influence - influence_before) / label.size
    daily -= daily.mean()
    lags = max(2 * reach, round(daily.size ** (1 / 3)))
    variance = daily @ daily
    for lag in range(1, min(lags, daily.size - 1) + 1):  # Newey & West (1987)
        variance += 2 * (1 - lag / (lags + 1)) * (daily[lag:] @ daily[:-lag])
    share = label.mean()
    # not below one AUC's error under the null: rare labels make the estimate itself noisy
    least = 1 / (12 * daily.size * share * (1 - share))
    return _Fall(channel, view, auc, earlier, float(np.sqrt(max(variance, least))))


def _auc(score: Floats, label: NDArray[np.bool_]) -> tuple[float, Floats]:
    """Return the AUC and each window's influence on it, from placements (DeLong 1988)."""
    from scipy.stats import rankdata

    rank = rankdata(score)
    placement = np.empty(score.size)  # share of the other kind that the window is on the right of
    for kind in (True, False):
        own = label == kind
        below = (rank[own] - rankdata(score[own])) / (~own).sum()
        placement[own] = below if kind else 1 - below
    auc = placement[label].mean()
    share = label.mean()
    return float(auc), (placement - auc) / np.where(label, share, 1 - share)
