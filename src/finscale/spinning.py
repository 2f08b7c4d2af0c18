"""How long threads of a parallel region wait in a loop for the next one."""

from __future__ import annotations

from collections.abc import Mapping

#: Rounds of waiting. By GNU OpenMP's own 300,000 a step of two threads beside one busy process took
#: up to 70 times as long as on a quiet machine, as the waiting thread keeps the core that its
#: partner needs; with 1,000 it takes twice as long. Threads that sleep at once make a quiet machine
#: 45 % slower, 1,000 rounds 8 % (docs/LOG.md, 2026-11-25).
_ROUNDS = "1000"


def limited_spinning(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to a process's environment before it loads torch.

    Nothing, where a person has decided about it already.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment):
        return {}
    return {"GOMP_SPINCOUNT": _ROUNDS}
