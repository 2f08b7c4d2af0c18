"""Overnight price jumps, such as a split makes, that traded value does not explain."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import opens
from finscale.data.ticks import coarse_tick, few_ticks
from finscale.errors import DataError

#: Small splits and bonus issues, the frequent ones first; they need more evidence than the gap.
SMALL_RATIOS = (3 / 2, 5 / 4, 4 / 3, 6 / 5, 7 / 5, 5 / 3, 8 / 5)
#: New shares for one old in usual splits; reverse splits are their inverses.
RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)

# How far the first price after a jump may lie from the ratio, and the close from the open: a split
# happens overnight, a crash goes on through the day (log units).
_NEAR_RATIO = 0.12
_NEAR_OPEN = 0.15
# Traded value over its median of the 20 bars before that explains a jump. Measured on the overnight
# moves of more than 29 % in 19 US series 1962–2026: 5.0, 10 and 17; on splits: 0.9, 1.2, 2.3, 2.9.
# Volume must rise too: a reverse split multiplies prices, and so traded value, at equal volume.
_EXPLAINING_VALUE = 4.0
_EXPLAINING_VOLUME = 2.5
_USUAL_BARS = 20
# Ratios such as 7:2 happen, 17:2 do not.
_WHOLE_FROM = 5.0
# From here on any ratio counts, 5:2 and 17:1 too; below it only 3:2, and not without volume: the
# VIX opens 40 to 52 % apart on five days.
_ANY_RATIO = 1.75
# After more days without a bar than these, prices may have gone as far by themselves: the gap must
# also exceed three standard deviations of so many days' moves.
_LONG_PAUSE = 90
# Without volume, a jump among moves of a fifth of its size may be one of them: the VIX of February
# 2018 more than doubles (.77), and moves by .15 a day in the two weeks after.
_WILD_DAYS = 5.5
# A pause worth telling.
_PAUSE = 10
# Small ratios. The gap lies within one of these of the ratio (log units; standard deviations of a
# day), is worth so many days' moves both before and after, and trade stays below 2.5 times its
# median. Of the overnight gaps of 15 to 43 % in 19 US series 1962–2026, none does: those on
# ordinary value are of October 1987 and March 2020, when every day moved.
_SMALL_NEAR, _SMALL_NEAR_DAYS = 0.025, 1.5
_SMALL_GAP_DAYS = 6.0
_SMALL_VALUE, _SMALL_VALUE_RISE = 2.5, 1.5
# Traded value that spreads by more than this (log units) says nothing about one day.
_ERRATIC = 0.8
_DAYS_BEFORE, _DAYS_AFTER, _FEWEST_DAYS = 60, 10, 5
# The least deviation of a day's moves, of prices that stand still (log units).
_STILL = 1e-3
# A volume of so many times what the split alone would make it speaks for a crash.
_CRASH_VOLUME = 2.0
# From here on the ratio may be that of two units, such as pence and pounds.
_UNITS = 95.0
# No smaller gap is looked at (log units).
_SMALLEST_GAP = float(np.log(min(SMALL_RATIOS))) - _SMALL_NEAR


@dataclass(frozen=True)
class Jump:
    """One overnight jump that looks like a split."""

    date: dt.date
    """First bar at the new price."""
    before: dt.date
    """Last bar at the old price."""
    move: float
    """Close over the close before."""
    ratio: float
    """New shares for one old: 7.0 for a 7:1 split, 0.1 for a reverse split of ten into one."""
    volume: float
    """Volume over its median of the bars before; NaN where there is none."""
    explained: bool = False
    """Whether people traded so much that it is a move of the market."""

    def __str__(self) -> str:
        verb = "falls" if self.move < 1 else "rises"
        size = abs(self.move - 1)
        pause = (self.date - self.before).days
        after = f" after {pause:,} days without a bar" if pause > _PAUSE else ""
        return f"{verb} {100 * size:,.{0 if size >= 1 else 1}f} % on {self.date}{after}"

    @property
    def terms(self) -> str:
        """The ratio as people write it: ``7:1``, ``1:10``, ``3:2``."""
        return terms(self.ratio)

    @property
    def usual(self) -> bool:
        """Whether it is a usual ratio; if not, it is an estimate from the prices."""
        larger = max(self.ratio, 1 / self.ratio)
        return larger in RATIOS or larger in SMALL_RATIOS[:3]


def terms(ratio: float) -> str:
    """Return new shares for one old as ``7:1``, ``1:10`` or ``3:2``."""
    larger = max(ratio, 1 / ratio)
    simple = Fraction(larger).limit_denominator(10)
    exact = abs(simple / larger - 1) < 1e-9
    more, fewer = (f"{simple.numerator}", simple.denominator) if exact else (f"{larger:g}", 1)
    return f"{more}:{fewer}" if ratio >= 1 else f"{fewer}:{more}"


def find_jumps(rows: pl.DataFrame, price: str = "close") -> list[Jump]:
    """Return the bars whose price jumps as in a split while traded value stays ordinary.

    Every jump by 1.75 or more either way counts, after a halt of any length too; one by about 3:2;
    and one by 6:5 … 5:3 on ordinary value in an otherwise calm series.
    ``rows`` are clean and in date order, with ``date``, ``close`` and, where known, ``open`` and
    ``volume``; ``price`` is ``adj_close`` to look at what adjustment has left.
    """
    return [jump for jump in _suspects(rows, price) if not jump.explained]


def jumps_in_words(rows: pl.DataFrame, price: str = "close") -> dict[str, str]:
    """Say which gaps look like splits and were kept, and why: by what the summary calls it."""
    kept = [j for j in _suspects(rows, price) if j.explained and not np.isnan(j.volume)]
    small = _small_suspects(rows, price, with_volume=False)
    return {
        "big moves": _some(kept, "kept as real: the traded value explains them"),
        "split-like": _some(small, "kept as real: traded value does not tell"),
    }


def _some(jumps: Sequence[Jump], why: str) -> str:
    if not jumps:
        return ""
    more = f" and {len(jumps) - 3:,} more" if len(jumps) > 3 else ""
    return f"{', '.join(str(jump) for jump in jumps[:3])}{more} ({why})"


@dataclass(frozen=True)
class _Gaps:
    """Overnight gaps, the moves that they begin, and what was traded, bar by bar."""

    date_T: list[dt.date]
    gap_T: NDArray[np.float64]
    """Open over the close before; 1 for the first bar and for moves of a few ticks."""
    move_T: NDArray[np.float64]
    """Close over the close before; 1 for the first bar."""
    value_T: NDArray[np.float64]
    volume_T: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pl.DataFrame, price: str) -> _Gaps:
        plain_T, close_T = rows["close"].to_numpy(), rows[price].to_numpy()
        first_T = opens(rows).to_numpy()
        open_T = first_T * close_T / plain_T
        gap_T = np.r_[1.0, open_T[1:] / close_T[:-1]]
        few_T = few_ticks(open_T[1:], close_T[:-1], coarse_tick(close_T))
        few_T |= few_ticks(first_T[1:], plain_T[:-1], coarse_tick(plain_T))
        gap_T[1:][few_T] = 1.0
        volume_T = rows["volume"].to_numpy() if "volume" in rows.columns else np.zeros(rows.height)
        return cls(
            rows["date"].to_list(),
            gap_T,
            np.r_[1.0, close_T[1:] / close_T[:-1]],
            volume_T * plain_T,
            volume_T,
        )

    def jump(self, now: int, ratio: float) -> Jump:
        usual = slice(max(0, now - _USUAL_BARS), now)
        value = _over_median(self.value_T[now], self.value_T[usual])
        volume = _over_median(self.volume_T[now], self.volume_T[usual])
        if np.isnan(value):
            size, day = abs(np.log(self.gap_T[now])), self.day(now)
            # in a halt of weeks the market's move can hide a part of a split
            paused = (self.date_T[now] - self.date_T[now - 1]).days > _PAUSE
            smallest = RATIOS[0] if paused else _ANY_RATIO
            wild = np.isfinite(day) and size < _WILD_DAYS * day
            explained = max(ratio, 1 / ratio) < smallest or wild
        else:
            explained = value >= _EXPLAINING_VALUE and volume >= _EXPLAINING_VOLUME
        date, before = self.date_T[now], self.date_T[now - 1]
        return Jump(date, before, float(self.move_T[now]), ratio, volume, bool(explained))

    def day(self, now: int) -> float:
        """Return the larger standard deviation of a day's moves before and after; inf if unknown.

        Prices that mostly stand still have the deviation of the moves that they do make.
        """
        move_T = np.log(self.move_T)
        before, after = move_T[max(1, now - _DAYS_BEFORE) : now], move_T[now + 1 :][:_DAYS_AFTER]
        known = [part for part in (before, after) if part.size >= _FEWEST_DAYS]
        found = [_deviation(part) or float(part.std()) for part in known]
        return max(*found, _STILL) if found else float("inf")

    def value(self, now: int) -> float:
        """Return the traded value over its median of the bars before; NaN where none can tell."""
        usual = self.value_T[max(0, now - _USUAL_BARS) : now]
        traded = np.log(usual[usual > 0])
        if traded.size < usual.size / 2 or _deviation(traded - np.median(traded)) > _ERRATIC:
            return float("nan")
        return _over_median(self.value_T[now], usual)

    def calm(self, now: int) -> bool:
        """Tell whether a gap stands out among the moves around it."""
        size = abs(np.log(self.gap_T[now]))
        return bool(size > _SMALL_GAP_DAYS * self.day(now))


def _suspects(rows: pl.DataFrame, price: str) -> list[Jump]:
    """Return the jumps by a split's ratio, those explained by trade included, in date order."""
    if rows.height < 2 or _largest_gap(rows, price) < _SMALLEST_GAP:
        return []
    gaps = _Gaps.of(rows, price)
    gap_T = np.log(gaps.gap_T)
    day = _deviation(np.log(gaps.move_T[1:]))
    nearest_T = np.ones(rows.height)
    for t in np.flatnonzero(np.abs(gap_T) > np.log(RATIOS[0]) - _NEAR_RATIO).tolist():
        nearest_T[t] = likely_ratio(float(gaps.gap_T[t]))
    pause_T = rows["date"].diff().dt.total_days().fill_null(0).to_numpy()
    far_T = np.where(pause_T > _LONG_PAUSE, np.sqrt(pause_T * 5 / 7), 0.0)
    suspicious_T = (
        (np.abs(gap_T + np.log(nearest_T)) < _NEAR_RATIO) & (nearest_T != 1)
        | (np.abs(gap_T) >= np.log(_ANY_RATIO))
    ) & (np.abs(np.log(gaps.move_T) - gap_T) < max(_NEAR_OPEN, 3 * day))
    suspicious_T &= np.abs(gap_T) > 3 * day * far_T
    found = [
        gaps.jump(t, float(nearest_T[t]))
        for t in np.flatnonzero(suspicious_T).tolist()
        if abs(gap_T[t]) >= np.log(_ANY_RATIO)
        or (gaps.calm(t) and (pause_T[t] > _PAUSE or not np.isnan(gaps.value(t))))
    ]
    small = {jump.date: jump for jump in _small_suspects(rows, price)}
    found = [jump for jump in found if jump.date not in small]
    return sorted([*found, *small.values()], key=lambda jump: jump.date)


def _small_suspects(rows: pl.DataFrame, price: str, *, with_volume: bool = True) -> list[Jump]:
    """Return the gaps by a small ratio on ordinary traded value in an otherwise calm series."""
    if rows.height < 2 or _largest_gap(rows, price) < _SMALLEST_GAP:
        return []
    gaps = _Gaps.of(rows, price)
    gap_T, move_T = np.log(gaps.gap_T), np.log(gaps.move_T)
    size_T = np.abs(gap_T)
    lowest, highest = np.log(min(SMALL_RATIOS)) - _SMALL_NEAR, np.log(_ANY_RATIO)
    found = []
    for t in np.flatnonzero((size_T > lowest) & (size_T < highest)).tolist():
        day, value = gaps.day(t), gaps.value(t)
        distance = max(_SMALL_NEAR, _SMALL_NEAR_DAYS * day)
        near = [ratio for ratio in SMALL_RATIOS if abs(np.log(ratio) - size_T[t]) < distance]
        calm = gaps.calm(t) and abs(move_T[t] - gap_T[t]) < 3 * day + 0.01
        # shares are seldom made fewer by so little: a rise needs an ordinary day
        largest = _SMALL_VALUE if gap_T[t] < 0 else _SMALL_VALUE_RISE
        ordinary = value < largest if with_volume else np.isnan(value) and gap_T[t] < 0
        if near and calm and ordinary:
            jump = gaps.jump(t, near[0] if gap_T[t] < 0 else 1 / near[0])
            found.append(replace(jump, explained=False))
    return found


def _largest_gap(rows: pl.DataFrame, price: str) -> float:
    """Return the largest gap between an open and the close before, either way, as a log."""
    close_T = rows[price].to_numpy()
    open_T = opens(rows).to_numpy() * close_T / rows["close"].to_numpy()
    return float(np.abs(np.log(open_T[1:] / close_T[:-1])).max())


def _deviation(move_T: NDArray[np.float64]) -> float:
    """Return the standard deviation of moves, untouched by a few large ones."""
    return float(np.median(np.abs(move_T))) / 0.6745 if move_T.size else 0.0


def refuse_jumps(
    jumps: Sequence[Jump], rows: pl.DataFrame, *, place: str, real: Collection[dt.date] = ()
) -> None:
    """Raise if any jump is left that the user has not called real.

    Raises
    ------
    DataError
        With the dates, the sizes and the ratio; one message for a split applied to a part of the
        series, another for splits that the prices do not account for.
    """
    left = [jump for jump in jumps if jump.date not in real]
    if not left:
        return
    insist = " ".join(f"--real-move {jump.date}" for jump in left[:3])
    for first, second in itertools.pairwise(left):
        # two unusual ratios are inverse only up to the market's moves on both days
        if abs(np.log(first.ratio * second.ratio)) < _NEAR_RATIO:
            last = rows.filter(pl.col("date") < second.date)["date"][-1]
            larger = terms(max(first.ratio, 1 / first.ratio))
            named = f"a {larger} split" if first.usual else f"a split of about {larger}"
            if max(first.ratio, 1 / first.ratio) >= _UNITS:
                named = f"another unit (such as pence and pounds), or {named},"
            raise DataError(
                f"{place}: the close {first} and {second}{_volume(first)}: {named} applied to part "
                "of the file. Nothing was imported.",
                hint=f"fetch the whole file again, or `--drop {first.date}:{last}` to leave those "
                "bars out",
            )
    listed = ", ".join(
        f"{jump} ({'' if jump.usual else 'about '}{jump.terms})" for jump in left[:5]
    )
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    given = " ".join(f"--split {jump.date}:{_as_option(jump)}" for jump in left[:5])
    look_up = "" if all(jump.usual for jump in left[:5]) else "; look the exact ratio up first"
    raise DataError(
        f"{place}: the close {listed}{more}, and the traded value does not explain it: "
        f"{_other_reasons(left)}splits that the prices do not account for. Nothing was imported.",
        hint=f"`{given}` records them (the prices are kept, the adjusted close follows)"
        f"{look_up}; `{insist}` if it did happen in the market",
    )


def _other_reasons(jumps: Sequence[Jump]) -> str:
    """Say what else than a split the jumps may be."""
    crash = next((j for j in jumps if j.volume > _CRASH_VOLUME * max(j.ratio, 1.0)), None)
    if crash is not None:
        return (
            f"a move of the market (the volume of {crash.date} is {crash.volume:.0f} times the "
            f"usual; a {crash.terms} split alone makes it about {max(crash.ratio, 1.0):.2g}), or "
        )
    units = any(max(jump.ratio, 1 / jump.ratio) >= _UNITS for jump in jumps)
    return "a change of unit, such as from pence to pounds, or " if units else ""


def _as_option(jump: Jump) -> str:
    plain = f"{jump.ratio:.4g}"
    return plain if not jump.usual or float(plain) == jump.ratio else jump.terms


def likely_ratio(gap: float) -> float:
    """Return the split ratio (new shares for one old) that best explains a price gap.

    A usual one, where one is near; else a whole number or a half, or the inverse of one.
    """
    wanted = max(gap, 1 / gap)
    ratio = min(RATIOS, key=lambda known: abs(np.log(known / wanted)))
    if wanted >= _ANY_RATIO and abs(np.log(ratio / wanted)) >= _NEAR_RATIO:
        ratio = float(round(wanted)) if wanted > _WHOLE_FROM else round(2 * wanted) / 2
    return 1 / ratio if gap > 1 else ratio


def _over_median(value: float, usual: NDArray[np.float64]) -> float:
    median = float(np.median(usual))
    return float(value / median) if median > 0 else float("nan")


def _volume(jump: Jump) -> str:
    if not jump.volume > 1.5:
        return ""
    words = {2: "twofold", 3: "threefold", 5: "fivefold", 10: "tenfold"}
    times = round(jump.volume) if jump.volume < 10 else round(jump.volume, -1)
    return f" while volume rises {words.get(int(times), f'{times:.0f}-fold')}"
