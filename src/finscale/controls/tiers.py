"""The power-law teacher over feature tiers with replicate nestings, and the same on other labels.

Of 4,000 independent features the i-th explains a share ∝ i^-b of the target. A nesting takes them
in an order of its own, near that of their worth: by i times a lognormal of σ, so that the tier of F
features leaves an expected excess ∝ F^-(b - 1) whatever σ is, and a nesting's luck goes on from
tier to tier. Each of three nestings has three seeds: models whose training rows differ. Judged as a
study of tiers is, by the means of nestings (``finscale.scaling.nested``).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from finscale.controls.case import CONTROLS, HONEST_INTERVALS, Control, ControlCheck, Float, Losses
from finscale.data.synthetic import LinearTeacher

_TIERS = np.array([20, 50, 100, 200, 500, 1000, 2000])
_TEACHER = LinearTeacher(b=1.5, num_features=4000, signal=0.5)
_NESTINGS, _SEEDS, _DAYS = 3, 3, 2000
#: How far a nesting's order strays from that of worth.
_SPREAD = 0.3
#: Training rows of each model; so many that hardly anything is left to learn.
_ROWS = 10_000_000
_NUM_DRAWS = 200


def tier_losses(rng: np.random.Generator, *, shuffled: bool) -> Float:
    """Draw squared errors of linear models, in units of what can be explained.

    Returns
    -------
    array [G, N, S, T]
        Of each tier, nesting, seed and day.
    """
    teacher = _TEACHER
    feature_TP = rng.standard_normal((_DAYS, teacher.num_features), dtype=np.float32)
    part_TP = feature_TP * np.sqrt(teacher.powers).astype(np.float32)
    noise_T = np.sqrt(teacher.noise) * rng.standard_normal(_DAYS)
    target_T = part_TP.sum(axis=1, dtype=np.float64) + noise_T
    if shuffled:
        # models learned nothing but chance, and are tested on labels of other days
        target_T = rng.permutation(target_T)
    loss_GNST = np.empty((len(_TIERS), _NESTINGS, _SEEDS, _DAYS))
    for nesting in range(_NESTINGS):
        order_P = _order(rng, teacher.num_features)[: _TIERS[-1]]
        # what each tier brings beyond the one before it, added up
        steps_TG = np.add.reduceat(part_TP[:, order_P], [0, *_TIERS[:-1]], axis=1)
        known_GT = np.cumsum(steps_TG, axis=1, dtype=np.float64).T
        left_GT = target_T - known_GT * (not shuffled)
        variance_G = left_GT.var(axis=1) * _TIERS / _ROWS
        learned_GST = rng.standard_normal((len(_TIERS), _SEEDS, _DAYS))
        learned_GST *= np.sqrt(variance_G)[:, None, None]
        loss_GNST[:, nesting] = (left_GT[:, None] + learned_GST) ** 2
    return loss_GNST


def _draw(rng: np.random.Generator, *, shuffled: bool) -> Losses:
    loss_GNT = tier_losses(rng, shuffled=shuffled).mean(axis=2)
    return Losses(loss_GNT, _TIERS.astype(float))


def _order(rng: np.random.Generator, num_features: int) -> np.ndarray:
    worth_P = np.log(np.arange(1, num_features + 1)) + _SPREAD * rng.standard_normal(num_features)
    return np.argsort(worth_P)


def _truth(size_G: Float) -> Float:
    """Return the expected excess of a tier over nestings, and what is left to learn."""
    rng, size_G = np.random.default_rng(0), np.asarray(size_G, dtype=np.int64)
    excess_G = np.zeros(len(size_G))
    for _ in range(_NUM_DRAWS):
        taken_P = np.cumsum(_TEACHER.powers[_order(rng, _TEACHER.num_features)])
        excess_G += (1 - taken_P[size_G - 1]) / _NUM_DRAWS
    return excess_G + (excess_G + _TEACHER.noise) * size_G / _ROWS


_OPTIONS = {"nested": True}
CONTROLS.add(
    "teacher, nestings",
    Control(
        name="teacher, nestings",
        about="linear teacher, tiers of 20 to 2,000 features in 3 nestings × 3 seeds: exponent .5",
        kind="exact",
        draw=partial(_draw, shuffled=False),
        checks=(ControlCheck("LAW", at_least=0.80), *HONEST_INTERVALS),
        truth_G=_truth,
        options=_OPTIONS,
    ),
)
CONTROLS.add(
    "teacher, nestings, labels shuffled",
    Control(
        name="teacher, nestings, labels shuffled",
        about="the same models on shuffled labels, of which nothing can be known: no law",
        kind="null",
        draw=partial(_draw, shuffled=True),
        checks=tuple(ControlCheck(name, at_most=0.05) for name in ("LAW", "INVERSE", "TURNS")),
        options=_OPTIONS,
    ),
)
