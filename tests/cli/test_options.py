"""Options of their own beside ``--set``."""

from io import StringIO

import pytest
from rich.console import Console
from typer.main import get_command

from finscale.cli.app import app
from finscale.cli.options import plain_table, with_options, wrapped
from finscale.config import ExperimentConfig, load_config
from finscale.errors import ConfigError


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [("budget", "model.budget", "3k"), ("symbol", "data.symbols", "ON"), ("seed", "seed", 0)],
)
def test_an_option_and_its_setting_contradict_each_other(option, name, value):
    with pytest.raises(ConfigError, match=rf"^--{option} and --set {name} are the same setting"):
        with_options([f"{name}=5"], **{option: (name, value)})


@pytest.mark.parametrize("budget", ["3k", "5000", "1.79M", "2e6"])
def test_values_are_read_as_they_were_typed(root, budget):
    changes = with_options(None, budget=("model.budget", budget), symbol=("data.symbols", "ON"))
    file = root / "configs/daily/threshold_1pct.yaml"
    config = load_config(ExperimentConfig, file, changes)
    typed = load_config(ExperimentConfig, file, [f"model.budget={budget}"])
    assert config.network.budget == typed.network.budget
    assert config.data.symbols == ("ON",)


def _drawn(width: int, **options) -> str:
    columns = ("run", "architecture", "loss [95 % interval]", "seconds")
    rows = [("0123456789abcdef", "a patched transformer", ".3655 [.341, .391]", "1,204.5")]
    options = {"left": ("run", "architecture"), "whole": ("run",), **options}
    table = plain_table(columns, rows, width=width, **options)
    terminal = Console(width=width, file=StringIO())
    terminal.print(table)
    return terminal.file.getvalue()


def test_a_narrow_table_loses_columns_and_no_values() -> None:
    wide = _drawn(100)
    assert "1,204.5" in wide
    assert "left out" not in wide
    narrow = _drawn(44, drop=("architecture",))
    assert "transformer" not in narrow
    assert "left out for want of width: architecture" in narrow
    # without an order the rightmost go first, and the first stays at any width
    assert "left out for want of width: seconds" in _drawn(44)
    assert "0123456789abcdef" in _drawn(17)


@pytest.mark.parametrize("width", [40, 60, 80, 109])
def test_no_word_is_broken(width) -> None:
    words = {"transformer", "patched", "0123456789abcdef", ".3655", "[.341,", ".391]", "1,204.5"}
    drawn = _drawn(width)
    shown = [word for word in words if word in drawn.split()]
    gone = words - set(shown)
    assert all(word[:6] not in drawn for word in gone if len(word) > 6)
    line = "control   labels shuffled within calendar quarters: configs/studies/sp500.yaml"
    lines = wrapped(line, width).split("\n")
    assert " ".join(" ".join(lines).split()) == " ".join(line.split())
    assert all(len(one) <= width for one in lines)


@pytest.mark.parametrize("width", [58, 60, 70, 200])
def test_heads_are_broken_between_words_too(width) -> None:
    columns = ("model", "runs", "log loss", "over runs", "AUC", "vs base rate", "vs volatility")
    rows = [("volatility", "2", ".3021", ".172–.432", ".659", "+.1125", "+.0000")]
    whole = ("model", "over runs")
    table = plain_table(
        columns, rows, left=("model",), whole=whole, width=width, padding=(0, 1, 0, 0)
    )
    terminal = Console(width=width, file=StringIO())
    terminal.print(table)
    said = terminal.file.getvalue().split()
    assert said.count("volatility") == 2
    assert "+.0000" in said


def test_a_path_longer_than_the_terminal_can_still_be_pasted() -> None:
    path = "studies/" + "x" * 60 + "/report.html"
    assert wrapped(f"report    {path}", 40).split() == ["report", path]


def _verbs(command):
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _verbs(below)


def test_help_is_written_for_a_terminal_and_speaks_of_recipes_by_name():
    verbs = list(_verbs(get_command(app)))
    assert len(verbs) > 30
    for verb in verbs:
        text = "".join(filter(None, (verb.help, verb.epilog)))
        assert "``" not in text, verb.name
        # within a paragraph lines end where the terminal's do; an epilog of commands keeps its own
        assert "\n" not in (verb.help or "").replace("\n\n", ""), verb.name
        # configs/ is a folder of the checkout, which an installed package does not have
        assert "configs/" not in text, verb.name
