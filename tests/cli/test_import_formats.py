"""``finscale data import`` of a workbook, an archive and text with more than its table."""

import zipfile

import openpyxl
import pytest
from typer.testing import CliRunner

from finscale.cli.data import data_app
from finscale.errors import DataError

ROWS = (
    ("2024-01-02", 472.16, 473.67, 470.49, 472.65, 123623700),
    ("2024-01-03", 470.43, 471.19, 468.17, 468.79, 103585900),
    ("2024-01-04", 468.3, 470.96, 467.05, 467.28, 84232200),
)
HEADER = ("Date", "Open", "High", "Low", "Close", "Volume")
CSV = "".join(",".join(map(str, row)) + "\n" for row in (HEADER, *ROWS))


@pytest.fixture
def run(tmp_path):
    def invoke(file, *arguments):
        options = ["--symbol", "ABC", "--adjustment", "split", *arguments]
        root = ["--data-root", str(tmp_path / "data")]
        result = CliRunner().invoke(data_app, ["import", str(file), *options, *root])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_a_sheet_is_chosen(run, tmp_path):
    book = openpyxl.Workbook()
    for name in ("SPY", "QQQ"):
        sheet = book.create_sheet(name)
        for row in (HEADER, *ROWS):
            sheet.append(row)
    book.save(tmp_path / "bars.xlsx")
    with pytest.raises(DataError, match="2 sheets that could be meant: SPY, QQQ") as caught:
        run(tmp_path / "bars.xlsx")
    assert caught.value.hint == "name one: --sheet 'SPY'"
    output = run(tmp_path / "bars.xlsx", "--sheet", "QQQ")
    assert "ABC        3 bars" in output
    assert "sheet      QQQ" in output


def test_a_member_is_chosen(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "bars.zip", "w") as archive:
        archive.writestr("x/SPY.csv", CSV)
        archive.writestr("x/QQQ.csv", CSV)
    with pytest.raises(DataError, match="holds 2 files: x/SPY"):
        run(tmp_path / "bars.zip")
    output = run(tmp_path / "bars.zip", "--member", "QQQ.csv")
    assert "member     x/QQQ.csv" in output


def test_what_is_not_a_row_is_shown(run, tmp_path):
    file = tmp_path / "bars.csv"
    file.write_text(f"Prices of ABC\n{CSV}{CSV}Source: Example\n2024-01-05,46")
    output = run(file)
    assert "ABC        3 bars" in output
    assert "skipped    line 1: Prices of ABC" in output
    assert "row 6: the header again: skipped" in output
    assert "the file is cut off in this row: left out" in output
