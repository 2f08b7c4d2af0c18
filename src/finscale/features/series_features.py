"""Features of series: what a row knew of each at its decision time, without units.

============== ===================================================================
``change``     of the newest period from the one before: of the logarithm, or a difference
``zscore``     deviations of the newest value from the mean of its usual past
``surprise``   deviations of the newest change from the mean of the changes before it
``age``        days since the newest period was first published
============== ===================================================================

The first three come with the series (``finscale.data.known.MEASURES``): they are computed release
by release, from what was known then.
"""

from __future__ import annotations

from collections.abc import Sequence

from finscale.data.bars import SERIES
from finscale.data.known import MEASURES
from finscale.data.releases import release_rule
from finscale.features.feature import Array, Feature

#: What the name of such a feature begins with.
PREFIX = "series_"
_WORDS = {
    "change": "{} of the newest period known, from the one before",
    "zscore": "deviations of {} from its usual past",
    "surprise": "deviations of the newest change of {} from those before",
    "age": "days since the newest value of {} was published",
}


def series_features(names: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features of some series, in order.

    Examples
    --------
    >>> [feature.name for feature in series_features(["UMCSENT"])][-1]
    'series_UMCSENT_age'
    """
    return tuple(_feature(name, measure) for name in names for measure in (*MEASURES, "age"))


def series_feature(column: str) -> Feature | None:
    """Return the feature that a column is called by; None if it is none of a series."""
    name, _, measure = column.removeprefix(PREFIX).rpartition("_")
    if not column.startswith(PREFIX) or not name or measure not in (*MEASURES, "age"):
        return None
    return _feature(name, measure)


def _feature(name: str, measure: str) -> Feature:
    rule = release_rule(name)
    column = f"{SERIES}{name}"
    is_age = measure == "age"
    return Feature(
        name=f"{PREFIX}{name}_{measure}",
        inputs=("date", f"{column}:since") if is_age else (f"{column}:{measure}",),
        compute=_age if is_age else _known,
        lookback=0,
        source=rule.source if rule else "a series of the user's",
        seen="bounded",
        family="series",
        words=_WORDS.get(measure, f"{measure} of {{}}").format(rule.title if rule else name),
    )


def _known(values: Array) -> Array:
    return values


def _age(date: Array, since: Array) -> Array:
    age: Array = date - since
    return age
