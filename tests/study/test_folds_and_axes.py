"""Whole studies along other axes, with folds: tables, verdicts, the surface, plan and export."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.errors import FinscaleError
from finscale.evaluation.losses import log_losses
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.daily import daily_losses
from finscale.study.export import export_study
from finscale.study.planned import plan_cells
from finscale.study.planning import plan_study
from finscale.study.study_diff import StudyRecord, compare


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("axes")


def make(tiny, workplace, **changes) -> Study:
    split = {"method": "walk_forward", "folds": 2, "validation_days": 252, "test_days": 252}
    training = tiny.training.model_copy(update={"epochs": 1})
    experiment = tiny.model_copy(
        update={"split": tiny.split.model_validate(split), "training": training}
    )
    content = {
        "experiment": experiment,
        "seeds": (0, 1),
        "baselines": ("base_rate",),
        **changes,
    }
    return Study(
        StudyConfig(**content), studies=workplace / "studies", runs=RunStore(workplace / "runs")
    )


@pytest.fixture(scope="module")
def surface(root, workplace) -> Study:
    """Return a finished study of parameters by years of history."""
    from finscale.config import ExperimentConfig, load_config

    settings = ["training.batch_size=256", "training.threads=1", f"data.root={workplace / 'data'}"]
    settings.append("training.thermal.enabled=false")
    tiny = load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)
    axes = {"parameters": (3_000, 5_000, 9_000, 16_000), "rows": (1, 2)}
    study = make(tiny, workplace, name="surface", axes=axes)
    assert study.run() == {}
    return study


def test_folds_make_one_series(surface) -> None:
    table = daily_losses(surface.completed())
    assert set(table["fold"]) == {0, 1}
    one = table.filter(
        (pl.col("size_parameters") == 3_000) & (pl.col("size_rows") == 1) & (pl.col("seed") == 0)
    )
    assert one["day"].n_unique() == len(one) == 504
    # x is what was measured: built parameters, training windows
    assert one["parameters"][0] == pytest.approx(3_000, rel=0.05)
    assert 200 < one["rows"][0] < 252
    assert one["rows"].n_unique() == 1


def test_the_verdict_is_along_the_first_axis_at_each_level_of_the_second(surface) -> None:
    along = surface.verdicts()
    assert list(along) == [1, 2]
    whole = surface.verdict()
    assert whole.to_dict() == along[2].to_dict()
    assert whole.covariance.num_days == 504
    assert whole.statement.num_seeds == 2
    assert len(whole.statement.sizes) == 4
    assert along[1].covariance.mean_G.tolist() != along[2].covariance.mean_G.tolist()


def test_the_surface_is_fitted_over_both_axes(surface) -> None:
    law = surface.surface()
    assert law.table.axes == ("parameters", "rows")
    assert law.table.num_sizes == 8


def test_a_fold_that_is_missing_leaves_its_seed_out(surface) -> None:
    from finscale.study.analysis import verdict

    completed = [
        (planned, run)
        for planned, run in surface.completed()
        if planned.cell.label != "parameters3000-rows2-seed1-fold1"
    ]
    judged = verdict(surface.config, completed)
    assert judged.statement.exclusions == ("1 seeds of which a fold is missing",)
    assert judged.covariance.seeds_G.tolist() == [1, 2, 2, 2]


def test_the_table_has_a_row_for_each_run_and_its_own_baseline(surface) -> None:
    table = surface.results()
    assert len(table) == 4 + 32
    networks = table.filter(pl.col("role") == "network")
    assert networks["skill_base_rate"].null_count() == 0
    titles = [row["model"] for row in surface.summary()]
    assert titles[:2] == ["base_rate · 1 year", "base_rate · 2 years"]
    assert titles[2] == "PatchTST 3,005 · 1 year"


def test_the_plan_measures_and_counts(surface) -> None:
    plan = plan_study(surface, seconds=0.01)
    assert plan.runs == 36
    assert all(size.there == size.runs for size in plan.sizes)
    assert plan.seconds == 0.0
    first = plan.sizes[0]
    assert first.label == "3k · 1 year"
    assert first.runs == 4
    assert 0 < first.seconds < 60
    assert first.memory > 50e6
    assert plan.power is not None
    assert plan.power.num_days == 504
    assert plan.power.smallest_fall < plan.power.smallest_law
    assert plan.to_dict()["flops"] == pytest.approx(sum(p.cost for p in surface.plan))


def test_export_is_tidy(surface, tmp_path) -> None:
    for suffix, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        runs, days = export_study(surface, tmp_path, format=suffix)
        assert len(read(runs)) == 36
        assert len(read(days)) == 32 * 252


def test_two_studies_side_by_side(surface, tmp_path) -> None:
    surface.results()
    surface.verdict()
    other = Study(
        surface.config.model_copy(update={"name": "other", "sesoi": 0.01}),
        studies=surface.folder.parent,
        runs=surface.runs,
    )
    other.registration.register()
    found = compare(StudyRecord.read(surface.folder), StudyRecord.read(other.folder))
    assert found.settings == ("sesoi: 0.005 → 0.01",)
    assert "no verdict yet" in found.verdicts[1]
    other.results()
    losses = compare(StudyRecord.read(surface.folder), StudyRecord.read(other.folder)).losses
    assert len(losses) == 2 + 8
    assert {row["change"] for row in losses} == {0.0}
    with pytest.raises(FinscaleError, match="no registered study"):
        StudyRecord.read(tmp_path)


def test_sizes_that_are_one_run_are_refused(tiny, workplace) -> None:
    split = {"method": "dates", "train_end": "2011-12-31", "validation_end": "2014-12-31"}
    experiment = tiny.model_copy(update={"split": tiny.split.model_validate(split)})
    study = make(tiny, workplace, name="twins", experiment=experiment, axes={"assets": (1,)})
    assert len(study.plan) == 3
    cells = [*study.cells, study.cells[0]]
    with pytest.raises(FinscaleError, match="are the same run"):
        plan_cells(cells, study.data)


def test_horizons_are_compared_by_what_they_gain(tiny, workplace) -> None:
    study = make(tiny, workplace, name="horizon", axes={"horizon": (1, 5)}, seeds=(0,))
    assert study.run() == {}
    table = daily_losses(study.completed())
    results = study.results().filter(pl.col("role") == "network")
    # a difference from the base rate's loss is the negative of the skill
    for row in results.iter_rows(named=True):
        mine = table.filter(
            (pl.col("size_horizon") == row["size_horizon"]) & (pl.col("fold") == row["fold"])
        )
        assert mine["loss"].mean() == pytest.approx(-row["skill_base_rate"])
    no_base_rate = [(p, run) for p, run in study.completed() if not p.cell.is_baseline]
    with pytest.raises(FinscaleError, match="base rate is not there"):
        daily_losses(no_base_rate)


def test_assets_are_trained_on_and_all_symbols_are_judged(tiny, workplace) -> None:
    data = tiny.data.model_copy(update={"symbols": ("SP500", "NASDAQ")})
    two_symbols = tiny.model_copy(update={"data": data})
    changes = {"axes": {"assets": (1, 2)}, "seeds": (0,), "folds": (1,)}
    study = make(two_symbols, workplace, name="assets", **changes)
    assert study.run() == {}
    table = daily_losses(study.completed())
    assert table["assets"].unique().sort().to_list() == [1.0, 2.0]
    runs = {p.cell.sizes["assets"]: run for p, run in study.completed() if not p.cell.is_baseline}
    windows = {size: run.info["windows"] for size, run in runs.items()}
    assert windows[1]["train"] < windows[2]["train"]
    assert windows[1]["test"] == windows[2]["test"]
    for size, run in runs.items():
        tested = run.predictions("test")
        assert set(tested["symbol"]) == {"SP500", "NASDAQ"}
        losses = log_losses(tested["target"].to_numpy(), tested["logit"].to_numpy())
        own = table.filter(pl.col("size_assets") == size)["loss"]
        daily = tested.select("date", loss=losses).group_by("date", maintain_order=True).mean()
        assert np.allclose(own.to_numpy(), daily["loss"].to_numpy())


def test_a_study_of_tiers_ends_in_a_report(root, workplace) -> None:
    from finscale.config import ExperimentConfig, load_config

    settings = ["training.batch_size=256", "training.threads=1", f"data.root={workplace / 'data'}"]
    settings += ["training.thermal.enabled=false", "model.budget=4k"]
    tiny = load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)
    split = {"folds": 1, "window": "rolling", "train_days": 600}
    tiers = make(tiny, workplace, name="tiers", axes={"tier": ("a20", "a50", "a100", "a200")})
    experiment = tiers.config.experiment
    shorter = experiment.split.model_validate({**experiment.split.model_dump(), **split})
    experiment = experiment.model_copy(update={"split": shorter})
    config = tiers.config.model_copy(update={"experiment": experiment})
    study = Study(config, studies=workplace / "studies", runs=RunStore(workplace / "runs"))
    assert study.run() == {}
    assert list(study.verdict().statement.sizes) == [20, 50, 100, 200]
    page = study.report().read_text(encoding="utf-8")
    assert "200 features" in page
