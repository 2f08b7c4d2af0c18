"""Losses and sizes as people write them: read, or refused with their row and column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.scaling import read_table
from finscale.scaling.counts import size_number
from finscale.tables.numbers import parse_numbers, written_number


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("53.6%", 0.536),
        ("53.6 %", 0.536),
        ("1,234", 1234.0),
        ("1,234,567.8", 1234567.8),
        ("1.2e-3", 0.0012),
        ("1.2E−3", 0.0012),
        ("(0.12)", -0.12),
        ("−0.3", -0.3),
        ("–0.3", -0.3),
        ("5k", 5000.0),
        ("1.3B", 1.3e9),
        ("2×10^6", 2e6),
        ("2 x 10^6", 2e6),
        ("2·10⁶", 2e6),
        ("1.5*10**-3", 0.0015),
        ("10⁶", 1e6),
        ("10^-3", 0.001),
        ("$1,200", 1200.0),
        ("１．５", 1.5),
    ],
)
def test_a_cell_is_the_number_that_it_says(cell, value):
    assert written_number(cell).value == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("cell", ["", "1,2", "53,6%", "0.5 ± 0.1", "0.53 (0.01)", "(0.1", "abc"])
def test_other_cells_are_no_numbers(cell):
    with pytest.raises(ValueError, match=r"not a number|no thousands"):
        written_number(cell)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2×10^6", 2e6), ("10⁶", 1e6), ("1.3 B", 1.3e9), ("3G", 3e9), ("5 mio", 5e6), ("1_000", 1e3)],
)
def test_sizes_too(text, size):
    assert size_number(text) == size


def test_prices_are_read_in_the_same_way():
    found = parse_numbers(
        ["2×10^6", "10⁶", "(3)"], [1, 2, 3], column="volume", place="f", decimal_comma=False
    )
    assert found.to_list() == [2e6, 1e6, -3.0]


def table(tmp_path, losses, name="loss", sizes=("5k", "50k", "1.3B", "2×10^9")):
    path = tmp_path / "table.csv"
    lines = [f'"{size}","{loss}"' for size, loss in zip(sizes, losses, strict=True)]
    path.write_text("\n".join([f"params,{name}", *lines]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cells", "values", "said"),
    [
        (["53.6%", "40%", "30 %", "28.5%"], [0.536, 0.4, 0.3, 0.285], "per cent are read as"),
        (["1,234.5", "900", "8e2", "2×10^2"], [1234.5, 900, 800, 200], None),
        (["53,6%", "40,1%", "30%", "28,5%"], [0.536, 0.401, 0.3, 0.285], "per cent"),
        (["0,53", "0,5", "0,45", "1,2e-1"], [0.53, 0.5, 0.45, 0.12], None),
    ],
)
def test_a_table_is_read_as_it_is_written(tmp_path, cells, values, said):
    sizes = ("5k", "50k", "1,3B" if "," in cells[1] else "1.3B", "2×10^9")
    read = read_table(table(tmp_path, cells, sizes=sizes), x="params")
    np.testing.assert_allclose(read.y_n, values)
    np.testing.assert_allclose(read.x_nd[:, 0], [5e3, 5e4, 1.3e9, 2e9])
    assert said is None or any(said in note for note in read.notes)


def test_negative_numbers_in_parentheses_and_with_a_real_minus(tmp_path):
    path = table(tmp_path, ["−0.3", "(0.12)", "0.1", "+0.2"])
    read = read_table(path, x="params", signed=True)
    np.testing.assert_allclose(read.y_n, [-0.3, -0.12, 0.1, 0.2])
    assert any("(0.12) is -0.12" in note for note in read.notes)
    with pytest.raises(DataError, match=r"loss is -0\.3 in row 1"):
        read_table(path, x="params")


@pytest.mark.parametrize(
    ("cells", "message", "hint"),
    [
        (["53.6%", "0.4", "0.3", "0.2"], r"'53.6%' in row 1, and '0.4' in row 2", "percentages"),
        (["0.6", "0.5 ± 0.1", "0.3", "0.2"], r"'loss' holds '0.5 ± 0.1' in row 2", "--stderr"),
        (["0.6", "0.53 (0.01)", ".3", ".2"], r"'loss' holds '0.53 \(0.01\)' in row 2", "--stderr"),
        (["0.6", "0.5", "about .4", ".2"], r"'loss' holds 'about .4' in row 3", "--where"),
        (["1,234", "1,1", "0.3", "0.2"], r"'1,1' in row 2 of column 'loss' has a decimal", ""),
        (["0,6", "0,5", "0,4", "0,3"], r"'0,6' in row 1 .* comma, '1.3B' in row 3 .* none", ""),
        (["1,234", "2,345", "3,456", "1"], r"'1,234' in row 1 of column 'loss' could be", "point"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(tmp_path, cells, message, hint):
    with pytest.raises(DataError, match=message) as error:
        read_table(table(tmp_path, cells), x="params")
    assert hint in error.value.hint


def test_text_in_a_frame_is_read_too():
    frame = pl.DataFrame({"n": ["5k", "6k", "7k"], "acc": ["50%", "51%", None]})
    with pytest.raises(DataError, match="row 3"):
        read_table(frame, x="n", y="acc", higher_is_better=True)
    read = read_table(frame[:2], x="n", y="acc", higher_is_better=True)
    np.testing.assert_allclose(read.measure.shown(read.y_n), [0.5, 0.51])
    assert read.loss == "1 - acc"


def test_a_column_that_is_not_there_names_the_option():
    frame = pl.DataFrame({"params": [1e4, 1e5], "accuracy": [0.5, 0.6], "flops": [1, 2]})
    with pytest.raises(DataError, match="no column 'loss'") as error:
        read_table(frame, x="params")
    assert "--y names the column of losses" in error.value.hint
    with pytest.raises(DataError, match="no column 'parameters'") as error:
        read_table(frame, x="parameters", y="accuracy")
    assert "--x names the column of sizes" in error.value.hint
