"""The commands and the code of docs/scaling-laws.md do what it says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/scaling-laws.md"


@pytest.fixture
def guide():
    if not GUIDE.exists():
        pytest.skip("docs are not part of an installed package")
    return GUIDE.read_text()


def test_the_command_prints_what_the_guide_shows(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = re.search(r"^finscale (law fit .*)$", guide, re.MULTILINE)[1].split()
    command[-1] = str(tmp_path / "law.svg")
    printed = CliRunner().invoke(app, command).stdout
    shown = re.search(r"```\n(power_floor .*?)```", guide, re.DOTALL)[1]
    # the last digit of a quantile may differ between builds of the linear algebra library
    numbers = r"\d+\.\d+(?:e[+-]\d+)?"
    assert re.sub(numbers, "#", printed).startswith(re.sub(numbers, "#", shown.strip()))
    for ours, theirs in zip(re.findall(numbers, printed), re.findall(numbers, shown), strict=False):
        assert float(ours) == pytest.approx(float(theirs), rel=0.02)


def test_the_code_runs(guide, monkeypatch):
    monkeypatch.chdir(ROOT)
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1]
    code = code.replace("import finscale as fs", "import finscale.scaling as fs")
    names = {}
    exec(code, names)
    assert names["law"].identified
    assert (names["low"] < names["high"]).all()


def test_every_form_is_in_the_guide(guide):
    from finscale.scaling import FORMS

    for name in FORMS:
        assert f"| `{name}` |" in guide
