"""Which base rate a baseline is held against."""

from __future__ import annotations

from types import SimpleNamespace

from finscale.study import failed


def test_a_baseline_is_held_against_the_base_rate_of_its_own_draw(monkeypatch):
    """Draws of train symbols have base rates of their own: another's is no yardstick."""
    baselines = [
        SimpleNamespace(name=name, budget={"data": size}, draw=draw, nesting=0, runs=())
        for size in ("1%", "4%")
        for draw in (0, 1, 2)
        for name in ("base_rate", "logistic")
    ]
    held: list[dict] = []
    monkeypatch.setattr(failed, "series_of", lambda completed: [])
    monkeypatch.setattr(failed, "gather", lambda completed: (baselines, []))
    monkeypatch.setattr(failed, "lost_to_base_rate", lambda beside: held.append(beside) or {})
    assert failed.failed_baselines([]) == {}
    assert len(held) == len(baselines)
    for beside in held:
        assert "base_rate" in beside
        assert len({(one.draw, one.budget["data"]) for one in beside.values()}) == 1
