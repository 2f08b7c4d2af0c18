"""Bars in, feature columns out: arrays throughout, no row is touched in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from finscale.data.bars import bars_in_words, present, series_columns
from finscale.data.timescales import TIMESCALES, SlowerBars
from finscale.errors import DataError
from finscale.features.declared import PARTS
from finscale.features.feature import INPUTS, Array, Feature
from finscale.features.tiers import FEATURES, raw_inputs, tier_features


def compute_features(frame: pl.DataFrame, tier: str | Sequence[str | Feature]) -> pl.DataFrame:
    """Return the bars of one symbol with a tier's feature columns appended.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of one symbol in order of date: date, and of open, high, low, close, volume what the
        features need; prices adjusted. Further columns are kept.
    tier : str or sequence of str or Feature
        A declared tier; or features, declared ones by name.

    Returns
    -------
    polars.DataFrame
        ``frame`` and one Float64 column per feature, NaN in its warm-up.

    Raises
    ------
    DataError
        If a column that a feature needs is missing, one holds a null or NaN, or rows are not one
        symbol's in order of date.
    FinscaleError
        If the tier or a feature is not declared.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 1, 3), eager=True)
    >>> ones = pl.Series([1.0, 1.0, 1.0])
    >>> bars = pl.DataFrame({"date": days} | dict.fromkeys(INPUTS, ones))
    >>> compute_features(bars, ["obv"])["obv"].to_list()
    [1.0, 1.0, 1.0]
    """
    features = (
        tier_features(tier)
        if isinstance(tier, str)
        else [FEATURES[entry] if isinstance(entry, str) else entry for entry in tier]
    )
    bars = bar_arrays(frame)
    _refuse_missing(features, bars)
    computed = compute_columns(bars, features)
    return frame.hstack([pl.Series(name, values) for name, values in computed])


def _refuse_missing(features: Sequence[Feature], bars: Mapping[str, Array]) -> None:
    """Raise if a feature needs a column that the bars do not have."""
    for feature in features:
        missing = [name for name in INPUTS if name in raw_inputs(feature) and name not in bars]
        if missing:
            raise DataError(
                f"The bars have no column {', '.join(missing)}, which {feature.name} needs.",
                hint=f"they have {bars_in_words(bars)}: c20 and c50 need closes alone, c100 and "
                "c200 closes and volume",
            )


def compute_columns(
    columns: Mapping[str, Array], features: Iterable[Feature]
) -> Iterator[tuple[str, Array]]:
    """Yield each feature's name and values [T], computed from float64 arrays ``columns[name]`` [T].

    One at a time: what is copied away at once leaves its memory, still warm, to the next. Parts are
    computed once and kept until the last feature is there.
    """
    values = _Values(columns)
    for feature in features:
        yield feature.name, values.compute(feature)


class _Values:
    """Columns of bars and what was made of them, by name."""

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self.known = dict(columns)
        self.num_rows = len(next(iter(columns.values())))
        self.slower: dict[tuple[str, int], tuple[SlowerBars, dict[str, Array]]] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self.known:
            self.known[name] = self.compute(PARTS[name] if name in PARTS else FEATURES[name])
        return self.known[name]

    def compute(self, feature: Feature) -> Array:
        """Return a feature's values [T]; too few rows for one have none."""
        if self.num_rows <= feature.lookback:
            return np.full(self.num_rows, np.nan)
        if feature.sessions == 1 and not feature.timescale:
            return feature.compute(*(self[name] for name in feature.inputs), **feature.parameters)
        slower, merged = self._slower(feature)
        for name in feature.inputs:
            if name not in merged:
                merged[name] = slower.merged(self[name], name)
        values = feature.compute(*(merged[name] for name in feature.inputs), **feature.parameters)
        return slower.seen(values)

    def _slower(self, feature: Feature) -> tuple[SlowerBars, dict[str, Array]]:
        """Return the slower bars that a feature is computed on, and their columns so far."""
        key = (feature.timescale, feature.sessions)
        if key not in self.slower:
            if feature.timescale:
                date_R = self["date"].astype("datetime64[D]")
                slower = SlowerBars.of_dates(date_R, TIMESCALES[feature.timescale])
            else:
                slower = SlowerBars.of_sessions(self.num_rows, feature.sessions)
            self.slower[key] = slower, {}
        return self.slower[key]


def bar_arrays(frame: pl.DataFrame) -> dict[str, Array]:
    """Return the input columns as arrays; refuse what an indicator would turn into nonsense.

    Raises
    ------
    DataError
        If there are no dates or closes, a column holds a null or NaN, or rows are not one symbol's
        in order of date.
    """
    missing = [name for name in ("date", "close") if name not in frame.columns]
    if missing:
        raise DataError(
            f"The bars have no column {', '.join(missing)}.",
            hint="features need date and close, many of them open, high, low and volume too",
        )
    if "symbol" in frame.columns and frame["symbol"].n_unique() > 1:
        raise DataError(
            "The bars belong to more than one symbol.", hint="compute each symbol by itself"
        )
    if not frame["date"].is_sorted():
        raise DataError("The bars are not in order of date.", hint="frame.sort('date')")
    # days since 1970, for features of the calendar
    arrays = {"date": frame["date"].cast(pl.Date).to_physical().to_numpy().astype(np.float64)}
    for name in present(frame, INPUTS):
        if frame[name].dtype != pl.Float64:
            raise DataError(f"Column {name} is {frame[name].dtype}, not Float64.")
        arrays[name] = frame[name].to_numpy()  # no copy; a null becomes NaN
        # a sum is the quickest look: it is NaN wherever a value is
        if np.isnan(arrays[name].sum()) and (hole_R := np.isnan(arrays[name])).any():
            raise DataError(
                f"Column {name} has no value on {frame['date'][int(hole_R.argmax())]}.",
                hint="repair the bars first: an indicator would carry the hole on to later rows",
            )
    # kept series begin when they begin
    series: pl.DataFrame = frame.select(pl.col(series_columns(frame)).cast(pl.Float64))
    return arrays | {name: series[name].to_numpy() for name in series.columns}
