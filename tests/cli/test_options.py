"""Options of their own beside ``--set``."""

import pytest

from finscale.cli.options import with_options
from finscale.config import ExperimentConfig, load_config
from finscale.errors import ConfigError


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [("budget", "model.budget", "3k"), ("symbol", "data.symbols", "ON"), ("seed", "seed", 0)],
)
def test_an_option_and_its_setting_contradict_each_other(option, name, value):
    with pytest.raises(ConfigError, match=rf"^--{option} and --set {name} are the same setting"):
        with_options([f"{name}=5"], **{option: (name, value)})


@pytest.mark.parametrize("budget", ["3k", "5000", "1.79M", "2e6"])
def test_values_are_read_as_they_were_typed(root, budget):
    changes = with_options(None, budget=("model.budget", budget), symbol=("data.symbols", "ON"))
    file = root / "configs/daily/threshold_1pct.yaml"
    config = load_config(ExperimentConfig, file, changes)
    typed = load_config(ExperimentConfig, file, [f"model.budget={budget}"])
    assert config.network.budget == typed.network.budget
    assert config.data.symbols == ("ON",)
