"""Commands shown on a page parse, and Python shown in the how-tos runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("tutorial", "concepts", "howto", "reference")
    for path in (ROOT / "docs" / folder).glob("*.md")
)
SHOWN = [*PAGES, "docs/index.md", "docs/evaluation.md", "docs/leakage.md", "docs/controls.md"]
SHOWN += ["docs/scaling-laws.md", "docs/zoo.md", "README.md"]


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\S*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [inside for kind, inside in blocks if re.fullmatch(language, kind)]


def _commands(page: str) -> list[list[str]]:
    """Return every finscale command in a page's blocks of shell, with or without a prompt."""
    lines = [line for block in _blocks(page, "(?:bash)?") for line in block.splitlines()]
    lines = [line.removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    found = [line for line in lines if line.startswith("finscale ")]
    return [shlex.split(line, comments=True)[1:] for line in found]


def _mentions(page: str) -> list[list[str]]:
    """Return every finscale command in running text, which may leave its arguments out."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(words) for words in re.findall(r"`finscale ([a-z][^`\n]*)`", text)]


def _parse(words: list[str]) -> None:
    """Parse a command as typer does, without running it."""
    from finscale.cli.app import app

    command = typer.main.get_command(app)
    context = command.make_context("finscale", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        assert words, "a group needs a verb"
        if words[0] not in command.commands:
            raise AssertionError(f"no verb {words[0]!r}")
        command = command.commands[words[0]]
        words = words[1:]
        if not words:
            break
    if hasattr(command, "commands"):
        return
    command.make_context(command.name, list(words), parent=context)


@pytest.mark.parametrize("page", SHOWN)
def test_commands_parse(page):
    if not (ROOT / page).exists():
        pytest.skip(f"{page} is not part of an installed package")
    for words in _commands(page):
        _parse([word for word in words if word != "…"])
    for words in _mentions(page):
        try:
            _parse([word for word in words if word not in ("…", "--help")])
        except Exception as error:
            if type(error).__name__ != "MissingParameter":
                raise


def test_the_parser_of_this_test_refuses_what_does_not_exist():
    with pytest.raises(AssertionError):
        _parse(["studdy", "run"])
    with pytest.raises(Exception, match=r"[Nn]o such option"):
        _parse(["study", "run", "a.yaml", "--qick"])


def test_the_tutorials_show_commands():
    assert sum(len(_commands(page)) for page in PAGES if "tutorial" in page) >= 12


@pytest.mark.parametrize("page", SHOWN)
def test_recipes_and_files_that_are_named_exist(page):
    if not (ROOT / page).exists():
        pytest.skip(f"{page} is not part of an installed package")
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(
        r"\b((?:configs|docs|examples)/[\w./-]+\.(?:yaml|csv|ipynb|md))\b", text
    ):
        assert (ROOT / path).exists(), path


def test_predictions_from_another_program_are_judged():
    names: dict[str, object] = {}
    exec(_blocks("docs/howto/evaluate-runs.md", "python")[0], names)
    assert 0.5 < names["result"].metric("auc").value < 0.9


@pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")
def test_the_python_of_the_prediction_page_runs(tiny, tmp_path, monkeypatch, capsys):
    from finscale.experiment import run_experiment

    monkeypatch.chdir(tmp_path)
    run = run_experiment(tiny)
    names: dict[str, object] = {"run_id": run.id[:8], "data": tiny.data.root}
    exec(_blocks("docs/howto/predict.md", "python")[0], names)
    assert names["same"].table[-5:].equals(names["found"].table)
    assert "probability" in capsys.readouterr().out
    assert len(names["channels"]) == 26


def _shown(block: str) -> list[str]:
    """Return the parts between dots of what a page shows, without breaks and digits."""
    parts = re.split(r"^…$", block, flags=re.MULTILINE)
    return [re.sub(r"[-−]?\.?\d[\d.]*", "#", " ".join(part.split())) for part in parts]


@pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")
def test_the_page_of_the_law_prints_what_it_shows(tmp_path, monkeypatch):
    from finscale.cli.app import app

    page = "docs/howto/law-from-table.md"
    *made, prediction = _blocks(page, "python")
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```bash\nfinscale (.*?)\n```\n\n```\n(.*?)^```", text, re.M | re.S))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec("".join(made), names)
    *commands, plan_words = _commands(page)
    for command in commands:
        result = CliRunner().invoke(app, command)
        said = f"error: {result.exception}" if result.exception else result.stdout
        block = shown.get(shlex.join(command), "")
        assert result.exit_code == 0 or block.startswith("error"), said
        (whole,) = _shown(said)
        for part in _shown(block):
            assert part in whole
    assert len(shown) == 5
    exec(prediction.replace("import finscale as fs", "import finscale.scaling as fs"), names)
    # the law that made the table has .36027 there
    assert names["loss"] == pytest.approx(0.36027, abs=0.003)
    assert names["low"] < names["loss"] < names["high"]
    plan = CliRunner().invoke(app, [*plan_words, "--flops", "1e10", "--replicates", "40"])
    assert "log_loss falls by" in plan.stdout


def test_budgets_are_what_the_solver_finds():
    from finscale.cli.app import app

    text = (ROOT / "docs/concepts/budgets.md").read_text(encoding="utf-8")
    command = re.search(r"finscale (model show .*)", text)[1].split()
    printed = CliRunner().invoke(app, command).stdout
    shown = re.search(r"```\n(budget .*?)```", text, re.DOTALL)[1]
    assert [line.split() for line in printed.splitlines() if line.strip()] == [
        line.split() for line in shown.splitlines()
    ]
