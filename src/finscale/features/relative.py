"""Relative columns: bars and features without units, comparable across levels and symbols.

Every column of a dataset has a relative one beside it, named ``finscale.data.frames.RELATIVE``
and its own name. It is a declared feature like any other, so the engine computes it, the suite and
``finscale features prove`` prove it, and an audit recomputes it.

=============================== ==========================================================
rel_open, rel_high, rel_low     log ratio to the close of the same bar
rel_close                       log return of the bar
rel_volume                      log ratio to its mean of 20 bars
rel_volatility                  log EWMA volatility of log returns, λ = .94
rel_ + a feature's name         as the feature's ``Feature.seen`` says
=============================== ==========================================================

A tier of closes shows the close, and the volume where it reads it; then the relative columns of the
other bars are not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import polars as pl

from finscale.config.data import DataConfig
from finscale.data.frames import KEYS, RELATIVE
from finscale.data.qualities import series_of
from finscale.features.contents import dataset_features, find_feature
from finscale.features.engine import bar_arrays, compute_columns
from finscale.features.feature import INPUTS, Array, Feature
from finscale.features.needs import shown_bars
from finscale.features.tiers import FEATURES, raw_inputs
from finscale.features.views import (
    VIEWS,
    WINDOW,
    log_of_usual,
    log_ratio,
    log_return,
    log_volatility,
)

_BARS = (
    *(
        Feature(
            name=f"{RELATIVE}{price}",
            inputs=(price, "close"),
            compute=log_ratio,
            lookback=0,
            source="log ratio to the close",
            seen="bounded",
        )
        for price in ("open", "high", "low")
    ),
    Feature(f"{RELATIVE}close", ("close",), log_return, 1, "log return of one bar", "bounded"),
    Feature(
        name=f"{RELATIVE}volume",
        inputs=("volume",),
        compute=log_of_usual,
        lookback=WINDOW - 1,
        source="log of volume over its 20-bar mean",
        seen="bounded",
    ),
    Feature(
        name=f"{RELATIVE}volatility",
        inputs=("close",),
        compute=log_volatility,
        lookback=1,
        source="log of RiskMetrics' volatility; J.P. Morgan 1996",
        seen="bounded",
        recursive=True,
    ),
)
_OF_BARS = {feature.name: feature for feature in _BARS}


def relative_columns(
    frame: pl.DataFrame, tier: str = "a20", timescale: str = "daily", series: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the relative columns of one symbol's bars and of a tier's features.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of one symbol in order of date, from its first bar on: date, and of open, high, low,
        close, volume what the tier needs; prices adjusted. Columns of features that are there are
        taken as they are, as ``compute_features`` returns them; others are computed.
    tier, timescale, series
        See ``finscale.features.contents.dataset_features``.

    Returns
    -------
    polars.DataFrame
        A row for each of ``frame``, and only the relative columns, Float64: those of the bars,
        then one per feature in the tier's order. NaN in their warm-up, finite after it as long as
        prices are positive.

    Raises
    ------
    DataError
        If a column is missing, holds a null or NaN, or rows are not one symbol's in order of date.
    FinscaleError
        If the tier is not declared.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 1, 2), eager=True)
    >>> prices = dict.fromkeys(INPUTS, pl.Series([100.0, 110.0]))
    >>> relative_columns(pl.DataFrame({"date": days} | prices))["rel_close"].round(4).to_list()
    [nan, 0.0953]
    """
    bars = bar_arrays(frame)
    features = dataset_features(tier, timescale, series, bars=tuple(bars))
    absent = [feature for feature in features if feature.name not in frame.columns]
    values = {f.name: frame[f.name].to_numpy() for f in features if f not in absent}
    values |= compute_columns(bars, absent)
    # copied into the frame one by one: all arrays at once would take its memory twice
    columns = [pl.Series(*column) for column in compute_columns(bars, _bars_of(tier, bars))]
    for feature in features:
        relative = VIEWS[feature.seen].compute(values[feature.name], bars)
        columns.append(pl.Series(RELATIVE + feature.name, relative))
    return pl.DataFrame(columns)


def num_channels(data: DataConfig) -> int:
    """Return how many channels the windows of a data section have.

    Examples
    --------
    >>> [num_channels(DataConfig(inputs=inputs)) for inputs in ("level", "relative", "both")]
    [25, 26, 51]
    """
    about = data.feature_set, data.timescale, series_of(data)
    level = len(shown_bars(data.feature_set)) + len(dataset_features(*about))
    relative = len(relative_features(*about))
    return {"level": level, "relative": relative, "both": level + relative}[data.inputs]


def relative_features(
    tier: str,
    timescale: str = "daily",
    series: Sequence[str] = (),
    *,
    bars: Collection[str] = INPUTS,
) -> tuple[Feature, ...]:
    """Return the relative columns of a dataset as features, in the order of the columns.

    Parameters
    ----------
    tier, timescale, series, bars
        See ``finscale.features.contents.dataset_features``.

    Raises
    ------
    FinscaleError
        If no such tier is declared.
    """
    features = dataset_features(tier, timescale, series, bars=bars)
    return (*_bars_of(tier, bars), *(relative_feature(feature) for feature in features))


def _bars_of(tier: str, bars: Collection[str]) -> tuple[Feature, ...]:
    shown = set(shown_bars(tier, bars))
    return tuple(feature for feature in _BARS if shown.issuperset(feature.inputs))


def slowest_feature(
    tier: str,
    timescale: str = "daily",
    series: Sequence[str] = (),
    *,
    bars: Collection[str] = INPUTS,
) -> Feature:
    """Return the feature or relative column of a dataset that needs the most rows before its first.

    Its ``lookback`` is the warm-up of the dataset, in rows.

    Raises
    ------
    FinscaleError
        If no such tier is declared.

    Examples
    --------
    >>> slowest_feature("a20").lookback
    199
    """
    about = tier, timescale, series
    columns = (*dataset_features(*about, bars=bars), *relative_features(*about, bars=bars))
    return max(columns, key=lambda feature: feature.lookback)


def dataset_columns(
    tier: str,
    timescale: str = "daily",
    series: Sequence[str] = (),
    *,
    bars: Collection[str] = INPUTS,
) -> tuple[str, ...]:
    """Return the columns of a tier's datasets in order: keys, bars, features, relative ones.

    ``timescale`` and ``series`` as in ``finscale.features.contents.dataset_features``. All
    ``bars`` are there, for labels and costs; those that a tier of closes does not show have no
    relative column.

    Raises
    ------
    FinscaleError
        If no such tier is declared.
    """
    names = [feature.name for feature in dataset_features(tier, timescale, series, bars=bars)]
    own = [name for name in INPUTS if name in bars]
    shown = [feature.name for feature in _bars_of(tier, bars)]
    return (*KEYS, *own, *names, *shown, *(RELATIVE + name for name in names))


def relative_feature(feature: Feature) -> Feature:
    """Return how a model sees a feature relatively, as a feature.

    Raises
    ------
    FinscaleError
        If the feature does not say how it is seen, or names no view.
    """
    view = VIEWS[feature.seen]
    if feature.seen == "bounded":
        return replace(
            feature, name=RELATIVE + feature.name, source=f"{feature.name}, {view.words}"
        )

    # and the days, for a calendar's bars
    needed = raw_inputs(feature) | set(view.reads) | ({"date"} if feature.timescale else set())
    names = (*(n for n in INPUTS if n in needed), *sorted(needed.difference(INPUTS)))

    def compute(*inputs: Array) -> Array:
        bars = dict(zip(names, inputs, strict=True))
        ((_, values),) = compute_columns(bars, [feature])
        return view.compute(values, bars)

    return Feature(
        name=RELATIVE + feature.name,
        inputs=names,
        compute=compute,
        lookback=view.lookback(feature.lookback),
        source=f"{feature.name}, {view.words}",
        seen="bounded",
        recursive=feature.recursive,
    )


def declared_feature(name: str) -> Feature:
    """Return a declared feature or relative column by its name.

    Raises
    ------
    FinscaleError
        If nobody declares it.

    Examples
    --------
    >>> declared_feature("rel_obv").source
    'obv, change over 20 bars per volume traded in them'
    """
    if name in _OF_BARS:
        return _OF_BARS[name]
    own = name.removeprefix(RELATIVE)
    feature = find_feature(own) or FEATURES[own]
    return feature if own == name else relative_feature(feature)


def declared_features(names: Iterable[str]) -> dict[str, Feature]:
    """Return the features among ``names`` that are declared, the relative ones too."""
    known = (n for n in names if n in _OF_BARS or find_feature(n.removeprefix(RELATIVE)))
    return {name: declared_feature(name) for name in known}
