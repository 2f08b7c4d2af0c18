"""Rows sorted by a value: weighted ranks, areas under curves, DeLong's components."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.blocks import Floats, Integers

Number = TypeVar("Number", bound=np.number[Any])
Counts = NDArray[np.int16] | NDArray[np.int32]
#: Rows of so many replicates are added up faster one after the other than by numpy.
_WIDE = 500


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by a value, with ties as groups: G distinct values among N rows.

    Attributes
    ----------
    order : ndarray of shape (N,)
        Row indices, ascending by value.
    starts : ndarray of shape (G,)
        Where in ``order`` each distinct value begins.
    """

    order: Integers
    starts: Integers

    @classmethod
    def of(cls, values_N: Floats) -> Ranking:
        """Sort rows by value."""
        order = np.argsort(values_N, kind="stable")
        ordered = values_N[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        return cls(order, starts)

    def arranged(self, values_NR: NDArray[Number]) -> NDArray[Number]:
        """Return rows in the order of this ranking; themselves if that is how they lie."""
        in_order = np.array_equal(self.order, np.arange(len(self.order)))
        return values_NR if in_order else values_NR.take(self.order, axis=0)

    @property
    def sizes(self) -> Integers:
        """Rows of each distinct value, shape (G,)."""
        return np.diff(np.append(self.starts, len(self.order)))

    def group(self, weights_RN: NDArray[Number]) -> NDArray[Number]:
        """Return the weight on each distinct value, ascending: shape (R, G)."""
        ordered_RN = np.take(weights_RN, self.order, axis=1)
        if len(self.starts) == len(self.order):
            return ordered_RN
        return np.asarray(np.add.reduceat(ordered_RN, self.starts, axis=1), dtype=ordered_RN.dtype)

    def midranks(self, weights_RN: Floats) -> Floats:
        """Return each row's rank when rows count ``weights`` times, ties sharing their mean rank.

        Ranks run from 1 to the total weight, as in a sample in which rows are repeated.
        """
        group_RG = self.group(weights_RN)
        midrank_RG = np.cumsum(group_RG, axis=1) - (group_RG - 1) / 2
        ranks_RN = np.empty_like(weights_RN)
        ranks_RN[:, self.order] = np.repeat(midrank_RG, self.sizes, axis=1)
        return ranks_RN


@dataclass(frozen=True)
class Ordered:
    """Weights of rows added up in the order of a ranking, of all rows and of events.

    Replicates lie side by side, and weights are whole numbers: a row is added to the one before in
    one step, several times as fast as one replicate after the other.

    Attributes
    ----------
    ranking : Ranking
        The rows by prediction.
    event : ndarray of shape (N,)
        Which rows, in that order, are events (M of them).
    rows : ndarray of shape (N + 1, R)
        Weight of the first n rows.
    events : ndarray of shape (M + 1, R)
        Weight of the first m events.
    """

    ranking: Ranking
    event: NDArray[np.bool_]
    rows: Counts
    events: Counts

    @classmethod
    def of(cls, ranking: Ranking, target_N: Floats, weights_RN: NDArray[Any]) -> Ordered:
        """Add up weights (R, N), which are whole numbers: how often each row counts."""
        event_N = target_N[ranking.order] > 0.5
        most = int(weights_RN.max(initial=0)) * len(event_N)
        # twice a sum has to fit, for ties
        kind = np.int16 if 2 * most <= np.iinfo(np.int16).max else np.int32
        rows_NR = np.zeros((1 + len(event_N), len(weights_RN)), dtype=kind)
        rows_NR[1:] = ranking.arranged(weights_RN.T)
        events_MR = np.vstack([rows_NR[:1], rows_NR[1:][event_N]])
        for sums_NR in (rows_NR, events_MR):
            _cumulate(sums_NR)
        return cls(ranking, event_N, rows_NR, events_MR)


def _cumulate(sums_NR: Counts) -> None:
    """Add to each row the one before, in place."""
    if sums_NR.shape[1] < _WIDE:
        np.add.accumulate(sums_NR, axis=0, out=sums_NR)
        return
    for before_R, own_R in pairwise(sums_NR):
        own_R += before_R


@dataclass(frozen=True)
class Areas:
    """Areas under two curves in each replicate; NaN in a replicate of one class.

    Attributes
    ----------
    roc : ndarray of shape (R,)
        The Mann–Whitney form: the share of (event, non-event) pairs in which the event ranks
        higher, ties counting half.
    precision : ndarray of shape (R,)
        Average precision: precision averaged over the events found, by the step-wise sum over
        distinct thresholds of scikit-learn, without interpolation.
    """

    roc: Floats
    precision: Floats

    @classmethod
    def of(cls, ordered: Ordered) -> Areas:
        """Return both areas."""
        # only values that events have enter the sums, E of them; of other rows it matters how many
        # lie below
        ranking, event_N = ordered.ranking, ordered.event
        first_M = np.repeat(ranking.starts, ranking.sizes)[event_N]
        last_M = np.repeat(ranking.starts + ranking.sizes, ranking.sizes)[event_N]
        end_E = np.flatnonzero(np.diff(last_M, append=-1))
        begin_E = np.append(0, end_E[:-1] + 1)[: len(end_E)]
        below_ER, upto_ER = ordered.rows[first_M[end_E]], ordered.rows[last_M[end_E]]
        events_below_ER, events_upto_ER = ordered.events[begin_E], ordered.events[end_E + 1]
        events_ER = (events_upto_ER - events_below_ER).astype(np.float64)
        twice_below_ER = (below_ER - events_below_ER) + (upto_ER - events_upto_ER)
        num_rows_R, num_events_R = (
            sums[-1].astype(np.float64) for sums in (ordered.rows, ordered.events)
        )
        # nothing flagged yet means no event there either
        flagged_ER = np.maximum(ordered.rows[-1] - below_ER, 1)
        precision_ER = np.divide(ordered.events[-1] - events_below_ER, flagged_ER, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            pairs_R = num_events_R * (num_rows_R - num_events_R)
            return cls(
                np.einsum("er,er->r", events_ER, twice_below_ER) / (2 * pairs_R),
                np.einsum("er,er->r", events_ER, precision_ER) / num_events_R,
            )


def weighted_auc(ranking: Ranking, target_N: Floats, weights_RN: Floats) -> Floats:
    """Return the area under the ROC curve of each replicate; see :class:`Areas`."""
    return Areas.of(Ordered.of(ranking, target_N, weights_RN)).roc


def structural_components(target_N: Floats, logit_N: Floats) -> Floats:
    """Return for each row the share of the other class that it is ranked correctly against.

    DeLong's V10 (events) and V01 (non-events), by midranks in O(N log N); each class's mean is the
    AUC. NaN where there is only one class.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44; Sun and Xu (2014), IEEE SPL 21.
    """
    event_N = target_N > 0.5
    num_events = int(event_N.sum())
    if num_events in (0, len(event_N)):
        return np.full(len(event_N), np.nan)
    ranks_N = _midranks(logit_N)
    components_N = np.empty(len(event_N))
    for is_class, num_others in ((event_N, len(event_N) - num_events), (~event_N, num_events)):
        outranked = ranks_N[is_class] - _midranks(logit_N[is_class])
        components_N[is_class] = outranked / num_others
    components_N[~event_N] = 1 - components_N[~event_N]
    return components_N


def _midranks(values_N: Floats) -> Floats:
    """Return ranks from 1, ties sharing their mean: what a second's import of scipy.stats gives."""
    _, group_N, sizes_G = np.unique(values_N, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes_G) - (sizes_G - 1) / 2)[group_N])
