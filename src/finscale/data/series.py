"""Series: values that are no bars, each with a period and the moment at which it became known."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.manifest import FileFacts, ManifestEntry
from finscale.data.parquet import frame_bytes
from finscale.data.releases import (
    OTHER_NAMES,
    RELEASE_RULES,
    Frequency,
    ReleaseRule,
    Transform,
    last_day,
)
from finscale.errors import DataError, nearest

if TYPE_CHECKING:
    from finscale.data.store import DataStore

#: Columns of ``Series.frame``: of each value its period, when it became known (UTC), the value.
SERIES_SCHEMA: dict[str, pl.DataType] = {
    "period": pl.Date(),
    "released": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
}
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_.\-]*")
_METADATA_KEY = "finscale"
#: What a manifest says of a series where it says of bars how prices were adjusted.
AS_PUBLISHED, AS_REVISED = "as published", "as revised later"


@dataclass(frozen=True, eq=False)
class Series:
    """One series, every published value of it."""

    name: str
    """In upper case, as FRED has it: ``CPIAUCSL``."""
    frame: pl.DataFrame
    """Columns of :data:`SERIES_SCHEMA` in order of release, then of period. A period that was
    published again has a row for each time."""
    frequency: Frequency
    transform: Transform
    """Whether a change is one of the logarithm, or a difference."""
    is_as_published: bool
    """Whether values are those of their day. False: they were revised later, and no vintage says
    what was known before."""
    release: str
    """How the moments of release were decided, in words."""
    source: str = "csv"
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if dict(self.frame.schema) != SERIES_SCHEMA:
            raise DataError(f"series {self.name} has columns {dict(self.frame.schema)}.")
        if self.frame.is_empty():
            raise DataError(f"series {self.name} has no values.")
        period_P = self.frame["period"].to_numpy().astype("datetime64[D]")
        # the end of a period is no moment yet: a daily value may be known before midnight
        early = self.frame["released"].to_numpy() < last_day(period_P, self.frequency)
        if early.any():
            row = self.frame.row(int(early.argmax()), named=True)
            raise DataError(
                f"series {self.name}: the value of {row['period']} would be known on "
                f"{row['released']:%Y-%m-%d}, before its {_PERIODS[self.frequency]} is over.",
                hint="look at the column of release dates, or say --frequency",
            )

    def __len__(self) -> int:
        return self.frame.height

    @property
    def periods(self) -> int:
        """Periods that have a value."""
        return self.frame["period"].n_unique()

    @property
    def usual(self) -> int:
        """Past periods against which a value is held."""
        return _rule_of(self).usual

    @property
    def stale(self) -> int:
        """Days after its last release from which on it counts as ended."""
        return _rule_of(self).stale

    @property
    def is_vintage(self) -> bool:
        """Whether some period was published more than once."""
        return self.periods < len(self)

    @property
    def mark(self) -> str:
        """What a report says of the values: as published, or as revised later."""
        return AS_PUBLISHED if self.is_as_published else AS_REVISED

    @property
    def span(self) -> tuple[dt.date, dt.date]:
        """First and last period."""
        return cast(dt.date, self.frame["period"].min()), cast(dt.date, self.frame["period"].max())

    def shifted(self, releases: int = 1) -> Series:
        """Return the series with every value known so many releases later; a few are never known.

        For tests of causality: what was known at the release k is now known at k + ``releases``.
        """
        order = self.frame["released"]
        later = order.unique().sort()
        place = later.search_sorted(order) + releases
        kept = self.frame.filter(place < later.len())
        moved = later.gather(place.filter(place < later.len()))
        return replace(self, frame=kept.with_columns(released=moved))


_PERIODS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter"}


def _rule_of(series: Series) -> ReleaseRule:
    return ReleaseRule(series.name, "", series.frequency, 0, "", "")


def series_name(name: str) -> str:
    """Return a series' name in upper case; other names of known series are replaced.

    Raises
    ------
    DataError
        If it is no name of a series.
    """
    upper = name.strip().upper()
    upper = OTHER_NAMES.get(upper, upper)
    if not _NAME.fullmatch(upper):
        raise DataError(
            f"{name!r} is not a name of a series.",
            hint="letters, digits and _ . - are allowed, such as CPIAUCSL; --name gives one",
        )
    return upper


def make_frame(
    period_P: NDArray[np.datetime64],
    released_P: NDArray[np.datetime64],
    value_P: NDArray[np.float64],
) -> pl.DataFrame:
    """Return the frame of a series: values that are missing left out, in order of release.

    Of values of one period with one moment the last stands.
    """
    frame = pl.DataFrame(
        {
            "period": pl.Series(period_P.astype("datetime64[D]"), dtype=pl.Date),
            "released": pl.Series(released_P.astype("datetime64[us]")).dt.replace_time_zone("UTC"),
            "value": pl.Series(value_P, dtype=pl.Float64),
        }
    )
    frame = frame.filter(pl.col("value").is_finite() & pl.col("released").is_not_null())
    kept = frame.unique(["period", "released"], keep="last", maintain_order=True)
    return kept.sort("released", "period", maintain_order=True)


def series_id(name: str) -> str:
    """Return the manifest id of a series: ``CPIAUCSL.series``."""
    return f"{series_name(name)}.series"


def add_series(store: DataStore, series: Series) -> ManifestEntry:
    """Register a series beside the bars; the same content is the same version."""
    first, last = series.span
    facts = FileFacts(
        id=series_id(series.name),
        kind="series",
        symbol=series.name,
        timescale=series.frequency,
        rows=len(series),
        first_date=first,
        last_date=last,
        adjustment=series.mark,
        source=series.source,
    )
    return store.raw.register(
        facts,
        path=lambda version: f"{version}/series/{series.name}.parquet".removeprefix("v1/"),
        write=lambda path: path.write_bytes(_encoded(series)),
    )


def has_series(store: DataStore, name: str) -> bool:
    """Tell whether a series is registered."""
    return store.raw.has(series_id(name))


def series_entry(store: DataStore, name: str, version: str | None = None) -> ManifestEntry:
    """Return the manifest entry of a series.

    Raises
    ------
    DataError
        If it is not registered; the hint says how it is imported.
    """
    if not has_series(store, name):
        raise missing_series(store, [name])
    return store.raw.get(series_id(name), version)


def read_series(store: DataStore, name: str, version: str | None = None) -> Series:
    """Return a registered series, the newest unless a version is named; the digest is verified."""
    entry = series_entry(store, name, version)
    return _decoded(store.raw.content(entry), str(store.raw.folder / entry.path))


def series_entries(store: DataStore) -> list[ManifestEntry]:
    """Return the newest version of every registered series."""
    return list({e.id: e for e in store.raw.entries() if e.kind == "series"}.values())


def missing_series(store: DataStore, names: Sequence[str], wanted_by: str = "") -> DataError:
    """Return the error for series that are not registered: which, and how each is imported."""
    names = [series_name(name) for name in names]
    known = [entry.symbol for entry in series_entries(store)]
    what = f"{wanted_by} needs series that are" if wanted_by else "this needs a series that is"
    said = f"{what} not in {store.raw.folder}: {', '.join(names)}"
    near = nearest(names[0], [*known, *RELEASE_RULES]) if names[0] not in RELEASE_RULES else None
    ways = [f"Did you mean {near}?"] if near else []
    ruled = [name for name in names if name in RELEASE_RULES and name != "TRENDS"]
    if len(ruled) > 1:
        ways.append(
            f"finscale series import {ruled[0]}.csv (FRED's CSV; so with each), or finscale series "
            f"fetch {' '.join(ruled)}"
        )
        names = [name for name in names if name not in ruled]
    ways += [way_to_series(name) for name in names]
    return DataError(f"{said}.", hint=" · ".join(ways))


def way_to_series(name: str) -> str:
    """Return the command that brings a series in."""
    if name == "TRENDS":
        return "finscale series import multiTimeline.csv --name TRENDS (a Google Trends export)"
    if name in RELEASE_RULES:
        return f"finscale series import {name}.csv (FRED's CSV), or finscale series fetch {name}"
    return f"finscale series import FILE --name {name} --lag DAYS"


def _encoded(series: Series) -> bytes:
    about = {
        "name": series.name,
        "frequency": series.frequency,
        "transform": series.transform,
        "is_as_published": series.is_as_published,
        "release": series.release,
        "source": series.source,
        "provenance": series.provenance,
    }
    text = json.dumps(about, sort_keys=True, ensure_ascii=False)
    return frame_bytes(series.frame, metadata={_METADATA_KEY: text})


def _decoded(content: bytes, place: str) -> Series:
    try:
        about = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_METADATA_KEY])
        frame = pl.read_parquet(io.BytesIO(content), use_pyarrow=False)
        return Series(frame=frame, **about)
    except (pl.exceptions.PolarsError, OSError, KeyError, TypeError) as error:
        raise DataError(f"{place} holds no series ({error}).") from error


def unknown_rule(name: str, path: Path | str = "FILE") -> DataError:
    """Return the error for a series of which nobody says when it is published."""
    near = nearest(name, RELEASE_RULES)
    mean = f"Did you mean {near}? (--name {near}) " if near else ""
    return DataError(
        f"nothing says when values of {name} are published, so a row could see them too early.",
        hint=f"{mean}finscale series import {path} --name {name} --lag 10 says: 10 days after a "
        "period's end; --released COLUMN reads the file's own; finscale series rules lists those "
        "that are known",
    )
