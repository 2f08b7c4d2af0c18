"""What ``finscale runs show`` says of scores: a run's own, and what is known beside."""

from __future__ import annotations

from finscale.config.baselines import DEFAULT_BASELINES
from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import settled
from finscale.judging.gather import predictions_of
from finscale.judging.scoring import skill
from finscale.runs import Run, RunStore
from finscale.runs.index import summaries


def known_skills(run: Run, runs: RunStore) -> dict[str, Metric]:
    """Return what a run gains over the usual baselines that are in the store already."""
    own, windows = predictions_of([run]), {"data", "task", "split"}
    asked = run.config.model_dump(include=windows)
    found: dict[str, Metric] = {}
    for row in summaries(runs):
        if row["model"] not in DEFAULT_BASELINES or row["id"] == run.id:
            continue
        other = runs[row["id"]]
        if other.config.model_dump(include=windows) == asked:
            reference = predictions_of([other], beside=run.config)
            gain = skill(own, reference)
            found[row["model"]] = settled(gain, float(reference.losses_N.mean()))
    return {name: found[name] for name in DEFAULT_BASELINES if name in found}
