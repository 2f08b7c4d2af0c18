"""Any table in; one shape out, or one sentence."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.scaling import read_table

ROWS = {
    "parameters": [1e5, 1e4, 1e4, 1e5, 1e6],
    "seed": [0, 1, 0, 1, 0],
    "loss": [0.5, 0.8, 0.6, 0.4, 0.3],
}


@pytest.fixture
def daily():
    """Two sizes, two seeds, three days in each of two folds; one symbol is listed twice."""
    rows = [
        {"parameters": size, "seed": seed, "fold": fold, "day": day, "loss": size / 1e5 + day}
        for size in (1e4, 1e5)
        for seed in (0, 1)
        for fold in (1, 2)
        for day in (3 * fold, 3 * fold + 1, 3 * fold + 2)
    ]
    return pl.DataFrame(rows)


def sources(folder):
    frame = pl.DataFrame(ROWS)
    frame.write_csv(folder / "t.csv")
    frame.write_parquet(folder / "t.parquet")
    return [
        ROWS,
        frame,
        pd.DataFrame(ROWS),
        folder / "t.csv",
        str(folder / "t.parquet"),
    ]


def test_every_source_reads_the_same(tmp_path):
    for source in sources(tmp_path):
        table = read_table(source, x="parameters")
        np.testing.assert_array_equal(table.x_nd[:, 0], [1e4, 1e5, 1e6])
        np.testing.assert_allclose(table.y_n, [0.7, 0.45, 0.3])
        assert table.seeds_n.tolist() == [2, 2, 1]
        assert table.losses_nST.shape == (3, 2, 1)
        assert np.isnan(table.runs_nS[2, 1])
        assert not table.has_days
        assert table.notes == ()


def test_days_and_folds_become_cells(daily):
    table = read_table(daily, x="parameters")
    assert table.losses_nST.shape == (2, 2, 6)
    assert table.fold_T.tolist() == [0, 0, 0, 1, 1, 1]
    assert table.has_days
    np.testing.assert_allclose(table.losses_nST[1, 0], 1.0 + np.arange(3, 9))


def test_symbols_of_one_day_are_averaged_first(daily):
    single = read_table(daily, x="parameters").losses_nST
    twice = pl.concat([daily, daily.with_columns(pl.col("loss") + 2)])
    named = twice.with_columns(symbol=pl.Series(np.repeat(["SPY", "QQQ"], len(daily))))
    table = read_table(named, x="parameters")
    np.testing.assert_allclose(table.losses_nST, single + 1)
    assert "column 'symbol': its 2 values are averaged within each day" in table.notes[0]
    # without a column that names them nobody can tell that they are symbols
    with pytest.raises(DataError, match=r"day = 3 has 2 losses \(rows 1, 25: 3.1, 5.1\)") as error:
        read_table(twice, x="parameters")
    assert "--average rows" in error.value.hint
    np.testing.assert_allclose(
        read_table(twice, x="parameters", average="rows").losses_nST, single + 1
    )


def test_order_of_rows_does_not_matter(daily):
    shuffled = daily.sample(fraction=1.0, shuffle=True, seed=3)
    np.testing.assert_array_equal(
        read_table(shuffled, x="parameters").losses_nST,
        read_table(daily, x="parameters").losses_nST,
    )


def test_runs_must_share_their_days(daily):
    with pytest.raises(DataError, match="covers 5 days, not the 6") as error:
        read_table(
            daily.filter(~((pl.col("parameters") == 1e5) & (pl.col("day") == 8))), x="parameters"
        )
    assert "paired by day" in error.value.hint


def test_two_axes_and_the_largest():
    table = read_table({"N": [1, 1, 4, 4], "D": [1, 2, 1, 2], "loss": [4, 3, 2, 1]}, x=("N", "D"))
    assert table.x_nd.tolist() == [[1, 1], [1, 2], [4, 1], [4, 2]]
    assert table.largest(1).tolist() == [False, False, True, True]
    assert table.largest(0).tolist() == [False] * 4
    assert table.rows(table.largest(1)).y_n.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"loss": ["a", "b", "c", "d", "e"]}, "holds 'a' in row 1, which is not a number"),
        ({"parameters": [1e4, 0, 1e5, 1e6, 1e7]}, "parameters is 0.0 in row 2; sizes must be"),
        ({"loss": [0.5, np.inf, 0.6, 0.4, 0.3]}, "loss is inf in row 2"),
    ],
)
def test_bad_values_are_named(change, sentence):
    with pytest.raises(DataError, match=sentence):
        read_table({**ROWS, **change}, x="parameters")


def test_bad_sources_are_named(tmp_path):
    with pytest.raises(DataError, match="Did you mean loss") as error:
        read_table(ROWS, x="parameters", y="los")
    assert "no column 'los'" in str(error.value)
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "none.csv", x="parameters")
    with pytest.raises(DataError, match="a list is not a table"):
        read_table([1, 2], x="parameters")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_table(tmp_path / "empty.csv", x="parameters")
    (tmp_path / "header.csv").write_text("parameters,loss\n")
    with pytest.raises(DataError, match="a header and no rows"):
        read_table(tmp_path / "header.csv", x="parameters")


def test_baselines_of_a_study_s_table_are_left_out_and_said() -> None:
    columns = {
        "role": ["baseline", "network", "network", "network"],
        "parameters": [None, 1000, 2000, 4000],
        "loss": [0.7, 0.6, 0.5, 0.4],
    }
    read = read_table(columns, x="parameters", y="loss")
    assert len(read.x_nd) == 3
    assert "(role = baseline) are left out: 1" in " ".join(read.notes)
    # a network without a size is a fault, not a baseline
    with pytest.raises(DataError, match="sizes must be positive"):
        read_table({**columns, "role": ["network"] * 4}, x="parameters", y="loss")
