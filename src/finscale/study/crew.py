"""Trainings side by side, timed together: workers like a study's own that measure on a signal."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any, Self

from finscale.config import ExperimentConfig
from finscale.study.execution.local import start_worker


class Crew:
    """Some worker processes that time the same training at the same moment.

    They are started when they are first needed, and end with the block.

    Parameters
    ----------
    size : int
        Workers.
    threads : int
        CPU threads of each.
    """

    def __init__(self, size: int, threads: int) -> None:
        self.size, self.threads = size, threads
        self._workers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._dismiss()

    def samples_per_second(self, config: ExperimentConfig, seconds: float) -> float | None:
        """Return the windows a second of all workers together; None where one fails.

        Parameters
        ----------
        config : ExperimentConfig
            A network's run, resolved.
        seconds : float
            Time to spend on measured steps.
        """
        while len(self._workers) < self.size:
            self._workers.append(start_worker(self.threads))
        message = {"measure": config.model_dump(mode="json"), "seconds": seconds}
        try:
            # all of them are warm before the first is timed
            self._ask(message, answer="ready")
            answers = self._ask({"go": True}, answer="measured")
        except (OSError, ValueError):
            # the others wait for a signal that will not come
            self._dismiss()
            return None
        return float(sum(answer["samples_per_second"] for answer in answers))

    def _ask(self, message: dict[str, Any], *, answer: str) -> list[dict[str, Any]]:
        """Tell every worker the same, and return what each answers.

        Raises
        ------
        ValueError
            If one answers otherwise, or not at all.
        """
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(message) + "\n")
            worker.stdin.flush()
        heard = [self._hear(worker) for worker in self._workers]
        if any(event["kind"] != answer for event in heard):
            raise ValueError(f"a worker did not say {answer}")
        return [event["facts"] for event in heard]

    @staticmethod
    def _hear(worker: subprocess.Popen[str]) -> dict[str, Any]:
        assert worker.stdout is not None
        while True:
            # of a dead worker nothing comes, which is no JSON
            event: dict[str, Any] = json.loads(worker.stdout.readline())
            if event["kind"] != "warning":
                return event

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.communicate()
        self._workers.clear()
