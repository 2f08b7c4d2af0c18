"""Files of series in odd forms: periods as people write them, commas, doubles, unread columns."""

from __future__ import annotations

import datetime as dt

import pytest

from finscale.data.series_files import SeriesWishes, read_series_file
from finscale.errors import DataError


def read(folder, text, **wishes):
    (folder / "S.csv").write_text(text)
    return read_series_file(folder / "S.csv", SeriesWishes(**{"name": "S", "lag": 3, **wishes}))


MONTHS = [dt.date(2020, month, 1) for month in (1, 2, 3, 4)]


@pytest.mark.parametrize("form", ["%Y-%m", "%YM%m", "%Y%m", "%b %Y", "%B %Y", "%Y %b", "%m/%Y"])
def test_months_in_many_forms(tmp_path, form):
    rows = "".join(f"{day:{form}},{number}\n" for number, day in enumerate(MONTHS))
    series = read(tmp_path, f"month,value\n{rows}")
    assert series.frame["period"].to_list() == MONTHS
    assert series.frequency == "monthly"
    assert str(series.frame["released"][0].date()) == "2020-02-04"  # 23:59 New York


@pytest.mark.parametrize("form", ["{0}-Q{1}", "{0}Q{1}", "Q{1} {0}", "Q{1}/{0}", "{0}:Q{1}"])
def test_quarters_in_many_forms(tmp_path, form):
    rows = "".join(f"{form.format(2020, quarter)},1\n" for quarter in (1, 2, 3, 4))
    series = read(tmp_path, f"quarter,value\n{rows}")
    assert series.frame["period"].to_list() == [dt.date(2020, m, 1) for m in (1, 4, 7, 10)]


@pytest.mark.parametrize(
    ("mark", "cells", "values"),
    [
        (",", ['"1,234.0"', '"1,235.5"', "999.0"], [1234.0, 1235.5, 999.0]),
        (";", ["1,234.0", "1,235.5", "999.0"], [1234.0, 1235.5, 999.0]),
        (";", ["1.234,0", "1.235,5", "999,0"], [1234.0, 1235.5, 999.0]),
        (";", ["1,230", "1,231", "1,232"], [1.230, 1.231, 1.232]),
        (",", ['"0,5"', '"1,25"', "3"], [0.5, 1.25, 3.0]),
        (",", ['"152,234"', "998", '"1,152,300"'], [152234.0, 998.0, 1152300.0]),
        (",", ["\u22121.5", "2", "-3"], [-1.5, 2.0, -3.0]),
    ],
)
def test_what_a_comma_stands_for(tmp_path, mark, cells, values):
    rows = "".join(f"{day}{mark}{cell}\n" for day, cell in zip(MONTHS, cells, strict=False))
    assert read(tmp_path, f"date{mark}value\n{rows}").frame["value"].to_list() == values


def rows(*cells):
    return "date,value\n" + "".join(
        f"{day},{cell}\n" for day, cell in zip(MONTHS, cells, strict=False)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rows('"152,234"', '"153,100"', '"151,000"'), "could be 152234 or 152.234"),
        (rows("1", "inf", "3"), "'inf' is not a number"),
        (rows("1%", "2%", "3%"), "'1%' is not a number"),
        ("date,value\n2020-01-01,1\n2020-01-01,2\n2020-02-01,3\n", "two values, 1 and 2"),
        ("year,value\n2018,1\n2019,2\n2020,3\n", "periods are years"),
        ("month,value\nJan-20,1\nFeb-20,2\n", "not every period is written in one form"),
        ("date,value\n01/02/2020,1\n01/03/2020,2\n01/04/2020,3\n", "month first or day first"),
    ],
)
def test_what_nothing_tells_is_refused(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, text)


def test_equal_rows_are_one_and_the_form_of_days_can_be_said(tmp_path):
    text = "date,value\n01/02/2020,1\n01/02/2020,1\n01/03/2020,2\n01/04/2020,3\n"
    series = read(tmp_path, text, date_format="%d/%m/%Y")
    assert series.frame["period"].to_list() == MONTHS[1:]


def test_a_column_of_releases_that_is_not_read_is_said(tmp_path):
    text = "date,published,value\n2020-01-01,2020-02-20,1\n2020-02-01,2020-03-20,2\n"
    assert read(tmp_path, text).provenance["not read"] == "published"
    known = read(tmp_path, text, released="published", lag=None)
    assert "not read" not in known.provenance
