"""The Brier score taken apart over bins of the forecast: reliability, resolution, uncertainty."""

from __future__ import annotations

import numpy as np

from finscale.evaluation.blocks import Floats
from finscale.evaluation.rows import Classified, row_mean


def reliability(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the mean squared distance of forecast and frequency over bins in each replicate."""
    weight_RK, forecast_RK, outcome_RK = bin_means(rows, weights_RN)
    return np.asarray((weight_RK * (forecast_RK - outcome_RK) ** 2).sum(axis=1))


def resolution(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the generalised resolution: what is explained between bins and inside them.

    Murphy's identity holds exactly only when all forecasts in a bin are equal. Stephenson, Coelho
    and Jolliffe (2008) add the forecasts' variance inside bins and their covariance with the
    outcome, and it holds for every forecast: Brier = reliability − resolution + uncertainty.
    """
    weight_RK, forecast_RK, outcome_RK = bin_means(rows, weights_RN)
    base_R1 = (weight_RK * outcome_RK).sum(axis=1, keepdims=True)
    between_R = (weight_RK * (outcome_RK - base_R1) ** 2).sum(axis=1)
    variance_R = row_mean(rows, weights_RN, "p²") - (weight_RK * forecast_RK**2).sum(axis=1)
    inside_R = (weight_RK * forecast_RK * outcome_RK).sum(axis=1)
    covariance_R = row_mean(rows, weights_RN, "py") - inside_R
    return np.asarray(between_R - variance_R + 2 * covariance_R)


def uncertainty(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the variance of the outcome in each replicate."""
    rate_R = base_rates(rows, weights_RN)
    return rate_R * (1 - rate_R)


def base_rates(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the share of events in each replicate."""
    return row_mean(rows, weights_RN, "events")


def bin_means(rows: Classified, weights_RN: Floats) -> tuple[Floats, Floats, Floats]:
    """Return share of rows, mean forecast and mean outcome of each forecast bin, each (R, K)."""
    found = rows.sums(weights_RN)
    filled_RK = np.maximum(found["bins rows"], 1.0)  # an empty bin has weight 0 and no say
    share_RK = found["bins rows"] / found["rows"][:, None]
    return share_RK, found["bins p"] / filled_RK, found["bins events"] / filled_RK
