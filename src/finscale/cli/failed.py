"""What is said of runs that failed: each reason once, however many runs share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def failed_lines(failures: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each reason; ``failures``: label of a run → why it failed.

    Examples
    --------
    >>> list(failed_lines({"a": "no memory", "b": "no memory", "c": "diverged"}))
    ['failed: 2 runs (a …): no memory', 'failed: c: diverged']
    """
    alike: dict[str, list[str]] = {}
    for label, reason in failures.items():
        alike.setdefault((reason.strip().splitlines() or ["no reason given"])[0], []).append(label)
    for reason, labels in alike.items():
        who = labels[0] if len(labels) == 1 else f"{len(labels):,} runs ({labels[0]} …)"
        yield f"failed: {who}: {reason}"
