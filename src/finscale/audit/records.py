"""What is on record: the files' digests, and who has read the test set."""

from __future__ import annotations

from collections import Counter

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence
from finscale.data.targets import task_reach
from finscale.evaluation.targets import TARGETS
from finscale.runs import Run
from finscale.runs.reads import TRAINING
from finscale.runs.searches import trials_behind


def examine_files(evidence: Evidence) -> CheckOutcome:
    """Check digests and parentage of the dataset and its bars."""
    entries = evidence.dataset.entries
    if evidence.store is None or not entries:
        return CheckOutcome(
            "files",
            "the dataset is in memory",
            unproven=("no registered file stands behind it",),
            mend="register bars and build the dataset: finscale features build SYMBOL",
        )
    keys = {entry.key for entry in (*entries, *evidence.bar_entries)}
    parents = {parent for entry in entries for parent in entry.parents}
    wrong = [m for m in evidence.store.verify() if m.key in keys | parents]
    newest = {entry.key: entry.sha256 for entry in evidence.bar_entries}
    stale = [
        f"{entry.key} was made from {parent}, and the bars at hand are {', '.join(newest)}"
        for entry in entries
        for parent in entry.parents
        if ".OHLCV." in parent and parent not in newest
    ]
    return CheckOutcome(
        "files",
        f"{len(keys | parents)} files have the SHA-256 that was registered, and each names the "
        "digests of what it was made from",
        tuple(str(mismatch) for mismatch in wrong) + tuple(stale),
        mend="build the dataset again: finscale features build SYMBOL",
    )


def examine_reads(evidence: Evidence) -> CheckOutcome:
    """Count the readings of the test set that are on record, and what each run scored of it."""
    if not evidence.runs:
        return CheckOutcome("test reads", "no run on this dataset and task: its test set is unread")
    findings: list[str] = []
    unproven: list[str] = []
    by_program: Counter[str] = Counter()
    for run in evidence.runs:
        readings = run.test_readings()
        made = run.info.get("test_reads")
        if made is None or not readings:
            unproven.append(f"run {run.id} was made before readings were recorded")
        elif made > 1:
            findings.append(
                f"run {run.id} predicted its test windows {made} times while it was trained: "
                "something was chosen by them"
            )
        for reading in readings:
            if reading.choice:
                findings.append(
                    f"run {run.id}: {reading.program} read its test windows on {reading.day} "
                    f"while choosing {reading.choice}"
                )
            if reading.program != TRAINING:
                by_program[reading.program] += 1
        findings += _scored(evidence, run)
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(by_program.items()))
    times = f"{by_program.total():,} times"
    if listed:
        times += f" ({listed}; a program is counted once a day and run)"
    return CheckOutcome(
        "test reads",
        f"{len(evidence.runs)} runs, {len(evidence.runs) - len(unproven)} of which keep a record; "
        f"their test windows were read {times} since{_inflation(evidence)}",
        tuple(findings),
        tuple(unproven),
        mend="choose by validation; a claim about the best of several runs counts them all",
    )


def _scored(evidence: Evidence, run: Run) -> list[str]:
    """Compare the test windows that a run scored with those of its split."""
    scored, expected = run.decisions("test"), run.info["windows"]["test"]
    findings = []
    if scored.height != expected:
        findings.append(f"run {run.id} scored {scored.height:,} of {expected:,} test windows")
    if evidence.split is None:
        return findings
    dataset = evidence.dataset
    ends = next(f.test for f in evidence.folds if f.fold == run.config.split.fold)
    days = scored["date"].to_numpy().astype("datetime64[D]")
    names = scored["symbol"].to_numpy().astype(str)
    known = set(zip(dataset.dates(ends).tolist(), dataset.symbol_names(ends).tolist(), strict=True))
    foreign = [one for one in zip(days.tolist(), names.tolist(), strict=True) if one not in known]
    if foreign:
        day, name = min(foreign)
        findings.append(
            f"run {run.id} scored {len(foreign):,} windows, first {name} {day}, that are not in "
            "the test part of its split"
        )
    return findings


def _inflation(evidence: Evidence) -> str:
    """Say what the best of so many worthless models would seem to have."""
    dataset, ids = evidence.dataset, {run.id for run in evidence.runs}
    tried = trials_behind(evidence.runs[0].folder.parent, ids) if ids else 0
    weighed = max((run.config.data.selection_trials for run in evidence.runs), default=0)
    trials = len(ids) + tried + weighed
    if trials < 2 or not TARGETS[dataset.task.kind].is_event:
        return ""
    from scipy.stats import norm

    # no test label is looked at: the share of yes is that of train and validation
    share = float((dataset.targets(evidence.known_rows) > 0.5).mean())
    days = evidence.runs[0].decisions("test")["date"].n_unique() / task_reach(dataset.task)
    if not 0 < share < 1 or not days:
        return ""
    error = ((days + 1) / (12 * days**2 * share * (1 - share))) ** 0.5
    # expected largest of K standard normal draws (Blom 1958)
    best = 0.5 + error * norm.ppf((trials - 0.375) / (trials + 0.25))
    searched = f" ({tried} of them settings that a search has stopped)" if tried else ""
    return (
        f"; the best of {trials:,} worthless models{searched} would show an AUC of {best:.3f} there"
    )
