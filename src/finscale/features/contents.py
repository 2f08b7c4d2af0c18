"""What a dataset holds beside its bars: the tier's features, slower bars, series."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from finscale.data.timescales import SLOWER
from finscale.features.declared import relations
from finscale.features.feature import INPUTS, Array, Feature
from finscale.features.needs import shown_bars
from finscale.features.series_features import series_feature, series_features
from finscale.features.tiers import FEATURES, tier_features

#: What the name of a column of slower bars has between the bar's column and its timescale.
_OF = "_of_"
#: Bars over which a slower bar's volume is usual.
_USUAL = 4


def dataset_features(
    tier: str,
    timescale: str = "daily",
    series: Sequence[str] = (),
    *,
    bars: Collection[str] = INPUTS,
) -> tuple[Feature, ...]:
    """Return the features of a dataset, in the order of its columns.

    Parameters
    ----------
    tier : str
        A declared tier.
    timescale : str
        Of the rows; rows of ``daily+multi`` see the last finished bars of every slower timescale.
    series : sequence of str
        Series whose features stand behind the others.
    bars : collection of str
        Which of open, high, low, close and volume the bars have.

    Raises
    ------
    FinscaleError
        If the tier is not declared.
    """
    shown = set(shown_bars(tier, bars))
    several = timescale == "daily+multi"
    slower = [f for f in SLOWER_BARS if shown.issuperset(f.inputs)] if several else []
    return (*tier_features(tier), *slower, *series_features(series))


def find_feature(name: str) -> Feature | None:
    """Return a feature of any dataset by its name; None where nobody declares it."""
    if name in FEATURES:
        return FEATURES[name]
    return _BY_NAME.get(name) or series_feature(name)


def _as_it_is(values: Array) -> Array:
    return values


def _volume(volume: Array) -> Array:
    over = relations.share(volume, relations.window_mean(volume, _USUAL), undefined=1.0)
    held: Array = np.log(np.clip(over, 0.01, 100.0))
    return held


def _slower_bar(column: str, timescale: str) -> Feature:
    is_volume = column == "volume"
    of_usual = f", log of its ratio to the mean of {_USUAL}" if is_volume else ""
    return Feature(
        name=f"{column}{_OF}{timescale}",
        inputs=(column,),
        compute=_volume if is_volume else _as_it_is,
        # where the first whole bar ends is up to the calendar, so the values say
        lookback=0,
        source="finscale",
        seen="bounded" if is_volume else "price",
        timescale=timescale,
        family="slower bars",
        words=f"{column} of the last finished {timescale} bar{of_usual}",
    )


#: The last finished bars of every slower timescale.
SLOWER_BARS = tuple(_slower_bar(column, timescale) for timescale in SLOWER for column in INPUTS)
_BY_NAME = {feature.name: feature for feature in SLOWER_BARS}
