"""The tables of docs/controls.md are what the controls' results say."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest


@pytest.fixture(scope="module")
def page(root):
    path = root / "benchmarks" / "controls_page.py"
    spec = importlib.util.spec_from_file_location("controls_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_results(page) -> None:
    text = page.PAGE.read_text()
    found = [json.loads(path.read_text()) for path in (page.NOW, page.BEFORE)]
    assert page.render(text, *found) == text, "run benchmarks/controls_page.py"
    assert re.findall(r"<!-- begin (\w+) -->", text) == ["worlds", "before_after"]


def _result(name: str, rate: float, *, passed: bool) -> dict:
    check = {"measure": "LAW", "rate": rate, "limits": "≤ 5 %", "passed": passed}
    rates = {"LAW": rate, "INDETERMINATE": 1 - rate}
    return {"name": name, "rates": rates, "checks": [check], "truth": None, "exponent": None}


def test_a_missed_figure_is_bold_and_an_unmeasured_one_a_dash(page) -> None:
    now = {"results": [_result("a", 0.02, passed=True)], "num_replicates": 300, "seed": 0}
    before = {"results": [_result(n, 0.4, passed=False) for n in "ab"]}
    rows = page.before_after(now, before).splitlines()[2:]
    assert rows == [
        "| a | LAW | ≤ 5 % | **40.0 %** | 2.0 % |",
        "| b | LAW | ≤ 5 % | **40.0 %** | – |",
    ]
    said = page.worlds(now)
    assert said.startswith("300 worlds each, seed 0: 1 of 1 figures met.")
    assert "| a | 2.0 % | 0.0 % | 0.0 % | 0.0 % | 98.0 % | 0.0 % |  | ✓ LAW 2.0 % (≤ 5 %) |" in said
