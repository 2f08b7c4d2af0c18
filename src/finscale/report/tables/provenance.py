"""Tables of what the runs rest on: the audit, data, windows, environment."""

from __future__ import annotations

from functools import partial

from finscale.report.table import Column, Row, Table, count, make_table, text
from finscale.study.findings.findings import Findings

#: Sentences of "not provable" shown in full; findings are never cut.
_SHOWN = 2


def certificate(findings: Findings) -> Table:
    """List the leakage audit, check by check."""
    marks = {"proven": "✓ proven", "finding": "✗ finding", "unproven": "? not provable here"}
    rows = [
        {
            **{key: check[key] for key in ("check", "status", "statement")},
            "findings": "; ".join([*check["findings"], *_few(check["unproven"])]),
        }
        for check in findings.certificate["checks"]
    ]
    columns = (
        text("check", "check"),
        Column("outcome", lambda row: marks[row["status"]], numeric=False),
        Column(
            "what was done and found",
            lambda row: row["statement"] + (f" — {row['findings']}" if row["findings"] else ""),
            numeric=False,
        ),
    )
    return make_table("certificate", "Leakage certificate", rows, columns, prose=True)


def _few(sentences: list[str]) -> list[str]:
    """Return the first sentences of a list, and how many more there are."""
    more = len(sentences) - _SHOWN
    return sentences if more <= 1 else [*sentences[:_SHOWN], f"and {more} more"]


def data(findings: Findings) -> Table:
    """List the registered datasets behind the runs."""
    rows = [
        {key: item for key, item in entry.items() if key not in ("parents", "path", "kind")}
        for entry in findings.data
    ]
    columns = (
        Column("dataset", lambda row: f"{row['id']} {row['version']}", numeric=False),
        count("rows", "rows"),
        Column("from … to", lambda row: f"{row['first_date']} … {row['last_date']}", numeric=False),
        text("adjustment", "adjustment"),
        text("source", "source"),
        Column("SHA-256", lambda row: f"{row['sha256'][:16]}…", numeric=False),
    )
    return make_table("data", "Datasets", rows, columns)


def windows(findings: Findings) -> Table:
    """List the windows of each part and fold."""
    rows = [
        {
            **{key: item for key, item in row.items() if not key.endswith("_days")},
            "validation_first": row["validation_days"][0],
            "validation_last": row["validation_days"][1],
            "test_first": row["test_days"][0],
            "test_last": row["test_days"][1],
        }
        for row in findings.windows
    ]
    columns = (
        count("fold", "fold"),
        count("training windows", "train"),
        count("purged", "purged"),
        count("embargo (days)", "embargoed"),
        *(Column(f"{part} windows", partial(_span, part)) for part in ("validation", "test")),
    )
    return make_table("windows", "What was trained on, chosen on and tested on", rows, columns)


def _span(part: str, row: Row) -> str:
    return f"{row[part]:,}: {row[f'{part}_first']} … {row[f'{part}_last']}"


def environment(findings: Findings) -> Table:
    """List versions and platform of the runs, a row for each place where some were made."""
    rows = [
        {
            "platform": place["platform"],
            "commit": place.get("git", {}).get("commit"),
            "changed": place.get("git", {}).get("dirty"),
            **place["versions"],
        }
        for place in findings.environments
    ]
    versions = [key for key in rows[0] if key not in ("platform", "commit", "changed")]
    columns = (
        text("platform", "platform"),
        Column(
            "code",
            lambda row: (
                (row["commit"] or "unknown")[:10]
                + (" with uncommitted changes" if row["changed"] else "")
            ),
            numeric=False,
        ),
        Column(
            "versions",
            lambda row: ", ".join(f"{name} {row[name]}" for name in versions),
            numeric=False,
        ),
    )
    return make_table("environment", "Where the runs took place", rows, columns, prose=True)
