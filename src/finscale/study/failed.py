"""Baselines of a study that failed: they lose to the base rate by more than their error."""

from __future__ import annotations

from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import BASE_RATE, lost_to_base_rate
from finscale.study.daily import Completed, series_of
from finscale.study.findings.tested import drawn, gather


def failed_baselines(completed: Completed) -> dict[str, Metric]:
    """Return the run ids of baselines that failed over all their folds, and by how much they lose.

    Where a size of the study changes the data, each size has baselines of its own, and so has each
    draw of train symbols.
    """
    # a network tells what baselines are judged by; one of them will do
    network = {run.id for _, runs in series_of(completed)[:1] for run in runs}
    kept = [(p, run) for p, run in completed if p.cell.is_baseline or run.id in network]
    baselines, _ = gather(kept)
    found: dict[str, Metric] = {}
    for one in baselines:
        beside = {
            other.name: other
            for other in baselines
            if other.name == BASE_RATE and other.budget == one.budget and drawn(other) == drawn(one)
        }
        lost = lost_to_base_rate({**beside, one.name: one})
        found |= {run: lost[one.name] for run in one.runs if one.name in lost}
    return found
