r"""The power-law linear teacher: a regression whose scaling curves are known in closed form.

Features :math:`\varphi_i` are independent with variance :math:`\lambda_i = i^{-a}`, the target is
:math:`y = w \cdot \varphi + \text{noise}` with :math:`\lambda_i w_i^2 = i^{-b}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from finscale.data.synthetic.bars import ORDINARY_VOLUME
from finscale.data.synthetic.processes import DAILY_VOLATILITY, Draw, Float, Streams

#: Effective ridges over which the tuned ridge is minimised; see ``tuned_ridge_excess``.
_RIDGES = np.geomspace(1e-9, 1e3, 500)


@dataclass(frozen=True)
class LinearTeacher:
    r"""Spectrum, target and exact learning curves of the power-law linear teacher.

    Excess is the expected squared error above the noise, as a share of the variance that a perfect
    model explains; it starts at 1 for a model that knows nothing.

    References
    ----------
    Bordelon, Canatar and Pehlevan (2020), ICML; Cui, Loureiro, Krzakala and Zdeborová (2021),
    NeurIPS, "Generalization error rates in kernel regression".

    Examples
    --------
    >>> teacher = LinearTeacher(b=1.5, num_features=2_000_000)
    >>> curve = teacher.tier_excess([20, 2000])
    >>> round(float(np.log(curve[1] / curve[0]) / np.log(100)), 2)
    -0.5
    """

    a: float = 1.0
    r"""Decay of the features' variances, :math:`\lambda_i = i^{-a}`."""
    b: float = 1.5
    r"""Decay of the explained variance, :math:`\lambda_i w_i^2 = i^{-b}`, above 1."""
    num_features: int = 4000
    """Features that the teacher uses."""
    signal: float = 0.01
    """Share of the target's variance that a perfect model explains, in (0, 1]."""

    @cached_property
    def variances(self) -> Float:
        """Variance of each feature, ``[P]``."""
        return np.power(np.arange(1, self.num_features + 1, dtype=np.float64), -self.a)

    @cached_property
    def powers(self) -> Float:
        """Target variance that each feature explains, ``[P]``, summing to one."""
        powers: Float = np.arange(1, self.num_features + 1, dtype=np.float64) ** -self.b
        powers /= powers.sum()
        return powers

    @property
    def noise(self) -> float:
        """Variance of the noise, in units of the explained variance."""
        return (1 - self.signal) / self.signal

    def tier_excess(self, num_seen: ArrayLike) -> Float:
        r"""Return the excess of a model that sees the first F features and has infinite data.

        It is :math:`\sum_{i > F} i^{-b} / \sum_i i^{-b} \propto F^{-(b - 1)}`.
        """
        tail_P = np.concatenate([np.cumsum(self.powers[::-1])[::-1], [0.0]])
        return np.asarray(tail_P[np.asarray(num_seen)], dtype=np.float64)

    def ridge_excess(self, num_samples: ArrayLike, ridge: float) -> Float:
        r"""Return the expected excess of ridge regression by its deterministic equivalent.

        With penalty :math:`\delta \lVert w \rVert^2` beside the summed squared error, the effective
        ridge :math:`\kappa` solves :math:`n = \sum_i \lambda_i / (\lambda_i + \kappa) + \delta /
        \kappa`, and the excess is

        .. math:: \frac{\sum_i \lambda_i w_i^2 \kappa^2 / (\lambda_i + \kappa)^2 + \sigma^2}
                       {1 - n^{-1} \sum_i \lambda_i^2 / (\lambda_i + \kappa)^2} - \sigma^2 .
        """
        from scipy.optimize import brentq

        def residual(log_kappa: float, samples: float) -> float:
            kappa = np.exp(log_kappa)
            used = (self.variances / (self.variances + kappa)).sum()
            return float(used + ridge / kappa - samples)

        samples_N = np.atleast_1d(np.asarray(num_samples, dtype=np.float64))
        kappa_N = np.exp([brentq(residual, -40.0, 40.0, args=(n,)) for n in samples_N])
        return np.array(
            [self._excess(n, kappa) for n, kappa in zip(samples_N, kappa_N, strict=True)]
        )

    def tuned_ridge_excess(self, num_samples: ArrayLike) -> Float:
        """Return the expected excess of ridge regression whose penalty is the best there is."""
        samples_N = np.atleast_1d(np.asarray(num_samples, dtype=np.float64))
        used_K = np.array([(self.variances / (self.variances + k)).sum() for k in _RIDGES])
        # a non-negative penalty means kappa large enough that fewer than n directions are used
        return np.array(
            [min(self._excess(n, kappa) for kappa in _RIDGES[used_K < n]) for n in samples_N]
        )

    def _excess(self, num_samples: float, kappa: float) -> float:
        kept_P = self.variances / (self.variances + kappa)
        bias = (self.powers * (1 - kept_P) ** 2).sum()
        inflation = 1 - (kept_P**2).sum() / num_samples
        return float((bias + self.noise) / inflation - self.noise)

    def sample(self, num_samples: int, rng: np.random.Generator) -> tuple[Float, Float]:
        """Draw features ``[n, P]`` and targets ``[n]``; the explained variance is one."""
        feature_NP = rng.standard_normal((num_samples, self.num_features))
        signal_N = feature_NP @ np.sqrt(self.powers)
        feature_NP *= np.sqrt(self.variances)
        return feature_NP, signal_N + np.sqrt(self.noise) * rng.standard_normal(num_samples)


@dataclass(frozen=True)
class VolumeTeacher:
    r"""The linear teacher as a market: past volumes move tomorrow's return, by a power law.

    Log volumes :math:`\nu_t` are independent normals, and

    .. math:: r_{t+1} = c \sum_{i \ge 1} \pm i^{-b/2} \nu_{t+1-i} + \text{noise}.

    The look-back is the feature count: a model that sees F bars and has infinite data leaves an
    excess of ``LinearTeacher.tier_excess(F)``. All symbols share the signs, so that more symbols
    are more data about one teacher.
    """

    b: float = 1.5
    """Decay of the explained variance over lags, above 1."""
    num_lags: int = 2000
    """Days that the teacher looks back."""
    signal: float = 0.05
    """Share of the return's variance that past volumes explain."""
    volatility: float = DAILY_VOLATILITY
    """Daily standard deviation of the log return."""

    @property
    def theory(self) -> LinearTeacher:
        """The linear teacher with the same explained variance by lag."""
        return LinearTeacher(a=0.0, b=self.b, num_features=self.num_lags, signal=self.signal)

    def draw(self, streams: Streams) -> Draw:
        """Return one realisation for every symbol."""
        from scipy.signal import fftconvolve

        volume_TS = streams.normal(self.num_lags)
        sign_P = streams.shared().choice([-1.0, 1.0], self.num_lags)
        weight_P = sign_P * np.sqrt(self.theory.powers * self.signal)
        # row t of the valid part sees volumes t .. t + P - 1 of the padded series: all before it
        mean_TS = self.volatility * fftconvolve(volume_TS, weight_P[:, None], "valid", axes=0)[:-1]
        noise = self.volatility * np.sqrt(1 - self.signal)
        return Draw(
            return_TS=mean_TS + noise * streams.normal(),
            mean_TS=mean_TS,
            volatility_TS=np.full(streams.shape, noise),
            log_volume_TS=np.log(ORDINARY_VOLUME) + 0.5 * volume_TS[self.num_lags :],
        )
