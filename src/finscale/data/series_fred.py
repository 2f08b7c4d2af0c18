"""Series from FRED, with the vintages of ALFRED: every value on the day that it was published."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from finscale.data.releases import ReleaseRule, moments, release_rule, usual_frequency
from finscale.data.series import Series, make_frame, series_name, unknown_rule
from finscale.errors import DataError, missing_extra

#: Environment variables: a key of FRED's (free), and another address than FRED's own.
KEY, ADDRESS = "FRED_API_KEY", "FINSCALE_FRED_URL"


def fetch_series(name: str, *, key: str | None = None, url: str | None = None) -> Series:
    """Return a series from FRED.

    Of a series that is revised every vintage is fetched, so that each row knows the values of its
    own day; one that is not is fetched as it is, its releases by the declared rule.

    Parameters
    ----------
    name : str
        As FRED calls it: ``CPIAUCSL``.
    key : str, optional
        FRED's API key; the environment's ``FRED_API_KEY`` when absent.
    url : str, optional
        Address of the API; the environment's ``FINSCALE_FRED_URL``, or FRED's own, when absent.

    Raises
    ------
    FinscaleError
        If fredapi is not installed.
    DataError
        If there is no key, or FRED cannot be reached or does not know the series.
    """
    try:
        from fredapi import Fred
    except ImportError:
        raise missing_extra("fredapi", "fred") from None
    name = series_name(name)
    key = key or os.environ.get(KEY)
    if not key:
        raise DataError(
            f"FRED asks for a key, and {KEY} is not set.",
            hint="https://fred.stlouisfed.org/docs/api/api_key.html gives one for nothing; or "
            f"download {name}.csv from its page there: finscale series import {name}.csv",
        )
    fred = Fred(api_key=key)
    fred.root_url = (url or os.environ.get(ADDRESS) or fred.root_url).rstrip("/")
    rule = release_rule(name)
    if rule is not None and not rule.is_revised:
        values = _asked(lambda: fred.get_series(name), name, fred.root_url)
        period_P = values.index.to_numpy().astype("datetime64[D]")
        value_P = values.to_numpy().astype(np.float64)
        released_P, release = rule.released(period_P), rule.describe()
    else:
        table = _asked(lambda: fred.get_series_all_releases(name), name, fred.root_url)
        period_P = table["date"].to_numpy().astype("datetime64[D]")
        # beside dates, pandas makes a moment that is none of a value that is none
        value_P = np.array([np.nan if one != one else float(one) for one in table["value"]])
        day_P = table["realtime_start"].to_numpy().astype("datetime64[D]")
        hour, zone = (rule.hour, rule.zone) if rule else (ReleaseRule.hour, ReleaseRule.zone)
        released_P = moments(day_P, hour, zone)
        release = f"the day of each vintage of ALFRED, {hour} {zone.rsplit('/', 1)[-1]}"
    if period_P.size == 0:
        raise unknown_rule(name)
    frequency = rule.frequency if rule else usual_frequency(np.unique(period_P))
    return Series(
        name,
        make_frame(period_P, released_P, value_P),
        frequency,
        rule.transform if rule else "difference",
        True,
        release,
        source="fred",
        provenance={"address": fred.root_url},
    )


def _asked(question: Any, name: str, url: str) -> Any:
    """Return FRED's answer, or say in a sentence why there is none."""
    try:
        return question()
    except ValueError as error:
        raise DataError(
            f"FRED gives no {name}: {str(error).strip().rstrip('.')}.",
            hint="https://fred.stlouisfed.org lists its series; a key is checked there too",
        ) from None
    except (OSError, SyntaxError) as error:
        reason = str(getattr(error, "reason", error))
        raise DataError(
            f"FRED cannot be reached at {url}: {reason}.",
            hint=f"try again later, or download {name}.csv by hand: finscale series import "
            f"{name}.csv",
        ) from None
