"""Panels: long and wide tables and folders, each symbol by itself."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.data import DataStore
from finscale.data.panel_import import import_folder, import_panel
from finscale.errors import ConfigError, DataError

NUM = 60
DAYS = [d.item() for d in np.busday_offset("2021-03-01", np.arange(NUM)) if str(d) != "2021-04-02"]
RAW = {"adjustment": "split"}


def bars(symbol, seed):
    rng = np.random.default_rng(seed)
    close = (50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(DAYS))))).round(3)
    return pl.DataFrame(
        {
            "date": DAYS,
            "symbol": symbol,
            "open": close,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume": rng.integers(1000, 2000, len(DAYS)),
        }
    )


LONG = pl.concat([bars(name, seed) for seed, name in enumerate(("AAA", "BBB", "BRK.B"))])


@pytest.fixture
def store(tmp_path):
    return DataStore(tmp_path / "data")


def same(store, made, columns=("open", "high", "low", "close", "volume")):
    assert not made.refused
    for (symbol,), part in LONG.group_by("symbol", maintain_order=True):
        found = store.bars(symbol)
        assert found.frame["date"].to_list() == DAYS
        assert found.columns == columns
        for name in columns:
            assert found.frame[name].to_list() == part[name].cast(pl.Float64).to_list()


def _multiindex(path, frame):
    frame.to_pandas().set_index(["date", "symbol"]).to_parquet(path)


def _unnamed_index(path, frame):
    frame.to_pandas().set_index(["date", "symbol"]).rename_axis([None, None]).to_parquet(path)


@pytest.mark.parametrize("word", ["symbol", "Ticker", "tic", "code", "name", "asset", "instrument"])
def test_a_long_table_by_any_usual_name_of_the_symbol(store, tmp_path, word):
    path = tmp_path / "long.csv"
    LONG.rename({"symbol": word}).write_csv(path)
    same(store, import_panel(path, store, **RAW))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.parquet", lambda p, f: f.write_parquet(p)),
        ("a.feather", lambda p, f: f.write_ipc(p)),
        ("a.tsv", lambda p, f: f.write_csv(p, separator="\t")),
        ("b.parquet", _multiindex),
        ("c.parquet", _unnamed_index),
        ("a.csv", lambda p, f: f.sort("date", "symbol").write_csv(p, date_format="%d.%m.%Y")),
    ],
)
def test_other_containers(store, tmp_path, name, write):
    write(tmp_path / name, LONG)
    same(store, import_panel(tmp_path / name, store, **RAW))


def test_wide_tables_of_closes(store, tmp_path):
    wide = LONG.pivot("symbol", index="date", values="close")
    wide.rename({"date": ""}).write_csv(tmp_path / "wide.csv")
    same(store, import_panel(tmp_path / "wide.csv", store, **RAW), ("close",))


def test_wide_tables_of_fields_as_yfinance_has_them(store, tmp_path):
    frame = LONG.to_pandas().pivot(index="date", columns="symbol")
    frame.columns = pd.Index([str((field.title(), ticker)) for field, ticker in frame.columns])
    frame.to_parquet(tmp_path / "wide.parquet")
    same(store, import_panel(tmp_path / "wide.parquet", store, **RAW))


def test_a_symbol_has_no_rows_where_it_was_not_traded(store, tmp_path):
    wide = LONG.pivot("symbol", index="date", values="close").with_row_index()
    part = pl.when(pl.col("index").is_between(20, 39)).then("BBB").alias("BBB")
    wide.with_columns(part).drop("index").write_csv(tmp_path / "wide.csv")
    made = import_panel(tmp_path / "wide.csv", store, **RAW)
    assert store.bars("BBB").frame["date"].to_list() == DAYS[20:40]
    assert not made.repairs


def broken():
    odd = pl.col("symbol") == "BBB"
    row = pl.int_range(pl.len()).over("symbol")
    falls = pl.when(odd & (row < 30)).then(pl.col("close") * 4).otherwise("close")
    return LONG.drop("open", "high", "low").with_columns(close=falls)


def test_a_bad_symbol_refuses_itself_alone(store, tmp_path):
    broken().write_csv(tmp_path / "long.csv")
    made = import_panel(tmp_path / "long.csv", store, **RAW)
    assert list(made.entries) == ["AAA", "BRK.B"]
    assert list(made.refused) == ["BBB"]
    assert "BBB in" in made.refused["BBB"].message
    assert "4:1" in made.refused["BBB"].message
    assert store.symbols() == ("AAA", "BRK.B")


def test_a_cell_that_is_no_number_is_named_with_its_row(store, tmp_path):
    text = LONG.write_csv().splitlines()
    text[len(DAYS) + 3] = text[len(DAYS) + 3].rpartition(",")[0] + ",many"
    (tmp_path / "long.csv").write_text("\n".join(text))
    made = import_panel(tmp_path / "long.csv", store, **RAW)
    assert f"row {len(DAYS) + 4}: volume: many is not a number" in made.refused["BBB"].message
    assert set(made.entries) == {"AAA", "BRK.B"}


def test_repairs_of_all_symbols_are_counted_by_kind(store, tmp_path):
    row = pl.int_range(pl.len()).over("symbol")
    empty = pl.when((row == 5) & (pl.col("symbol") != "AAA")).then(None).otherwise("close")
    LONG.with_columns(close=empty).write_csv(tmp_path / "long.csv")
    made = import_panel(tmp_path / "long.csv", store, **RAW)
    assert made.reasons() == [("no close", 2, 2)]
    assert [r["symbol"] for r in made.as_dict()["repairs"]] == ["BBB", "BRK.B"]


def test_the_same_file_again_changes_nothing(store, tmp_path):
    LONG.write_csv(tmp_path / "long.csv")
    first = import_panel(tmp_path / "long.csv", store, **RAW)
    again = import_panel(tmp_path / "long.csv", store, **RAW)
    assert (len(first.new), len(again.new)) == (3, 0)
    assert again.entries == first.entries


def test_a_folder_whose_files_are_named_for_their_symbols(store, tmp_path):
    folder = tmp_path / "bars"
    folder.mkdir()
    for (symbol,), part in LONG.group_by("symbol", maintain_order=True):
        part.drop("symbol").write_csv(folder / f"{symbol.lower()}.csv")
    # one with semicolons and decimal commas is read the careful way
    odd = (folder / "aaa.csv").read_text().replace(",", ";").replace(".", ",")
    (folder / "aaa.csv").write_text(odd)
    (folder / "bad.csv").write_text("date,close\n2024-01-02,none\n")
    (folder / ".hidden").write_text("")
    made = import_folder(folder, store, **RAW)
    assert list(made.refused) == ["BAD"]
    made.refused.clear()
    same(store, made)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,close\n2024-01-02,1\n", "no column that says whose row it is"),
        ("symbol,close\nA,1\n", "has no column of dates"),
        ("date,symbol,px\n2024-01-02,A,1\n", "has no column for close"),
        ("date,symbol,open,close\n2024-01-02,A,1,1\n", "open and no column for high, low"),
        ("date,symbol,close,Last\n2024-01-02,A,1,2\n", "are both named like the close"),
    ],
)
def test_what_is_no_panel_is_said(store, tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        import_panel(tmp_path / "x.csv", store, **RAW)


@pytest.fixture
def run(tmp_path):
    from finscale.cli.app import app

    def run(*words, fails=False):
        options = ["--data-root", str(tmp_path / "data"), "--adjustment", "split"]
        done = CliRunner().invoke(app, ["data", "import", *map(str, words), *options])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert bool(done.exit_code) is fails
        return done.stdout

    return run


def test_the_verb_tells_counts_repairs_and_refusals(run, tmp_path):
    broken().write_csv(tmp_path / "long.csv")
    text = run(tmp_path / "long.csv", fails=True)
    assert "imported   2 symbols (2 new)" in text
    assert "refused    1 symbol; the others are imported" in text
    facts = json.loads(run(tmp_path / "long.csv", "--json"))
    assert [one["symbol"] for one in facts["imported"]] == ["AAA", "BRK.B"]
    assert facts["refused"][0]["symbol"] == "BBB"


def test_the_verb_asks_whose_bars_a_folder_and_a_single_file_hold(run, tmp_path):
    with pytest.raises(ConfigError, match="is a folder: whose bars"):
        run(tmp_path)
    LONG.write_csv(tmp_path / "long.csv")
    with pytest.raises(ConfigError, match="--symbol-from is for folders"):
        run(tmp_path / "long.csv", "--symbol-from", "name")
    with pytest.raises(ConfigError, match="--split is about one symbol's bars"):
        run(tmp_path / "long.csv", "--split", "2024-01-02:2")


def test_a_reason_that_many_share_is_told_once(store, tmp_path, monkeypatch):
    from finscale.cli.app import app

    names = [f"S{number:03}" for number in range(40)]
    frame = pl.concat(bars(name, seed) for seed, name in enumerate(names))
    frame = frame.with_columns(
        volume=pl.when(pl.col("symbol").is_in(names[5:]) & (pl.col("date") == DAYS[3]))
        .then(pl.lit("many"))
        .otherwise(pl.col("volume").cast(pl.String))
    )
    path = tmp_path / "long.csv"
    frame.write_csv(path)
    made = import_panel(path, store, **RAW)
    ((symbols, error),) = made.refusals()
    assert symbols == tuple(names[5:])
    assert "S005 in" in error.message
    monkeypatch.chdir(tmp_path)
    arguments = ["import", str(path), "--adjustment", "split"]
    told = CliRunner().invoke(app, ["data", *arguments], env={"COLUMNS": "300"}).output
    assert "S005, S006, S007 and 32 others, such as: S005 in" in told
    assert told.count("is not a number") == 1
    # with none imported, the error says it once
    frame.filter(pl.col("symbol").is_in(names[5:])).write_csv(path)
    result = CliRunner().invoke(app, ["data", *arguments], env={"COLUMNS": "300"})
    assert "is not a number" not in result.output
    assert "none of 35 symbols was imported; S005: S005 in" in str(result.exception)


def test_members_of_a_universe_are_held_to_their_own_calendars(run, tmp_path):
    """A coin trades on Sundays, a stock does not; who is no member stays out."""
    days = pl.date_range(DAYS[0], DAYS[-1], "1d", eager=True)
    rng = np.random.default_rng(9)
    coin = pl.DataFrame({"date": days, "symbol": "COIN"}).with_columns(
        close=pl.Series(100 * np.exp(0.01 * rng.standard_normal(len(days)).cumsum()))
    )
    stocks = LONG.select("date", "symbol", "close")
    file, members = tmp_path / "world.csv", tmp_path / "mine.csv"
    pl.concat([stocks, coin]).write_csv(file)
    members.write_text("symbol,calendar\nAAA,XNYS\nBRK.B,\nCOIN,none\nGONE,XNYS\n")
    told = " ".join(run(file, "--universe", members).split())
    assert "no member BBB: not imported" in told
    assert "missing GONE: members without bars here" in told
    store = DataStore(tmp_path / "data")
    assert store.bars("COIN").frame["date"].to_list() == days.to_list()
    assert store.bars("AAA").frame["date"].to_list() == DAYS
    assert not store.has_bars("BBB")
    # without it the coin's Sundays are no sessions of New York
    told = json.loads(run(file, "--json"))
    assert "COIN" in {one["symbol"] for one in told["refused"]}


def test_a_folder_of_a_universe(run, tmp_path):
    folder = tmp_path / "bars"
    folder.mkdir()
    for (symbol,), part in LONG.group_by("symbol"):
        part.drop("symbol").write_csv(folder / f"{symbol}.csv")
    members = tmp_path / "mine.csv"
    members.write_text("symbol,calendar\nAAA,XNYS\n")
    options = ["--symbol-from", "name", "--universe", members, "--json"]
    told = json.loads(run(folder, *options))
    assert [one["symbol"] for one in told["imported"]] == ["AAA"]
    assert told["read"]["no member"] == "BBB, BRK.B: not imported"
    members.write_text("symbol\nZZZ\n")
    with pytest.raises(DataError, match="no member of universe mine"):
        run(folder, *options)
    with pytest.raises(ConfigError, match="--universe chooses among the symbols of a panel"):
        run(folder / "AAA.csv", "--symbol", "AAA", "--universe", members)
