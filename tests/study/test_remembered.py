"""Scores are computed once for each content, and come back with every digit."""

from __future__ import annotations

import ast
import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from finscale.config import StudyConfig
from finscale.runs import RunStore
from finscale.study import Study, remembered, results
from finscale.study.remembered import RememberedScores, code_digest, code_files, score_key


@pytest.fixture
def study(tiny, tmp_path) -> Study:
    config = StudyConfig(
        name="scores",
        experiment=tiny,
        axes={"parameters": (3_000,)},
        seeds=(0,),
        baselines=("base_rate", "volatility"),
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert study.run() == {}
    return study


def test_a_table_is_the_same_whether_computed_or_remembered(study, monkeypatch) -> None:
    computed: list[str] = []
    compute = results._scores

    def counted(run, *others):
        computed.append(run.id)
        return compute(run, *others)

    monkeypatch.setattr(results, "_scores", counted)
    first = study.results().to_dicts()
    assert len(computed) == 3
    assert str(study.results().to_dicts()) == str(first)
    assert len(computed) == 3
    # the file is only a cache
    cache = study.folder / ".scores.json"
    for content in ("{", "[]"):
        cache.write_text(content)
        assert str(study.results().to_dicts()) == str(first)
    assert len(computed) == 9
    # no cache at all
    assert str(results.results_table(study.completed()).to_dicts()) == str(first)


def test_a_key_is_the_content_of_everything_behind_a_row(study, monkeypatch) -> None:
    base_rate, volatility, network = (run for _, run in study.completed())
    keys = {
        score_key(network, [base_rate, volatility]),
        score_key(network, [volatility]),
        score_key(network, [base_rate]),
        score_key(volatility, [base_rate, volatility]),
        score_key(network, []),
    }
    assert len(keys) == 5
    assert None not in keys
    monkeypatch.setattr("finscale.study.remembered.code_digest", lambda: "another day's code")
    assert score_key(network, []) not in keys
    # a run without digests is computed each time
    network.info.pop("files")
    assert score_key(network, []) is None
    rows = RememberedScores(study.folder / "none.json")
    calls: list[int] = []
    for _ in range(2):
        assert rows.row(None, lambda: calls.append(1) or {"a": 1.0}) == {"a": 1.0}
    assert len(calls) == 2


def test_numbers_keep_every_digit_and_what_is_no_number(tmp_path) -> None:
    row = {"a": 0.1 + 0.2, "b": math.nan, "c": math.pi * 1e-300, "d": True}
    first = RememberedScores(tmp_path / "scores.json")
    first.row("key", lambda: row)
    first.row("other", lambda: {"a": 1.0})
    first.save()
    again = RememberedScores(tmp_path / "scores.json")

    def never() -> dict[str, float]:
        raise AssertionError

    known = again.row("key", never)
    assert math.isnan(known.pop("b"))
    assert known == {name: value for name, value in row.items() if name != "b"}
    # rows that nobody asks for are of runs that are no more the study's
    again.save()
    assert '"other"' not in (tmp_path / "scores.json").read_text()


def imported(module: str, found: set[str]) -> set[str]:
    """Return the modules that score runs which a module imports, and those import in turn."""
    origin = find_spec(module).origin
    tree = ast.parse(Path(origin).read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rooms = ("finscale.evaluation.", "finscale.judging.")
    for name in {name for name in names if name and name.startswith(rooms)} - found:
        found.add(name)
        imported(name, found)
    return found


def test_a_key_holds_all_code_that_scores_are_computed_by() -> None:
    files = code_files()
    found = imported("finscale.study.results", set())
    assert {"finscale.evaluation.bootstrap", "finscale.evaluation.scores"} < found
    assert {Path(find_spec(name).origin) for name in found} <= set(files)
    assert Path(find_spec("finscale.study.results").origin) in files


def test_another_line_in_any_of_it_makes_another_key(monkeypatch, tmp_path) -> None:
    (tmp_path / "scores.py").write_text("A = 1\n")
    monkeypatch.setattr(remembered, "code_files", lambda: [tmp_path / "scores.py"])
    digest = code_digest.__wrapped__
    before = digest()
    assert digest() == before
    (tmp_path / "scores.py").write_text("A = 2\n")
    assert digest() != before
