"""Programmes: a grid of studies from one file, judged together."""

from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from finscale.cli.programme import programme_app
from finscale.config.programme import ProgrammeConfig, load_programme
from finscale.config.universes import FETCHED
from finscale.data import SOURCES
from finscale.errors import ConfigError
from finscale.experiment import run_experiment
from finscale.report.programme import headline, summary, write_programme
from finscale.runs import RunStore
from finscale.study import Event
from finscale.study.programme import Programme
from finscale.study.programme_results import CellResult, judged_together

STUDY = {
    "experiment": {
        "data": {"context_length": 16},
        "split": {"method": "shares", "validation_fraction": 0.15, "test_fraction": 0.25},
        "model": {"kind": "mlp", "budget": "2k"},
        "training": {
            "epochs": 1,
            "batch_size": 256,
            "threads": 1,
            "thermal": {"enabled": False},
        },
    },
    "axes": {"parameters": ["1k", "2k"]},
    "seeds": 2,
    "baselines": ["base_rate"],
}


def content(**changes):
    return {
        "name": "small",
        "study": STUDY,
        "tasks": ["direction", "threshold_1pct"],
        "timescales": {"daily": {}, "weekly": {"data": {"context_length": 8}}},
        "assets": {"A": ["SP500"], "B": {"symbols": ["SP500", "NASDAQ"], "inputs": "relative"}},
        **changes,
    }


def _write(tmp_path, **changes):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content(**changes)), encoding="utf-8")
    return path


def test_every_combination_is_a_study(tmp_path):
    programme = load_programme(_write(tmp_path, quality=["a", "c"]))
    cells = programme.cells()
    assert len(cells) == 2 * 2 * 2 * 2
    assert len({cell.name for cell in cells}) == 16
    cell = next(c for c in cells if c.name == "threshold_1pct-weekly-B-c")
    data = cell.study.experiment.data
    assert (data.timescale, data.quality, data.context_length) == ("weekly", "c", 8)
    assert data.symbols == ("SP500", "NASDAQ")
    assert cell.study.experiment.task.name == "threshold_1pct"
    assert cell.study.axes == {"parameters": (1000, 2000)}


def test_settings_and_quick_keep_what_a_timescale_needs(tmp_path):
    path = _write(tmp_path, quick={"tasks": ["direction"], "study": {"seeds": 3}})
    quick = load_programme(path, ["timescales=[weekly]"], quick=True)
    assert (quick.name, quick.tasks) == ("small_quick", ("direction",))
    assert quick.timescales == {"weekly": {"data": {"context_length": 8}}}
    assert len(quick.cells()[0].study.seeds) == 3
    assert load_programme(path).hash() != quick.hash()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["direktion"]}, "direktion.*direction"),
        ({"timescales": ["dayly"]}, "timescales"),
        ({"quality": ["e"]}, "quality"),
        ({"assets": {}}, "assets needs at least one"),
        ({"study": {**STUDY, "axes": {"parameter": [1]}}}, "parameter"),
        ({"rows": 3}, "rows"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        load_programme(_write(tmp_path, **changes))


def test_other_files_are_no_programme(tmp_path):
    with pytest.raises(ConfigError, match="finscale study run"):
        load_programme("sp500_parameters")
    with pytest.raises(ConfigError, match="neither a file nor a programme"):
        load_programme("sed")


def test_the_recipe_is_six_tasks_at_eight_timescales():
    programme = load_programme("seed", ["assets=[A]"])
    assert len(programme.cells()) == 48
    assert len(programme.timescales) == 8
    assert {cell.timescale for cell in load_programme("seed", quick=True).cells()} == set(
        programme.timescales
    )


def test_a_row_that_is_not_here_is_told_with_the_command_and_the_others_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    programme = load_programme("seed", ["tasks=[threshold_1pct]", "timescales=[daily]"])
    assert [cell.assets for cell in programme.cells()] == ["A", "B", "C", "E"]
    assert programme.absent() == {
        "D": "the universe us431 is not in data/universes. finscale data download --source us431 "
        "brings it with its bars"
    }
    c = programme.cells()[2].study.experiment
    assert (c.data.universe, c.data.source, len(c.data.symbols)) == ("us20", "us20", 20)
    assert (c.task.touch, c.task.name, c.training.epochs) == ("close", "threshold_1pct", 3)
    with pytest.raises(ConfigError, match=r"us431 is not in .* --source us431"):
        load_programme("seed", ["assets=[D]"])

    told = CliRunner().invoke(
        programme_app,
        ["plan", "seed", "--set", "tasks=[threshold_1pct]", "--set", "assets=[D,E]"],
    )
    assert "1 task × 8 timescales × 1 row of assets × 1 quality = 8" in told.output
    assert "absent     row D: the universe us431" in told.output
    assert "refused    all 8 cells of row E: " in told.output
    assert "finscale series fetch T10Y2Y DFF UNRATE CPIAUCSL" in told.output

    # one that was brought in is a row like the others, wherever the data folder is
    (tmp_path / "own/universes").mkdir(parents=True)
    (tmp_path / "own/universes/us431.csv").write_text("symbol\nAAA\nBBB\n", encoding="utf-8")
    whole = Programme.from_file("seed", ["assets=[D]"], data_root=tmp_path / "own")
    assert len(whole.cells) == 48
    assert whole.cells[0].study.experiment.data.symbols == ("AAA", "BBB")


def test_universes_that_a_command_brings_are_those_of_panels():
    panels = {name for name, source in SOURCES.items() if source.panel is not None}
    assert set(FETCHED) == panels
    assert all(command.endswith(f"--source {name}") for name, command in FETCHED.items())


def _result(name, verdict, p, gain=0.01):
    numbers = {"gain": gain, "low": 0.0, "high": 0.02, "sesoi": 0.005}
    where = {"task": "direction", "timescale": name, "assets": "A", "quality": "a"}
    return CellResult(name, **where, verdict=verdict, together=verdict, p=p, **numbers)


def test_verdicts_are_corrected_for_their_number():
    results = judged_together(
        [
            _result("daily", "LAW", 0.004),
            _result("2d", "NO-LAW", 0.02),
            _result("3d", "INDETERMINATE", 1.0),
            _result("5d", "INVERSE", 0.012),
            CellResult("weekly", "direction", "weekly", "A", "a", sentence="too short"),
        ],
        0.05,
    )
    # Holm: .004 × 4, .012 × 3, .02 × 2; the refused cell is no test
    assert [one.p_together for one in results] == pytest.approx([0.016, 0.04, 1, 0.036, 1])
    assert [one.together for one in results] == ["LAW", "NO-LAW", "INDETERMINATE", "INVERSE", ""]
    strict = judged_together(results[:4], 0.037)
    assert [one.together for one in strict][:2] == ["LAW", "INDETERMINATE"]
    assert headline(results).startswith("Of 4 cells 3 have a verdict that stands")
    assert "of 3 verdicts that cells reach alone, 2 stand" in next(iter(summary(strict, 0.037)))
    (alone,) = judged_together(results[:1], 0.05)
    assert headline([alone]) == "The one cell has a verdict that stands: LAW."
    assert list(summary([alone, results[4]], 0.05)) == [
        f"One cell has no verdict: {results[4].sentence}"
    ]
    assert CellResult.from_dict(json.loads(json.dumps(results[4].to_dict()))) != results[0]


class Here:
    """Computes runs in this process."""

    def run(self, jobs, runs):
        for job in jobs:
            run_experiment(job.config, runs=RunStore(runs))
            yield Event("done", job)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_root):
    """A programme of two cells that can be, and one that cannot."""
    place = tmp_path_factory.mktemp("programme")
    config = ProgrammeConfig.model_validate(
        content(
            tasks=["threshold_1pct"],
            timescales={
                "weekly": {},
                "daily+multi": {},
                "monthly": {"data": {"context_length": 50}},
            },
            assets={"A": ["SP500"]},
            study={**STUDY, "axes": {"parameters": ["1k"]}, "seeds": [0]},
        )
    )
    where = {"studies": place / "studies", "runs": RunStore(place / "runs")}
    programme = Programme(config, **where, data_root=data_root)
    return programme, programme.run(executor=Here())


def test_a_programme_runs_what_is_missing_once(finished):
    programme, failed = finished
    assert failed == {}
    missing, refused = programme.missing()
    assert missing == []
    assert list(refused) == ["threshold_1pct-monthly-A-a"]
    states = {state.cell.timescale: state for state in programme.states()}
    assert (states["weekly"].runs, states["weekly"].there) == (2, 2)
    assert (states["daily+multi"].runs, states["daily+multi"].there) == (2, 2)
    assert "50 bars" in states["monthly"].refused
    run = programme.runs[programme.study(programme.cells[0]).plan[1].run_id]
    assert run.config.name == "parameters1000-seed0"  # its own name, not the cell's
    assert run.config.data.timescale == "weekly"


def test_one_report_with_every_cell(finished):
    programme, _ = finished
    results = programme.results(reports=False)
    assert [one.verdict for one in results] == ["", "", ""]  # one size shows no law
    html = write_programme(programme, results).read_text(encoding="utf-8")
    assert "No cell is judged yet." in html
    assert html.count('class="none"') == 3
    assert "http://" not in html
    told = json.loads((programme.folder / "programme.json").read_text())
    assert [cell["timescale"] for cell in told["cells"]] == ["weekly", "daily+multi", "monthly"]


def test_in_the_terminal(finished, tmp_path, data_root):
    programme, _ = finished
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(programme.config.model_dump(mode="json")), encoding="utf-8")
    where = [
        *("--studies", str(programme.folder.parent), "--data-root", str(data_root)),
        *("--runs", str(programme.runs.folder)),
    ]
    told = CliRunner().invoke(programme_app, ["status", str(path), *where])
    assert told.exit_code == 0, told.output
    assert "2 of 3 cells are finished" in told.output
    told = CliRunner().invoke(programme_app, ["plan", str(path), "--json", *where])
    assert json.loads(told.stdout)["missing"] == 0
    told = CliRunner().invoke(programme_app, ["report", str(path), "--no-reports", *where])
    assert "programme.html" in told.output
    report = ["report", str(path), "--no-reports", *where]
    told = CliRunner().invoke(programme_app, report, env={"COLUMNS": "60"})
    # rows of assets and qualities are all the same, and the verdict stays
    assert "together" in told.output
    assert "left out for want of width: assets" in told.output
