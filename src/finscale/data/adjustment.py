"""How prices were adjusted: detected from the rows or declared by the user, never guessed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import Adjustment, opens
from finscale.data.ex_days import ex_days, with_dividends
from finscale.data.jumps import SMALL_RATIOS, find_jumps, likely_ratio, refuse_jumps, terms
from finscale.data.ticks import tick_size
from finscale.errors import DataError

SplitTerms = tuple[dt.date, float]
Floats = NDArray[np.float64]

# Prices must show a declared split to within this (log units): the market moved that day too.
_NEAR_SPLIT = 0.25
_NEAR_USUAL = 0.02
# A split moves the factor by more than the first (log units). A special dividend can move it by up
# to the second (a ratio); below that, the price itself must also look like a split's.
_SMALLEST_JUMP = 0.18
_NO_DIVIDEND = 1.75
# How far a dividend on the same day may move the factor (log units).
_NEAR_KNOWN = 0.1
# Cents in single precision: 512.30 is given as 512.299987792969.
_SINGLE_PRECISION = 2e-7
_SHARE_ON_GRID = 0.99
_FACTOR_DROP = 1e-3
_CENT = 0.011
# Rounding of the adjusted close that is worth telling (a ratio).
_COARSE = 2e-3


class AdjustmentNeededError(DataError):
    """The rows do not tell how their prices were adjusted: the user has to say."""


@dataclass(frozen=True)
class Adjusted:
    """Rows with an adjusted close, and what is known of them."""

    rows: pl.DataFrame
    adjustment: Adjustment
    splits: tuple[SplitTerms, ...]
    notes: dict[str, str]


def settle(
    rows: pl.DataFrame,
    *,
    place: str,
    declared: Adjustment | None = None,
    splits: Sequence[SplitTerms] = (),
    real_moves: Collection[dt.date] = (),
) -> Adjusted:
    """Determine the adjustment of clean rows and add an adjusted close.

    There are three cases: the user names splits; the rows have an adjusted close; or neither, and
    only the prices themselves can tell.

    ``dividends`` among the columns of the clean ``rows`` are those of ex-days: what the price does
    there can tell, and where it falls by them the adjusted close is made from them.
    ``splits`` are those that the prices do not account for: first date at the new price, new shares
    for one old. ``real_moves`` are jumps that did happen in the market.

    Raises
    ------
    AdjustmentNeededError
        If nothing in the rows tells and nothing was declared.
    DataError
        If prices jump by a split's ratio without reason, or contradict what was declared.
    """
    if splits:
        return _with_splits(rows, place, declared, splits, real_moves)
    if "adj_close" in rows.columns:
        return _with_adj_close(rows, place, declared, real_moves)
    refuse_jumps(find_jumps(rows), rows, place=place, real=real_moves)
    rows = rows.with_columns(pl.col("close").alias("adj_close"))
    told = ex_days(rows)
    if declared is not None:
        if told and told.contradict(declared):
            raise DataError(
                f"{place}: --adjustment says {declared}, and {told} that the file lists. Nothing "
                "was imported.",
                hint="--adjustment split+dividend means that dividends were taken off earlier "
                "prices, split and raw that they are in them; or leave the column of dividends out",
            )
        return _by_prices(rows, place, declared, "declared by the user")
    if _is_cents_in_single_precision(rows["close"]):
        note = "detected: every close is a whole cent, so no dividend has been taken off"
        return _by_prices(rows, place, "split", note)
    if told and told.tell:
        return _by_prices(rows, place, told.tell, f"detected: {told}")
    seen = f" Dividends are listed: {told}, which is not enough to tell." if told else ""
    raise AdjustmentNeededError(
        f"{place} has no adjusted close, so nothing in it says what has been done to its prices."
        f"{seen}",
        hint="say so: --adjustment split+dividend (most download scripts, yfinance by default), "
        "split (exchanges, Stooq), or raw (as traded, and no split in this range)",
    )


def _by_prices(rows: pl.DataFrame, place: str, adjustment: Adjustment, note: str) -> Adjusted:
    """Return rows without an adjusted close of their own; listed dividends make one."""
    notes = {"adjustment": note}
    if adjustment != "split+dividend":
        rows, notes["dividends"] = with_dividends(rows, place)
    return Adjusted(rows, adjustment, (), notes)


def _with_adj_close(
    rows: pl.DataFrame, place: str, declared: Adjustment | None, real: Collection[dt.date]
) -> Adjusted:
    refuse_jumps(find_jumps(rows, "adj_close"), rows, place=place, real=real)
    if declared == "split+dividend" and not (rows["adj_close"] == rows["close"]).all():
        raise DataError(
            f"{place}: the adjusted close differs from the close, so open, high, low and close "
            "are not split+dividend adjusted.",
            hint="leave --adjustment away: the adjusted close says enough",
        )
    factor_T = (rows["adj_close"] / rows["close"]).to_numpy()
    splits = _known_splits(rows, factor_T, real)
    _refuse_seam(rows, factor_T, place, {day for day, _ in splits})
    if splits:
        seen = f"the close jumps {_listed(splits)} and the adjusted close does not"
        if declared == "split":
            raise DataError(
                f"{place}: {seen}, so prices are raw, not split-adjusted.",
                hint="leave --adjustment away, or `--real-move DATE` for a jump in the market",
            )
        return Adjusted(rows, "raw", splits, {"adjustment": f"detected: {seen}"})
    if declared is not None:
        return Adjusted(rows, declared, (), {"adjustment": "declared by the user"})
    note = "detected: an adjusted close beside a close without split jumps"
    return Adjusted(rows, "split", (), {"adjustment": note})


def _listed(splits: Sequence[SplitTerms]) -> str:
    return ", ".join(f"{terms(ratio)} on {day}" for day, ratio in splits)


def _known_splits(
    rows: pl.DataFrame, factor_T: Floats, real: Collection[dt.date]
) -> tuple[SplitTerms, ...]:
    """Return the splits of raw prices that the adjusted close accounts for.

    The factor jumps by the ratio and the price by its inverse, however many shares were traded. A
    dividend makes the factor rise too, but hardly ever by a split's ratio.
    """
    jump_T = factor_T[1:] / factor_T[:-1]
    gap_T = (opens(rows).to_numpy()[1:] / rows["close"].to_numpy()[:-1]) * jump_T
    moves_T = np.abs(np.log(gap_T)) < np.abs(np.log(jump_T)) / 2
    dates = rows["date"].to_list()[1:]
    jumps = {jump.date: jump.ratio for jump in find_jumps(rows)}
    found = []
    for t in np.flatnonzero(moves_T & (np.abs(np.log(jump_T)) > _SMALLEST_JUMP)).tolist():
        usual = likely_ratio(float(1 / jump_T[t]))
        if dates[t] in jumps and jumps[dates[t]] in SMALL_RATIOS:
            usual = jumps[dates[t]]
        near = abs(jump_T[t] / usual - 1) < _NEAR_USUAL
        looks_it = usual < 1 or (near and usual >= _NO_DIVIDEND) or dates[t] in jumps
        if looks_it and dates[t] not in real:
            # not near: a dividend on the same day, or an unusual ratio
            found.append((dates[t], usual if near else float(jump_T[t])))
    return tuple(found)


def _refuse_seam(
    rows: pl.DataFrame, factor_T: Floats, place: str, splits: Collection[dt.date]
) -> None:
    """Raise if later rows are adjusted for dividends that the rows before them are not."""
    close_T = rows["close"].to_numpy()[1:]
    drop_T = 1 - factor_T[1:] / factor_T[:-1]
    dates = rows["date"].to_list()[1:]
    # a low price is coarsely rounded, and so is its factor
    rounded_T = np.maximum(_CENT / close_T, _rounding(rows["adj_close"].to_numpy()))
    for t in np.flatnonzero(drop_T > np.maximum(_FACTOR_DROP, rounded_T)).tolist():
        if dates[t] not in splits:
            raise DataError(
                f"{place}: the adjusted close falls {drop_T[t]:.1%} against the close on "
                f"{dates[t]}: the rows before were adjusted at an earlier time than the rows "
                "after. Nothing was imported.".replace("%", " %"),
                hint="fetch the whole file again: every new dividend changes all earlier rows",
            )


def _rounding(adjusted_T: Floats) -> Floats:
    """Return how far the adjusted close's rounding may move the factor between two bars."""
    tick = tick_size(adjusted_T)
    return 1.1 * tick / np.minimum(adjusted_T[1:], adjusted_T[:-1])


def rounding_in_words(rows: pl.DataFrame) -> str:
    """Say how coarse the adjusted close is where its rounding moves returns; else nothing."""
    adjusted = rows["adj_close"]
    tick, lowest = tick_size(adjusted.to_numpy()), float(adjusted.min())  # type: ignore[arg-type]
    if (adjusted == rows["close"]).all() or tick / lowest < _COARSE:
        return ""
    coarse = 100 * tick / lowest
    return f"to {tick:g}, up to {coarse:.1f} % of the price: adjusted returns are as coarse"


def _with_splits(
    rows: pl.DataFrame,
    place: str,
    declared: Adjustment | None,
    splits: Sequence[SplitTerms],
    real: Collection[dt.date],
) -> Adjusted:
    if declared not in (None, "raw"):
        raise DataError(
            f"--split describes raw prices, and --adjustment says {declared}.",
            hint="give one of the two",
        )
    given = "adj_close" in rows.columns and not (rows["adj_close"] == rows["close"]).all()
    stated = rows["adj_close" if given else "close"]
    factor_T = (stated / rows["close"]).to_numpy()
    dates, unknown_T = rows["date"], np.ones(rows.height)
    for day, ratio in splits:
        before = rows.filter(pl.col("date") < day)["close"]
        after = opens(rows.filter(pl.col("date") >= day))
        if before.is_empty() or after.is_empty():
            raise DataError(f"{place} has no bars on both sides of the split of {day}.")
        gap = np.log(after[0] / before[-1])
        if abs(gap + np.log(ratio)) > min(_NEAR_SPLIT, abs(gap)):
            raise DataError(
                f"{place}: a {terms(ratio)} split on {day} would take the price from "
                f"{before[-1]:g} to about {before[-1] / ratio:.4g}, and it opens at {after[0]:g}.",
                hint="the date is the first one at the new price; the ratio is new shares for one "
                "old (7, 1.5, 0.1)",
            )
        t = before.len()
        if not _accounts_for(ratio, factor_T[t] / factor_T[t - 1], f"{place} on {dates[t]}"):
            unknown_T[:t] *= 1 / ratio
    rows = rows.with_columns((stated * pl.Series(unknown_T)).alias("adj_close"))
    refuse_jumps(find_jumps(rows, "adj_close"), rows, place=place, real=real)
    notes = {"adjustment": f"declared by the user: raw, with {_listed(splits)}"}
    if given:
        first_days = {dates.filter(dates >= day)[0] for day, _ in splits}
        others = [s for s in _known_splits(rows, factor_T, real) if s[0] not in first_days]
        _refuse_seam(rows, factor_T * unknown_T, place, {*first_days, *(day for day, _ in others)})
        seen = "".join(f" and {terms(ratio)} on {day}" for day, ratio in others)
        notes["adjustment"] += f"; dividends{seen} as the file's adjusted close has them"
        splits = (*splits, *others)
    else:
        rows, notes["dividends"] = with_dividends(rows, place)
        if not notes["dividends"]:
            notes["adj_close"] = "splits"
    return Adjusted(rows, "raw", tuple(sorted(splits)), notes)


def _accounts_for(ratio: float, jump: float, where: str) -> bool:
    """Tell whether the adjusted close, whose factor changes by ``jump``, includes the split."""
    unknown, known = abs(np.log(jump)), abs(np.log(jump / ratio))
    if min(unknown, known) > _NEAR_KNOWN:
        raise DataError(
            f"{where}: the adjusted close over the close changes by a factor of {jump:.4g}, which "
            f"is neither a {terms(ratio)} split nor none.",
            hint="leave the adjusted close out of the file, and --split alone adjusts; or give the "
            "ratio that the adjusted close has",
        )
    return bool(known < unknown)


def _is_cents_in_single_precision(close: pl.Series) -> bool:
    """Tell whether closes are cents as a 32-bit float holds them: Yahoo's unadjusted form.

    Prices from which dividends have been taken off lie anywhere; prices rounded to cents, which
    could be either, show no 32-bit noise.
    """
    cents = (close * 100).round() / 100
    on_grid = ((close - cents).abs() <= close * _SINGLE_PRECISION).sum()
    noisy = (close != cents).sum()
    return on_grid >= _SHARE_ON_GRID * len(close) and noisy > len(close) / 2
