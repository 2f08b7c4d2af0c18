"""The symbols of a panel side by side, day by day: closes, members, groups.

A day's members are known at its close; who is a member tomorrow is not. Sums over the members of a
day are taken in the order in which the rows are stacked, so that symbols that only come later leave
them as they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Boolean: whether the symbol belongs to the universe on the row's day. Absent, all rows do.
MEMBER = "member"
#: A close, or a lookback's least sessions, from which a beta is measured.
LEAST_SESSIONS = 20


@dataclass(frozen=True, eq=False)
class CrossSection:
    """Stacked rows of several symbols as matrices of days × symbols.

    Attributes
    ----------
    dates : ndarray of datetime64[D], shape (T,)
        Every day on which a symbol has a row.
    day_R, symbol_R : ndarray of int64, shape (R,)
        Where each stacked row stands in a matrix.
    close_TS : ndarray of float64, shape (T, S)
        Adjusted closes; NaN where a symbol has no row.
    member_TS : ndarray of bool, shape (T, S)
        Members with a row on that day.
    symbols, groups : tuple of str
        Names, and each symbol's group (empty where it has none).
    """

    dates: NDArray[np.datetime64]
    day_R: Ints
    symbol_R: Ints
    close_TS: Floats
    member_TS: Bools
    symbols: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def of(
        cls, parts: Sequence[pl.DataFrame], groups: Mapping[str, str] | None = None
    ) -> CrossSection:
        """Arrange the rows of symbols.

        Parameters
        ----------
        parts : sequence of polars.DataFrame
            One a symbol, in the order in which they are stacked: date, symbol, close; ``member``
            where not all rows are members'.
        groups : mapping of str to str, optional
            Symbol → its group.

        Raises
        ------
        DataError
            If there is no close.
        """
        symbols = tuple(str(part["symbol"][0]) for part in parts)
        for symbol, part in zip(symbols, parts, strict=True):
            if "close" not in part.columns:
                raise DataError(f"{symbol} has no column close, by which symbols are compared.")
        date_R = np.concatenate([part["date"].to_numpy().astype("datetime64[D]") for part in parts])
        dates, day_R = np.unique(date_R, return_inverse=True)
        symbol_R = np.repeat(np.arange(len(parts)), [part.height for part in parts])
        close_TS = np.full((dates.size, len(parts)), np.nan)
        close_TS[day_R, symbol_R] = np.concatenate(
            [part["close"].cast(pl.Float64).to_numpy() for part in parts]
        )
        member_TS = np.zeros(close_TS.shape, dtype=np.bool_)
        member_TS[day_R, symbol_R] = np.concatenate([members(part) for part in parts])
        named = tuple((groups or {}).get(symbol, "") for symbol in symbols)
        return cls(dates, day_R, symbol_R, close_TS, member_TS, symbols, named)

    def rows(self, values_TS: Floats) -> Floats:
        """Return a matrix's values at the stacked rows, shape (R,)."""
        values_R: Floats = values_TS[self.day_R, self.symbol_R]
        return values_R

    def wide(self, values_R: Floats) -> Floats:
        """Return stacked values as a matrix, NaN where there is no row."""
        values_TS = np.full(self.close_TS.shape, np.nan)
        values_TS[self.day_R, self.symbol_R] = values_R
        return values_TS

    @cached_property
    def member_R(self) -> Bools:
        """Whether each stacked row is a member's."""
        member_R: Bools = self.member_TS[self.day_R, self.symbol_R]
        return member_R

    @cached_property
    def last_TS(self) -> Ints:
        """Day of each symbol's last row by that day; −1 before its first."""
        has_TS = np.isfinite(self.close_TS)
        own_TS = np.where(has_TS, np.arange(self.dates.size)[:, None], -1)
        last_TS: Ints = np.maximum.accumulate(own_TS, axis=0)
        return last_TS

    @cached_property
    def return_TS(self) -> Floats:
        """Log return from a symbol's row before to this one; NaN on its first, and without one."""
        return_TS = np.full(self.close_TS.shape, np.nan)
        before_TS = self.last_TS[:-1]
        close_TS = np.take_along_axis(self.close_TS, np.maximum(before_TS, 0), axis=0)
        known_TS = (before_TS >= 0) & np.isfinite(self.close_TS[1:])
        return_TS[1:][known_TS] = np.log(self.close_TS[1:][known_TS] / close_TS[known_TS])
        return return_TS

    def day_means(self, values_TS: Floats, columns: Ints | None = None) -> Floats:
        """Return each day's mean over members with a value, shape (T,); NaN on a day without.

        ``columns`` are the symbols that count; all when absent.
        """
        sums_T, count_T = self._day_sums(values_TS, columns)
        with np.errstate(invalid="ignore"):
            means_T: Floats = sums_T / count_T
        return means_T

    def _day_sums(self, values_TS: Floats, columns: Ints | None) -> tuple[Floats, Floats]:
        # bincount adds one row after the other: a row that is not there changes no bit of the sum
        values_R = self.rows(values_TS)
        counts_R = self.member_R & np.isfinite(values_R)
        if columns is not None:
            counts_R &= np.isin(self.symbol_R, columns)
        days, num_days = self.day_R[counts_R], self.dates.size
        sums_T: Floats = np.bincount(days, weights=values_R[counts_R], minlength=num_days).astype(
            np.float64
        )
        return sums_T, np.bincount(days, minlength=num_days).astype(np.float64)

    @cached_property
    def market_T(self) -> Floats:
        """Mean log return of each day's members: the market, every member with the same weight."""
        return self.day_means(self.return_TS)

    def compared(self, neutral: str, needs: str) -> list[Ints]:
        """Return the columns that are compared with one another: all, or those of each group.

        Raises
        ------
        DataError
            If groups are wanted and a symbol has none; ``needs`` names what wants them.
        """
        if neutral == "none":
            return [np.arange(len(self.symbols))]
        without = [s for s, group in zip(self.symbols, self.groups, strict=True) if not group]
        if without:
            more = f" and {len(without) - 3:,} more" if len(without) > 3 else ""
            raise DataError(
                f"{needs} compares within groups, and {', '.join(without[:3])}{more} "
                f"{'has' if len(without) == 1 else 'have'} none.",
                hint="name each symbol's group in the universe, or take neutral: none",
            )
        names = np.array(self.groups)
        return [np.flatnonzero(names == name) for name in dict.fromkeys(self.groups)]

    def betas(
        self, days: int, least: int = LEAST_SESSIONS, columns: Ints | None = None
    ) -> tuple[Floats, Floats]:
        """Return beta to the market and the deviation of what it leaves over, each (T, S).

        Least squares of a symbol's log returns on the mean of the members', over the last ``days``
        days up to and with each; NaN with fewer than ``least`` returns among them. The market is
        that of ``columns`` where given.
        """
        market_T = self.market_T if columns is None else self.day_means(self.return_TS, columns)
        known_TS = np.isfinite(self.return_TS) & np.isfinite(market_T)[:, None]
        y_TS = np.where(known_TS, self.return_TS, 0.0)
        x_TS = np.where(known_TS, np.nan_to_num(market_T)[:, None], 0.0)
        count_TS = _rolling(known_TS.astype(np.float64), days)
        x, y = _rolling(x_TS, days), _rolling(y_TS, days)
        with np.errstate(invalid="ignore", divide="ignore"):
            xx = _rolling(x_TS**2, days) - x**2 / count_TS
            xy = _rolling(x_TS * y_TS, days) - x * y / count_TS
            yy = _rolling(y_TS**2, days) - y**2 / count_TS
            # a market that stands still moves nobody
            beta_TS = np.where(xx > _STILL * count_TS, xy / xx, 0.0)
            left_TS = np.sqrt(np.maximum(yy - beta_TS * xy, 0.0) / count_TS)
        enough_TS = count_TS >= least
        return np.where(enough_TS, beta_TS, np.nan), np.where(enough_TS, left_TS, np.nan)


#: Variance of a market's daily log returns below which it stands still.
_STILL = 1e-16


def group_map(symbols: Sequence[str], groups: Sequence[str] | None) -> dict[str, str] | None:
    """Return symbol → group of a dataset's symbols and groups; None where it has no groups."""
    return None if groups is None else dict(zip(symbols, groups, strict=True))


def members(part: pl.DataFrame) -> Bools:
    """Return whether each row of a symbol is a member's; all are where nothing says otherwise."""
    if MEMBER not in part.columns:
        return np.ones(part.height, dtype=np.bool_)
    member_R: Bools = part[MEMBER].cast(pl.Boolean).fill_null(value=False).to_numpy()
    return member_R


def day_ranks(values_TS: Floats, among_TS: Bools) -> tuple[Floats, Ints]:
    """Return each value's share of the day below it, and how many values the day has.

    ``(rank − ½) / n`` with ranks from 1 among the n values that count: between 0 and 1, ½ on
    average. Equal values share their mean rank.

    Parameters
    ----------
    values_TS : ndarray of float64, shape (T, S)
    among_TS : ndarray of bool, shape (T, S)
        Which values count; the others, and those that are NaN, get NaN.

    Examples
    --------
    >>> day_ranks(np.array([[3.0, 1.0, 1.0, 9.0]]), np.array([[True, True, True, False]]))[0]
    array([[0.83333333, 0.33333333, 0.33333333,        nan]])
    """
    from scipy.stats import rankdata

    counts_TS = among_TS & np.isfinite(values_TS)
    num_T: Ints = counts_TS.sum(axis=1)
    # what does not count is placed behind all that does, and leaves its ranks alone
    rank_TS = rankdata(np.where(counts_TS, values_TS, np.inf), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share_TS = (rank_TS - 0.5) / num_T[:, None]
    return np.where(counts_TS, share_TS, np.nan), num_T


def _rolling(values_TS: Floats, days: int) -> Floats:
    """Return sums over the last ``days`` days, of fewer at the start."""
    total_TS = np.cumsum(values_TS, axis=0)
    sums_TS = total_TS.copy()
    sums_TS[days:] -= total_TS[:-days]
    return sums_TS
