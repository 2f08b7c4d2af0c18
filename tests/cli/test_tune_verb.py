"""``finscale tune``: a plan beforehand, a search, its status and its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config import StudyConfig, load_study
from finscale.config.recipes import recipes
from finscale.errors import FinscaleError

pytest.importorskip("optuna")
RUNNER = CliRunner()
RECIPES = sorted(path.stem for path in recipes().values() if path.parent.name == "tune")


def invoke(*words: str) -> str:
    result = RUNNER.invoke(app, ["tune", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path, data_root: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    held = dict.fromkeys(["decay", "dropout", "batch", "epochs", "depth", "ff_ratio", "heads"])
    content = {
        "name": "mine",
        "experiment": {
            "base": str(root / "configs/daily/threshold_1pct.yaml"),
            "data": {"root": str(data_root)},
            "training": {"epochs": 1, "batch_size": 512, "threads": 1},
        },
        "axes": {"parameters": ["3k"]},
        "seeds": 1,
        "tuning": {"rule": "search", "trials": 5, "widenings": 0, "space": held},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_study_with_a_search(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    assert study.tuning.rule == "search"
    again = StudyConfig.model_validate(study.model_dump(mode="json"))
    assert again.hash() == study.hash()


def test_there_are_recipes() -> None:
    assert {"sp500_search", "sp500_transfer", "sp500_rates"} <= set(RECIPES)


def test_a_search_is_planned_made_shown_and_reported(desk: Path) -> None:
    plan = json.loads(invoke("mine.yaml", "--dry-run", "--json"))
    assert plan["sizes"][0]["runs"] == 5
    assert plan["flops"] > 0
    assert not (desk / "runs").exists()
    made = json.loads(invoke("mine.yaml", "--workers", "1", "--json"))
    (size,) = made["sizes"]
    assert size["is_done"]
    assert size["best_loss"] <= size["default_loss"]
    assert [trial["forced"] for trial in size["trials"]][:3] == [
        "default",
        "lowest rate",
        "highest rate",
    ]
    told = invoke("status", "mine.yaml")
    assert "test days were read by nothing here" in told
    invoke("report", "mine.yaml")
    page = (desk / "studies/mine/tune/tune.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 2
    assert "http" not in page.replace("http-equiv", "")


def test_a_training_is_searched_at_its_own_budget(desk: Path, root: Path, data_root: Path) -> None:
    plan = json.loads(
        invoke(
            "threshold_1pct",
            *("--set", "model.budget=3k", "--data-root", str(data_root)),
            *("--trials", "12", "--dry-run", "--json"),
        )
    )
    assert [size["label"] for size in plan["sizes"]] == ["3k parameters"]
    assert plan["sizes"][0]["trials"] == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mine.yaml", "--time", "soon"), "such as 90s"),
        (("mine.yaml", "--sampler", "luck"), "luck"),
        (("mine.yaml", "--flops", "many"), "many"),
        (("mine.yaml", "--flops", "0"), "such as 1e15"),
    ],
)
def test_a_bound_that_is_none_is_refused(desk: Path, words: tuple[str, ...], said: str) -> None:
    result = RUNNER.invoke(app, ["tune", *words], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "mine.yaml"), "no finished trial"),
        (("nowhere.yaml",), "does not exist"),
        (("mine.yaml", "--set", "tuning.space.rate=[2, 1]"), "must rise"),
        (("mine.yaml", "--set", "tuning.search.trials=9"), "are the same setting"),
        (("mine.yaml", "--set", "tuning.space.rate=[1, 2, 3]"), "a range is asked for"),
        (
            ("mine.yaml", "--set", "tuning.folds=99", "--dry-run"),
            "leave no room for so many blocks",
        ),
        (
            ("mine.yaml", "--sampler", "grid", "--trials", "2", "--dry-run"),
            "a grid over 1 settings takes 3 trials",
        ),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_sentence(
    desk: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(FinscaleError) as refused:
        RUNNER.invoke(app, ["tune", *words], catch_exceptions=False)
    assert said in refused.value.message
