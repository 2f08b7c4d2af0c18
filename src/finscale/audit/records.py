"""What is on record: the files' digests, and how often the test set was read."""

from __future__ import annotations

import polars as pl

from finscale.audit.certificate import AuditCheck, CheckOutcome
from finscale.audit.evidence import Evidence


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
    """Count how often runs on this dataset read the test set."""
    findings, unproven = [], []
    reads = 0
    for run in evidence.runs:
        count = run.info.get("test_reads")
        if count is None:
            unproven.append(f"run {run.id} does not say how often it read the test set")
            continue
        reads += count
        if count > 1:
            findings.append(
                f"run {run.id} read the test set {count} times: something was chosen by it"
            )
    for run in evidence.runs:
        expected, found = run.info["windows"]["test"], run.predictions("test").height
        if expected != found:
            findings.append(f"run {run.id} scored {found:,} of {expected:,} test windows")
    if not evidence.runs:
        return CheckOutcome("test reads", "no run on this dataset and task: its test set is unread")
    return CheckOutcome(
        "test reads",
        f"{len(evidence.runs)} runs, {len(evidence.runs) - len(unproven)} of which say that they "
        f"read the test set, {reads} times together{_inflation(evidence)}",
        tuple(findings),
        tuple(unproven),
        mend="choose by validation; a claim about the best of several runs counts them all",
    )


def _inflation(evidence: Evidence) -> str:
    """Say what the best of so many worthless models would seem to have."""
    trials = len({run.id for run in evidence.runs})
    test = evidence.runs[0].predictions("test")
    if trials < 2 or evidence.dataset.task.kind == "regression":
        return ""
    from scipy.stats import norm

    share = test.select((pl.col("target") > 0.5).mean()).item()
    days = test["date"].n_unique() / evidence.dataset.task.horizon
    if not 0 < share < 1:
        return ""
    error = ((days + 1) / (12 * days**2 * share * (1 - share))) ** 0.5
    # expected largest of K standard normal draws (Blom 1958)
    best = 0.5 + error * norm.ppf((trials - 0.375) / (trials + 0.25))
    return f"; the best of {trials} worthless models would show an AUC of {best:.3f} there"


FILES = AuditCheck("files", "Are the files what was registered?", examine_files)
READS = AuditCheck("test reads", "How often was the test set read?", examine_reads)
