"""How long threads of a parallel region wait in a loop for the next one."""

from __future__ import annotations

from collections.abc import Mapping

#: Rounds of waiting. By GNU OpenMP's own 300,000 a step of two threads beside another training
#: takes 30 times as long as on a quiet machine, as waiting threads keep the cores that those at
#: work need; with 1,000 it takes 2.4 times as long, and 9 % more on a quiet machine. Threads that
#: sleep at once cost a quiet machine 50 % (docs/performance.md).
_ROUNDS = "1000"


def limited_spinning(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to a process's environment before it loads torch.

    Nothing, where a person has decided about it already.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment):
        return {}
    return {"GOMP_SPINCOUNT": _ROUNDS}
