"""Rows sorted by a value: weighted ranks, areas under curves, DeLong's components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finscale.evaluation.bootstrap import Floats, Integers


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

    def group(self, weights_RN: Floats) -> Floats:
        """Return the weight on each distinct value, ascending: shape (R, G)."""
        ordered_RN = weights_RN[:, self.order]
        if len(self.starts) == len(self.order):
            return ordered_RN
        return np.add.reduceat(ordered_RN, self.starts, axis=1)

    def groups(self, target_N: Floats, weights_RN: Floats) -> tuple[Floats, Floats]:
        """Return the weight of events, and of all rows, on each distinct value: each (R, G)."""
        return self.group(weights_RN * target_N), self.group(weights_RN)

    def midranks(self, weights_RN: Floats) -> Floats:
        """Return each row's rank when rows count ``weights`` times, ties sharing their mean rank.

        Ranks run from 1 to the total weight, as in a sample in which rows are repeated.
        """
        group_RG = self.group(weights_RN)
        midrank_RG = np.cumsum(group_RG, axis=1) - (group_RG - 1) / 2
        sizes_G = np.diff(np.append(self.starts, len(self.order)))
        ranks_RN = np.empty_like(weights_RN)
        ranks_RN[:, self.order] = np.repeat(midrank_RG, sizes_G, axis=1)
        return ranks_RN


def weighted_auc(ranking: Ranking, target_N: Floats, weights_RN: Floats) -> Floats:
    """Return the area under the ROC curve of each replicate; see :func:`grouped_auc`."""
    return grouped_auc(*ranking.groups(target_N, weights_RN))


def grouped_auc(events_RG: Floats, weights_RG: Floats) -> Floats:
    """Return the area under the ROC curve of each replicate, ties counting half; NaN for one class.

    The Mann–Whitney form: the weight of (event, non-event) pairs in which the event ranks higher.

    Parameters
    ----------
    events_RG, weights_RG : ndarray of shape (R, G)
        Weight of the events, and of all rows, on each distinct value; see :meth:`Ranking.groups`.
    """
    others_RG = weights_RG - events_RG
    below_RG = np.cumsum(others_RG, axis=1) - others_RG / 2
    pairs_R = events_RG.sum(axis=1) * others_RG.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((events_RG * below_RG).sum(axis=1) / pairs_R)


def grouped_average_precision(events_RG: Floats, weights_RG: Floats) -> Floats:
    """Return each replicate's average precision: precision averaged over the events found.

    The step-wise sum over distinct thresholds, as in scikit-learn, without interpolation.
    Parameters are those of :func:`grouped_auc`.
    """
    events_RG = events_RG[:, ::-1]
    flagged_RG = np.cumsum(weights_RG[:, ::-1], axis=1)
    with np.errstate(invalid="ignore"):
        # nothing flagged yet means no event there either: 0 · 0/0 counts as nothing
        precision_RG = np.cumsum(events_RG, axis=1) / flagged_RG
        found_R = np.where(flagged_RG > 0, events_RG * precision_RG, 0.0).sum(axis=1)
        return np.asarray(found_R / events_RG.sum(axis=1))


def structural_components(target_N: Floats, logit_N: Floats) -> Floats:
    """Return for each row the share of the other class that it is ranked correctly against.

    DeLong's V10 (events) and V01 (non-events), by midranks in O(N log N); each class's mean is the
    AUC. NaN where there is only one class.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44; Sun and Xu (2014), IEEE SPL 21.
    """
    # imported here: scipy.stats takes a third of a second, which a training would wait for
    from scipy.stats import rankdata

    event_N = target_N > 0.5
    num_events = int(event_N.sum())
    if num_events in (0, len(event_N)):
        return np.full(len(event_N), np.nan)
    ranks_N = rankdata(logit_N)
    components_N = np.empty(len(event_N))
    for is_class, num_others in ((event_N, len(event_N) - num_events), (~event_N, num_events)):
        outranked = ranks_N[is_class] - rankdata(logit_N[is_class])
        components_N[is_class] = outranked / num_others
    components_N[~event_N] = 1 - components_N[~event_N]
    return components_N
