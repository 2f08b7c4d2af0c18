"""The commands of the macro page are run; its rules and the programme page's file hold."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config.programme import load_programme
from finscale.data.qualities import ADDED
from finscale.data.releases import RELEASE_RULES

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def _run(*words):
    told = CliRunner().invoke(app, list(words))
    assert told.exit_code == 0, told.output
    return told.output


def test_the_macro_page(tmp_path, monkeypatch):
    page = (HOWTO / "macro-data.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    months = np.arange("2000-01", "2020-01", dtype="datetime64[M]")
    rows = "".join(f"{month}-01,{80 + k % 7}.5\n" for k, month in enumerate(months))
    Path("UMCSENT.csv").write_text(f"observation_date,UMCSENT\n{rows}")
    Path("my_index.csv").write_text(f"date,value\n{rows}")
    published = "".join(f"{month}-01,{month + 2}-15,1\n" for month in months)
    Path("survey.csv").write_text(f"date,published_at,value\n{published}")
    for command in re.findall(r"^finscale (series import .*)$", page, re.MULTILINE):
        output = _run(*command.split())
    assert "published_at" in output
    shown = _run("series", "import", "UMCSENT.csv").splitlines()
    for line in shown[:3]:
        assert line.split("md5")[0].strip() in page
    assert "MY_INDEX" in _run("series", "list")
    assert "as revised later" in _run("series", "show", "my_index")
    listed = _run("series", "rules", "--json")
    for name in RELEASE_RULES:
        assert name in page
        assert f'"{name}"' in listed
    for quality, names in ADDED.items():
        assert re.search(rf"\| {quality} \|.*{', '.join(names)}", page)
    trained = _run(
        *("train", "threshold_1pct", "--budget", "3k", "--set", "data.series=UMCSENT"),
        *("--set", "training.epochs=1", "--set", "training.thermal.enabled=false"),
        *("--set", "training.batch_size=256"),
    )
    assert "with UMCSENT" in trained


@pytest.mark.parametrize("name", ["my_programme"])
def test_the_file_of_the_programme_page(tmp_path, name):
    page = (HOWTO / "programme.md").read_text(encoding="utf-8")
    text = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    assert yaml.safe_load(text)["name"] == name
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert len(load_programme(tmp_path / "p.yaml").cells()) == 8
