"""Controls whose runs are not what a table takes them for: blown up, copied, lucky together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from finscale.controls.case import CONTROLS, Control, ControlCheck, Float, Losses
from finscale.controls.noise import Noise
from finscale.controls.shapes import SIZES, power_curve
from finscale.scaling.outliers import stand_apart

_LEVEL = 0.6
_NOISE = Noise(5)
#: How many of the runs blow up.
_SHARE = 0.05
_NO_FALSE = tuple(ControlCheck(name, at_most=0.05) for name in ("LAW", "INVERSE", "TURNS"))


def _flat(size_G: Float) -> Float:
    return np.full(len(size_G), _LEVEL)


def _blown_up(curve: Callable[[Float], Float], share: float, rng: np.random.Generator) -> Losses:
    """Draw runs of which some blew up: their loss is .02 nats worse, or far more."""
    losses_GST = _NOISE.draw(rng, curve(SIZES))
    blown_GS = rng.random(losses_GST.shape[:2]) < share
    excess_GS = 0.02 + rng.exponential(0.1, size=blown_GS.shape)
    losses_GST = losses_GST + (blown_GS * excess_GS)[:, :, None]
    found_GS = stand_apart(losses_GST.mean(axis=2)).told_nS
    few_G = 2 * blown_GS.sum(axis=1) < blown_GS.shape[1]
    measures = {
        # of a size of which most runs blew up nobody can tell
        "a blown-up run is not named": bool((blown_GS & ~found_GS)[few_G].any()),
        "a sound run is named": bool((found_GS & ~blown_GS)[few_G].any()),
    }
    return Losses(losses_GST, SIZES, measures)


_NAMED = (
    ControlCheck("a blown-up run is not named", at_most=0.05),
    ControlCheck("a sound run is named", at_most=0.05),
)
_LAW = partial(power_curve, 0.3, 0.05)
for _name, _about, _curve, _share, _options, _checks in (
    (
        "no run blew up, rule stated",
        "no effect of size and no bad run; the rule `diverged` finds nobody to leave out",
        _flat,
        0.0,
        {"drop": ("diverged",)},
        (*_NO_FALSE, _NAMED[1]),
    ),
    (
        "flat, runs blew up",
        "no effect of size; one run of twenty blew up, left out by the rule `diverged`",
        _flat,
        _SHARE,
        {"drop": ("diverged",)},
        (*_NO_FALSE, *_NAMED),
    ),
    (
        "flat, runs blew up, medians",
        "the same, nothing left out: each size counts with the median of its seeds",
        _flat,
        _SHARE,
        {"seeds": "median"},
        _NO_FALSE,
    ),
    (
        "law, runs blew up",
        "a law that gains .05 nats; one run of twenty blew up, left out by the rule `diverged`",
        _LAW,
        _SHARE,
        {"drop": ("diverged",)},
        (ControlCheck("LAW", at_least=0.80), *_NAMED),
    ),
    (
        "law, runs blew up, medians",
        "the same, nothing left out: each size counts with the median of its seeds",
        _LAW,
        _SHARE,
        {"seeds": "median"},
        (ControlCheck("LAW", at_least=0.80),),
    ),
):
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=_about,
            kind="runs",
            draw=partial(_blown_up, _curve, _share),
            checks=_checks,
            options=_options,
        ),
    )


def _no_days(rng: np.random.Generator) -> Losses:
    """Draw a table of runs' means: runs of one size share luck on the days, and no day is told."""
    runs_GS = _NOISE.draw(rng, _flat(SIZES)).mean(axis=2)
    num_sizes, num_seeds = runs_GS.shape
    frame = pl.DataFrame(
        {
            "parameters": np.repeat(SIZES, num_seeds),
            "seed": np.tile(np.arange(num_seeds), num_sizes),
            "loss": runs_GS.ravel(),
        }
    )
    return Losses(frame, SIZES)


CONTROLS.add(
    "day luck, no days",
    Control(
        name="day luck, no days",
        about="no effect of size; runs of one size share the luck of the test days, and the table "
        "has no days: nothing may be decided",
        kind="runs",
        draw=_no_days,
        checks=(*_NO_FALSE, ControlCheck("NO-LAW", at_most=0.05)),
    ),
)


def _copies(
    num_runs: int, digits: int | None, rng: np.random.Generator, *, days: bool = True
) -> Losses:
    """Draw a table without a seed column in which each row stands twice.

    The copy is exact, or rounded as an export rounds it. The table has days, or means over them.
    """
    noise = Noise(num_runs, num_days=250, seed=0.003)
    losses_GST = noise.draw(rng, _flat(SIZES))
    num_sizes, _, num_days = losses_GST.shape
    columns = {
        "parameters": np.repeat(SIZES, num_runs * num_days),
        "day": np.tile(np.arange(num_days), num_sizes * num_runs),
        "loss": losses_GST.ravel(),
    }
    if not days:
        columns = {
            "parameters": np.repeat(SIZES, num_runs),
            "loss": losses_GST.mean(axis=2).ravel(),
        }
    frame = pl.DataFrame(columns)
    copy = frame if digits is None else frame.with_columns(pl.col("loss").round(digits))
    return Losses(pl.concat([frame, copy]), SIZES)


for _name, _about, _copied, _checks in (
    (
        "exact copies",
        "no effect of size; every row of two runs a size stands twice, and no column names seeds",
        partial(_copies, 2, None),
        (*_NO_FALSE, ControlCheck("refused", at_least=0.95)),
    ),
    (
        "near copies",
        "no effect of size; one run a size, listed twice: the second time rounded to six digits",
        partial(_copies, 1, 6, days=False),
        _NO_FALSE,
    ),
    (
        "near copies, days",
        "the same in a table of days",
        partial(_copies, 1, 6),
        _NO_FALSE,
    ),
):
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=_about,
            kind="runs",
            draw=_copied,
            checks=_checks,
        ),
    )
