"""Quality tiers of the data: which series stand beside the bars, nested."""

from __future__ import annotations

from collections.abc import Sequence

from finscale.config.data import QUALITIES, DataConfig
from finscale.data.manifest import ManifestEntry
from finscale.data.series import (
    Series,
    has_series,
    missing_series,
    read_series,
    series_entry,
    series_name,
)
from finscale.data.store import DataStore

#: Quality → what it adds to the one before it.
ADDED: dict[str, tuple[str, ...]] = {
    "a": (),  # bars and indicators
    "b": ("UMCSENT", "USEPUINDXD"),  # sentiment of consumers, uncertainty in newspapers
    "c": ("VIXCLS",),  # what options expect of the month ahead
    "d": ("TRENDS",),  # what people search for
}


def quality_series(quality: str) -> tuple[str, ...]:
    """Return the series of a quality, those of the ones before it first.

    Examples
    --------
    >>> quality_series("c")
    ('UMCSENT', 'USEPUINDXD', 'VIXCLS')
    """
    upto = QUALITIES[: QUALITIES.index(quality) + 1]
    return tuple(name for one in upto for name in ADDED[one])


def series_of(data: DataConfig) -> tuple[str, ...]:
    """Return the series whose features a data section asks for: its quality's, then its own."""
    own = (series_name(name) for name in data.series)
    return tuple(dict.fromkeys((*quality_series(data.quality), *own)))


def wanted_series(store: DataStore, data: DataConfig) -> list[ManifestEntry]:
    """Return the newest entries of the series that a data section asks for.

    Raises
    ------
    DataError
        If some are not registered: it names them all, and how each is imported.
    """
    names = series_of(data)
    missing = [name for name in names if not has_series(store, name)]
    if missing:
        of_quality = data.quality != "a" and set(missing) & set(quality_series(data.quality))
        raise missing_series(
            store, missing, f"data.quality: {data.quality}" if of_quality else "data.series"
        )
    return [series_entry(store, name) for name in names]


def series_behind(store: DataStore, entry: ManifestEntry) -> list[Series]:
    """Return the very versions of the series that a registered dataset was made from."""
    versions = dict(key.split("@") for key in entry.parents)
    found: Sequence[str] = entry.series
    return [read_series(store, name, versions.get(f"{name}.series")) for name in found]
