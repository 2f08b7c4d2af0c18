"""Threads that wait give the core away, unless a person has decided otherwise."""

from __future__ import annotations

from finscale.spinning import limited_spinning
from finscale.study.execution.local import start_worker


def test_spinning_is_limited_unless_it_was_decided_about() -> None:
    assert limited_spinning({}) == {"GOMP_SPINCOUNT": "1000"}
    assert limited_spinning({"OMP_WAIT_POLICY": "ACTIVE"}) == {}
    assert limited_spinning({"GOMP_SPINCOUNT": "5"}) == {}


def test_workers_are_told(monkeypatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    given: dict[str, str] = {}
    monkeypatch.setattr(
        "finscale.study.execution.local.subprocess.Popen", lambda *_, env, **__: given.update(env)
    )
    start_worker(2)
    assert given["GOMP_SPINCOUNT"] == "1000"
    assert given["OMP_NUM_THREADS"] == "2"
