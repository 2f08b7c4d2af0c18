"""Dividends that a file lists: what its ex-days tell of its prices, and the adjusted close.

On an ex-day the price falls by about the dividend, unless the dividends have been taken off the
earlier prices. Over several ex-days the mean fall per dividend tells which, with an error that the
ordinary nights of the series give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.data.bars import Adjustment, opens
from finscale.errors import DataError

#: Fewest ex-days that decide, and that contradict what was said; fewer are only described.
_FEWEST, _FEWEST_AGAINST = 8, 4
# The mean fall over the dividend must lie within this many errors of 1 (or 0), and be this many
# errors away from 0 (or 1). What was declared is contradicted from more errors on.
_NEAR, _AWAY, _CONTRADICTS = 2.5, 4.0, 6.0
# Opens that equal the close before are made up: then the whole day's fall is measured.
_OWN_OPENS = 0.8
# A dividend larger than this share of the price is no dividend of these prices.
_LARGEST = 0.5


@dataclass(frozen=True)
class ExDays:
    """The falls of the price on the ex-days of a series."""

    number: int
    share: float
    """Mean fall on ex-days over the dividend: 1 where it is in the prices, 0 where taken off."""
    error: float
    """Standard error of ``share``."""

    @property
    def tell(self) -> Adjustment | None:
        """What the ex-days prove: dividends in the prices (``split``) or taken off; or nothing."""
        if self.number < _FEWEST:
            return None
        from_0, from_1 = abs(self.share) / self.error, abs(self.share - 1) / self.error
        if from_1 < _NEAR and from_0 > _AWAY:
            return "split"
        return "split+dividend" if from_0 < _NEAR and from_1 > _AWAY else None

    def contradict(self, declared: Adjustment) -> bool:
        """Tell whether the ex-days disprove what was said to have been done to the prices."""
        expected = 0.0 if declared == "split+dividend" else 1.0
        off = abs(self.share - expected)
        return self.number >= _FEWEST_AGAINST and off > max(0.5, _CONTRADICTS * self.error)

    def __str__(self) -> str:
        days = f"{self.number} ex-day{'s' * (self.number != 1)}"
        return (
            f"on {days} the price falls by {100 * self.share:.0f} ± {100 * self.error:.0f} % "
            "of the dividend"
        )


def ex_days(rows: pl.DataFrame) -> ExDays | None:
    """Measure the falls on ex-days; None where ``rows`` list no dividend that can be used.

    ``rows`` are clean bars in date order with ``dividends``, 0 or null on ordinary days.
    """
    if "dividends" not in rows.columns or rows.height < 3:
        return None
    close_T, open_T = rows["close"].to_numpy(), opens(rows).to_numpy()[1:]
    paid_T = rows["dividends"].fill_null(0.0).fill_nan(0.0).to_numpy()[1:] / close_T[:-1]
    night_T = np.log(open_T / close_T[:-1])
    if (night_T != 0).mean() < _OWN_OPENS:
        night_T = np.diff(np.log(close_T))
    ex_T = (paid_T > 0) & (paid_T < _LARGEST)
    if not ex_T.any() or ex_T.all():
        return None
    usual_T = night_T[~ex_T & (paid_T <= 0)]
    if not usual_T.size:
        return None
    drift = float(np.median(usual_T))
    # a mean over few nights: the ordinary spread, large nights included, not a robust one
    spread = float(np.sqrt(np.mean((usual_T - drift) ** 2)))
    fall_K, paid_K = drift - night_T[ex_T], -np.log1p(-paid_T[ex_T])
    weight = float(paid_K @ paid_K)
    # the least that half a cent of rounding allows
    error = max(spread, 1e-4) / np.sqrt(weight)
    return ExDays(int(ex_T.sum()), float(fall_K @ paid_K / weight), float(error))


def with_dividends(rows: pl.DataFrame, place: str) -> tuple[pl.DataFrame, str]:
    """Take the listed dividends off ``adj_close``, as exchanges and Yahoo do, and say so.

    Before an ex-day the factor is 1 − dividend / close of the day before.

    Raises
    ------
    DataError
        If a dividend is as large as the price: it counts other shares than the prices do.
    """
    if "dividends" not in rows.columns:
        return rows, ""
    paid_T = rows["dividends"].fill_null(0.0).fill_nan(0.0).to_numpy()
    close_T = rows["close"].to_numpy()
    share_T = np.r_[0.0, np.maximum(paid_T[1:], 0.0) / close_T[:-1]]
    if share_T.max() >= _LARGEST:
        t = int(share_T.argmax())
        raise DataError(
            f"{place}: the dividend of {paid_T[t]:g} on {rows['date'][t]} is "
            f"{100 * share_T[t]:.0f} % of the price: it counts other shares than the prices do.",
            hint="leave the column of dividends out of the file, or adjust it for splits too",
        )
    count = int((share_T > 0).sum())
    if not count:
        return rows, ""
    # the product of the factors of all later ex-days
    factor_T = np.cumprod((1 - share_T)[::-1])[::-1]
    factor_T = np.r_[factor_T[1:], 1.0]
    adjusted = rows["adj_close"] * pl.Series(factor_T)
    made = f"{count:,} listed: the adjusted close is made from them"
    return rows.with_columns(adjusted.alias("adj_close")), made
