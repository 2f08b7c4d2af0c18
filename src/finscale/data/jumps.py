"""Overnight price jumps, such as a split makes, that traded value does not explain."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError

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
_LONGEST_PAUSE = dt.timedelta(days=10)


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

    def __str__(self) -> str:
        verb = "falls" if self.move < 1 else "rises"
        size = abs(self.move - 1)
        return f"{verb} {100 * size:,.{0 if size >= 1 else 1}f} % on {self.date}"

    @property
    def terms(self) -> str:
        """The ratio as people write it: ``7:1``, ``1:10``, ``3:2``."""
        return terms(self.ratio)

    @property
    def usual(self) -> bool:
        """Whether it is a usual ratio; if not, it is an estimate from the prices."""
        return max(self.ratio, 1 / self.ratio) in RATIOS


def terms(ratio: float) -> str:
    """Return new shares for one old as ``7:1``, ``1:10`` or ``3:2``."""
    larger = max(ratio, 1 / ratio)
    simple = Fraction(larger).limit_denominator(10)
    exact = abs(simple / larger - 1) < 1e-9
    more, fewer = (f"{simple.numerator}", simple.denominator) if exact else (f"{larger:g}", 1)
    return f"{more}:{fewer}" if ratio >= 1 else f"{fewer}:{more}"


def find_jumps(rows: pl.DataFrame, price: str = "close") -> list[Jump]:
    """Return the bars whose price jumps as in a split while traded value stays ordinary.

    Every jump by 1.75 or more either way counts, and one by about 3:2.
    ``rows`` are clean and in date order, with ``date``, ``open``, ``close`` and, where known,
    ``volume``; ``price`` is ``adj_close`` to look at what adjustment has left.
    """
    if rows.height < 2:
        return []
    close_T = rows[price].to_numpy()
    open_T = rows["open"].to_numpy() * close_T / rows["close"].to_numpy()
    gap_T = open_T[1:] / close_T[:-1]
    move_T = close_T[1:] / close_T[:-1]
    nearest_T = np.array([likely_ratio(gap) for gap in gap_T])
    suspicious_T = (
        (np.abs(np.log(gap_T * nearest_T)) < _NEAR_RATIO)
        | (np.abs(np.log(gap_T)) >= np.log(_ANY_RATIO))
    ) & (np.abs(np.log(move_T / gap_T)) < _NEAR_OPEN)
    dates = rows["date"].to_list()
    volume_T = rows["volume"].to_numpy() if "volume" in rows.columns else np.zeros(rows.height)
    value_T = volume_T * rows["close"].to_numpy()
    found = []
    for before in np.flatnonzero(suspicious_T).tolist():
        now, ratio = before + 1, float(nearest_T[before])
        usual = slice(max(0, now - _USUAL_BARS), now)
        value = _over_median(value_T[now], value_T[usual])
        volume = _over_median(volume_T[now], volume_T[usual])
        if np.isnan(value):
            explained = max(ratio, 1 / ratio) < _ANY_RATIO
        else:
            explained = value >= _EXPLAINING_VALUE and volume >= _EXPLAINING_VOLUME
        if not explained and dates[now] - dates[before] <= _LONGEST_PAUSE:
            found.append(Jump(dates[now], dates[before], float(move_T[before]), ratio, volume))
    return found


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
    given = " ".join(f"--split {jump.date}:{jump.ratio:.4g}" for jump in left[:5])
    look_up = "" if all(jump.usual for jump in left[:5]) else "; look the exact ratio up first"
    raise DataError(
        f"{place}: the close {listed}{more}, and the traded value does not explain it: splits "
        "that the prices do not account for. Nothing was imported.",
        hint=f"`{given}` records them (the prices are kept, the adjusted close follows)"
        f"{look_up}; `{insist}` if it did happen in the market",
    )


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
