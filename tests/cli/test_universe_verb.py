"""`finscale universe`: list, show and import; the index histories come in a recorded form."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config import ExperimentConfig
from finscale.config.universes import read_universe
from finscale.errors import ConfigError, DataError, FinscaleError

#: As index-constitution 1.0.1 gives it.
HISTORY = pd.DataFrame(
    [
        ("AAA", "First", "2000-01-03", None),
        ("AGN", "Old", "1976-07-01", "2015-03-23"),
        ("AGN", "New", "1999-04-12", "2020-05-12"),
        ("AMD", "Back", "1976-07-01", "2013-09-20"),
        ("AMD", "Back", "2017-03-20", None),
        ("NIL", "Never", "2010-01-04", "2010-01-04"),
    ],
    columns=["symbol", "name", "opt-in", "opt-out"],
)
HISTORY[["opt-in", "opt-out"]] = HISTORY[["opt-in", "opt-out"]].apply(pd.to_datetime)


@pytest.fixture
def history(monkeypatch):
    package = SimpleNamespace(
        __version__="1.0.1", list_indices=lambda: ["sp500", "dow30"], history=lambda index: HISTORY
    )
    monkeypatch.setitem(sys.modules, "index_constitution", package)
    return package


@pytest.fixture
def run(tmp_path):
    def run(*words):
        done = CliRunner().invoke(app, ["universe", *words, "--data-root", str(tmp_path)])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


def test_an_index_history_becomes_a_universe(run, history, tmp_path):
    text = run("import", "sp500")
    assert "3 symbols, 1 came back" in text
    assert "1 tickers were in the index twice at once, as one now: AGN" in text
    assert "1 memberships without a day left out" in text
    universe = read_universe("sp500", tmp_path)
    # the day on which a company leaves is its successor's first
    assert [str(day) for day in universe.spells("AMD")[0]] == ["1976-07-01", "2013-09-19"]
    assert [str(day) for day in universe.spells("AGN")[0]] == ["1976-07-01", "2020-05-11"]
    assert universe.survivorship() == ""
    config = ExperimentConfig(data={"universe": "sp500", "root": str(tmp_path)})
    assert config.data.symbols == ("AAA", "AGN", "AMD")
    shown = json.loads(run("show", "sp500", "--on", "2015-01-02", "--json"))
    assert [member["symbol"] for member in shown["members"]] == ["AAA", "AGN"]
    assert "2 members: AAA AGN" in run("show", "sp500", "--on", "2015-01-02")


def test_without_the_extra_one_sentence_says_what_brings_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "index_constitution", None)
    with pytest.raises(FinscaleError, match="index-constitution is not installed") as caught:
        run("import", "sp500")
    assert "finscale[universes]" in caught.value.hint


def test_another_index_and_another_form_are_refused(run, history, monkeypatch):
    with pytest.raises(DataError, match="'sp5000' is no index") as caught:
        run("import", "sp5000")
    assert "sp500" in caught.value.hint
    monkeypatch.setattr(history, "history", lambda index: HISTORY.drop(columns="opt-out"))
    with pytest.raises(DataError, match="the history of sp500 has no column opt-out"):
        run("import", "sp500")


def test_a_file_is_kept_under_a_name(run, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("ticker,start,end,sector\nX,2020-01-02,,ore\nY,,2021-01-04,oil\n")
    facts = json.loads(run("import", str(path), "--name", "ours", "--survivors", "--json"))
    assert (facts["symbols"], facts["survivors"], facts["groups"]) == (2, True, 2)
    assert read_universe("ours", tmp_path).members == read_universe(str(path)).members
    listed = json.loads(run("list", "--json"))
    assert [one["name"] for one in listed] == ["us20", "ours"]
    with pytest.raises(ConfigError, match="is no name"):
        run("import", str(path), "--name", "../ours")


def test_shown_are_counts_and_what_is_known_of_those_that_failed(run):
    text = run("show", "us20")
    assert "7: consumer discretionary, consumer staples" in text
    assert "returns are those of survivors" in text
    assert "us20" in run("list")


def test_a_calendar_that_does_not_exist_is_refused(run, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("symbol,calendar\nAAA,XNYS\nBBB,XNYZ\n")
    with pytest.raises(DataError, match="'XNYZ' is not an exchange calendar") as refused:
        run("import", str(file))
    assert "XNYS" in refused.value.hint
    file.write_text("symbol,calendar\nAAA,XNYS\nBBB,\n")
    assert "2 symbols" in run("import", str(file))
