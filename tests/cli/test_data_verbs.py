"""``finscale data``: what a person sees, and what a program reads."""

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from finscale.cli.chart import line_chart
from finscale.cli.data import data_app
from finscale.data import DataStore
from finscale.errors import DataError

CSV = """Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,472.16,473.67,470.49,472.65,465.10,123623700
2024-01-03,470.43,471.19,468.17,468.79,461.30,103585900
2024-01-04,468.30,470.96,467.05,467.28,459.81,84232200
2024-01-05,null,null,null,null,null,null
2024-01-08,468.43,474.75,468.30,474.60,467.01,74879100
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "SPY.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def run(tmp_path):
    def invoke(*arguments):
        result = CliRunner().invoke(
            data_app, [*map(str, arguments), "--data-root", str(tmp_path / "data")]
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_import_lists_repairs_gaps_and_where_the_bars_are(run, file):
    lines = run("import", file, "--symbol", "spy").splitlines()
    assert lines[0] == "SPY        4 bars · 2024-01-02 – 2024-01-08 · csv"
    assert lines[1].startswith("adjustment split (detected: an adjusted close beside a close")
    assert lines[2].endswith("one factor, adj close / close, makes them split+dividend")
    assert lines[3] == "gaps       1 of 5 sessions have no bar"
    assert lines[4].strip() == "2024-01-05"
    assert lines[5] == "repairs    1"
    assert lines[6].strip() == "row 5 · 2024-01-05: no prices: row left out"
    assert lines[-1].startswith("written")
    assert lines[-1].endswith("raw/SPY.parquet · SPY.OHLCV.daily@v1")
    again = run("import", file, "--symbol", "SPY").splitlines()
    assert again[-1].startswith("unchanged")


def test_import_refuses_and_imports_nothing(run, file, tmp_path):
    with pytest.raises(DataError, match="1 row needs repair, and --strict was given"):
        run("import", file, "--symbol", "SPY", "--strict")
    assert not (tmp_path / "data").exists()


def test_import_takes_what_the_user_knows(run, tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text(
        "day;open;high;low;close;volume\n"
        "08/06/2014;90;91;89;90;100\n09/06/2014;90;91;89;90;100\n10/06/2014;13;13;12;13;700\n"
        "11/06/2014;13;13;12;13;700\n"
    )
    text = run(
        *("import", raw, "--symbol", "AAPL", "--split", "2014-06-10:7", "--calendar", "none"),
        *("--date-format", "%d/%m/%Y", "--drop", "2014-06-08:2014-06-08", "--json"),
    )
    facts = json.loads(text)
    assert (facts["adjustment"], facts["adjusted_to"]) == ("raw", "split")
    assert (facts["rows"], facts["splits"]) == (3, [["2014-06-10", 7.0]])
    assert facts["new"] is True
    moved = ("--real-move", "2014-06-10", "--adjustment", "split", "--calendar", "none")
    facts = json.loads(
        run("import", raw, "--symbol", "AAPL", "--date-format", "%d/%m/%Y", *moved, "--json")
    )
    assert facts["provenance"]["real moves"] == "2014-06-10"
    assert facts["version"] == "v2"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--split", "2014-06-09", "--split 2014-06-09 cannot be read"),
        ("--split", "2014-06-09:many", "--split 2014-06-09:many cannot be read"),
        ("--drop", "2014-06-09:soon", "--drop 2014-06-09:soon cannot be read"),
        ("--real-move", "9.6.2014", "'9.6.2014' is not a date"),
    ],
)
def test_options_that_cannot_be_read(run, file, option, value, message):
    with pytest.raises(DataError, match=message):
        run("import", file, "--symbol", "SPY", option, value)


def test_import_takes_what_the_user_says_of_columns_and_rows(run, tmp_path):
    file = tmp_path / "board.csv"
    file.write_text(
        "day;board;A;B;C;D;VIX\n"
        "2024-01-02;X;90;91;89;90;15\n2024-01-02;Y;50;51;49;50;15\n"
        "2024-01-03;X;90;91;89;91;15\n2024-01-03;Y;50;51;49;51;15\n"
    )
    options = ("--symbol", "brk/b", "--columns", "open=A,high=B", "--columns", "low=C,close=D")
    options = (*options, "--where", "board=Y", "--adjustment", "raw")
    with pytest.raises(DataError, match="2 rows for 2024-01-02, which differ in 'board'"):
        run("import", file, *options[:6], "--adjustment", "raw")
    text = run("import", file, *options)
    assert "not read   VIX\n" in text
    assert text.splitlines()[-1].endswith("raw/BRK%2FB.parquet · BRK/B.OHLCV.daily@v1")
    assert "not read   VIX" in run("show", "BRK/B")
    assert json.loads(run("show", "brk/b", "--json"))["provenance"]["not read"] == "VIX"
    assert DataStore(tmp_path / "data").verify() == []


def test_import_names_the_formats_that_there_are(run, file):
    from finscale.data.sources.csv_formats import format_names

    help = CliRunner().invoke(data_app, ["import", "--help"]).output
    assert all(name in " ".join(help.split()) for name in format_names())
    with pytest.raises(DataError, match="'yahooo' is not a format"):
        run("import", file, "--symbol", "SPY", "--format", "yahooo")


def test_somebody_at_a_terminal_is_asked_for_the_adjustment(tmp_path):
    """A real pseudo-terminal: only the user can know, so the verb asks."""
    plain = "\n".join(
        ",".join(cell for i, cell in enumerate(line.split(",")) if i != 5)
        for line in CSV.splitlines()
    )
    (tmp_path / "SPY.csv").write_text(plain)
    code = "from finscale.cli.data import data_app; data_app()"
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "import", "SPY.csv", "--symbol", "SPY"],
        cwd=tmp_path,
        stdin=child,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(child)
    os.write(parent, b"split\n")
    output, _ = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == 0
    assert "has no adjusted close" in output
    assert "What has been done to them?" in output
    assert DataStore(tmp_path / "data").bars("SPY").adjustment == "split"


def test_download_list_and_show(run, tmp_path):
    assert "holds no data yet" in run("list")
    text = run("download", "SP500", "VIX", "--source", "bundled")
    assert "SP500      fetched · 5,031 bars · 1999-01-04 – 2018-12-31 (+5,031)" in text
    assert "kept" in run("download", "SP500", "--source", "bundled")
    table = run("list")
    assert [line.split()[0] for line in table.splitlines()] == [
        "id",
        "SP500.OHLCV.daily",
        "VIX.OHLCV.daily",
    ]
    entries = json.loads(run("list", "--json"))
    assert [entry["symbol"] for entry in entries] == ["SP500", "VIX"]
    shown = run("show", "sp500")
    assert "5,031 bars · 1999-01-04 – 2018-12-31 · bundled" in shown
    assert "gaps       none against XNYS" in shown
    assert f"md5        {entries[0]['md5']} ✓ manifest" in shown
    assert entries[0]["sha256"] in shown
    assert "close, split, logarithmic" in shown
    assert any(0x2801 <= ord(char) <= 0x28FF for char in shown)
    facts = json.loads(run("show", "VIX", "--version", "v1", "--json"))
    assert (facts["sessions"], facts["gaps"], len(facts["repairs"])) == (1259, [], 46)
    assert "… 36 more" in run("show", "VIX")


def test_download_names_every_symbol_that_failed_and_keeps_the_others(run, tmp_path):
    with pytest.raises(DataError, match="NOPE is not bundled"):
        run("download", "NOPE", "SP500", "--source", "bundled")
    assert DataStore(tmp_path / "data").symbols() == ("SP500",)
    with pytest.raises(DataError, match="2 of 3 symbols were not downloaded"):
        run("download", "NOPE", "VIX", "NIL", "--source", "bundled")
    assert run("download", "NASDAQ", "--source", "bundled", "--quiet") == ""


def test_show_of_nothing_says_how_to_get_it(run):
    with pytest.raises(DataError, match="has no bars of SPY") as caught:
        run("show", "SPY")
    assert "finscale data download SPY" in caught.value.hint


@pytest.mark.parametrize("words", [["--help"], ["data", "import", "--help"], ["data", "list"]])
def test_help_and_a_list_need_nothing_heavy(words):
    code = (
        "import sys\nfrom finscale.cli.app import app\n"
        f"app({words}, standalone_mode=False)\n"
        "heavy = {'torch', 'polars', 'pandas', 'scipy', 'exchange_calendars'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_chart_rises_with_its_values():
    lines = line_chart([1.0, 10.0, 100.0], width=6, height=3, first="a", last="z")
    assert [line[:5] for line in lines[:3]] == ["100 ┤", " 10 ┤", "  1 ┤"]
    assert lines[-1] == "     a    z"
    # the first column is lowest, the last highest, and the line is unbroken
    assert lines[0][-1] != "\u2800"
    assert lines[2][5] != "\u2800"
    assert lines[0][5] == "\u2800"
    assert len(set(map(len, lines[:3]))) == 1


def test_a_chart_of_one_price_is_a_flat_line():
    lines = line_chart([5.0, 5.0], width=4, height=2, first="a", last="b")
    assert lines[0].endswith("⠉⠉⠉⠉")


def test_the_data_of_many_symbols_are_counted(run, tmp_path):
    bars = DataStore(tmp_path / "data")
    rows = CSV.splitlines()
    panel = [f"Symbol,{rows[0]}"]
    for number in range(13):
        panel += [f"T{number:02},{row}" for row in (*rows[1:4], rows[5])]
    (tmp_path / "panel.csv").write_text("\n".join(panel))
    run("import", tmp_path / "panel.csv")
    assert len(bars.symbols()) == 13
    table = run("list")
    assert "OHLCV.daily" in table
    assert table.splitlines()[1].split()[2:4] == ["13", "52"]
    assert "T05" not in table
    assert "T05.OHLCV.daily" in run("list", "--each")
    assert run("list", "t05").count("OHLCV") == 1
    with pytest.raises(DataError, match="holds nothing of T5") as refused:
        run("list", "T5")
    assert "Did you mean" in refused.value.hint
