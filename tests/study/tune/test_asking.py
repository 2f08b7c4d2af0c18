"""Every sampler asks within the ranges, and asks the same again after a kill."""

from __future__ import annotations

import pytest

from finscale.config.tune import SearchConfig
from finscale.errors import ConfigError
from finscale.study.tune.asking import ask, grid_points
from finscale.study.tune.search import SearchPlan
from finscale.study.tune.space import Dimension
from finscale.study.tune.transfer import verifying
from finscale.study.tune.trials import SearchTrial

RATE = Dimension("rate", 0.125, 8, 1e-4, 1e4)
DEPTH = Dimension("depth", 1, 8, 1, 8, whole=True)
DIMS = (RATE, DEPTH)


def searched(config: SearchConfig, num_trials: int) -> list[SearchTrial]:
    known: list[SearchTrial] = []
    while len(known) < num_trials:
        start = len(known)
        for place, asked in enumerate(ask(config, DIMS, known, range(start, start + 2)), start):
            loss = abs(asked.params["rate"] - 2) + asked.params["depth"] / 10
            ended = {"state": "stopped", "losses": (loss,)} if loss > 4 else {"state": "complete"}
            facts = {"value": loss, "notes": asked.notes, **ended}
            known.append(SearchTrial(place, asked.params, start // 2, 2, **facts))
    return known


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random", "grid"])
def test_a_sampler_stays_in_the_ranges_and_asks_the_same_again(sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    config = SearchConfig(sampler=sampler, trials=10)
    known = searched(config, 8)
    for trial in known:
        assert 0.125 <= trial.params["rate"] <= 8
        assert trial.params["depth"] in range(1, 9)
    assert ask(config, DIMS, known, [8, 9]) == ask(config, DIMS, known, [8, 9])
    assert [t.params for t in searched(config, 8)] == [t.params for t in known]
    if sampler != "grid":
        other = config.model_copy(update={"sampler_seed": 1})
        assert [t.params for t in searched(other, 8)] != [t.params for t in known]


def test_a_grid_has_its_ends_and_as_many_values_as_the_trials_allow() -> None:
    points = grid_points(DIMS, 17)
    assert len(points) == 16
    assert sorted({p["rate"] for p in points}) == pytest.approx([0.125, 0.5, 2.0, 8.0])
    assert {p["depth"] for p in points} >= {1, 8}
    with pytest.raises(ConfigError, match="takes 9 trials"):
        grid_points(DIMS, 8)


def test_a_transfer_is_verified_around_what_is_transferred() -> None:
    config = SearchConfig(verify_trials=6)
    plan = SearchPlan("a", "2M", config, DIMS, (("default", {"rate": 1.0, "depth": 2.0}),), 8)
    local = verifying(plan, {"rate": 4.0, "depth": 3.0})
    assert [name for name, _ in local.forced] == [
        *("default", "transferred", "lower rate", "higher rate")
    ]
    assert [params["rate"] for _, params in local.forced] == [1.0, 4.0, 2.0, 8.0]
    assert [(dim.low, dim.high) for dim in local.dims] == [(4 / 3, 12.0), (2, 4)]
    assert local.num_trials == 6
    assert local.config.widenings == 0
