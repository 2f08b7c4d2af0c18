"""``finscale runs list`` and ``show``: whose a run is, what it scored, whether it is a control."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config import ExperimentConfig, validate
from finscale.errors import FinscaleError
from finscale.files import write_json

runner = CliRunner()

#: Name → model, seed, fold, control, how sure of a right answer it is.
_RUNS = {
    "aa": ({"kind": "patchtst", "budget": 2_000_000}, 0, 0, "none", 0.9),
    "ab": ({"kind": "patchtst", "budget": 2_000_000}, 1, 1, "none", 0.6),
    "ba": ({"kind": "gru", "budget": 50_000}, 0, 0, "none", 0.8),
    "ca": ({"kind": "patchtst", "budget": 50_000}, 0, 0, "permuted", 0.5),
    "da": ({"kind": "baseline", "name": "base_rate"}, 0, 0, "none", 0.5),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for index, (name, (model, seed, fold, control, right)) in enumerate(_RUNS.items()):
        config = validate(
            ExperimentConfig,
            {
                "name": name,
                "model": model,
                "seed": seed,
                "task": {"control": control},
                "split": {"method": "walk_forward", "folds": 2, "fold": fold},
            },
            place=name,
        )
        run_id = name * 8
        target = np.arange(40) % 2
        logit = np.log(right / (1 - right)) * (2 * target - 1)
        days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 9), eager=True)
        pl.DataFrame(
            {
                "date": days,
                "symbol": ["SP500"] * 40,
                "fold": [fold] * 40,
                "split": ["validation"] * 20 + ["test"] * 20,
                "target": target.astype(float),
                "logit": logit,
            }
        ).write_parquet(_made(folder / "runs" / run_id) / "predictions.parquet")
        sizes = {"aa": 1_998_337, "ab": 1_998_337, "ba": 50_100, "ca": 50_200}
        write_json(
            folder / "runs" / run_id / "run.json",
            {
                "id": run_id,
                "config": config.model_dump(mode="json"),
                "parameters": {"total": sizes[name]} if name in sizes else {},
                "windows": {"train_mean": 0.5},
                "training": {"best_validation_loss": 0.3, "best_epoch": 2, "stopped": "done"},
                "seconds": 2.0 + index,
                "finished": f"2026-01-0{index + 1}T00:00:00+00:00",
            },
        )
    write_json(_made(folder / "studies/one") / "runs.json", ["aa" * 8, "ab" * 8, "ca" * 8])
    write_json(_made(folder / "studies/two") / "runs.json", ["aa" * 8])
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _at_the_desk(desk, monkeypatch) -> None:
    monkeypatch.chdir(desk)


def _listed(*words: str) -> list[str]:
    result = runner.invoke(app, ["runs", "list", "--json", *words], catch_exceptions=False)
    return [row["id"][:2] for row in json.loads(result.output)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), "aa ab ba ca da"),
        (("--study", "one"), "aa ab ca"),
        (("--study", "one", "--no-controls"), "aa ab"),
        (("--control",), "ca"),
        (("--size", "2M"), "aa ab"),
        (("--size", "50k"), "ba ca"),
        (("--seed", "1"), "ab"),
        (("--fold", "0", "--architecture", "patchtst"), "aa ca"),
        (("--architecture", "base_rate"), "da"),
        # surest first; what has no parameters comes last
        (("--sort", "test", "--no-controls"), "aa ba ab da"),
        (("--sort", "size"), "ba ca aa ab da"),
        (("--sort", "seconds", "--descending"), "da ca ba ab aa"),
    ],
)
def test_runs_are_chosen_and_ordered(words, found) -> None:
    assert _listed(*words) == found.split()


def test_what_a_run_is_stands_in_its_line() -> None:
    said = runner.invoke(app, ["runs", "list"], catch_exceptions=False).output
    lines = {line[:2]: line for line in said.splitlines()}
    assert "one +1" in lines["aa"]
    assert ".1054" in lines["aa"]  # −log .9
    assert "permuted" in lines["ca"]
    assert "permuted" not in lines["aa"]


def test_sixty_columns_hold_whole_values(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = runner.invoke(app, ["runs", "list"], catch_exceptions=False).output
    lines = said.splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert any("permuted" in line and "ca" * 8 in line for line in lines)
    assert "left out for want of width" in said


def test_a_study_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(FinscaleError, match="no run in runs belongs to a study ona") as refused:
        runner.invoke(app, ["runs", "list", "--study", "ona"], catch_exceptions=False)
    assert refused.value.hint == "Did you mean one?"


def test_scores_stand_before_everything_else() -> None:
    lines = runner.invoke(app, ["runs", "show", "aa"], catch_exceptions=False).output.splitlines()
    place = {word: next(i for i, line in enumerate(lines) if word in line) for word in _SHOWN}
    assert list(place) == sorted(place, key=place.__getitem__)
    said = runner.invoke(app, ["runs", "show", "ca"], catch_exceptions=False).output
    assert "control   labels are shuffled" in said.splitlines()[1]
    facts = json.loads(runner.invoke(app, ["runs", "show", "aa", "--json"]).output)
    assert facts["studies"] == ["one", "two"]
    assert facts["skills"]["base_rate"]["value"] == pytest.approx(np.log(0.9 / 0.5))


_SHOWN = (
    "runs/aa",
    "study     one, two",
    "log loss",
    "skill over base rate",
    "validation",
    "config:",
)
