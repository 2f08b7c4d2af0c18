"""Rows of train that are found again in a held-out part, as they are or in disguise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence, originals, unread
from finscale.data.bars import PRICES, present
from finscale.data.splits import Split
from finscale.data.windows import FinancialDataset

#: Consecutive bars that must agree before they count as copied, where chance does not ask for more.
_RUN = 5
#: Share of single steps that agree by chance: more than of two normals, since calm years have more
#: small moves. Of 1e11 pairs of runs of five closes (431 stocks) 34 agreed so.
_BY_CHANCE = 0.02
#: Runs that may be expected to agree by chance in all.
_EXPECTED = 1e-3
#: How closely the bars' log prices must agree, in standard deviations of the symbol's day.
_NEAR = 0.01
#: A run with fewer moves than this repeats by chance: prices have ticks, holidays are quiet.
_MOVES = 3

Floats = NDArray[np.float64]


def examine_duplicates(evidence: Evidence) -> CheckOutcome:
    """Look for rows of train among the held-out rows: equal channels, or the same price path."""
    dataset, findings, runs, length = evidence.dataset, [], 0, _RUN
    missing = unread(dataset)
    channels = [] if missing else list(originals(dataset).values())
    paths = _paths(dataset)
    for fold in evidence.folds:
        held = np.r_[fold.validation, fold.test]
        where = f"fold {fold.fold}: " if len(evidence.folds) > 1 else ""
        # bars alone may well be equal, where they are closes without volume
        equal = _equal_rows(np.column_stack(channels), fold.train, held) if channels else held[:0]
        if equal.size:
            day = dataset.date_R[equal[0]]
            findings.append(
                f"{where}{equal.size:,} held-out rows, first {_name(dataset, equal[0])} {day}, "
                "equal a train row in every channel"
            )
        longest = _run_length(len(fold.train), len(held), paths.step_RC.shape[1])
        copies, compared = _copied_runs(replace(paths, length=longest), fold, held)
        runs, length = runs + compared, max(length, longest)
        if copies:
            train_row, held_row = copies[0]
            findings.append(
                f"{where}{len(copies):,} runs of {longest} held-out bars, first "
                f"{_name(dataset, held_row)} to {dataset.date_R[held_row]}, repeat the price path "
                f"of train bars {_name(dataset, train_row)} to {dataset.date_R[train_row]}"
            )
    return CheckOutcome(
        "duplicates",
        (f"{dataset.date_R.size:,} rows compared in every channel and " if channels else "")
        + f"{runs:,} held-out runs of {length} bars {'compared ' * (not channels)}with all runs of "
        f"train, free of price level, to {_NEAR:g} daily standard deviations"
        + (": none found twice" if not findings else ""),
        tuple(findings),
        missing,
        mend="leave the copied rows out of one of the parts",
    )


def _run_length(num_train: int, num_held: int, num_prices: int) -> int:
    """Return how many bars must agree so that chance does not make them: more in a panel of closes.

    Of independent steps, ``num_train · num_held · q^(length · num_prices)`` runs agree by chance.
    """
    pairs = max(num_train, 1) * max(num_held, 1)
    steps = np.log(pairs / _EXPECTED) / -np.log(_BY_CHANCE)
    return max(_RUN, int(np.ceil(steps / num_prices)))


def _name(dataset: FinancialDataset, row: int) -> str:
    return dataset.symbols[int(dataset.symbol_R[row])]


def _equal_rows(channels_RF: Floats, train: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return held-out rows that equal a train row; rows that stand still are no evidence."""
    moving_R = np.r_[False, (np.diff(channels_RF, axis=0) != 0).any(axis=1)]
    if channels_RF.shape[1] < 3:
        return held[:0]
    rows_R = np.ascontiguousarray(channels_RF).view([("", "f8")] * channels_RF.shape[1]).ravel()
    train, held = train[moving_R[train]], held[moving_R[held]]
    equal: np.ndarray = held[np.isin(rows_R[held], rows_R[train])]
    return equal


@dataclass(frozen=True)
class _Paths:
    """The price path into each row: the log of what its bar has of prices over the close before."""

    step_RC: Floats
    """[R, C], the close last; NaN on a symbol's first row."""
    deviation_R: Floats
    """Standard deviation of the close's step of the row's symbol."""
    length: int = _RUN
    """Bars of a run."""

    def runs(self, rows: np.ndarray) -> Floats:
        """Return the steps [len(rows), length, C] of the runs that end at rows."""
        return self.step_RC[rows[:, None] + np.arange(1 - self.length, 1)]


def _paths(dataset: FinancialDataset) -> _Paths:
    prices = present(dataset.frame, PRICES)  # the close is the last of them
    log_RC = np.log(dataset.frame.select(prices).to_numpy())
    step_RC = np.full_like(log_RC, np.nan)
    step_RC[1:] = log_RC[1:] - log_RC[:-1, -1:]
    step_RC[np.r_[True, np.diff(dataset.symbol_R) != 0]] = np.nan
    symbols = range(len(dataset.symbols))
    deviation_S = np.array([np.nanstd(step_RC[dataset.symbol_R == s, -1]) for s in symbols])
    return _Paths(step_RC, deviation_S[dataset.symbol_R])


def _copied_runs(paths: _Paths, fold: Split, held: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    """Return (train row, held-out row) of runs that agree, and how many were compared."""
    from scipy.spatial import KDTree

    train, held = _telling(paths, fold.train), _telling(paths, held)
    if not train.size or not held.size:
        return [], 0
    # the closes alone find the candidates; the whole bars decide
    tree = KDTree(paths.runs(train)[:, :, -1])
    nearest = np.asarray(tree.query(paths.runs(held)[:, :, -1], p=np.inf)[1], np.int64)
    apart = np.abs(paths.runs(held) - paths.runs(train[nearest])).max(axis=(1, 2))
    copied = apart <= _NEAR * paths.deviation_R[held]
    pairs = zip(train[nearest[copied]].tolist(), held[copied].tolist(), strict=True)
    return list(pairs), held.size


def _telling(paths: _Paths, rows: np.ndarray) -> np.ndarray:
    """Return the rows whose run lies in one symbol and moves enough to be told from others."""
    rows = rows[rows >= paths.length]
    runs = paths.runs(rows)
    whole = np.isfinite(runs).all(axis=(1, 2))
    moves = (np.abs(runs[:, :, -1]) > _NEAR * paths.deviation_R[rows][:, None]).sum(axis=1)
    telling: np.ndarray = rows[whole & (moves >= _MOVES)]
    return telling
