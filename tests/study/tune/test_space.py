"""What a search varies, what it forces first, and when a range is widened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finscale.config.tune import SpaceConfig
from finscale.errors import SettingError
from finscale.study.tune.space import (
    Dimension,
    Limits,
    dimensions,
    edges,
    forced,
    left_out,
    widen,
)

EVERYTHING = Limits(
    num_windows=1_000,
    shape=("depth", "ff_ratio", "heads"),
    has_dropout=True,
    most_depth=5,
    epochs=8,
)


def test_a_size_has_the_dimensions_that_its_data_and_architecture_allow() -> None:
    found = {dim.key: (dim.low, dim.high) for dim in dimensions(SpaceConfig(), EVERYTHING)}
    assert found["batch_log2"] == (5, 8)
    assert found["depth"] == (1, 5)
    few = Limits(num_windows=100, shape=(), has_dropout=False, most_depth=1, epochs=8)
    less = {dim.key: dim.high for dim in dimensions(SpaceConfig(), few)}
    assert set(less) == {"rate", "decay", "batch_log2", "epochs"}
    assert less["batch_log2"] == 6


def test_extremes_are_forced_after_the_default_each_once() -> None:
    dims = dimensions(SpaceConfig(), EVERYTHING)
    default = {dim.key: dim.number(dim.setting((dim.low + dim.high) / 2)) for dim in dims}
    first = dict(forced(dims, default))
    names = ["default", "lowest rate", "highest rate", "shallowest", "deepest"]
    assert list(first) == [*names, "widest", "narrowest"]
    assert first["lowest rate"]["rate"] == 0.125
    assert first["narrowest"]["depth"] == 5
    assert first["narrowest"]["ff_ratio"] == 8.0
    shallow = dict(forced(dims, {**default, "depth": 1.0}))
    assert "shallowest" not in shallow  # the default is


RATE = Dimension("rate", 0.125, 8, 1e-4, 1e4)
DEPTH = Dimension("depth", 1, 8, 1, 12, whole=True)
DROPOUT = Dimension("dropout", 0, 0.5, 0, 0.9, log=False)


@pytest.mark.parametrize(
    ("dim", "number", "edge", "can_widen", "wide"),
    [
        (RATE, 8.0, "high", True, (0.125, 32)),
        (RATE, 0.13, "low", True, (0.03125, 8)),
        (RATE, 7.0, "", None, None),
        (DEPTH, 8, "high", True, (1, 12)),
        (DEPTH, 1, "low", False, None),
        (DROPOUT, 0.0, "low", False, None),
        (DROPOUT, 0.499, "high", True, (0, 0.5 + 0.5 / 3)),
    ],
)
def test_an_edge_is_widened_unless_nature_has_put_it_there(
    dim: Dimension, number: float, edge: str, can_widen: bool | None, wide: tuple | None
) -> None:
    at = edges([dim], {dim.key: number})
    assert [one.end for one in at] == ([edge] if edge else [])
    if can_widen is not None:
        assert dim.can_widen(edge) is can_widen
        assert ("natural" in at[0].words) is not can_widen
        (after,) = widen([dim], at)
        assert (after.low, after.high) == pytest.approx(wide or (dim.low, dim.high))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"rate": (2, 1)}, "must rise"),
        (dict.fromkeys(SpaceConfig.model_fields), "nothing is left"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: dict, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SpaceConfig(**space)


def test_what_cannot_be_varied_at_a_size_is_said_with_its_reason() -> None:
    assert left_out(SpaceConfig(), EVERYTHING) == ()
    assert left_out(SpaceConfig(heads=None), replace(EVERYTHING, shape=("depth", "ff_ratio"))) == ()
    space = SpaceConfig(batch=(4096, 100_000), depth=(50, 100))
    batch, depth, heads = left_out(space, replace(EVERYTHING, shape=("depth", "ff_ratio")))
    assert batch == "batch (4096–100000 is asked for, 1–512 is possible)"
    assert depth == "depth (50–100 is asked for, 1–5 is possible)"
    assert heads.startswith("heads (not a setting")


@pytest.mark.parametrize("given", [2, [1, 2, 3], [1], "0.1-8", {"low": 1, "high": 2}])
def test_a_range_of_another_form_is_refused_in_words(given) -> None:
    with pytest.raises(ValueError, match=r"a range is asked for: \[lowest, highest\]"):
        SpaceConfig(rate=given)
