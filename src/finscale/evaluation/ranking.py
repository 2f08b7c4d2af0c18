"""Rows sorted by a value: weighted ranks, areas under curves, DeLong's components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.blocks import Floats, Integers

Number = TypeVar("Number", bound=np.number[Any])


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
    def of(cls, ranking: Ranking, target_N: Floats, weights_RN: Floats) -> Areas:
        """Return both areas.

        Parameters
        ----------
        ranking : Ranking
            The rows by prediction.
        target_N : ndarray of shape (N,)
            1 where the event happened, else 0.
        weights_RN : ndarray of shape (R, N)
            How often each row counts: whole numbers.
        """
        event_N = target_N[ranking.order] > 0.5
        if not event_N.any():
            undefined_R = np.full(len(weights_RN), np.nan)
            return cls(undefined_R, undefined_R)
        # only values that events have enter the sums (E of them); of other rows it matters how many
        # lie below. Whole numbers add up several times as fast as doubles
        whole_RN = weights_RN.astype(np.int32)
        all_RG = ranking.group(whole_RN)
        upto_RG = np.cumsum(all_RG, axis=1, dtype=np.int32)
        group_N = np.repeat(np.arange(len(ranking.starts)), ranking.sizes)
        groups_E, first_E = np.unique(group_N[event_N], return_index=True)
        events_RE = np.take(whole_RN, ranking.order[event_N], axis=1)
        if len(groups_E) < events_RE.shape[1]:
            events_RE = np.add.reduceat(events_RE, first_E, axis=1, dtype=np.int32)
        all_RE, upto_RE = np.take(all_RG, groups_E, axis=1), np.take(upto_RG, groups_E, axis=1)
        events_upto_RE = np.cumsum(events_RE, axis=1, dtype=np.int32)
        num_events_R, num_rows_R = events_upto_RE[:, -1].astype(float), upto_RG[:, -1]
        weights_RE = events_RE.astype(np.float64)
        twice_below_RE = 2 * (upto_RE - events_upto_RE) - (all_RE - events_RE)
        flagged_RE = upto_RG[:, -1:] - upto_RE + all_RE
        found_RE = events_upto_RE[:, -1:] - events_upto_RE + events_RE
        # nothing flagged yet means no event there either
        precision_RE = found_RE / np.maximum(flagged_RE, 1)
        with np.errstate(invalid="ignore"):
            pairs_R = num_events_R * (num_rows_R - num_events_R)
            return cls(
                np.einsum("re,re->r", weights_RE, twice_below_RE) / (2 * pairs_R),
                np.einsum("re,re->r", weights_RE, precision_RE) / num_events_R,
            )


def weighted_auc(ranking: Ranking, target_N: Floats, weights_RN: Floats) -> Floats:
    """Return the area under the ROC curve of each replicate; see :class:`Areas`."""
    return Areas.of(ranking, target_N, weights_RN).roc


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
