"""Membership files as people write them: days in any form, columns by other names."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from finscale.config.universes import read_universe
from finscale.errors import ConfigError

FIRST, LAST = dt.date(1976, 7, 1), dt.date(2013, 9, 19)


def read(folder, text, name="u.csv"):
    (folder / name).write_text(text)
    return read_universe(str(folder / name))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("1976-07-01", "2013-09-19"),
        ("1976-7-1", "2013/9/19"),
        ("19760701", "20130919"),
        ("19760701.0", "20130919.0"),
        ("1976-07-01 00:00:00", "2013-09-19T00:00:00Z"),
        ("01/07/1976", "19/09/2013"),
        ("07/01/1976", "09/19/2013"),
        ("1.7.1976", "19.9.2013"),
        ('"July 1, 1976"', "19-Sep-2013"),
        ("1 Jul 1976", "19 September 2013"),
    ],
)
def test_days_in_many_forms(tmp_path, first, last):
    (member,) = read(tmp_path, f"symbol,from,to\nAMD,{first},{last}\n").members
    assert (member.first, member.last) == (FIRST, LAST)


@pytest.mark.parametrize("still", ["", "-", "present", "NULL", "NaT", "9999-12-31", "2100-01-01"])
def test_ends_that_are_none(tmp_path, still):
    universe = read(tmp_path, f"symbol,from,to\nAMD,1976-07-01,{still}\n")
    assert universe.members[0].last == dt.date.max
    assert "nobody says" in universe.survivorship()


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_marks_between_cells_and_rows_without_any(tmp_path, mark):
    text = "symbol,from,to,group\nAMD,1976-07-01,2013-09-19,tech\n,,,\nKO,,,food\n"
    universe = read(tmp_path, text.replace(",", mark))
    assert universe.symbols == ("AMD", "KO")
    assert universe.groups == {"AMD": "tech", "KO": "food"}


@pytest.mark.parametrize(
    "header", ["ticker,valid_from,valid_to", "Symbol,Enter,Leave", "symbol,Entry Date,Exit Date"]
)
def test_usual_names_of_the_days(tmp_path, header):
    (member,) = read(tmp_path, f"{header}\nAMD,1976-07-01,2013-09-19\n").members
    assert (member.first, member.last) == (FIRST, LAST)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,from,to\nA,01/02/2000,03/04/2000\n", "could be month first or day first"),
        ("symbol,from,to\nA,13/02/2000,03/14/2000\n", "now the day first, now the month"),
        ("symbol,from,to\nA,2000-01-01x,\n", "'2000-01-01x' is no date"),
        ("symbol,from,to\nA,2000-01-01,2013-02-30\n", "'2013-02-30' is no date"),
        ("symbol,from,to\nA,36526,\n", "'36526' is no date"),
        ("symbol,joined,parted\nA,2000-01-01,2001-01-01\n", "and dates in 'joined'"),
        ("date,ticker\n2000-01-01,A\n2000-01-02,A\n", "and dates in 'date'"),
        ("symbol,start,start_date\nA,2000-01-01,2001-01-01\n", "dates in 'start_date'"),
        ("symbol\nA\nB\nA\n", "of A overlap: one has no end, the other has no beginning"),
        ("symbol,from,to\nA,2000-01-01,2001-01-01,x\n", "more cells than the header"),
    ],
)
def test_what_no_reading_can_be_told_of(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text)


def test_a_misspelt_name_in_a_list_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"member has no 'form'[\s\S]*from"):
        read(tmp_path, "members:\n- {symbol: AA, form: many}\n", "u.yaml")


def test_what_is_not_read_is_said(tmp_path):
    text = "Symbol,Security,GICS Sector,Date added,Founded\nMMM,3M,Industrials,1957-03-04,1902\n"
    assert read(tmp_path, text).notes == ("not read: Security, Founded",)
    days = read(tmp_path, "symbol,from\nA,13/02/2000\n")
    assert days.notes == ("dates have the day first",)


def test_codes_that_are_numbers_in_parquet(tmp_path):
    frame = pl.DataFrame({"symbol": [7203.0, 6758.0], "from": [20000101, 20010101]})
    frame.write_parquet(tmp_path / "u.parquet")
    universe = read_universe(str(tmp_path / "u.parquet"))
    assert universe.symbols == ("6758", "7203")
    assert universe.spells("7203") == [(dt.date(2000, 1, 1), dt.date.max)]
