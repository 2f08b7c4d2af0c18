"""Controls whose curve is no power law, or shows little of one: humps, steps, saturation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from finscale.config.quantities import format_count
from finscale.controls.case import (
    CONTROLS,
    HONEST_INTERVALS,
    Control,
    ControlCheck,
    Float,
    Losses,
    Truth,
)
from finscale.controls.noise import Noise
from finscale.scaling.claim import Verdict

SIZES = np.geomspace(1e4, 1e7, 7)
_LEVEL, _SESOI = 0.6, 0.005
_NOISE = Noise(5)
#: The size that stands out, by its place.
_ODD = 3
#: A misfit rarer than this is said beside the verdict.
_MISFIT = 0.01


def draw_curve(curve: Callable[[Float], Float], noise: Noise, rng: np.random.Generator) -> Losses:
    """Return one world: a curve over the seven sizes, and noise."""
    return Losses(noise.draw(rng, curve(SIZES)), SIZES)


def _hump(size_G: Float) -> Float:
    """Return a hump of eight smallest effects between equal ends, as in double descent."""
    way_G = np.log10(size_G / SIZES[0])
    return np.asarray(_LEVEL + 8 * _SESOI * np.exp(-((way_G - 1.5) ** 2) / (2 * 0.5**2)))


def _step(size_G: Float) -> Float:
    """Return a fall of six smallest effects between the third size and the fourth, flat else."""
    return np.asarray(_LEVEL - 6 * _SESOI * (size_G > 2e5))


def _odd_size(size_G: Float) -> Float:
    """Return a flat curve but for one size that is ten smallest effects worse."""
    return np.asarray(_LEVEL + 10 * _SESOI * (np.arange(len(size_G)) == _ODD))


def power_curve(exponent: float, gain: float, size_G: Float) -> Float:
    """Return a power law with a floor that gains so much over the seven sizes."""
    fall_G = (size_G / SIZES[0]) ** -exponent
    whole = 1 - (SIZES[-1] / SIZES[0]) ** -exponent
    return np.asarray(_LEVEL + gain * fall_G / whole)


def truth_of_power(exponent: float, gain: float) -> Truth:
    """Return what intervals should hold of :func:`power_curve`."""
    ends = power_curve(exponent, gain, np.array([SIZES[-1], 10 * SIZES[-1]]))
    return Truth(exponent, gain, float(ends[0] - ends[1]))


def text(verdict: Verdict) -> str:
    """Return all that a verdict says, in small letters."""
    return " ".join((verdict.sentence, *verdict.reasons)).lower()


def _says(words: tuple[str, ...], verdict: Verdict) -> bool:
    return all(word in text(verdict) for word in words)


def misfits(verdict: Verdict) -> bool:
    """Tell whether a verdict says that no curve describes the losses."""
    return verdict.fits < _MISFIT


_WRONG = tuple(ControlCheck(name, at_most=0.05) for name in ("LAW", "INVERSE", "NO-LAW", "TURNS"))

for _name, _about, _curve, _words in (
    (
        "hump",
        "a hump in the loss of 8 smallest effects between equal ends: neither a law nor none",
        _hump,
        ("hump",),
    ),
    (
        "step",
        "loss falls by 6 smallest effects between two sizes, and not else",
        _step,
        ("step",),
    ),
    (
        "one size stands out",
        "flat, but one size of seven is 10 smallest effects worse: trained worse?",
        _odd_size,
        ("stands out", format_count(SIZES[_ODD]).lower()),
    ),
):
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=_about,
            kind="shape",
            draw=partial(draw_curve, _curve, _NOISE),
            checks=(*_WRONG, ControlCheck("names the shape", at_least=0.80)),
            says={"names the shape": partial(_says, _words)},
        ),
    )

for _name, _about, _exponent in (
    (
        "early saturation",
        "a law of exponent 1.5: nineteen twentieths of its fall lie before the third size",
        1.5,
    ),
    ("late saturation", "a law of exponent .1: it has not levelled off at the largest size", 0.1),
):
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=_about,
            kind="shape",
            draw=partial(draw_curve, partial(power_curve, _exponent, 0.05), _NOISE),
            checks=(
                ControlCheck("LAW", at_least=0.80),
                ControlCheck("misfit", at_most=0.05),
                *HONEST_INTERVALS,
            ),
            truth_G=partial(power_curve, _exponent, 0.05),
            truth=truth_of_power(_exponent, 0.05),
            says={"misfit": misfits},
        ),
    )
