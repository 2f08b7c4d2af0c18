"""The scale axes: what each sets, on configs alone where no data are needed."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.config.names import TIER_NAMES
from finscale.errors import BudgetError, ConfigError
from finscale.models.build import design
from finscale.models.patchtst.counts import flops_per_sample
from finscale.study.axes import AXES, AxisWindows, budget_for_flops, look_at_windows, nominal
from finscale.study.grid import expand

LOOK = lambda config: AxisWindows(num_features=25, num_train=3_000)  # noqa: E731


@pytest.fixture
def config(root) -> ExperimentConfig:
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml")


def at(axis: str, config: ExperimentConfig, size: int | str) -> ExperimentConfig:
    return AXES[axis].apply(config, size, LOOK)


def test_each_axis_sets_what_it_says(config, root, monkeypatch) -> None:
    monkeypatch.setitem(TIER_NAMES._known, "a50", None)  # as a plugin adds one
    assert at("parameters", config, 5_000).network.budget == 5_000
    assert at("tier", config, "a50").data.tier == "a50"
    assert at("context_length", config, 40).data.context_length == 40
    assert at("horizon", config, 5).task.horizon == 5
    two = load_config(
        ExperimentConfig,
        root / "configs/daily/threshold_1pct.yaml",
        ["data.symbols=[SP500, NASDAQ]"],
    )
    one = at("assets", two, 1)
    assert (one.split.train_symbols, one.data.symbols) == (1, ("SP500", "NASDAQ"))
    half = at("data", two, "50%").split
    assert (half.train_symbols, half.train_share) == (1, None)
    assert at("data", two, "100%").split.train_symbols == 2


def test_years_of_history_end_where_train_does(config) -> None:
    assert at("rows", config, 2).split.train_start == dt.date(2010, 1, 1)
    walk = config.model_copy(
        update={"split": config.split.model_validate({"method": "walk_forward", "folds": 2})}
    )
    split = at("rows", walk, 4).split
    assert (split.window, split.train_days) == ("rolling", 1008)
    chunks = config.model_copy(update={"split": config.split.model_validate({"method": "chunks"})})
    with pytest.raises(ConfigError, match="cannot shorten"):
        at("rows", chunks, 4)


@pytest.mark.parametrize("flops", [3e12, 1e14])
def test_compute_solves_the_budget_of_the_whole_training(config, flops: float) -> None:
    sized = at("compute", config, int(flops))
    assert sized.training.patience is None
    model = design(sized.network, num_features=25, context_length=80).build()
    spent = 3 * flops_per_sample(model) * 3_000 * sized.training.epochs
    assert spent == pytest.approx(flops, rel=0.1)


def test_compute_that_no_architecture_takes(config) -> None:
    with pytest.raises(BudgetError, match="FLOP a window"):
        budget_for_flops(config, 25, 10.0)


def test_a_size_that_no_section_admits_is_one_sentence(config) -> None:
    with pytest.raises(ConfigError, match="context_length"):
        at("context_length", config, 1)


def test_every_axis_says_what_it_is() -> None:
    for axis in AXES.values():
        assert all((axis.title, axis.unit, axis.sets, axis.fixed, axis.measured))
    assert nominal("tier", "a100") == 100
    assert AXES["rows"].words(3) == "3 years"
    assert AXES["parameters"].words(2_000_000) == "2M"


def test_windows_are_counted_from_the_data(tiny) -> None:
    windows = look_at_windows(tiny)
    assert windows.num_features == 26
    assert windows.num_train == 2987


def test_grid_of_folds_and_two_axes(tiny) -> None:
    split = {"method": "walk_forward", "folds": 2}
    study = StudyConfig(
        name="surface",
        experiment=tiny.model_copy(update={"split": tiny.split.model_validate(split)}),
        axes={"parameters": (3_000, 5_000), "rows": (2, 4)},
        seeds=(0, 1),
        baselines=("base_rate",),
    )
    cells = expand(study, LOOK)
    # a baseline for each history and fold, whatever the model's size
    assert [cell.label for cell in cells[:4]] == [
        "base_rate-rows2-fold0",
        "base_rate-rows2-fold1",
        "base_rate-rows4-fold0",
        "base_rate-rows4-fold1",
    ]
    assert len(cells) == 4 + 2 * 2 * 2 * 2
    assert cells[4].label == "parameters3000-rows2-seed0-fold0"
    assert cells[4].config.split.train_days == 504
    assert cells[5].config.split.fold == 1
    assert cells[-1].sizes == {"parameters": 5_000, "rows": 4}


@pytest.mark.parametrize(("tier", "base"), [("a20", 20), ("a50", 50), ("c20", 20)])
def test_a_quality_is_measured_by_what_its_own_tier_and_series_hold(config, tier, base) -> None:
    sized = config.model_copy(update={"data": config.data.model_copy(update={"tier": tier})})
    run = SimpleNamespace(config=at("quality", sized, "c"))
    beside = AXES["quality"].measure(run) - base
    assert beside == nominal("quality", "c") - nominal("quality", "a") > 0
