"""A run whose network starts from the best linear answer."""

import numpy as np
import pytest

from finscale.config import ExperimentConfig, load_config
from finscale.experiment import run_experiment
from finscale.runs import RunStore

pytestmark = pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")


@pytest.fixture(scope="module")
def desk(root, tmp_path_factory):
    """Return a function that makes a run from overrides."""
    folder = tmp_path_factory.mktemp("linear")
    common = ["model.budget=3k", "training.epochs=1", f"data.root={folder / 'data'}"]

    def run(*settings, baseline=False):
        file = root / "configs/daily/threshold_1pct.yaml"
        config = load_config(ExperimentConfig, file, [*common, *settings])
        if baseline:
            model = {"kind": "baseline", "name": "logistic"}
            content = config.model_dump(mode="json") | {"model": model}
            config = ExperimentConfig.model_validate(content)
        return run_experiment(config, runs=RunStore(folder / "runs"))

    return run


def outputs(run, column="logit"):
    return run.predictions()[column].to_numpy()


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_it_starts_as_the_logistic_baseline(desk, task):
    asked = f"task.name={task}"
    baseline = outputs(desk(asked, baseline=True))
    # a rate this large only spoils: the start stays the best, and is what is predicted with
    wild = desk(asked, "training.learning_rate=3", "training.clip_norm=null")
    assert wild.config.network.linear_path == "frozen"
    assert wild.info["training"]["best_epoch"] == 0
    np.testing.assert_allclose(outputs(wild), baseline, rtol=1e-4, atol=1e-5 * baseline.std())


def test_quantiles_start_apart_and_in_order(desk):
    run = desk("task.name=regression", "training.loss=quantile", "training.learning_rate=1e-12")
    low, middle, high = (
        outputs(run, f"quantile_{level}") for level in run_levels(run, (0, "middle", -1))
    )
    assert (low < middle).all()
    assert (middle < high).all()


def run_levels(run, places):
    names = [n for n in run.predictions().columns if n.startswith("quantile_")]
    levels = [name.removeprefix("quantile_") for name in names]
    return [levels[len(levels) // 2 if place == "middle" else place] for place in places]


def test_none_is_the_network_alone(desk):
    run = desk("model.linear_path=none")
    assert run.config.network.linear_path == "none"
    assert run.info["training"]["best_epoch"] == 1


def test_windows_of_relative_columns(desk):
    run = desk("data.inputs=relative", "model.linear_path=zero")
    assert run.info["config"]["data"]["inputs"] == "relative"
    assert np.isfinite(outputs(run)).all()


def test_runs_of_one_fold_start_from_one_fit(desk, monkeypatch):
    from finscale.experiment import linear_path

    made = []
    real = linear_path._fit
    monkeypatch.setattr(linear_path, "_FITS", {})
    monkeypatch.setattr(linear_path, "_fit", lambda *given: (made.append(given), real(*given))[1])
    runs = [desk(f"seed={seed}", "training.learning_rate=1e-12") for seed in (0, 1)]
    assert len(made) == 1
    np.testing.assert_allclose(outputs(runs[0]), outputs(runs[1]), rtol=1e-4)
    desk("task.name=threshold_2pct")
    assert len(made) == 2
