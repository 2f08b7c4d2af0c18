"""Two ways of computing the same training, timed in turn on random windows of the real shapes.

``python -m finscale.training.racing`` is the process in which
:func:`finscale.training.numerics.measure_numerics` measures: JSON in, the choice as JSON out.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from finscale.training.allocator import keep_freed_memory
from finscale.training.devices import use_threads
from finscale.training.fit import setup, step
from finscale.training.numerics import Speed, contest
from finscale.training.oom import die_first
from finscale.training.probe import ProbeRequest, make_trainer, synchronise

_SECONDS = 0.4
_ROUNDS = 3
_FEWEST_STEPS = 2


class Race:
    """Times settings against each other.

    Parameters
    ----------
    request : dict
        A :class:`~finscale.training.probe.ProbeRequest` as JSON, its open settings still ``auto``.
    seconds : float
        Time for the measured steps of each way, once there are enough of them.
    """

    def __init__(self, request: dict[str, Any], *, seconds: float) -> None:
        self._request = request
        self._seconds = seconds / _ROUNDS

    @property
    def batch_size(self) -> int:
        """Windows a step."""
        return int(self._request["training"]["batch_size"])

    def __call__(self, own: dict[str, Any], rival: dict[str, Any]) -> tuple[Speed, Speed]:
        """Return the speeds of two sets of settings; the best round of each counts."""
        keep_freed_memory()
        lanes = [_Lane(self._with(settings)) for settings in (own, rival)]
        taken = [[lane.step_seconds(self._seconds) for lane in lanes] for _ in range(_ROUNDS)]
        own_seconds, rival_seconds = (min(column) for column in zip(*taken, strict=True))
        return (
            Speed(own_seconds, lanes[0].warm_up_seconds),
            Speed(rival_seconds, lanes[1].warm_up_seconds),
        )

    def _with(self, settings: dict[str, Any]) -> ProbeRequest:
        """Return the request with these settings where they are open."""
        training, network = dict(self._request["training"]), dict(self._request["network"])
        for name, section in (
            ("precision", training),
            ("compile", training),
            ("attention", network),
        ):
            if section[name] == "auto" and settings[name] is not None:
                section[name] = settings[name]
        return ProbeRequest.model_validate(
            {**self._request, "training": training, "network": network}
        )


class _Lane:
    """One way, warm."""

    def __init__(self, request: ProbeRequest) -> None:
        self._trainer = make_trainer(request)
        batch_size = int(request.training.batch_size)
        self._ends_B = torch.from_numpy(self._trainer.split.train[:batch_size])
        self._ends_B = self._ends_B.to(self._trainer.device)
        setup(self._trainer)
        self._trainer.model.train()
        started = time.perf_counter()
        self._step()
        self.warm_up_seconds = time.perf_counter() - started
        self._step()

    def step_seconds(self, budget: float) -> float:
        """Return the fastest of as many steps as the budget allows."""
        taken: list[float] = []
        while len(taken) < _FEWEST_STEPS or sum(taken) < budget:
            started = time.perf_counter()
            self._step()
            taken.append(time.perf_counter() - started)
        return min(taken)

    def _step(self) -> None:
        trainer = self._trainer
        with use_threads(int(trainer.config.threads)):
            step(trainer, self._ends_B)
            synchronise(trainer.device)
        trainer.state.step = 0


def main() -> None:
    """Measure what standard input asks for."""
    die_first()
    request = json.loads(sys.stdin.read())
    ways, num_steps = request.pop("ways"), request.pop("num_steps")
    race = Race(request, seconds=_SECONDS)
    found = contest(ways, race, num_steps=num_steps, batch_size=race.batch_size)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
