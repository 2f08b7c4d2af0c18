"""Features across the section: columns ``xs_*`` that tell a row of the other symbols of its day.

They are made when symbols are stacked, of the columns that the symbols' own datasets hold, and use
members of the day and of earlier days alone.

=========================== ================================================================
``xs_NAME``                 rank of ``rel_NAME`` among the day's members: (rank − ½) / n − ½, ties
                            share their mean rank; 0 for a row that is no member's
xs_market_return            mean log return of the day's members, every member the same
xs_market_dispersion        log of the deviation of their returns from that mean
xs_beta                     of the last 60 days; 1 until 20 returns are there
xs_residual_volatility      log of the deviation that the beta leaves over; the market's own until
                            then
xs_group_return_1, _5, _20  mean log return of the own group's members over as many days, less the
                            market's; only where the symbols have groups
=========================== ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from finscale.config.data import CrossSectionName
from finscale.data.cross_section import CrossSection, Floats, day_ranks

#: Columns that begin so are made of the whole panel.
ACROSS = "xs_"
_OWN = "rel_"
#: Days of beta and residual volatility.
BETA_DAYS = 60
GROUP_DAYS = (1, 5, 20)
#: Deviations below this one (a hundredth of a basis point) stand still.
_LEAST = 1e-6


def rank_name(name: str) -> str:
    """Return what the rank of a column is called.

    Examples
    --------
    >>> rank_name("rel_rsi_14"), rank_name("signal")
    ('xs_rsi_14', 'xs_signal')
    """
    return ACROSS + name.removeprefix(_OWN)


def market_names(*, grouped: bool) -> tuple[str, ...]:
    """Return the columns that ``cross_section: market`` adds, in order."""
    names = ["market_return", "market_dispersion", "beta", "residual_volatility"]
    if grouped:
        names += [f"group_return_{days}" for days in GROUP_DAYS]
    return tuple(ACROSS + name for name in names)


def across(
    names: Sequence[str], cross_section: CrossSectionName, part: pl.DataFrame
) -> tuple[str, ...]:
    """Return the columns that stand for some once the section is looked at.

    ``part`` is a symbol's frame as :func:`with_section` returns it.
    """
    ranked = cross_section in ("ranks", "both")
    found = [rank_name(name) if ranked and name.startswith(_OWN) else name for name in names]
    if cross_section in ("market", "both") and any(name.startswith(_OWN) for name in names):
        found += [name for name in market_names(grouped=True) if name in part.columns]
    return tuple(found)


def with_section(
    parts: Sequence[pl.DataFrame],
    names: Sequence[str],
    cross_section: CrossSectionName,
    groups: Mapping[str, str] | None = None,
) -> list[pl.DataFrame]:
    """Return the rows of symbols with the columns across the section that stand for ``names``.

    Parameters
    ----------
    parts : sequence of polars.DataFrame
        One a symbol: date, symbol, close, the columns; ``member`` where not all rows are members'.
    names : sequence of str
        Columns; those that begin with ``rel_`` are ranked.
    cross_section : {"none", "ranks", "market", "both"}
        Which columns are added.
    groups : mapping of str to str, optional
        Symbol → its group.

    Raises
    ------
    DataError
        If a symbol has no close.
    """
    if cross_section == "none":
        return list(parts)
    section = CrossSection.of(parts, groups)
    columns: dict[str, Floats] = {}
    if cross_section in ("ranks", "both"):
        for name in dict.fromkeys(names):
            if name.startswith(_OWN):
                columns[rank_name(name)] = section_rank(section, parts, name)
    if cross_section in ("market", "both"):
        columns |= _market(section)
    edges = np.cumsum([0, *(part.height for part in parts)]).tolist()
    return [
        part.with_columns(pl.Series(name, values[first:stop]) for name, values in columns.items())
        for part, first, stop in zip(parts, edges, edges[1:], strict=False)
    ]


def section_rank(section: CrossSection, parts: Sequence[pl.DataFrame], name: str) -> Floats:
    """Return a column's rank of the day, from −½ to ½, at the stacked rows."""
    values_R = np.concatenate([part[name].cast(pl.Float64).to_numpy() for part in parts])
    share_TS, _ = day_ranks(section.wide(values_R), section.member_TS)
    rank_R = section.rows(share_TS) - 0.5
    return np.where(np.isfinite(rank_R), rank_R, 0.0)


def _market(section: CrossSection) -> dict[str, Floats]:
    market_T = np.nan_to_num(section.market_T)
    apart_TS = section.return_TS - market_T[:, None]
    spread_T = _log(np.sqrt(np.nan_to_num(section.day_means(apart_TS**2))))
    beta_TS, left_TS = section.betas(BETA_DAYS)
    known_TS = np.isfinite(beta_TS)
    values = [
        market_T[section.day_R],
        spread_T[section.day_R],
        section.rows(np.where(known_TS, beta_TS, 1.0)),
        section.rows(np.where(known_TS, _log(left_TS), spread_T[:, None])),
    ]
    grouped = all(section.groups)
    if grouped:
        values += _group_returns(section, market_T)
    return dict(zip(market_names(grouped=grouped), values, strict=True))


def _group_returns(section: CrossSection, market_T: Floats) -> Iterator[Floats]:
    own_TS = np.zeros(section.close_TS.shape)
    for columns in section.compared("group", "cross_section: market"):
        mean_T = section.day_means(section.return_TS, columns)
        own_TS[:, columns] = (np.where(np.isfinite(mean_T), mean_T - market_T, 0.0))[:, None]
    for days in GROUP_DAYS:
        yield section.rows(_over(own_TS, days))


def _over(values_TS: Floats, days: int) -> Floats:
    """Return sums over the last days; each is taken anew, so that a day leaves no rounding."""
    sums_TS = np.zeros(values_TS.shape)
    for lag in range(min(days, len(values_TS))):
        sums_TS[lag:] += values_TS[: len(values_TS) - lag]
    return sums_TS


def _log(values: Floats) -> Floats:
    held: Floats = np.log(np.maximum(values, _LEAST))
    return held
