"""What columns of a table are: said, recognised and announced, or asked for."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.scaling import read_table

SIZES = np.geomspace(5e3, 5e6, 7).round()
DAYS = [dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(10)]


def runs(num_seeds=5, **columns):
    """One row a run, without a column of seeds."""
    x = np.repeat(SIZES, num_seeds)
    noise = 0.003 * np.random.default_rng(0).standard_normal(len(x))
    return {"parameters": x, "loss": 0.36 + 3 * x**-0.45 + noise, **columns}


def of_each_size(values):
    return np.tile(values, len(SIZES))


SEEDS = of_each_size(range(5))


def daily(**columns):
    table = runs(50)
    return {**table, "seed": of_each_size(np.repeat(range(5), 10)), **columns}


def read(table, **options):
    return read_table(table, x="parameters", **options)


@pytest.mark.parametrize("name", ["seed", "random_seed", "rng", "config.seed", "Random Seed"])
def test_seeds_are_recognised(name):
    table = read(runs(**{name: SEEDS}))
    assert table.seeds_n.tolist() == [5] * 7
    said = [f"column {name!r} is read as seeds (--seed names another)"] if name != "seed" else []
    assert list(table.notes) == said


@pytest.mark.parametrize("name", ["day", "date", "timestamp", "decision_day"])
def test_days_are_recognised(name):
    table = read(daily(**{name: DAYS * 35}))
    assert table.has_days
    assert table.losses_nST.shape == (7, 5, 10)
    announced = [f"column {name!r} is read as decision days (--day names another)"]
    assert list(table.notes) == (announced if name != "day" else [])


@pytest.mark.parametrize("name", ["fold", "split", "cv"])
def test_folds_are_recognised(name):
    table = read(
        runs(10, seed=of_each_size(np.repeat(range(5), 2)), **{name: of_each_size([0, 1] * 5)})
    )
    assert not table.has_days
    assert table.fold_T.tolist() == [0, 1]
    assert [name in note for note in table.notes] == ([True] if name != "fold" else [])


@pytest.mark.parametrize("name", ["run", "run_id", "Name", "id"])
def test_runs_with_names_are_seeds_and_said_to_be(name):
    table = read(runs(**{name: [f"r{i}" for i in range(35)]}))
    assert table.seeds_n.tolist() == [5] * 7
    assert f"column {name!r} is read as runs" in table.notes[0]


def test_parts_of_the_data_are_no_folds():
    with pytest.raises(DataError, match="parts of the data") as error:
        read(runs(seed=SEEDS, split=of_each_size(["train", "val", "test", "test", "test"])))
    assert "--where split=test" in error.value.hint


@pytest.mark.parametrize(
    ("seeds", "column", "values"),
    [
        (None, "dataset", of_each_size(list("abcde"))),
        (None, "series", of_each_size(range(5))),
        (None, "k", of_each_size(range(5))),
        (None, "country", of_each_size(list("abcde"))),
        (None, "when", DAYS[:5] * 7),
        (None, "_step", of_each_size(range(5))),
        (None, "name", of_each_size(list("abcde"))),
        (None, "State", ["crashed" if i % 6 == 0 else "finished" for i in range(35)]),
        # two architectures, each with seeds of its own
        (SEEDS, "arch", of_each_size(["gru", "gru", "gru", "lstm", "lstm"])),
        (SEEDS, "lr", of_each_size([1e-3, 1e-3, 1e-3, 1e-4, 1e-4])),
        (np.arange(35), "lr", of_each_size([1e-3, 1e-3, 1e-3, 1e-4, 1e-4])),
    ],
)
def test_a_column_that_tells_rows_apart_is_a_question(seeds, column, values):
    table = runs(**({} if seeds is None else {"seed": seeds}), **{column: values})
    with pytest.raises(DataError, match=f"differ in column '{column}'") as error:
        read(table)
    assert "say it: " in error.value.hint
    for way_out in ("seed", "day", "fold", "average", "ignore"):
        assert f"--{way_out} {column}" in error.value.hint
    answered = read(table, ignore=column)
    assert answered.num_sizes == 7


@pytest.mark.parametrize(
    "column",
    [
        {"accuracy": np.random.default_rng(1).random(35)},
        {"best_epoch": np.random.default_rng(1).integers(1, 9, 35)},
        {"Runtime": np.random.default_rng(1).integers(1, 9, 35)},
        {"Notes": ["again" if i % 3 else "" for i in range(35)]},
        {"label": np.repeat(list("abcdefg"), 5)},
        {"seed_name": of_each_size([f"seed {i}" for i in range(5)])},
        {"_timestamp": 1.7e9 + np.arange(35)},
    ],
)
def test_results_bookkeeping_and_other_names_are_no_question(column):
    assert read(runs(seed=SEEDS, **column)).notes == ()


@pytest.mark.parametrize(
    "column",
    [
        {"config.lr": np.geomspace(1e-4, 1e-2, 35)},
        {"weight_decay": np.geomspace(1e-4, 1e-2, 35)},
        {"params.layers": [1, 2, 2, 1, 3] * 7},
        {"patience": np.random.default_rng(0).integers(1, 4, 35)},
    ],
)
def test_settings_of_named_runs_that_vary_are_a_question(column):
    table = runs(Name=[f"run {i}" for i in range(35)], **column)
    with pytest.raises(DataError, match="and nothing says what it is"):
        read(table)
    (name,) = column
    results = {f"summary.{name}": table.pop(name)}
    assert read(table | results).seeds_n.tolist() == [5] * 7


def test_what_depends_on_the_day_alone_is_no_question():
    table = daily(day=DAYS * 35, weekday=["Mon", "Tue"] * 175, target=[0, 1, 1, 0, 1] * 70)
    assert read(table).has_days


@pytest.fixture
def datasets():
    """97 data sets, each scored by one run of every size: none of them is a seed."""
    rng = np.random.default_rng(3)
    effect = of_each_size(0.1 * rng.standard_normal(97))
    loss = np.repeat(0.5 + SIZES**-0.3, 97) + effect + 0.01 * rng.standard_normal(7 * 97)
    names = of_each_size([f"d{i}" for i in range(97)])
    return {"parameters": np.repeat(SIZES, 97), "loss": loss, "dataset": names}


def test_data_sets_are_no_seeds_but_what_they_are_said_to_be(datasets):
    with pytest.raises(DataError, match="97 values: 'd0', 'd1', 'd2'"):
        read(datasets)
    assert read(datasets, fold="dataset").losses_nST.shape == (7, 1, 97)
    assert read(datasets, average="dataset").losses_nST.shape == (7, 1, 1)
    assert read(datasets, seed="dataset").losses_nST.shape == (7, 97, 1)
    assert read(datasets, where="dataset=d5").losses_nST.shape == (7, 1, 1)


def test_rows_that_are_high_and_low_together_are_no_seeds(datasets):
    del datasets["dataset"]
    with pytest.raises(DataError, match="97 rows of each size are high and low together") as error:
        read(datasets)
    assert "--seed rows" in error.value.hint
    assert read(datasets, seed="rows").losses_nST.shape == (7, 97, 1)
    # sorted by their loss they say nothing of the kind, and independent ones are taken
    assert read(pl.DataFrame(datasets).sort("parameters", "loss")).num_sizes == 7
    assert read(runs(97)).notes == ("no column of seeds: up to 97 rows of one size are its seeds",)


def test_the_values_averaged_over_must_be_those_of_every_run(datasets):
    some = pl.DataFrame(datasets)[:-3]
    with pytest.raises(DataError, match="covers 94 values, not the 97 of the first run"):
        read(some, average="dataset")


def test_rows_of_one_day_need_the_name_of_their_run():
    table = daily(date=DAYS * 35)
    del table["seed"]
    with pytest.raises(
        DataError, match=r"date = 2020-01-01 \(such as row 11\), and no column"
    ) as error:
        read(table)
    assert "--seed COLUMN" in error.value.hint
    with pytest.raises(DataError, match="no column tells their runs apart"):
        read(table, seed="rows")


def test_a_date_of_the_run_is_no_decision_day():
    table = read(
        runs(seed=SEEDS, date=[f"2024-03-{i % 28 + 1:02d}" for i in range(35)]), ignore="date"
    )
    assert not table.has_days
    stamped = read(runs(seed=SEEDS, timestamp=1.7e9 + np.arange(35)))
    assert stamped.notes == ("column 'timestamp' is not read as days: each run has one of its own",)


def test_two_losses_of_one_size_and_seed_are_not_averaged_in_silence():
    twice = {**runs(10), "seed": of_each_size(np.repeat(range(5), 2))}
    with pytest.raises(DataError, match=r"parameters = 5000, seed = 0 has 2 losses \(rows 1, 2:"):
        read(twice)
    with pytest.raises(DataError, match="2 losses") as error:
        read({**twice, "tries": np.arange(70)})
    assert "--average tries" in error.value.hint
    assert read(twice, average="rows").losses_nST.shape == (7, 5, 1)


def test_the_last_step_of_each_run_is_read():
    table = runs(20, run=np.repeat([f"r{i}" for i in range(35)], 4), _step=[1, 2, 3, 4] * 35)
    with pytest.raises(DataError, match="differ in column '_step'") as error:
        read(table)
    assert "--last _step" in error.value.hint
    steps = np.random.default_rng(0).permutation(140)
    with pytest.raises(DataError, match="seed = 0 has 4 losses") as error:
        read({**table, "seed": np.repeat(SEEDS, 4), "_step": steps})
    assert "--last _step" in error.value.hint
    last = read(table, last="_step")
    assert sorted(last.losses_nST[0, :, 0]) == sorted(table["loss"][3:20:4])
    del table["run"]
    with pytest.raises(DataError, match="several rows of one size have the same '_step'"):
        read(table, last="_step")


def test_rows_are_chosen_by_value():
    table = runs(arch=of_each_size(["gru", "gru", "lstm", "lstm", "lstm"]))
    assert read(table, where="arch=gru").seeds_n.tolist() == [2] * 7
    assert read(table, where=["arch!=gru"]).notes[0] == "arch!=gru: 21 of 35 rows are kept"
    with pytest.raises(DataError, match="no row with arch=rnn") as error:
        read(table, where="arch=rnn")
    assert "gru, lstm" in error.value.hint
    with pytest.raises(DataError, match="cannot be read"):
        read(table, where="arch")
    table["loss"][3] = np.nan
    assert read(table, where=["loss!=", "arch=lstm"]).seeds_n.tolist() == [2, *[3] * 6]


def test_a_column_has_one_role_and_exists():
    with pytest.raises(DataError, match="'k' is given two roles"):
        read(runs(k=SEEDS), seed="k", day="k")
    with pytest.raises(DataError, match="no column 'sed'") as error:
        read(runs(seed=SEEDS), seed="sed")
    assert "Did you mean seed" in error.value.hint
    with pytest.raises(DataError, match="could both be the column of seeds"):
        read(runs(rng=SEEDS, replicate=np.arange(35) % 4))


def test_a_studys_own_table_is_read_without_its_baselines():
    rng = np.random.default_rng(0)
    networks = pl.DataFrame(runs(seed=SEEDS, fold=0)).with_columns(
        role=pl.lit("network"),
        run_id=pl.Series([f"r{i}" for i in range(35)]),
        label=pl.lit("x"),
        collapsed=pl.Series(rng.random(35) < 0.3),
        best_epoch=pl.Series(rng.integers(1, 4, 35)),
        x_parameters=pl.col("parameters"),
    )
    baseline = networks[:1].with_columns(
        role=pl.lit("baseline"),
        run_id=pl.lit("b"),
        x_parameters=pl.lit(None, pl.Float64),
        parameters=1.0,
    )
    for axis in ("parameters", "x_parameters"):
        table = read_table(pl.concat([baseline, networks]), x=axis)
        assert table.seeds_n.tolist() == [5] * 7
        assert table.notes == ("rows of baselines (role = baseline) are left out: 1",)


@pytest.mark.parametrize(
    ("written", "size"),
    [("5k", 5e3), ("2M", 2e6), ("1e6", 1e6), ("1_000", 1e3), ("7B", 7e9), ("1,000,000", 1e6)],
)
def test_sizes_are_read_as_people_write_them(written, size):
    table = read({"parameters": ["100", written], "loss": [0.6, 0.5]})
    assert table.x_nd[:, 0].tolist() == [100, size]


def test_a_size_that_is_none_names_its_row():
    with pytest.raises(DataError, match="holds '20x' in row 2, which is not a size") as error:
        read({"parameters": ["5k", "20x"], "loss": [0.6, 0.5]})
    assert "1.5B" in error.value.hint


@pytest.mark.parametrize("role", ["stderr", "weights", "group", "seed", "day", "fold", "last"])
@pytest.mark.parametrize("column", ["n", "loss"])
def test_a_size_or_the_loss_has_no_other_role(role: str, column: str):
    size = np.repeat(np.geomspace(1e4, 1e7, 5), 2)
    rows = {"n": size, "loss": 1 + size**-0.3}
    with pytest.raises(DataError, match=f"column '{column}' is a size or the loss"):
        read_table(rows, x="n", **{role: column})
