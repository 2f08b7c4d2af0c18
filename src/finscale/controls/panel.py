"""Controls of panels: symbols whose labels move together, and neighbouring days that overlap.

Twenty symbols a day; the labels of two of them correlate by ρ and span five days. Models of one
size err alike: half of what they say beyond the truth is common to a day's symbols, which makes
their losses move with the labels, and it lasts for days. The outcome itself cannot be predicted, so
that a model loses by what it says: its mean loss is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from finscale.controls.case import (
    CONTROLS,
    HONEST_INTERVALS,
    Control,
    ControlCheck,
    Float,
    Losses,
)

_SIZES = np.geomspace(1e4, 1e7, 7)
_NUM_SEEDS, _NUM_DAYS, _NUM_SYMBOLS, _HORIZON = 3, 750, 20, 5
#: What a study tells the verdict of its task.
_KNOWN = {"horizon": _HORIZON}
#: From one day to the next, what a model says stays by this much.
_LASTS = 0.9
#: Of what it says beyond the truth: common to a day, to the seeds of a size, and a seed's own.
_SHARES = (0.45, 0.45, 0.10)
#: Log odds squared that a model of each size says beyond the truth where size does not matter.
_SAID = 0.04
#: Where it does: log odds squared of the smallest size beyond those of an infinite one.
_FALLS, _EXPONENT = 0.4, 0.3


@dataclass(frozen=True)
class ControlPanel:
    """Panels whose labels of one day correlate.

    Attributes
    ----------
    rho : float
        Correlation of two symbols' labels of one day.
    """

    rho: float

    def draw(self, rng: np.random.Generator, said_G: Float) -> Float:
        """Return losses ``[G, S, T]``, averaged over symbols, of models that say so much."""
        label_TN = self._labels(rng)
        days, symbols = label_TN.shape
        losses_GST = np.empty((len(said_G), _NUM_SEEDS, days))
        weights = np.sqrt(_SHARES)
        for size, said in enumerate(said_G):
            common_T1 = _lasting(rng, (days, 1))
            shared_TN = _lasting(rng, (days, symbols))
            for seed in range(_NUM_SEEDS):
                own_TN = _lasting(rng, (days, symbols))
                logit_TN = np.sqrt(said) * (
                    weights[0] * common_T1 + weights[1] * shared_TN + weights[2] * own_TN
                )
                loss_TN = np.logaddexp(0.0, logit_TN) - label_TN * logit_TN
                losses_GST[size, seed] = loss_TN.mean(axis=1)
        return losses_GST

    def _labels(self, rng: np.random.Generator) -> Float:
        """Return whether each return over the next days is positive, (T, N)."""
        # signs of two normals correlate by 2/π · arcsin of their correlation
        kappa = float(np.sin(np.pi / 2 * self.rho))
        daily_TN = np.sqrt(kappa) * rng.standard_normal((_NUM_DAYS + _HORIZON, 1))
        daily_TN = daily_TN + np.sqrt(1 - kappa) * rng.standard_normal(
            (_NUM_DAYS + _HORIZON, _NUM_SYMBOLS)
        )
        total_TN = np.cumsum(daily_TN, axis=0)
        label_TN: Float = (total_TN[_HORIZON:] > total_TN[:-_HORIZON]).astype(np.float64)
        return label_TN


def _lasting(rng: np.random.Generator, shape: tuple[int, int]) -> Float:
    """Return standard normals that last from day to day, (T, N)."""
    from scipy.signal import lfilter

    shocks = rng.standard_normal(shape)
    shocks[1:] *= np.sqrt(1 - _LASTS**2)
    return np.asarray(lfilter([1.0], [1.0, -_LASTS], shocks, axis=0))


def expected_loss(said_G: Float) -> Float:
    """Return the mean loss of log odds that are normal about 0 with these variances, nats.

    Of a fair coin: E log(1 + e^z) less half of E z, by Gauss and Hermite's quadrature.
    """
    node_K, weight_K = np.polynomial.hermite_e.hermegauss(41)
    logit_GK = np.sqrt(said_G)[:, None] * node_K
    loss_G: Float = (np.logaddexp(0.0, logit_GK) @ weight_K) / float(weight_K.sum())
    return loss_G


def _falling(size_G: Float) -> Float:
    said_G: Float = 0.01 + _FALLS * (size_G / _SIZES[0]) ** -_EXPONENT
    return said_G


def _flat_panel(panel: ControlPanel, rng: np.random.Generator) -> Losses:
    return Losses(panel.draw(rng, np.full(len(_SIZES), _SAID)), _SIZES)


def _law_panel(panel: ControlPanel, rng: np.random.Generator) -> Losses:
    return Losses(panel.draw(rng, _falling(_SIZES)), _SIZES)


for _rho in (0.0, 0.1, 0.3):
    _what = f"panel of {_NUM_SYMBOLS}, ρ {_rho:g}"
    CONTROLS.add(
        f"{_what}, flat",
        Control(
            name=f"{_what}, flat",
            about=f"no effect of size; {_NUM_SYMBOLS} symbols, labels over {_HORIZON} days that "
            f"correlate by {_rho:g}, {_NUM_DAYS} days, {_NUM_SEEDS} seeds",
            kind="null",
            draw=partial(_flat_panel, ControlPanel(_rho)),
            checks=tuple(ControlCheck(name, at_most=0.05) for name in ("LAW", "INVERSE", "TURNS")),
            options=_KNOWN,
        ),
    )
    CONTROLS.add(
        f"{_what}, law",
        Control(
            name=f"{_what}, law",
            about=f"larger models err less on the same panels, ρ {_rho:g}",
            kind="power",
            draw=partial(_law_panel, ControlPanel(_rho)),
            checks=(ControlCheck("INVERSE", at_most=0.05), *HONEST_INTERVALS),
            truth_G=lambda size_G: expected_loss(_falling(size_G)),
            options=_KNOWN,
        ),
    )
