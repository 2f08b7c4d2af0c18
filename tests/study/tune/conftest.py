"""A study whose search takes seconds, and an executor that makes its runs in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from finscale.config import StudyConfig
from finscale.errors import DivergedError, FinscaleError, TrainingPaused
from finscale.experiment.experiment import run_experiments
from finscale.experiment.progress import EpochReporter
from finscale.experiment.stop_rule import StopRule
from finscale.runs import RunStore
from finscale.study.execution.local import Event, Job

pytest.importorskip("optuna")


class Here:
    """Computes jobs in this process, one after another."""

    def __init__(self) -> None:
        self.computed: list[str] = []
        self.kill_after: int | None = None

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        """Compute every job."""
        for job in jobs:
            if self.kill_after is not None and len(self.computed) >= self.kill_after:
                raise KeyboardInterrupt
            self.computed.append(job.label)
            said: list[dict[str, Any]] = []
            rule = StopRule(job.limits)
            watchers = [EpochReporter(said.append), *([rule] if job.limits else [])]
            store = RunStore(runs)
            try:
                (outcome,) = run_experiments(
                    [job.config], runs=store, callbacks=lambda _, w=watchers: w
                )
            except TrainingPaused:
                yield from (Event("progress", job, one) for one in said)
                facts = {"epoch": rule.stopped, "losses": rule.losses[: rule.stopped]}
                yield Event("stopped", job, facts)
                continue
            yield from (Event("progress", job, one) for one in said)
            if isinstance(outcome, FinscaleError):
                diverged = isinstance(outcome, DivergedError)
                yield Event("failed", job, {"error": str(outcome), "diverged": diverged})
            else:
                yield Event("done", job, {"run_id": outcome.id})


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def searched(tiny) -> StudyConfig:
    training = tiny.training.model_copy(update={"epochs": 2, "batch_size": 512})
    alone = tiny.model.model_copy(update={"linear_path": "none"})
    return StudyConfig(
        name="searched",
        experiment=tiny.model_copy(update={"training": training, "model": alone}),
        axes={"parameters": (3_000,)},
        seeds=(0,),
        baselines=("base_rate",),
        tuning={
            "rule": "search",
            "trials": 7,
            "together": 2,
            "widenings": 0,
            "first_rung": 1,
            "space": {
                "rate": [0.1, 10],
                "depth": [1, 2],
                **dict.fromkeys(["decay", "dropout", "batch", "epochs", "ff_ratio", "heads"]),
            },
        },
    )
