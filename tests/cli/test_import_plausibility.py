"""What ``data import`` says of lost rows and strange prices, and the options that let them in."""

import json

import pytest
from typer.testing import CliRunner

from finscale.cli.data import data_app
from finscale.data import calendar
from finscale.errors import DataError


@pytest.fixture
def run(tmp_path):
    def invoke(*words):
        words = [*map(str, words), "--data-root", str(tmp_path / "data")]
        result = CliRunner().invoke(data_app, words)
        if result.exception:
            raise result.exception
        return result.output

    return invoke


@pytest.fixture
def file(tmp_path):
    """Sixty quiet bars of which two have no low, and whose last line is cut off."""
    import datetime as dt

    days = calendar.sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 6, 28))[:60]
    lines = [
        f"{day},{100 + i % 3}.5,{102 + i % 3},{'' if i in (7, 9) else 99 + i % 3},{101 + i % 3}.25"
        for i, day in enumerate(days)
    ]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["Date,Open,High,Low,Close", *lines])[:-4])
    return path


def test_lost_rows_are_counted_and_the_last_session_is_a_gap(run, file):
    lines = run("import", file, "--symbol", "X", "--adjustment", "split").splitlines()
    assert lines[2] == "gaps       3 of 60 sessions have no bar"
    assert lines[5].strip() == "2024-03-27"
    said = "left out   3 of 60 rows: no low (2), the last line is cut off, close … (1)"
    assert said in lines


def test_more_rows_than_a_few_are_left_out_only_if_asked_for(run, file, tmp_path):
    lines = file.read_text().splitlines()
    file.write_text(
        "\n".join(
            [*lines[:40], *[f"{line.rpartition(',')[0]}," for line in lines[40:50]], *lines[50:]]
        )
    )
    words = ("import", file, "--symbol", "X", "--adjustment", "split")
    with pytest.raises(DataError, match=r"12 of 59 bars cannot be used"):
        run(*words)
    assert not (tmp_path / "data").exists()
    facts = json.loads(run(*words, "--leave-out-bad-rows", "--json"))
    assert facts["rows"] == 47
    assert facts["provenance"]["left out"].startswith("13 of 60 rows: no close (10)")


def test_opens_can_be_filled(run, file):
    lines = [line.split(",") for line in file.read_text().splitlines()]
    for cells in lines[1:30]:
        cells[1] = "0"
    file.write_text("\n".join(",".join(cells) for cells in lines))
    words = ("import", file, "--symbol", "X", "--adjustment", "split")
    with pytest.raises(DataError, match="bars cannot be used") as caught:
        run(*words)
    assert "--leave-out-bad-rows" in caught.value.hint
    facts = json.loads(run(*words, "--fill-from-close", "--json"))
    assert facts["rows"] == 59


@pytest.mark.parametrize("ratio", ["5:4", "5/4", "1.25"])
def test_a_split_is_written_as_people_write_it(run, file, ratio):
    lines = [line.split(",") for line in file.read_text().splitlines()[:-1]]
    for cells in lines[40:]:
        cells[1:] = [f"{float(cell) * 0.8:.2f}" if cell else "" for cell in cells[1:]]
    file.write_text("\n".join(",".join(cells) for cells in lines))
    day = lines[40][0]
    facts = json.loads(run("import", file, "--symbol", "X", "--split", f"{day}:{ratio}", "--json"))
    assert facts["splits"] == [[day, 1.25]]


@pytest.mark.parametrize("ratio", ["0", "4:0", "-2", "x", "inf"])
def test_a_ratio_that_is_none(run, file, ratio):
    with pytest.raises(DataError, match="cannot be read"):
        run("import", file, "--symbol", "X", "--split", f"2024-02-01:{ratio}")


def test_a_download_takes_the_same_options(run):
    with pytest.raises(DataError, match="'today' is not a date"):
        run("download", "SPY", "--real-move", "today")
    for option in ("--leave-out-bad-rows", "--fill-from-close"):
        with pytest.raises(DataError, match=f"takes no option {option[2:].replace('-', '_')}"):
            run("download", "SP500", "--source", "bundled", option)
