"""What ``finscale runs show`` says of scores: a run's own, and what is known beside."""

from __future__ import annotations

from collections.abc import Mapping

from finscale.config.baselines import DEFAULT_BASELINES
from finscale.evaluation.bootstrap import Metric
from finscale.evaluation.targets import Target
from finscale.judging.gather import predictions_of
from finscale.judging.scoring import skill
from finscale.runs import Run, RunStore
from finscale.runs.index import summaries
from finscale.scaling.digits import signed


def card_rows(
    target: Target, scores: Mapping[str, Metric], skills: Mapping[str, Metric]
) -> list[tuple[str, str]]:
    """Return (name, value) lines of the scores that a target's card shows, and of skills."""
    lines = [(target.scores[name].title, _with_interval(scores[name])) for name in target.card]
    for name, gain in skills.items():
        # squares of returns are too small for four decimals
        text = _with_interval(gain, sign=True) if target.is_event else signed(gain)
        lines.append((f"skill over {name.replace('_', ' ')}", text))
    return lines


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
            found[row["model"]] = skill(own, predictions_of([other], beside=run.config))
    return {name: found[name] for name in DEFAULT_BASELINES if name in found}


def _with_interval(metric: Metric, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{metric.value:{plus}.4f}   [{metric.low:{plus}.4f}, {metric.high:{plus}.4f}]"
