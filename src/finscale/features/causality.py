"""The proof that a feature sees no future: change the bars after t, find the value at t unchanged.

Unchanged means to the bit: a causal computation takes the same steps on the same numbers, whatever
follows them, so there is no tolerance to choose and nothing small enough to be excused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.calling import spoken
from finscale.data.bars import PRICES
from finscale.errors import DataError
from finscale.features.engine import compute_features
from finscale.features.feature import Array, Feature
from finscale.features.relative import declared_feature
from finscale.registry import Registry

_PRICES = (*PRICES, "adj_close")

#: ``change(future, rng)``: the bars after t, altered and still bars.
Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]

CHANGES: Registry[Change] = Registry("change of the future")

Computation = str | Feature | pl.Expr | Callable[[pl.DataFrame], Any]


@dataclass(frozen=True)
class Leak:
    """Where a feature was caught: the first row whose value moved with the bars after ``cut``."""

    cut: int
    change: str
    row: int
    date: dt.date
    value: float
    changed: float

    def describe(self) -> str:
        """Return the finding as one sentence."""
        if np.isnan(self.value) != np.isnan(self.changed):
            how_much = f"{self.value:.6g} becomes {self.changed:.6g}"
        else:
            how_much = f"{self.value:.6g} moves by {self.changed - self.value:.3g}"
        return (
            f"row {self.row} ({self.date}): {how_much} when the bars after row {self.cut} "
            f"are {self.change}"
        )


@dataclass(frozen=True)
class CausalityReport:
    """What was tried on one feature, and the leak if there is one."""

    feature: str
    """The feature's name."""
    num_rows: int
    """Bars that it was computed on."""
    cuts: tuple[int, ...]
    """Rows t after which the future was changed."""
    changes: tuple[str, ...]
    """In which ways, each at every cut."""
    num_compared: int
    """Values compared bit by bit."""
    leak: Leak | None
    """The first difference found; None for a causal feature."""

    @property
    def causal(self) -> bool:
        """Whether no value moved."""
        return self.leak is None

    def describe(self) -> str:
        """Return the outcome on one line."""
        if self.leak is not None:
            return f"{self.feature} sees the future: {self.leak.describe()}"
        return (
            f"{self.feature} is causal: {self.num_compared:,} values identical to the bit over "
            f"{len(self.cuts)} cuts × {len(self.changes)} changes of the future"
        )


@spoken('prove_causality("rsi_14", bars)')
def prove_causality(
    feature: Computation,
    bars: pl.DataFrame,
    *,
    cuts: Sequence[int] | None = None,
    seed: int = 0,
    name: str | None = None,
) -> CausalityReport:
    """Change all bars after t in every known way, for several t, and compare the values up to t.

    Parameters
    ----------
    feature : str, Feature, polars.Expr or callable
        A declared feature or its name, relative ones (``rel_obv``) too; or your own: an expression,
        or a function from the frame of bars to one value per row (a polars or pandas Series or an
        array).
    bars : polars.DataFrame
        One symbol's rows in order of date, prices adjusted. All numeric columns are changed, so a
        feature that reads further columns is tested on them too. Bars with holes test how they are
        filled.
    cuts : sequence of int, optional
        Rows t to cut after. By default early rows (a back-filled warm-up), runs of five rows in a
        row (every phase of a five-session block and every weekday), rows beside holes, days without
        volume and date gaps, and the last but one. ``range(bars.height - 1)`` proves all pairs.
    seed : int, optional
        Seed of the random cuts and the noise.
    name : str, optional
        How the report calls the feature.

    Returns
    -------
    CausalityReport
        With the first row that differs and by how much, if one does.

    Raises
    ------
    DataError
        If the function fails on changed bars, does not return one value per row, or returns
        different values for equal bars.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 2, 9), eager=True)
    >>> bars = pl.DataFrame({"date": days, "close": np.sin(np.arange(40.0)) + 2})
    >>> prove_causality(pl.col("close").rolling_mean(5), bars).causal
    True
    >>> print(prove_causality(pl.col("close").shift(-1), bars, name="next").leak.describe())
    row 0 (2024-01-01): 2.84147 moves by 25.6 when the bars after row 0 are scaled
    """
    _, called = as_function(feature, name)
    return prove_all({called: feature}, bars, cuts=cuts, seed=seed)[0]


def prove_all(
    features: Mapping[str, Computation],
    bars: pl.DataFrame,
    *,
    cuts: Sequence[int] | None = None,
    seed: int = 0,
    changes: Mapping[str, Change] | None = None,
) -> list[CausalityReport]:
    """Prove several features on the same changed bars; see :func:`prove_causality`.

    ``changes`` are the ways in which the future is changed; those of ``CHANGES`` when absent.
    """
    changes = CHANGES if changes is None else changes
    rng = np.random.default_rng(seed)
    rows = tuple(cuts) if cuts is not None else _telling_cuts(bars, rng)
    if not rows or min(rows) < 0 or max(rows) > bars.height - 2:
        raise DataError(
            f"the future of a series of {bars.height} bars cannot be changed after rows {rows}.",
            hint=f"give cuts from 0 to {bars.height - 2}",
        )
    functions = _together(features)
    first = {name: _values(compute, bars, name) for name, compute in functions.items()}
    again = bars.clone()
    for name, compute in functions.items():
        if _first_difference(first[name], _values(compute, again, name)) is not None:
            raise DataError(f"{name} gives different values for the same bars.", hint="seed it")
    trials = [_Trial(name, functions[name], bars, value_R) for name, value_R in first.items()]
    for cut, change, changed_bars in _changed_futures(bars, rows, rng, changes):
        for trial in trials:
            trial.compare(cut, change, changed_bars)
    return [
        CausalityReport(t.name, bars.height, rows, tuple(changes), t.num_compared, t.leak)
        for t in trials
    ]


class _Trial:
    """One feature while the future is changed under it."""

    def __init__(
        self,
        name: str,
        compute: Callable[[pl.DataFrame], Any],
        bars: pl.DataFrame,
        value_R: Array,
    ) -> None:
        self.name, self.compute, self.bars, self.value_R = name, compute, bars, value_R
        self.num_compared = 0
        self.leak: Leak | None = None

    def compare(self, cut: int, change: str, changed_bars: pl.DataFrame) -> None:
        """Compare the values up to ``cut``; after the first leak there is nothing left to find."""
        if self.leak is not None:
            return
        place = f"{self.name}, bars after row {cut} {change}"
        changed_R = _values(self.compute, changed_bars, place)
        row = _first_difference(self.value_R[: cut + 1], changed_R[: cut + 1])
        self.num_compared += cut + 1
        if row is not None:
            before, after = float(self.value_R[row]), float(changed_R[row])
            self.leak = Leak(cut, change, row, self.bars["date"][row], before, after)


class _Declared:
    """Declared features computed at one go, so that what they share is computed once."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self.features = features
        self.bars: pl.DataFrame | None = None

    def values(self, bars: pl.DataFrame, *, name: str) -> pl.Series:
        """Return one feature's values; bars seen last are not computed again."""
        if bars is not self.bars:
            self.frame = compute_features(bars, list(self.features.values()))
            self.bars = bars
        return self.frame[self.features[name].name]


def _together(
    features: Mapping[str, Computation],
) -> dict[str, Callable[[pl.DataFrame], Any]]:
    """Return each feature's function of bars; declared ones are computed together."""
    found = {
        name: declared_feature(feature) if isinstance(feature, str) else feature
        for name, feature in features.items()
    }
    declared = _Declared({n: f for n, f in found.items() if isinstance(f, Feature)})
    return {
        name: partial(declared.values, name=name)
        if isinstance(feature, Feature)
        else as_function(feature)[0]
        for name, feature in found.items()
    }


def as_function(
    feature: Computation, name: str | None = None
) -> tuple[Callable[[pl.DataFrame], Any], str]:
    """Return a feature of any kind as a function from bars to values, and its name."""
    if isinstance(feature, str):
        feature = declared_feature(feature)
    if isinstance(feature, Feature):
        declared = feature
        return lambda bars: compute_features(bars, [declared])[declared.name], name or declared.name
    if isinstance(feature, pl.Expr):
        expression = feature
        return lambda bars: bars.select(expression).to_series(), name or str(expression)
    return feature, name or str(getattr(feature, "__name__", "feature"))


def _values(compute: Callable[[pl.DataFrame], Any], bars: pl.DataFrame, place: str) -> Array:
    try:
        result = compute(bars)
        value_R = np.asarray(result, np.float64)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{place}: the computation failed on {bars.height} bars ({error}).",
            hint="a feature gives NaN where it has no value yet; or pass later cuts=",
        ) from error
    if value_R.shape != (bars.height,):
        raise DataError(
            f"{place}: {bars.height} bars gave values of shape {value_R.shape}.",
            hint="a feature has one value per row",
        )
    return value_R


def _first_difference(left: Array, right: Array) -> int | None:
    """Return the first row whose bits differ; every NaN counts as the same."""
    bits_differ = left.view(np.uint64) != right.view(np.uint64)
    differ = bits_differ & ~(np.isnan(left) & np.isnan(right))
    return int(differ.argmax()) if differ.any() else None


def _telling_cuts(bars: pl.DataFrame, rng: np.random.Generator) -> tuple[int, ...]:
    """Return rows after which the usual leaks show; see ``cuts`` of :func:`prove_causality`."""
    last = bars.height - 2
    early = [2**power for power in range(12)]
    starts = rng.integers(0, max(last - 4, 1), size=3)
    phases = [int(start) + step for start in starts for step in range(5)]
    beside = [int(row) for odd in _odd_rows(bars) for row in rng.permutation(odd)[:6]]
    return tuple(sorted({row for row in [0, *early, *phases, *beside, last] if 0 <= row <= last}))


def _odd_rows(bars: pl.DataFrame) -> Iterator[NDArray[np.int64]]:
    """Yield the rows with a hole, those without volume, and those before a long gap of dates."""
    numeric = bars.select(pl.selectors.numeric().cast(pl.Float64))
    hole = numeric.select(pl.any_horizontal(pl.all().is_null() | pl.all().is_nan())).to_series()
    yield np.flatnonzero(hole.to_numpy())
    if "volume" in bars.columns:
        yield np.flatnonzero((bars["volume"] == 0).fill_null(False).to_numpy())
    date_R = bars["date"].to_numpy().astype("datetime64[D]")
    yield np.flatnonzero(np.diff(date_R) > np.timedelta64(4, "D"))


def _changed_futures(
    bars: pl.DataFrame,
    cuts: Sequence[int],
    rng: np.random.Generator,
    changes: Mapping[str, Change],
) -> Iterator[tuple[int, str, pl.DataFrame]]:
    floating = bars.with_columns(pl.selectors.numeric().cast(pl.Float64))
    for cut in cuts:
        # the past keeps its types; integers come back from the future as they went
        past, future = bars[: cut + 1], floating[cut + 1 :]
        for name, change in changes.items():
            changed = change(future, rng)
            yield cut, name, pl.concat([past, changed.cast(bars.schema)], rechunk=True)


def _scaled(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Multiply everything by ten: new extremes, another mean, another spread."""
    return future.with_columns(pl.selectors.numeric() * 10)


def _noisy(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Multiply each bar by its own factor: the same for its prices, others for what is no price."""
    prices = [name for name in _PRICES if name in future.columns]
    others = future.select(pl.selectors.numeric().exclude(_PRICES)).columns
    factor = pl.Series(rng.lognormal(0.0, 0.5, future.height))
    return future.with_columns(
        *(pl.col(name) * factor for name in prices),
        *(pl.col(name) * pl.Series(rng.lognormal(0.0, 0.5, future.height)) for name in others),
    )


def _mirrored(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Mirror prices at the next close on a log scale, so that each rise is a fall."""
    prices = [name for name in _PRICES if name in future.columns]
    centre = {name: "close" if name in PRICES and "close" in prices else name for name in prices}
    mirrored = future.with_columns(
        (pl.col(centre[name]).drop_nulls().first() ** 2 / pl.col(name)).alias(name)
        for name in prices
    )
    if {"high", "low"} <= set(future.columns):
        mirrored = mirrored.with_columns(high=mirrored["low"], low=mirrored["high"])
    return mirrored.with_columns(pl.selectors.numeric().exclude(_PRICES).reverse())


def _absent(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Leave the bars out: as it was at the close of t."""
    return future.clear()


CHANGES.add("scaled", _scaled)
CHANGES.add("noisy", _noisy)
CHANGES.add("mirrored", _mirrored)
CHANGES.add("absent", _absent)
