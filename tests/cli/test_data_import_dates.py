"""``finscale data import``: the options that say what a file's dates leave open."""

import datetime as dt

import pytest
from typer.testing import CliRunner

from finscale.cli.data import data_app
from finscale.data import DataStore
from finscale.errors import DataError


@pytest.fixture
def run(tmp_path):
    def invoke(dates, *options):
        rows = "".join(
            f"{date},{100 + n},{101 + n},{99 + n},{100 + n}.5,5000\n"
            for n, date in enumerate(dates)
        )
        file = tmp_path / "bars.csv"
        file.write_text(f"date,open,high,low,close,volume\n{rows}")
        where = ["--data-root", str(tmp_path / "data")]
        wishes = ["--symbol", "ABC", "--adjustment", "split", "--calendar", "none", *options]
        result = CliRunner().invoke(data_app, ["import", str(file), *wishes, *where])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output, DataStore(tmp_path / "data").bars("ABC").frame["date"].to_list()

    return invoke


def test_session_of(run):
    evenings = [f"2024-01-0{day} 22:00Z" for day in (1, 2, 3)]
    with pytest.raises(DataError, match="nothing tells"):
        run(evenings)
    output, dates = run(evenings, "--session-of", "open")
    assert dates == [dt.date(2024, 1, day) for day in (2, 3, 4)]
    assert "sessions   dated by the open, as --session-of says" in output


def test_century(run):
    output, dates = run(["01/02/24", "01/03/24", "01/14/24"], "--century", "1900")
    assert dates[0] == dt.date(1924, 1, 2)
    assert "dates      01/02/24 is 1924-01-02" in output


def test_numbers_of_a_program(run):
    output, dates = run(["23377", "23378"], "--date-format", "sas")
    assert dates == [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
    assert "dates      days from 1960: 23377 is 2024-01-02" in output


def test_cadence(run):
    fridays = [str(dt.date(2024, 1, 5) + dt.timedelta(weeks=n)) for n in range(8)]
    with pytest.raises(DataError, match="these are weekly bars"):
        run(fridays)
    output, dates = run(fridays, "--cadence", "daily")
    assert len(dates) == 8
    assert "cadence    daily, as the user says" in output
    with pytest.raises(DataError, match="'weekly' bars cannot be imported"):
        run(fridays, "--cadence", "weekly")
