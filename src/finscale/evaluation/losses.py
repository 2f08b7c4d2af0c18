"""What one prediction costs, row by row.

:func:`probabilities` is the one place in finscale that turns logits into probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from finscale.evaluation.blocks import Floats


def probabilities(logit: ArrayLike) -> Floats:
    """Return 1 / (1 + exp(−logit)): the only place where logits become probabilities."""
    return np.asarray(expit(np.asarray(logit, dtype=np.float64)))


def log_losses(target: ArrayLike, logit: ArrayLike) -> Floats:
    """Return each row's log loss in nats, from logits: exact where 1 − p would round to nothing."""
    z = np.asarray(logit, dtype=np.float64)
    # −log p = log(1 + e^−z) for an event, −log(1 − p) = log(1 + e^z) for none
    return np.asarray(np.logaddexp(0.0, np.where(np.asarray(target) > 0.5, -z, z)))


def squared_errors(target: ArrayLike, prediction: ArrayLike) -> Floats:
    """Return each row's squared error."""
    return np.asarray(np.subtract(target, prediction, dtype=np.float64) ** 2)


def pinball_losses(target: ArrayLike, prediction: ArrayLike, quantile: float = 0.5) -> Floats:
    """Return each row's pinball loss of a predicted quantile, in the target's unit."""
    error = np.subtract(target, prediction, dtype=np.float64)
    return np.asarray(np.maximum(quantile * error, (quantile - 1) * error))


def mean_pinball_losses(
    target: ArrayLike, predicted_NQ: ArrayLike, levels: Sequence[float]
) -> Floats:
    """Return each row's pinball loss averaged over Q predicted quantiles, in the target's unit.

    The mean over many levels is half the continuous ranked probability score (Gneiting and
    Raftery 2007, section 4.2).
    """
    columns = np.asarray(predicted_NQ, dtype=np.float64).T
    losses_QN = [pinball_losses(target, *pair) for pair in zip(columns, levels, strict=True)]
    return np.asarray(np.mean(losses_QN, axis=0))
