"""Bars that the parts of a split share, recounted here from dates alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence
from finscale.config import TaskConfig
from finscale.data.cross_section import group_map
from finscale.data.panel_labels import stacked_labels
from finscale.data.splits import PARTS, Split
from finscale.data.targets import label, task_reach

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


#: Rows after whose reach all bars are taken away, for each symbol.
_CUTS = 40
#: The same for a panel, all of whose labels are then computed again.
_SECTION_CUTS = 5


def examine_labels(evidence: Evidence) -> CheckOutcome:
    """Recompute every label and its reach from the prices in the dataset, and prove the reach."""
    dataset = evidence.dataset
    parts = [evidence.part(symbol) for symbol in dataset.symbols]
    groups = group_map(dataset.symbols, dataset.groups)
    expected = stacked_labels(parts, dataset.task, groups)
    target_R = dataset.target_R.cpu().numpy()
    differ_R = ~np.isclose(target_R, expected.target_R, rtol=0, atol=0, equal_nan=True)
    short_R = dataset.date_R[dataset.reach_R] < dataset.date_R[expected.reach_R]
    findings: list[str] = []
    for number, symbol in enumerate(dataset.symbols):
        own_R = dataset.symbol_R == number
        differ, short = np.flatnonzero(own_R & differ_R), np.flatnonzero(own_R & short_R)
        if differ.size:
            first = dataset.date_R[differ[0]]
            findings.append(f"{symbol}: {differ.size:,} labels, first {first}, are not the task's")
        if short.size:
            first = dataset.date_R[short[0]]
            findings.append(
                f"{symbol}: {short.size:,} labels, first {first}, count later bars than is "
                "recorded, so the purge cannot know them"
            )
    findings += _reads_further(parts, dataset.task, groups, evidence.seed)
    return CheckOutcome(
        "labels",
        f"{target_R.size:,} labels recomputed from prices: {dataset.timeline}"
        + ("; none changes when the bars beyond its reach are taken away" if not findings else ""),
        tuple(findings),
        mend="labels come from finscale.data.label, and a task declares how far it looks: "
        "Task(…, reach=…)",
    )


def _reads_further(
    parts: list[pl.DataFrame], task: TaskConfig, groups: Mapping[str, str] | None, seed: int
) -> list[str]:
    """Compare labels with those of bars that end where the last of them says that it ends.

    A label that looks further than it says would escape the purge.
    """
    if task.is_cross_sectional:
        return _section_reads_further(parts, task, groups, seed)
    return [found for part in parts for found in _symbol_reads_further(part, task, seed)]


def _section_reads_further(
    parts: list[pl.DataFrame], task: TaskConfig, groups: Mapping[str, str] | None, seed: int
) -> list[str]:
    """Take away all bars of the panel after the day on which some labels are known."""
    whole = stacked_labels(parts, task, groups, control=False)
    rows = pl.concat([part.select("date", "symbol") for part in parts])
    until_R = rows["date"].to_numpy()[whole.reach_R]
    table = rows.with_columns(target=pl.Series(whole.target_R), until=pl.Series(until_R))
    labelled = np.flatnonzero(np.isfinite(whole.target_R))
    for row in np.random.default_rng(seed).choice(labelled, _SECTION_CUTS):
        end = rows["date"].to_numpy()[whole.reach_R[row]]
        short = [part.filter(pl.col("date") <= end) for part in parts]
        short = [part for part in short if part.height]
        cut = stacked_labels(short, task, groups, control=False)
        again = pl.concat([part.select("date", "symbol") for part in short])
        both = table.filter(pl.col("until") <= end, pl.col("target").is_finite()).join(
            again.with_columns(again=pl.Series(cut.target_R)), on=("date", "symbol"), how="left"
        )
        moved = both.filter(pl.col("target").ne_missing(pl.col("again")))
        if moved.height:
            return [
                f"{moved['symbol'][0]}: the label of {moved['date'][0]} changes when the bars "
                f"after {end} are taken away; it says that it is known on {moved['until'][0]}"
            ]
    return []


def _symbol_reads_further(part: pl.DataFrame, task: TaskConfig, seed: int) -> list[str]:
    whole_R, reach = label(part, task).target_R, task_reach(task)
    last = part.height - reach - 1
    rows = np.unique(np.random.default_rng(seed).integers(0, max(last, 1), _CUTS))
    for row in rows if last > 0 else ():
        cut_R = label(part[: row + reach + 1], task).target_R
        differ = np.flatnonzero(cut_R[: row + 1] != whole_R[: row + 1])
        if differ.size:
            day, end = part["date"][int(differ[-1])], part["date"][int(row + reach)]
            return [
                f"{part['symbol'][0]}: the label of {day} changes when the bars after {end} are "
                f"taken away; {task.name} says that it looks {reach} ahead"
            ]
    return []


def examine_overlap(evidence: Evidence) -> CheckOutcome:
    """Look for bars that a train window sees or is labelled by, and a held-out decision too."""
    findings: list[str] = []
    windows = 0
    for fold in evidence.folds:
        spans = _Spans(evidence, fold)
        where = f"fold {fold.fold}: " if len(evidence.folds) > 1 else ""
        findings += [where + text for text in spans.findings()]
        windows += sum(getattr(fold, part).size for part in PARTS)
    purged = sum(fold.num_purged for fold in evidence.folds)
    proven = (
        ": no bar that a train window sees or is labelled by is a held-out decision or counts for "
        "its label, no validation label reaches into test, no window is in two parts "
        f"({purged:,} were purged)"
    )
    return CheckOutcome(
        "overlap",
        f"{windows:,} windows recounted by date" + proven * (not findings),
        tuple(findings),
        mend="purge train windows whose label reaches a held-out block: SplitConfig does it",
    )


class _Spans:
    """The sessions of one fold: which each window sees, decides on, and is labelled by."""

    def __init__(self, evidence: Evidence, fold: Split) -> None:
        dataset = evidence.dataset
        self.fold, self.windows = fold, dataset.ends_W
        self.sessions, session_R = np.unique(dataset.date_R, return_inverse=True)
        first_R = np.arange(session_R.size) - dataset.context_length + 1
        self.first_R = session_R[np.maximum(first_R, 0)]
        self.decision_R, self.reach_R = session_R, session_R[dataset.reach_R]

    def findings(self) -> list[str]:
        return [text for text in (*self._twice(), self._train(), self._validation()) if text]

    def _twice(self) -> list[str]:
        found = []
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            both = np.intersect1d(getattr(self.fold, one), getattr(self.fold, other))
            if both.size:
                day = self.sessions[self.decision_R[both[0]]]
                found.append(f"{both.size:,} windows, first {day}, are in {one} and in {other}")
        for part in PARTS:
            ends = getattr(self.fold, part)
            if np.setdiff1d(ends, self.windows).size or np.unique(ends).size < ends.size:
                found.append(f"{part} holds windows that do not exist, or one of them twice")
        return found

    def _train(self) -> str:
        """Compare train windows, first bar to their label's last, with every held-out span."""
        held = np.r_[self.fold.validation, self.fold.test]
        owned_S = self._covered(self.decision_R[held], self.reach_R[held])
        train = self.fold.train
        hit = _touches(owned_S, self.first_R[train], self.reach_R[train])
        if not hit.any():
            return ""
        row = int(train[hit.argmax()])
        by_label = _touches(owned_S, self.decision_R[train] + 1, self.reach_R[train])
        return (
            f"{int(hit.sum()):,} train windows, first {self._day(row)}, share bars with held-out "
            f"decisions or their labels ({int((hit & by_label).sum()):,} of them by their label, "
            f"which counts up to {self.sessions[self.reach_R[row]]})"
        )

    def _validation(self) -> str:
        """Look for validation labels that count a bar on which a test window decides."""
        rows, test = self.fold.validation, self.decision_R[self.fold.test]
        hit = _touches(self._covered(test, test), self.decision_R[rows] + 1, self.reach_R[rows])
        if not hit.any():
            return ""
        first = self._day(int(rows[hit.argmax()]))
        return f"{int(hit.sum()):,} validation labels, first decided {first}, reach into test"

    def _covered(self, first: Ints, last: Ints) -> Bools:
        edge_S = np.zeros(self.sessions.size + 1, dtype=np.int64)
        np.add.at(edge_S, first, 1)
        np.add.at(edge_S, last + 1, -1)
        return np.cumsum(edge_S[:-1]) > 0

    def _day(self, row: int) -> np.datetime64:
        return np.datetime64(self.sessions[self.decision_R[row]])


def _touches(marked_S: Bools, first: Ints, last: Ints) -> Bools:
    """Tell for each span first … last whether it holds a marked session."""
    before = np.r_[0, np.cumsum(marked_S)]
    hit: Bools = before[np.maximum(last + 1, first)] > before[first]
    return hit
