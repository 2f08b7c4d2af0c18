"""Universes: files in, members out; and what a config makes of them."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_config, load_study
from finscale.config.universes import (
    known_universes,
    read_universe,
    symbols_in_words,
    universe_of,
)
from finscale.errors import ConfigError

DAY = dt.date


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_us20_ships_along():
    universe = read_universe("us20")
    assert len(universe.symbols) == 20
    assert universe.source == "us20"
    assert "survivors" in universe.survivorship()
    assert universe.groups["XOM"] == "energy"
    assert universe.on(DAY(2000, 1, 3)) == universe.symbols


TABLE = """symbol,from,to,group,calendar
BBB,2010-01-04,2012-06-29,banks,XNYS
AAA,,,mines,
BBB,2015-01-02,,banks,XNYS
"""


def test_a_table_and_a_list_say_the_same(tmp_path):
    universe = read_universe(written(tmp_path, "mine.csv", TABLE))
    assert universe.symbols == ("AAA", "BBB")
    assert universe.spells("BBB") == [
        (DAY(2010, 1, 4), DAY(2012, 6, 29)),
        (DAY(2015, 1, 2), DAY.max),
    ]
    assert universe.on(DAY(2013, 1, 2)) == ("AAA",)
    assert universe.on(DAY(2012, 6, 29)) == ("AAA", "BBB")
    assert universe.survivorship() == ""
    frame = pl.read_csv(tmp_path / "mine.csv", try_parse_dates=True)
    frame.write_parquet(tmp_path / "mine.parquet")
    other = written(
        tmp_path,
        "mine.yaml",
        "members:\n- {symbol: aaa, group: mines}\n"
        "- {symbol: BBB, from: 2010-01-04, to: 2012-06-29, group: banks, calendar: XNYS}\n"
        "- {symbol: BBB, from: 2015-01-02, group: banks, calendar: XNYS}\n",
    )
    digests = {read_universe(str(tmp_path / "mine.parquet")).digest, read_universe(other).digest}
    assert digests == {universe.digest}


@pytest.mark.parametrize(
    "header", ["Ticker,Start,End,Sector", "code,date_added,Date Removed,industry"]
)
def test_other_words_for_the_columns(tmp_path, header):
    path = written(tmp_path, "mine.csv", f"{header}\nX,2020-01-02,2020/02/03,ore\n")
    (member,) = read_universe(path).members
    assert (member.symbol, member.first, member.last, member.group) == (
        "X",
        DAY(2020, 1, 2),
        DAY(2020, 2, 3),
        "ore",
    )


def test_plain_symbols_are_members_throughout(tmp_path):
    universe = read_universe(written(tmp_path, "two.yaml", "members: [SPY, QQQ]\n"))
    assert universe.symbols == ("QQQ", "SPY")
    assert universe.groups is None
    assert "nobody says" in universe.survivorship()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "symbol,from,to\nX,2020-01-02,2019-01-02\n", "leaves on 2019-01-02, before"),
        ("b.csv", "symbol,from,to\nX,,2020-01-02\nX,2020-01-02,\n", "memberships of X overlap"),
        ("c.csv", "symbol,from\nX,tomorrow\n", "'tomorrow' is no date"),
        ("d.csv", "who,from\nX,2020-01-02\n", "has no column symbol; it has who, from"),
        ("e.csv", "symbol\n", "names no member"),
        ("f.csv", "symbol,group\nX,a\n,b\n", "member 2: the symbol is empty"),
        ("g.csv", "symbol,group,to,from\nX,a,2019-01-02,\nX,b,,2020-01-02\n", "X has two groups"),
        ("h.yaml", "members: SPY\n", "has no list of members"),
        ("i.yaml", "member: [SPY]\n", "a universe has no member"),
        ("j.yaml", "survivors: maybe\nmembers: [SPY]\n", "survivors is yes or no"),
    ],
)
def test_what_cannot_be_understood_is_said(tmp_path, name, text, said):
    with pytest.raises(ConfigError, match=said):
        read_universe(written(tmp_path, name, text))


def test_one_of_the_data_folder_goes_by_its_name(tmp_path):
    (tmp_path / "universes").mkdir()
    written(tmp_path / "universes", "mine.csv", TABLE)
    assert list(known_universes(tmp_path)) == [*known_universes(), "mine"]
    config = ExperimentConfig(data={"universe": "mine", "root": str(tmp_path)})
    assert config.data.symbols == ("AAA", "BBB")
    with pytest.raises(ConfigError, match=r"'mane' is no universe[\s\S]*Did you mean mine"):
        ExperimentConfig(data={"universe": "mane", "root": str(tmp_path)})


def test_a_universe_gives_symbols_and_source_way():
    settings = ["data.universe=us20", "data.tier=c20", "task.touch=close"]
    config = load_config(ExperimentConfig, "threshold_1pct", settings)
    assert len(config.data.symbols) == 20
    assert config.data.source == "us20"
    some = load_config(ExperimentConfig, "threshold_1pct", [*settings, "data.symbols=[KO,GE]"])
    assert some.data.symbols == ("KO", "GE")
    with pytest.raises(ConfigError, match="SP500 is no member of the universe us20"):
        ExperimentConfig(data={"universe": "us20", "symbols": ["SP500"]})


def test_a_study_takes_a_universe(tmp_path):
    text = (
        "base: sp500_first\nexperiment:\n  base: threshold_1pct\n"
        "  data: {universe: us20, tier: c20}\n  task: {touch: close}\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        text.replace("base: sp500_first\n", "name: mine\naxes: {parameters: [2k, 4k]}\n")
    )
    study = load_study(path)
    assert isinstance(study, StudyConfig)
    assert len(study.experiment.data.symbols) == 20


def test_the_members_are_a_part_of_what_a_run_is(tmp_path):
    def hash_of(text):
        path = written(tmp_path, "mine.csv", text)
        return ExperimentConfig(data={"universe": path}).hash()

    first = hash_of(TABLE)
    assert hash_of(TABLE) == first
    assert hash_of(TABLE.replace("2012-06-29", "2012-06-28")) != first
    assert hash_of(TABLE.replace("banks", "shops")) != first
    (tmp_path / "mine.csv").rename(tmp_path / "other.csv")
    moved = ExperimentConfig(data={"universe": str(tmp_path / "other.csv")})
    assert moved.hash() != first
    assert "universe_digest" not in ExperimentConfig().identity()["data"]


def test_a_recorded_config_needs_its_file_no_more(tmp_path):
    path = written(tmp_path, "mine.csv", TABLE)
    config = ExperimentConfig(data={"universe": path})
    (tmp_path / "mine.csv").unlink()
    assert ExperimentConfig.model_validate_json(config.model_dump_json()) == config


def test_many_symbols_are_counted():
    rows = [{"symbol": f"S{number}"} for number in range(500)]
    symbols = universe_of(rows, name="many", place="here").symbols
    data = ExperimentConfig(data={"symbols": symbols}).data
    assert symbols_in_words(data) == "500 symbols (S0 S1 S10 S100 …)"
