"""Configs: frozen, no unknown setting, one sentence per mistake, a stable identity."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from finscale.config import (
    BaselineConfig,
    ExperimentConfig,
    ModelConfig,
    SplitConfig,
    StudyConfig,
    ThermalConfig,
    canonical_json,
    format_count,
    load_config,
    parse_count,
)
from finscale.config.programme import load_programme
from finscale.config.yaml_text import parse_yaml
from finscale.errors import ConfigError


@pytest.fixture
def recipe(root):
    return root / "configs/daily/threshold_1pct.yaml"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2M", 2_000_000),
        ("250k", 250_000),
        ("1.5B", 1_500_000_000),
        ("12_345", 12_345),
        ("7", 7),
        ("2e6", 2_000_000),
    ],
)
def test_parse_count(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["two", "2.5", "M", "-3", "1.0000001k"])
def test_parse_count_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_count(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999"),
        (10_000, "10k"),
        (999_600, "1M"),
        (1_998_337, "2M"),
        (2e12, "2T"),
        (54_321, "54.3k"),
    ],
)
def test_format_count(count: float, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.learning_rte=1e-3",
            "training.learning_rte is not a setting.\n"
            "       Did you mean training.learning_rate? (in --set); "
            "all settings: docs/reference/config",
        ),
        ("training.thermal.wrn=3", "Did you mean training.thermal.warn?"),
        ("model.budgt=3", "Did you mean model.budget?"),
        ("modle.x=1", "Did you mean model?"),
        ("training.lr=-1", "training.lr = -1: Input should be greater than 0."),
        ("training.batch_size=x", "training.batch_size = 'x'"),
        ("model.stride=99", "stride 99 exceeds patch_length"),
        ("split.train_end=2020-01-01", "must follow one another"),
        ("data.symbols=[SPY, SPY]", "each once"),
        ("model.width=30", "all of depth, width and heads"),
        ("noequals", "write a setting as name=value"),
        ("seed.deep=1", "seed is a value, not a section"),
        ("data.tier=a2", "data.tier = 'a2'"),
        ("x={", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_a_way_out(recipe, setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(ExperimentConfig, recipe, [setting])
    assert message in str(caught.value)


def test_settings_are_laid_over_the_file(recipe) -> None:
    config = load_config(
        ExperimentConfig, recipe, ["training.lr=3e-4", "model.budget=20M", "data.symbols=SPY"]
    )
    assert config.training.learning_rate == 3e-4
    assert config.network.budget == 20_000_000
    assert config.data.symbols == ("SPY",)


def test_alias_and_full_name_are_one_setting(recipe) -> None:
    settings = ["training.learning_rate=1e-3", "training.lr=2e-3"]
    assert load_config(ExperimentConfig, recipe, settings).training.learning_rate == 2e-3


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(ExperimentConfig, tmp_path / "no.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="holds no settings"):
        load_config(ExperimentConfig, tmp_path / "list.yaml")
    (tmp_path / "threshold.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError, match=r"Did you mean .*threshold\.yaml"):
        load_config(ExperimentConfig, tmp_path / "treshold.yaml")
    with pytest.raises(ConfigError, match="is a folder, and holds no run or study"):
        load_config(ExperimentConfig, tmp_path)
    (tmp_path / "broken.yaml").write_text("a: [1,\nb: 2")
    with pytest.raises(ConfigError, match=r"broken\.yaml line \d"):
        load_config(ExperimentConfig, tmp_path / "broken.yaml")


def test_a_config_is_frozen() -> None:
    with pytest.raises(ConfigError, match="fixed once it is made"):
        ExperimentConfig().seed = 3  # type: ignore[misc]
    with pytest.raises(ConfigError, match="Did you mean seed"):
        ExperimentConfig().model_copy(update={"sed": 3})


def test_identity_of_a_baseline_ignores_training() -> None:
    one = ExperimentConfig(model=BaselineConfig(name="volatility"))
    two = ExperimentConfig(model=BaselineConfig(name="volatility"), training={"epochs": 3})
    assert one.hash() == two.hash()
    with pytest.raises(ConfigError, match="not a network"):
        _ = one.network


def test_hash_survives_a_round_trip(recipe) -> None:
    config = load_config(ExperimentConfig, recipe)
    again = ExperimentConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert again.hash() == config.hash()


def test_canonical_json_sorts_and_refuses_nan() -> None:
    assert canonical_json({"b": 1, "a": "µ"}) == '{"a":"µ","b":1}'
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


def test_contradictions() -> None:
    for wrong in [
        {"method": "walk_forward", "window": "rolling"},
        {"method": "walk_forward", "folds": 2, "fold": 2},
        {"fold": 1},
        {"method": "chunks", "validation_fraction": 0.5, "test_fraction": 0.5},
        {"train_start": "2023-01-01"},
    ]:
        with pytest.raises(ValidationError):
            SplitConfig.model_validate(wrong)
    with pytest.raises(ConfigError, match="in ThermalConfig"):
        ThermalConfig(warn=99)
    for wrong in [
        {},
        {"depth": 1, "width": 30, "heads": 4},
        {"budget": "2M", "channels": "independent", "feature_embedding": 8},
    ]:
        with pytest.raises(ValidationError):
            ModelConfig.model_validate(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{quantiles: []}", "must hold at least one level"),
        ("{quantiles: 0.5}", "must be a list of levels"),
        ("{quantiles: [1.5, -2]}", "must each lie between 0 and 1"),
        ("{quantiles: [0.5, 0.5]}", "must differ"),
        ("{gamma: [1, 2]}", r"gamma = \[1.0, 2.0\] must be one number"),
        ("{gamma: -1}", "gamma = -1 must be at least 0"),
        ("{alpha: 1}", "alpha = 1 must be above 0 and below 1"),
        ("{epsilon: 1}", "epsilon = 1 must be at least 0 and below 1"),
        ("{temperature: 0}", "temperature = 0 must be above 0"),
        ("{delta: .nan}", "finite number"),
    ],
)
def test_options_of_a_loss_have_their_range(recipe, options: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        load_config(ExperimentConfig, recipe, [f"training.loss_options={options}"])
    assert "training.loss_options" in str(error.value)


@pytest.mark.parametrize(
    "setting",
    [
        "training.learning_rate=.inf",
        "training.lr=inf",
        "training.weight_decay=.inf",
        "training.weight_decay=.nan",
        "training.betas=[1.5, 2]",
        "training.betas=[0.9, 1]",
        "training.betas=[-0.1, 0.9]",
        "seed=99999999999999999999",
        "split.chunk_seed=-1",
        "model.ff_ratio=.inf",
    ],
)
def test_numbers_that_no_training_survives_are_refused(recipe, setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.split("=")[0]):
        load_config(ExperimentConfig, recipe, [setting])


def test_the_edges_of_these_ranges_are_settings(recipe) -> None:
    edges = ["training.betas=[0, 0.999]", f"seed={2**63 - 1}", "training.weight_decay=0"]
    config = load_config(ExperimentConfig, recipe, edges)
    assert config.training.betas == (0.0, 0.999)
    assert config.seed == 2**63 - 1
    options = {"epsilon": 0, "quantiles": [0.5]}
    load_config(ExperimentConfig, recipe, [f"training.loss_options={options}"])


def test_a_value_in_quotes_stays_text(recipe) -> None:
    for written in ('"600519"', "'ON'", '["NO", "600519"]'):
        config = load_config(ExperimentConfig, recipe, [f"data.symbols={written}"])
        assert all(isinstance(symbol, str) for symbol in config.data.symbols)
    assert config.data.symbols == ("NO", "600519")


def test_a_file_that_needs_itself_is_refused(tmp_path) -> None:
    (tmp_path / "one.yaml").write_text("model: one.yaml\n")
    with pytest.raises(ConfigError, match=r"names itself.*one\.yaml → one\.yaml"):
        load_config(ExperimentConfig, tmp_path / "one.yaml")
    (tmp_path / "two.yaml").write_text("model: {base: three.yaml, depth: 1}\n")
    (tmp_path / "three.yaml").write_text("training: two.yaml\n")
    with pytest.raises(ConfigError, match=r"two\.yaml → three\.yaml → two\.yaml"):
        load_config(ExperimentConfig, tmp_path / "two.yaml")


def test_a_file_may_be_named_twice(tmp_path) -> None:
    (tmp_path / "split.yaml").write_text("embargo: 7\n")
    (tmp_path / "one.yaml").write_text("split: {base: split.yaml, fold: 0}\n")
    (tmp_path / "two.yaml").write_text("split: split.yaml\nname: two\n")
    assert load_config(ExperimentConfig, tmp_path / "one.yaml").split.embargo == 7
    assert load_config(ExperimentConfig, tmp_path / "two.yaml").split.embargo == 7


def test_study_counts_and_seeds() -> None:
    study = StudyConfig.model_validate(
        {"name": "x", "axes": {"parameters": ["10k", "1M"]}, "seeds": 3}
    )
    assert study.axes == {"parameters": (10_000, 1_000_000)}
    assert study.seeds == (0, 1, 2)
    for wrong in [
        {"axes": {}},
        {"axes": {"parameters": []}},
        {"axes": {"parameters": [1, 1]}},
        {"seeds": []},
        {"seeds": [-1]},
        {"seeds": [2**64]},
        {"name": "a/b"},
    ]:
        with pytest.raises(ValidationError):
            StudyConfig.model_validate({"name": "x", "axes": {"parameters": [1]}, **wrong})


def recipes(root):
    found = sorted((root / "configs").rglob("*.yaml"))
    return [path for path in found if path.parent.name != "universes"]


def test_every_recipe_loads(root, us431_data) -> None:
    kinds = {
        "daily": ExperimentConfig,
        "studies": StudyConfig,
        "tune": StudyConfig,
        "model": ModelConfig,
    }
    paths = recipes(root)
    assert paths
    for path in paths:
        if path.parent.name == "programmes":
            assert load_programme(path).cells()
        else:
            settings = us431_data if "us431" in path.stem else []
            if path.parent.name == "daily":
                settings = [text.removeprefix("experiment.") for text in settings]
            assert load_config(kinds[path.parent.name], path, settings)


def test_a_recipe_whose_universe_comes_with_bars_says_how_to_have_them(root, tmp_path) -> None:
    with pytest.raises(ConfigError, match="universe us431 is not in") as caught:
        load_config(
            StudyConfig,
            root / "configs/studies/us431_data.yaml",
            [f"experiment.data.root={tmp_path}"],
        )
    assert "finscale data download --source us431" in f"{caught.value} {caught.value.hint}"


def test_a_section_may_change_its_base(root) -> None:
    study = load_config(StudyConfig, root / "configs/studies/sp500_first.yaml")
    base = load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml")
    assert study.experiment.training.threads == 1
    assert study.experiment.split == base.split
    changed = {"training": base.training}
    assert study.experiment.model_copy(update=changed) == base


def test_runs_on_blocks_counted_otherwise_are_other_runs():
    """Only chunked splits changed: every other run keeps its id."""
    split = {"method": "chunks"}
    chunked = ExperimentConfig.model_validate({"split": split})
    assert chunked.identity()["split"]["counted"] == "from the end"
    assert "counted" not in ExperimentConfig().identity()["split"]


def test_baselines_fitted_otherwise_are_other_runs():
    """Networks keep their ids; a baseline of before clipped inputs is not taken for today's."""
    baseline = ExperimentConfig.model_validate({"model": {"kind": "baseline", "name": "logistic"}})
    assert baseline.identity()["model"]["fitted"] == "on clipped inputs"
    assert "fitted" not in ExperimentConfig().identity()["model"]


def test_a_panel_s_linear_model_of_before_is_another():
    """Single series keep their ids; one year of validation once chose the penalty of a panel."""
    panel = ExperimentConfig.model_validate({"data": {"symbols": ["A", "B"]}})
    assert panel.identity()["model"]["penalties"] == "by blocks of train days"
    assert "penalties" not in ExperimentConfig().identity()["model"]


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("name: a\nname: b\n", "line 2, column 1"),
        ("data: {tier: a20, tier: a50}\n", "tier stands there twice"),
        ("model:\n  budget: 3k\n  width: 8\n  budget: 5k\n", "line 4, column 3"),
    ],
)
def test_a_setting_that_stands_twice_in_a_file_is_refused(tmp_path, text, twice):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=twice):
        load_config(ExperimentConfig, path)


def test_what_an_anchor_brings_in_may_be_named_again():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n"
    assert parse_yaml(text)["b"] == {"x": 3, "y": 2}
