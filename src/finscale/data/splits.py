"""Train, validation and test: which windows each may use, purged and embargoed.

A window sees the bars [t-L+1 … t] and its label counts bars up to ``reach``. Everything is decided
by session dates across symbols, so a panel is split at the same dates. One rule for all methods:

- a **train** window is *purged* when its label reaches into a held-out block that lies after it, or
  its context reaches back into a held-out block that lies before it (the bars that the block's own
  labels count belong to the block);
- a train window that is not purged, yet whose label or context comes within ``embargo`` sessions of
  a held-out block, is *embargoed*;
- a **validation** window is purged when its label reaches into a test block after it;
- a held-out window may look back over any earlier bar, and no embargo drops it.

Purge and embargo as in López de Prado (2018), "Advances in Financial Machine Learning", chapter 7.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.config import SplitConfig
from finscale.errors import DataError
from finscale.registry import Registry

Ints = NDArray[np.int64]
Days = NDArray[np.datetime64]
#: First and last positions of runs of sessions.
Blocks = tuple[Ints, Ints]

UNUSED, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
PARTS = ("train", "validation", "test")

#: Held-out windows below which little can be told: with 100 days the smallest skill over a base
#: rate that is seen four times in five is about .03 nats.
FEWEST_WINDOWS = 100
#: Days of the shortest test block that is proposed where the wanted ones do not fit: a quarter.
_SHORTEST_BLOCK = 63
#: A position beyond all sessions.
_FAR = 1 << 40


@dataclass(frozen=True)
class WindowTimes:
    """Where every window lies in time, as positions among the sessions."""

    sessions: Days
    """[S], the sorted union of all symbols' dates."""
    ends_W: Ints
    """Decision rows, sorted by (date, symbol)."""
    first_W: Ints
    """Session of the first bar seen."""
    decision_W: Ints
    """Session of the decision."""
    reach_W: Ints
    """Session of the last bar that the label counts."""

    @property
    def span(self) -> str:
        """First and last decision day, for messages."""
        return f"{self.sessions[self.decision_W[0]]} … {self.sessions[self.decision_W[-1]]}"


@dataclass(frozen=True)
class Split:
    """Decision rows of one fold's windows, and what was left out.

    Every window is in exactly one of train, validation, test, or among the purged, embargoed or
    unused (decided outside the stated range).
    """

    train: Ints
    """Decision rows, sorted by (date, symbol), as those of the next two parts."""
    validation: Ints
    test: Ints
    fold: int
    """Number of the fold, from 0."""
    num_purged: int
    """Windows left out for this reason, as the next two count theirs."""
    num_embargoed: int
    num_unused: int
    ranges: tuple[tuple[dt.date, dt.date], ...]
    """First and last decision day of train, validation and test."""

    def describe(self) -> str:
        """Return the split in one line: ranges, windows, purge and embargo."""
        train, validation, test = (_range_words(*days) for days in self.ranges)
        unused = f" · unused {self.num_unused:,}" if self.num_unused else ""
        return (
            f"train {train} ({self.train.size:,})"
            f"  purge {self.num_purged:,} · embargo {self.num_embargoed:,}{unused}"
            f"  validation {validation} ({self.validation.size:,})"
            f"  test {test} ({self.test.size:,}, sealed)"
        )

    @property
    def caution(self) -> str:
        """What is out of proportion, in a line; empty where nothing is."""
        said = []
        if self.train.size < self.test.size:
            sizes = f"({self.train.size:,}) than test ({self.test.size:,})"
            said.append(f"train has fewer windows {sizes}")
        few = [
            f"{name} has {part.size:,}"
            for name, part in (("validation", self.validation), ("test", self.test))
            if part.size < FEWEST_WINDOWS
        ]
        if few:
            said.append(f"{' and '.join(few)} windows: fewer than {FEWEST_WINDOWS} tell little")
        return "; ".join(said)


#: Split method → the roles of all sessions, one array for each fold. A method decides by date or by
#: counting the ``days`` [S] that it is given: all sessions from the first to the last decision day,
#: and how many sessions of the data come before them and after.
METHODS: Registry[Callable[[SplitConfig, Days, tuple[int, int]], list[Ints]]] = Registry(
    "split method"
)


def make_splits(config: SplitConfig, times: WindowTimes) -> list[Split]:
    """Return every fold of a split, purged and embargoed.

    Raises
    ------
    DataError
        If the data are too short for the method, or a part is left without a window.
    """
    start, stop = int(times.decision_W[0]), int(times.decision_W[-1]) + 1
    days, around = times.sessions[start:stop], (start, times.sessions.size - stop)
    folds = []
    for fold, role_D in enumerate(METHODS[config.method](config, days, around)):
        role_S = np.full(times.sessions.size, UNUSED, dtype=np.int64)
        role_S[start:stop] = role_D
        folds.append(_assign(role_S, times, config, fold))
    return folds


def _assign(role_S: Ints, times: WindowTimes, config: SplitConfig, fold: int) -> Split:
    role_W = role_S[times.decision_W]
    gap_W = _gaps(_blocks(role_S >= VALIDATION), times)
    train_W = role_W == TRAIN
    purged_W = train_W & (gap_W <= 0)
    embargoed_W = train_W & (gap_W <= config.embargo) & ~purged_W
    next_test_W = _next_start(_blocks(role_S == TEST), times)
    purged_W |= (role_W == VALIDATION) & (times.reach_W >= next_test_W)

    kept_W = ~(purged_W | embargoed_W)
    parts = [np.flatnonzero(kept_W & (role_W == role)) for role in (TRAIN, VALIDATION, TEST)]
    for name, part in zip(PARTS, parts, strict=True):
        if part.size == 0:
            raise _empty(name, config, times, fold, purged_W, embargoed_W)
    days = [times.sessions[times.decision_W[part[[0, -1]]]].astype(object) for part in parts]
    return Split(
        train=times.ends_W[parts[0]],
        validation=times.ends_W[parts[1]],
        test=times.ends_W[parts[2]],
        fold=fold,
        num_purged=int(purged_W.sum()),
        num_embargoed=int(embargoed_W.sum()),
        num_unused=int((role_W == UNUSED).sum()),
        ranges=tuple((first, last) for first, last in days),
    )


def _gaps(blocks: Blocks, times: WindowTimes) -> Ints:
    """Return the sessions from each window's nearest bar to the nearest block; 1 is adjacent.

    The bars of a window are those it sees and those its label counts. Windows decided inside a
    block have no meaning here.
    """
    starts, stops = blocks
    # the bars that the block's labels count belong to the block
    last_b = stops.copy()
    block_W = np.searchsorted(starts, times.decision_W, side="right") - 1
    # -1 (before the first block) takes the last entry, -_FAR
    inside_W = times.decision_W <= np.r_[stops, -_FAR][block_W]
    np.maximum.at(last_b, block_W[inside_W], times.reach_W[inside_W])
    # of the blocks before a window take the one that reaches farthest, of those after it the next
    before = np.r_[-_FAR, np.maximum.accumulate(last_b)][block_W + 1]
    gap_W: Ints = np.minimum(times.first_W - before, _next_start(blocks, times) - times.reach_W)
    return gap_W


def _next_start(blocks: Blocks, times: WindowTimes) -> Ints:
    """Return the start of the first block after each window's decision; far away without one."""
    starts = np.r_[blocks[0], _FAR]
    start_W: Ints = starts[np.searchsorted(blocks[0], times.decision_W, side="right")]
    return start_W


def _blocks(held_S: NDArray[np.bool_]) -> Blocks:
    """Return first and last positions of the runs of True."""
    edges = np.diff(np.r_[False, held_S, False].astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def _by_dates(config: SplitConfig, days: Days, _: tuple[int, int]) -> list[Ints]:
    role_D = np.full(days.size, TEST, dtype=np.int64)
    role_D[days <= np.datetime64(config.validation_end)] = VALIDATION
    role_D[days <= np.datetime64(config.train_end)] = TRAIN
    if config.train_start is not None:
        role_D[days < np.datetime64(config.train_start)] = UNUSED
    if config.test_end is not None:
        role_D[days > np.datetime64(config.test_end)] = UNUSED
    return [role_D]


def _by_shares(config: SplitConfig, days: Days, around: tuple[int, int]) -> list[Ints]:
    """Hold out shares of all sessions, counted back from the data's last one.

    Of all sessions, not of decision days: a longer context or horizon moves the first or the last
    of these, and the same days are held out for all.
    """
    before, after = around
    num_sessions = before + days.size + after
    test = num_sessions - round(num_sessions * config.test_fraction)
    validation = test - round(num_sessions * config.validation_fraction)
    session_D = before + np.arange(days.size)
    role_D = np.full(days.size, TRAIN, dtype=np.int64)
    role_D[session_D >= validation] = VALIDATION
    role_D[session_D >= test] = TEST
    return [role_D]


def _walk_forward(config: SplitConfig, days: Days, _: tuple[int, int]) -> list[Ints]:
    train_days = config.train_days if config.window == "rolling" else None
    held_out = config.validation_days + config.folds * config.test_days
    needed = held_out + (train_days or config.embargo + 1)
    if days.size < needed:
        raise DataError(
            f"walk_forward with {config.folds} folds needs {needed:,} decision days "
            f"and the data have {days.size:,} ({days[0]} … {days[-1]}).",
            hint=_proposed_folds(config, days.size),
        )
    folds = []
    for fold in range(config.folds):
        test = days.size - (config.folds - fold) * config.test_days
        validation = test - config.validation_days
        train = 0 if train_days is None else validation - train_days
        role_D = np.full(days.size, UNUSED, dtype=np.int64)
        role_D[train:validation] = TRAIN
        role_D[validation:test] = VALIDATION
        role_D[test : test + config.test_days] = TEST
        folds.append(role_D)
    return folds


def _chunks(config: SplitConfig, days: Days, around: tuple[int, int]) -> list[Ints]:
    """Draw blocks of all sessions, counted back from the data's last one.

    A longer context or horizon moves the first or the last decision day: the same days are held out
    for all, and the sizes of an axis are judged on the same days.
    """
    if days.size // config.chunk_days < 3:
        raise DataError(
            f"chunks of {config.chunk_days} days need {3 * config.chunk_days:,} decision days "
            f"and the data have {days.size:,} ({days[0]} … {days[-1]}).",
            hint="lower split.chunk_days",
        )
    before, after = around
    num_chunks = (before + days.size + after) // config.chunk_days
    num_validation = max(round(num_chunks * config.validation_fraction), 1)
    num_test = max(round(num_chunks * config.test_fraction), 1)
    # each block has its own generator: if features need more history, the earliest block is lost
    # and the roles of the others stay
    luck_C = [
        np.random.default_rng([config.chunk_seed, chunk]).random() for chunk in range(num_chunks)
    ]
    order = np.argsort(luck_C)
    # sessions before the earliest whole chunk form one more, which is never held out
    role_C = np.full(num_chunks + 1, TRAIN, dtype=np.int64)
    role_C[order[:num_validation]] = VALIDATION
    role_C[order[-num_test:]] = TEST
    return [role_C[(np.arange(days.size)[::-1] + after) // config.chunk_days]]


METHODS.add("dates", _by_dates)
METHODS.add("shares", _by_shares)
METHODS.add("walk_forward", _walk_forward)
METHODS.add("chunks", _chunks)


def _empty(
    name: str,
    config: SplitConfig,
    times: WindowTimes,
    fold: int,
    purged_W: NDArray[np.bool_],
    embargoed_W: NDArray[np.bool_],
) -> DataError:
    where = f" of fold {fold}" if config.method == "walk_forward" else ""
    hint = "use longer blocks, fewer folds, a shorter context or a smaller split.embargo"
    if config.method == "dates":
        hint = (
            f"split.train_end is {config.train_end} and split.validation_end is "
            f"{config.validation_end}; {_proposed_dates(times)}"
        )
    return DataError(
        f"{name}{where} is left without a window: decision days run {times.span}, "
        f"{purged_W.sum():,} windows are purged and {embargoed_W.sum():,} embargoed.",
        hint=hint,
    )


def _proposed_dates(times: WindowTimes) -> str:
    """Return dates that would divide the history by the shares that are the default."""
    shares = SplitConfig(method="shares")
    held_out = round(times.sessions.size * (shares.validation_fraction + shares.test_fraction))
    num_test = round(times.sessions.size * shares.test_fraction)
    ends = times.sessions[[-held_out - 1, -num_test - 1]]
    return (
        f"split.train_end: {ends[0]} and split.validation_end: {ends[1]} would fit these data, and "
        "split.method: shares fits any"
    )


def _proposed_folds(config: SplitConfig, num_days: int) -> str:
    """Return folds that so many decision days hold, half of them left to train on at first."""
    for folds in range(config.folds, 0, -1):
        block = min(config.test_days, num_days // (2 * (folds + 1)))
        if block >= _SHORTEST_BLOCK or (folds == 1 and block > 0):
            train = f", split.train_days: {num_days - (folds + 1) * block}"
            return (
                f"these would fit: split.folds: {folds}, split.test_days: {block}, "
                f"split.validation_days: {block}{train if config.window == 'rolling' else ''}"
            )
    return "there are too few days to hold any out"


def _range_words(first: dt.date, last: dt.date) -> str:
    """Return whole years as ``2012–2014``, anything else as ``1999-10 … 2011-12``."""
    if first.month == 1 and last.month == 12:
        return f"{first.year}" if first.year == last.year else f"{first.year}–{last.year}"
    return f"{first:%Y-%m} … {last:%Y-%m}"
