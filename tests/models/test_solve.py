"""The budget solver on counts that can be worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finscale.errors import BudgetError
from finscale.models.budget import FREEDOM, Dial, solve

DIAL: Dial[int] = Dial(lambda width: width, lambda _, width: width)


def doubled(budget: int, power: int, tolerance: float = 0.05) -> int:
    return solve(
        budget,
        (2**n for n in range(30)),
        DIAL,
        lambda width: 7 * width**power,
        tolerance=tolerance,
        what="cube",
    )


@given(budget=st.integers(20_000, 10**10), power=st.integers(1, 3))
def test_straight_lines_squares_and_cubes_are_met(budget: int, power: int) -> None:
    # one step of the width is at most 3/19 of a cube of 19³
    assert abs(7 * doubled(budget, power, 0.2) ** power / budget - 1) < 0.11


def test_the_dial_comes_in_round_numbers_where_they_cost_nothing() -> None:
    assert doubled(7 * 1_000_001, 1) == 1_000_000 - 1_000_000 % 64


def test_what_cannot_be_met_names_its_neighbours() -> None:
    rungs = [10, 1000]
    with pytest.raises(BudgetError) as refusal:
        solve(100, rungs, DIAL, lambda width: width, tolerance=0.05, what="ladder")
    assert refusal.value.message == "No ladder has 100 parameters."
    low, high = 10 * FREEDOM, 1000 / FREEDOM
    assert refusal.value.hint == f"the nearest that can be built: {low:.0f} and {high:.0f}"


def test_rungs_that_do_not_grow_are_passed_over_and_a_far_one_ends_the_ladder() -> None:
    seen = []

    def rungs():
        for width in (1, 5, 5, 4, 50, 10**6, 10**9):
            seen.append(width)
            yield width

    assert solve(40, rungs(), DIAL, lambda width: width, tolerance=0.01, what="") == 40
    assert seen[-1] == 10**6


def test_a_model_without_a_dial_is_taken_or_refused_as_it_is() -> None:
    fixed: Dial[int] = Dial(lambda _: None, lambda width, _: width)
    assert solve(101, [100], fixed, lambda width: width, tolerance=0.05, what="one") == 100
    with pytest.raises(BudgetError):
        solve(110, [100], fixed, lambda width: width, tolerance=0.05, what="one")
