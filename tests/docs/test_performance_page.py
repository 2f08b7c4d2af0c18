"""The tables of docs/performance.md are what benchmarks/results say."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest


@pytest.fixture(scope="module")
def page(root):
    path = root / "benchmarks" / "performance_page.py"
    spec = importlib.util.spec_from_file_location("performance_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_results(page) -> None:
    text = page.PAGE.read_text()
    machine = re.search(r"results/\*-(\S+)\.json", text)[1]
    assert page.render(text, machine) == text, "run benchmarks/performance_page.py"


def test_every_block_has_its_command_and_its_table(page, root) -> None:
    text = page.PAGE.read_text()
    names = re.findall(r"<!-- begin (\w+) -->", text)
    assert sorted(names) == sorted(page.TABLES)
    for name in names:
        assert f"python benchmarks/{name}.py" in text
        assert (root / "benchmarks" / f"{name}.py").exists()


def test_a_goal_that_is_missed_is_said(page, tmp_path) -> None:
    assert page.verdict(2.9, 3) == "3, **not reached**"
    assert page.verdict(3.0, 3) == "3"
    assert page.verdict(5.1, 5, most=True) == "5, **not reached**"
    figures = {"quiet": 2_000, "busy": 40}
    (tmp_path / "spinning-here.json").write_text(json.dumps({"windows a second": {"x": figures}}))
    text = "a\n<!-- begin spinning -->\nold\n<!-- end spinning -->\nb\n"
    renewed = page.render(text, "here", tmp_path)
    assert "| x | 2,000 | 40 |" in renewed
    assert "old" not in renewed
    assert page.render(renewed, "here", tmp_path) == renewed
    assert page.render(text, "elsewhere", tmp_path) == text
