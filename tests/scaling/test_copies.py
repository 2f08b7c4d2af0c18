"""Copies of rows and runs are named; independent runs are not taken for copies."""

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.scaling import read_table
from finscale.scaling.copies import copied_runs

SIZES = np.geomspace(5e3, 5e6, 7).round()


@pytest.fixture
def runs():
    x = np.repeat(SIZES, 5)
    noise = 0.003 * np.random.default_rng(0).standard_normal(35)
    return pl.DataFrame({"parameters": x, "loss": 0.36 + 3 * x**-0.45 + noise})


def read(table, **options):
    return read_table(table, x="parameters", **options)


def test_duplicate_rows_are_named_dropped_or_kept(runs):
    twice = pl.concat([runs, runs[2:5]])
    with pytest.raises(DataError, match=r"rows 3 and 36 are the same .* \(3 such rows") as error:
        read(twice)
    assert "--drop-duplicates" in error.value.hint
    dropped = read(twice, drop_duplicates=True)
    np.testing.assert_array_equal(dropped.losses_nST, read(runs).losses_nST)
    assert dropped.notes[0] == "3 rows that repeat another are dropped: 36, 37, 38"
    assert read(twice, drop_duplicates=False).seeds_n.tolist() == [8, 5, 5, 5, 5, 5, 5]


def test_a_counter_does_not_hide_duplicates(runs):
    twice = pl.concat([runs, runs[:1]]).with_row_index("index")
    with pytest.raises(DataError, match="rows 1 and 36 are the same"):
        read(twice)


@pytest.mark.parametrize("jitter", [0.0, 1e-9, 1e-6])
@pytest.mark.parametrize("seeds", [False, True])
def test_near_copies_are_named_and_dropped(runs, jitter, seeds):
    noise = 1 + jitter * np.random.default_rng(1).standard_normal(35)
    both = pl.concat([runs, runs.with_columns(pl.col("loss") * noise)])
    if seeds:
        both = both.with_columns(seed=pl.Series([*np.tile(range(5), 7), *np.tile(range(5, 10), 7)]))
    message = "nearly the same losses" if seeds or jitter else "the same in every column"
    with pytest.raises(DataError, match=message):
        read(both)
    assert read(both, drop_duplicates=True).seeds_n.tolist() == [5] * 7
    assert read(both, drop_duplicates=False).seeds_n.tolist() == [10] * 7


def test_one_copy_among_many_runs_is_named(runs):
    one = pl.concat([runs, runs[7:8].with_columns(pl.col("loss") * (1 + 1e-9))])
    with pytest.raises(DataError, match=r"rows 8 and 36 \(parameters = 15811\)"):
        read(one)


@pytest.mark.parametrize("kind", ["normal", "lognormal", "two clusters", "diverged"])
@pytest.mark.parametrize("digits", [4, 16])
def test_independent_runs_are_no_copies(kind, digits):
    rng = np.random.default_rng(0)
    named = 0
    for _ in range(40):
        noise = rng.standard_normal((7, 10))
        if kind == "lognormal":
            noise = np.exp(noise)
        elif kind == "two clusters":
            noise = 0.1 * noise + rng.choice([-3, 3], (7, 10))
        elif kind == "diverged":
            noise = np.where(rng.random((7, 10)) < 0.1, 100.0, noise)
        losses = (0.4 + 0.003 * noise + rng.normal(0, 1e-4, (7, 10))).round(digits)
        named += bool(copied_runs(np.repeat(np.arange(7), 10), losses.reshape(-1, 1)))
    assert named <= 1


def test_copies_are_found_by_all_their_days():
    losses = np.random.default_rng(0).normal(0.4, 0.1, (7 * 4, 50))
    losses[5] = losses[4, ::-1]  # the same mean of other days
    size = np.repeat(np.arange(7), 4)
    assert copied_runs(size, losses) == []
    losses[3] = losses[1] + 1e-9
    assert copied_runs(size, losses) == [(1, 3)]


def test_an_ignored_column_makes_no_second_run_of_a_copy():
    """Two exports of one sweep differ in their date alone."""
    rng = np.random.default_rng(4)
    size = np.repeat(np.geomspace(1e4, 1e7, 7), 3)
    once = {"n": size, "seed": np.tile(range(3), 7), "loss": 1 + 0.01 * rng.standard_normal(21)}
    twice = {name: np.tile(values, 2) for name, values in once.items()}
    twice["exported"] = np.repeat(["monday", "friday"], 21)
    with pytest.raises(DataError, match="rows 1 and 22 are the same in every other column"):
        read_table(twice, x="n", ignore=["exported"])
    table = read_table(twice, x="n", ignore=["exported"], drop_duplicates=True)
    assert table.seeds_n.tolist() == [3] * 7
    assert any("21 rows that repeat another are dropped" in note for note in table.notes)
