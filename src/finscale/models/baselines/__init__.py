"""Models without scale, trained and scored on exactly the windows that transformers get.

``BASELINES`` declares them; :func:`make_baseline` makes one. Each emits logits (classification) or
predictions (regression), reads no row after the one that it decides at, and is deterministic.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

from finscale.config import TaskConfig
from finscale.errors import FinscaleError, did_you_mean
from finscale.models.baselines import (
    by_symbol,
    constant,
    momentum,
    tabular,
    trees,
    volatility,
    zero_shot,
)
from finscale.models.baselines.baseline import (
    Baseline,
    BaselineKind,
    LabelFunction,
    Setting,
    TunableBaseline,
)
from finscale.registry import Registry

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineKind",
    "LabelFunction",
    "Setting",
    "TunableBaseline",
    "make_baseline",
]


BASELINES: Registry[BaselineKind] = Registry("baseline")
for _name, _kind in {
    "base_rate": BaselineKind(constant.BaseRate, "the train windows' base rate"),
    "base_rate_expanding": BaselineKind(
        constant.ExpandingBaseRate, "the base rate of all labels known so far", needs_label=True
    ),
    "volatility": BaselineKind(volatility.volatility, "logistic on EWMA volatility"),
    "volatility_ranges": BaselineKind(
        volatility.volatility_ranges, "logistic on volatility, ranges and the day's return"
    ),
    "volatility_garch": BaselineKind(
        volatility.GarchVolatility, "logistic on GARCH(1,1) volatility"
    ),
    "persistence": BaselineKind(
        momentum.persistence, "logistic on the last label that came true", needs_label=True
    ),
    "momentum": BaselineKind(momentum.momentum, "logistic on past returns over volatility"),
    "logistic": BaselineKind(tabular.logistic, "logistic on the last row, penalty by validation"),
    "base_rate_by_symbol": BaselineKind(
        by_symbol.base_rate, "each symbol's own base rate in train"
    ),
    "logistic_by_symbol": BaselineKind(
        by_symbol.logistic,
        "one logistic a symbol on the last row, penalty by validation",
    ),
    "random_forest": BaselineKind(trees.random_forest, "random forest on the last row"),
    "lightgbm": BaselineKind(trees.lightgbm, "LightGBM on the last row, rounds by validation"),
    "lightgbm_summary": BaselineKind(
        partial(trees.lightgbm, view="summary"),
        "LightGBM on a summary of the window, rounds by validation",
    ),
    "catboost": BaselineKind(
        trees.catboost, "CatBoost on the last row, rounds by validation", package="catboost"
    ),
    "catboost_summary": BaselineKind(
        partial(trees.catboost, view="summary"),
        "CatBoost on a summary of the window, rounds by validation",
        package="catboost",
    ),
    "random_fourier": BaselineKind(
        tabular.RandomFourier, "ridge on random Fourier features, complexity its dial"
    ),
    "fracast": BaselineKind(
        zero_shot.fracast, "Fracast-0 on the window's closes", package="fracast", pretrained=True
    ),
    "chronos_bolt": BaselineKind(
        zero_shot.chronos,
        "Chronos-Bolt on the window's closes",
        package="chronos",
        pretrained=True,
    ),
    "chronos_2": BaselineKind(
        partial(zero_shot.chronos, weights="amazon/chronos-2"),
        "Chronos-2 on the window's closes",
        package="chronos",
        pretrained=True,
    ),
    "timesfm": BaselineKind(
        zero_shot.timesfm, "TimesFM 3 on the window's closes", package="timesfm3", pretrained=True
    ),
}.items():
    BASELINES.add(_name, _kind)


def make_baseline(
    name: str,
    *,
    task: TaskConfig,
    context_length: int,
    features: Sequence[str],
    seed: int = 0,
    label: LabelFunction | None = None,
    relative: Sequence[str] = (),
    **options: Any,
) -> Baseline:
    """Return a baseline that is ready to be fitted.

    Parameters
    ----------
    name : str
        A name in ``BASELINES``.
    task : TaskConfig
        The question; a regression task turns each logistic into a ridge.
    context_length : int
        L, bars that a window shows.
    features : sequence of str
        Channels of a window: columns of the frame.
    seed : int
        Of everything random.
    label : callable, optional
        ``finscale.data.label``, for the baselines that look at labels that have come true.
    relative : sequence of str
        Columns of the frame that show bars and features free of scale; baselines that read many
        columns read these where there are any.
    **options
        The kind's own options: ``complexity`` of random_fourier, ``trees`` of random_forest …

    Raises
    ------
    FinscaleError
        For an unknown name or option, a missing ``label``, or an extra that is not installed.

    Examples
    --------
    >>> model = make_baseline("base_rate", task=TaskConfig(), context_length=80, features=())
    """
    kind = BASELINES[name]
    if kind.needs_label and label is None:
        raise FinscaleError(
            f"baseline {name} looks at past labels.", hint="pass label=finscale.data.label"
        )
    known = [
        parameter.name
        for parameter in inspect.signature(kind.make).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known) if known else "it has no options"
            raise FinscaleError(f"baseline {name} has no option {option!r}.", hint=hint)
    setting = Setting(task, context_length, tuple(features), seed, label, tuple(relative))
    return kind.make(setting, **options)
