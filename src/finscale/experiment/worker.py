"""A worker process: reads jobs as JSON lines, computes them, says how it goes.

Started by :class:`finscale.study.execution.local.LocalExecutor` as
``python -m finscale.experiment.worker``; it ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from finscale.config import ExperimentConfig
from finscale.errors import DivergedError, FinscaleError, TrainingPaused
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore
from finscale.training.oom import die_first

if TYPE_CHECKING:
    from finscale.training import Callback


def main() -> None:
    """Compute jobs until standard input ends."""
    die_first()
    # libraries that print must not disturb the conversation
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        _answer(json.loads(line), channel)


def _answer(job: dict[str, Any], channel: TextIO) -> None:
    def say(kind: str, **facts: Any) -> None:
        """Write one message; ``place`` in its facts says which run of the job it is about."""
        channel.write(json.dumps({"kind": kind, "facts": facts}) + "\n")
        channel.flush()

    # the coordinator shows each warning once, however many workers give it
    warnings.showwarning = lambda message, *_args, **_kwargs: say("warning", text=str(message))
    try:
        load_plugins()
        _compute(job, say)
    except BrokenPipeError:
        # nobody listens any more: the coordinator was killed, and the run stays resumable
        os._exit(1)
    except FinscaleError as error:
        say("failed", error=str(error), traceback=traceback.format_exc())
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        say("failed", error=what, traceback=traceback.format_exc())


def _compute(job: dict[str, Any], say: Callable[..., None]) -> None:
    from finscale.experiment.experiment import run_experiments
    from finscale.experiment.progress import EpochReporter
    from finscale.experiment.stop_rule import StopRule

    def done(place: int, outcome: Run | FinscaleError) -> None:
        if isinstance(outcome, FinscaleError):
            text = "".join(traceback.format_exception(outcome))
            diverged = isinstance(outcome, DivergedError)
            say("failed", place=place, error=str(outcome), traceback=text, diverged=diverged)
        else:
            say("done", place=place, run_id=outcome.id)

    # a run that a rule may stop is a job of its own
    rule = StopRule(job["limits"]) if job.get("limits") else None

    def callbacks(place: int) -> list[Callback]:
        reporter = EpochReporter(lambda facts: say("progress", place=place, **facts))
        return [reporter] if rule is None else [reporter, rule]

    try:
        run_experiments(
            [ExperimentConfig.model_validate(config) for config in job["configs"]],
            runs=RunStore(Path(job["runs"])),
            callbacks=callbacks,
            done=done,
        )
    except TrainingPaused:
        if rule is None or rule.stopped is None:
            raise
        say("stopped", place=0, epoch=rule.stopped, losses=rule.losses[: rule.stopped])
    say("finished")


if __name__ == "__main__":
    main()
