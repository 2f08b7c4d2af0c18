"""The ETTh1 benchmark: its windows, its schedules, what it keeps, and the page that shows it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from finscale.models import ARCHITECTURES


@pytest.fixture(scope="module")
def ett(root: Path) -> Any:
    folder = root / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks are not part of an installed package")
    sys.path.insert(0, str(folder))  # it imports its recipes
    try:
        spec = importlib.util.spec_from_file_location("ett", folder / "ett.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["ett"] = module  # its dataclass looks itself up
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@pytest.fixture
def short(ett: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the split 60, 40 and 40 rows, and NLinear's window 24."""
    for name, rows in (("TRAIN", 60), ("VALIDATION", 40), ("TEST", 40)):
        monkeypatch.setattr(ett, name, rows)
    monkeypatch.setattr(ett, "HORIZONS", (8,))
    recipe = ett.RECIPES["nlinear"]
    changed = {"look_back": 24, "epochs": 2, "batch": 8, "published": {8: 1.0}}
    monkeypatch.setattr(ett, "RECIPES", {"nlinear": type(recipe)(**{**vars(recipe), **changed})})


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    lines = ["date,a,b"]
    lines += [f"{i},{a:.4f},{b:.4f}" for i, (a, b) in enumerate(torch.randn(150, 2).tolist())]
    path = tmp_path / "ETTh1.csv"
    path.write_text("\n".join(lines))
    return path


def test_the_split_has_as_many_windows_as_the_papers_count(ett: Any) -> None:
    series = ett.Series(torch.zeros(14_400, 7), look_back=336, horizon=96)
    assert [len(series.starts(part)) for part in ("train", "validation", "test")] == [
        8209,
        2785,
        2785,
    ]


def test_what_is_to_come_follows_the_look_back_and_no_part_reads_ahead(ett: Any) -> None:
    rows_RF = torch.arange(14_400.0).unsqueeze(1)
    series = ett.Series(rows_RF, look_back=336, horizon=96)
    x_BLF, y_BHF = series.batch(series.starts("test")[[0, -1]])
    assert x_BLF[0, -1, 0] == 11_519
    assert y_BHF[0, 0, 0] == 11_520
    assert y_BHF[1, -1, 0] == 14_399
    _, y_BHF = series.batch(series.starts("train")[-1:])
    assert y_BHF.max() == 8639


def test_rates_fall_as_in_the_authors_code(ett: Any) -> None:
    # adjust_learning_rate(epoch) is called behind an epoch: the second one still has the first rate
    halving = {"schedule": "halving", "lr": 1.0, "epochs": 4}
    assert [ett.rate(halving, epoch) for epoch in (1, 2, 3, 4)] == [1, 1, 0.5, 0.25]
    assert ett.rate({**halving, "schedule": "constant"}, 9) == 1
    thirds = {"schedule": "thirds", "lr": 1.0, "epochs": 6}
    assert [ett.rate(thirds, epoch) for epoch in range(1, 7)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("horizon", [96, 720])
def test_every_recipe_builds_its_network(ett: Any, horizon: int) -> None:
    for name, recipe in ett.RECIPES.items():
        settings = recipe.settings(horizon)
        with torch.device("meta"):
            model = ett.network(name.split(":")[0], settings, horizon)
            y_BHF = model(torch.zeros(2, settings["look_back"], 7))
        assert y_BHF.shape == (2, horizon, 7), name
        assert settings == json.loads(json.dumps(settings))


def test_every_architecture_with_a_paper_on_etth1_has_a_recipe(ett: Any) -> None:
    assert {name.split(":")[0] for name in ett.RECIPES} == {*ARCHITECTURES} - {"mlp", "gru"}


@pytest.mark.usefixtures("short")
def test_a_finished_cell_is_kept_and_not_trained_again(
    ett: Any, table_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results.json"
    command = ["--architecture", "nlinear", "--horizons", "8", "--data", str(table_file)]
    command += ["--out", str(out), "--threads", "1"]
    ett.main([*command, "--seeds", "1"])
    (first,) = ett.kept(out)
    assert first["test_windows"] == 33
    assert 0.5 < first["test_mse"] < 3

    ett.main([*command, "--seeds", "2"])
    cells = ett.kept(out)
    assert [cell["seed"] for cell in cells] == [0, 1]
    assert cells[0] == first
    assert cells[1]["test_mse"] != first["test_mse"]

    # other settings: the old figures no longer count, and are replaced
    recipe = ett.RECIPES["nlinear"]
    changed = {"nlinear": type(recipe)(**{**vars(recipe), "batch": 16})}
    monkeypatch.setattr(ett, "RECIPES", changed)
    assert ett.summary(cells) == []
    ett.main([*command, "--seeds", "1"])
    assert [row["seeds"] for row in ett.summary(ett.kept(out))] == [1]
    assert len(ett.kept(out)) == 2


def test_means_ratios_and_the_margin(ett: Any) -> None:
    def cell(horizon: int, seed: int, mse: float) -> dict[str, Any]:
        settings = ett.RECIPES["nlinear"].settings(horizon)
        place = {"recipe": "nlinear", "horizon": horizon, "seed": seed}
        return {**place, "test_mse": mse, "settings": settings}

    cells = [cell(96, 0, 0.370), cell(96, 1, 0.382), cell(720, 0, 0.454)]
    here, far = ett.summary(cells)
    assert (here["seeds"], here["ours"]) == (2, pytest.approx(0.376))
    assert here["ratio"] == pytest.approx(0.376 / 0.374)
    assert here["within"]
    assert not far["within"]
    (line,) = [line for line in ett.table(cells).splitlines() if "| NLinear" in line]
    assert line == "| NLinear | 336 | **.376** (2) / .374 | – / .408 | – / .429 | .454 (1) / .440 |"


def test_the_page_shows_the_results_that_are_kept(ett: Any, root: Path) -> None:
    page = (root / "docs" / "zoo.md").read_text(encoding="utf-8")
    cells = ett.kept(root / "benchmarks" / "results" / "ett.json")
    assert ett.table(cells) in page, "run benchmarks/ett.py --page docs/zoo.md"
    assert ett.paged(page, cells) == page
    assert ett.current(cells) == cells, "results of settings that the recipes no longer have"
