"""What ten times the largest size would cost."""

from __future__ import annotations

import polars as pl
import pytest

from finscale.study.findings.cost import tenfold_cost


def networks(axis: str, sizes: list[object], flops: list[float]) -> pl.DataFrame:
    seconds = [2e-9 * count for count in flops]
    return pl.DataFrame({f"size_{axis}": sizes, "training_flops": flops, "seconds": seconds})


@pytest.mark.parametrize(
    ("axis", "sizes"),
    [
        ("parameters", [1_000, 2_000, 4_000]),
        ("tier", ["a50", "a100", "a200"]),
        ("tier", ["a200", "a50", "a100"]),  # a name's place in the alphabet is not its size
    ],
)
def test_flops_are_carried_on_by_the_power_of_size(axis, sizes) -> None:
    number = [float(str(size).removeprefix("a")) for size in sizes]
    flops = [3.0 * size**1.2 for size in number]
    cost = tenfold_cost(networks(axis, sizes, flops), axis)
    assert cost.flops == pytest.approx(max(flops) * 10**1.2)
    assert cost.num_runs == 1
    assert cost.total_seconds == pytest.approx(2e-9 * cost.flops)


def test_one_size_has_no_power() -> None:
    assert tenfold_cost(networks("tier", ["a20", "a20"], [1.0, 2.0]), "tier") is None
