"""Controls made of noise alone: flat curves, and the smallest law that the power table promises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from finscale.controls.case import (
    CONTROLS,
    HONEST_INTERVALS,
    Control,
    ControlCheck,
    Float,
    Losses,
)
from finscale.data.synthetic import simulate
from finscale.scaling.verdict_power import StudyDesign, study_power

_SIZES = np.geomspace(1e4, 1e7, 7)
_LEVEL = 0.6


@dataclass(frozen=True)
class Noise:
    """Daily losses of a grid of runs as they look in practice (standard deviations, nats).

    ``day`` is what all runs share on a day, far larger than the rest; ``own`` what the models of
    one size have on a day beyond that, and ``shared`` its part common to the seeds of a size;
    ``seed`` how much another seed changes a run's mean loss. Clustered noise has fat tails,
    clusters like volatility and is correlated from day to day.
    """

    num_seeds: int
    num_days: int = 1000
    day: float = 0.3
    own: float = 0.03
    shared: float = 0.9
    seed: float = 0.001
    clustered: bool = False

    def draw(self, rng: np.random.Generator, curve_G: Float) -> Float:
        """Return losses ``[G, S, T]`` around a curve."""
        num_sizes, days = len(curve_G), self.num_days
        of_size = rng.standard_normal((num_sizes, 1, days))
        of_run = rng.standard_normal((num_sizes, self.num_seeds, days))
        if self.clustered:
            from scipy.signal import lfilter

            # autocorrelated by .3 from day to day, with a variance of one
            of_size = np.sqrt(1 - 0.3**2) * lfilter([1.0], [1.0, -0.3], of_size, axis=-1)
            scale_T = _volatility(rng, days)
            of_size, of_run = of_size * scale_T, of_run * scale_T
        own = self.own * (np.sqrt(self.shared) * of_size + np.sqrt(1 - self.shared) * of_run)
        seed = self.seed * rng.standard_normal((num_sizes, self.num_seeds, 1))
        common = self.day * rng.standard_normal(days)
        return np.asarray(curve_G[:, None, None] + common + own + seed)


def _volatility(rng: np.random.Generator, num_days: int) -> Float:
    """Return a volatility path with mean square one, from a GARCH market."""
    market = simulate("garch", 1, seed=int(rng.integers(2**31)), num_days=num_days)
    path_T = market.draw.volatility_TS[:, 0]
    return np.asarray(path_T / np.sqrt((path_T**2).mean()))


def _flat(noise: Noise, rng: np.random.Generator) -> Losses:
    return Losses(noise.draw(rng, np.full(len(_SIZES), _LEVEL)), _SIZES)


for _noise in (Noise(3), Noise(5), Noise(10), Noise(5, clustered=True)):
    _name = f"flat, {_noise.num_seeds} seeds{', clustered' if _noise.clustered else ''}"
    _kind = "clustered, autocorrelated" if _noise.clustered else "correlated"
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=f"no effect of size; {_kind} daily noise, {_noise.num_seeds} seeds, "
            f"{_noise.num_days} days",
            kind="null",
            draw=partial(_flat, _noise),
            checks=tuple(ControlCheck(name, at_most=0.05) for name in ("LAW", "INVERSE", "TURNS")),
        ),
    )


#: A test of 1,500 days and five seeds, whose power table names the gain it can establish.
ADVERTISED = StudyDesign(sizes=tuple(_SIZES), num_seeds=5, num_days=1500, base_rate=0.22)


@cache
def _advertised_gain() -> float:
    return study_power(ADVERTISED, []).smallest_law


def _advertised_curve(size_G: Float) -> Float:
    return np.asarray(_LEVEL + ADVERTISED.curve(_advertised_gain()))


def _advertised(rng: np.random.Generator) -> Losses:
    noise = Noise(
        ADVERTISED.num_seeds,
        ADVERTISED.num_days,
        own=float(np.sqrt(ADVERTISED.day_variance)),
        shared=1.0,
        seed=ADVERTISED.seed_noise,
    )
    return Losses(noise.draw(rng, _advertised_curve(_SIZES)), _SIZES)


CONTROLS.add(
    "advertised law",
    Control(
        name="advertised law",
        about="a law of the smallest gain that `finscale law power` says 1,500 days and 5 seeds "
        "would establish",
        kind="power",
        draw=_advertised,
        checks=(ControlCheck("LAW", at_least=0.80), *HONEST_INTERVALS),
        truth_G=_advertised_curve,
    ),
)
