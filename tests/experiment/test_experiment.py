"""One experiment: the run folder, the same bits again, resuming after SIGKILL, bad data."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from finscale.config import BaselineConfig, ExperimentConfig, TaskConfig
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.experiment import prepare, run_experiment
from finscale.experiment.announce import announcement
from finscale.experiment.experiment import run_experiments
from finscale.experiment.place import place
from finscale.judging import scorecard
from finscale.runs import RunStore

pytestmark = pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """Return a config, its store and its run: trained once for this module."""
    from finscale.config import load_config

    folder = tmp_path_factory.mktemp("experiment")
    settings = ["model.budget=3k", "training.epochs=2", "training.batch_size=256"]
    settings.append(f"data.root={folder / 'data'}")
    config = load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)
    store = RunStore(folder / "runs")
    return config, store, run_experiment(config, runs=store)


def test_run_folder_is_whole(finished) -> None:
    _, store, run = finished
    names = sorted(path.name for path in run.folder.iterdir())
    assert names == ["metrics.parquet", "model.safetensors", "predictions.parquet", "run.json"]
    assert store.ids() == [run.id]
    assert not list(store.folder.glob(".*.partial"))


def test_run_json_holds_what_a_referee_asks_for(finished) -> None:
    _, _, run = finished
    info = run.info
    assert info["status"] == "complete"
    assert info["data"][0]["id"] == "SP500.dataset.a20"
    assert len(info["data"][0]["md5"]) == 32
    assert info["data"][0]["version"] == "v1"
    assert set(info["parameters"]) == {"total", "non_embedding", "input_and_head"}
    assert info["training"]["flops"] == 3 * info["flops_per_sample"] * info["training"]["samples"]
    assert info["environment"]["versions"]["torch"]
    assert "auto" not in str(info["config"]["training"])
    assert info["windows"]["train"] == 2987


def test_every_held_out_window_is_predicted_once(finished) -> None:
    config, _, run = finished
    split = prepare(config).split
    test, validation = run.predictions("test"), run.predictions("validation")
    assert len(test) == len(split.test) == 1005
    assert len(validation) == len(split.validation)
    assert test.select("date", "symbol").is_unique().all()
    assert test["date"].is_sorted()
    assert np.isfinite(test["logit"].to_numpy()).all()


def test_the_same_experiment_is_not_repeated(finished) -> None:
    config, store, run = finished
    before = run.folder.stat().st_mtime_ns
    assert run_experiment(config, runs=store).id == run.id
    assert run.folder.stat().st_mtime_ns == before


def test_the_same_inputs_give_the_same_bits(finished, tmp_path) -> None:
    config, _, run = finished
    again = run_experiment(config, runs=RunStore(tmp_path))
    assert again.id == run.id
    assert again.predictions().equals(run.predictions())
    ours, theirs = (load_file(r.folder / "model.safetensors") for r in (run, again))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_another_seed_is_another_run(finished, tmp_path) -> None:
    config, _, run = finished
    other = run_experiment(config.model_copy(update={"seed": 1}), runs=RunStore(tmp_path))
    assert other.id != run.id
    assert not other.predictions().equals(run.predictions())


def test_resolved_config_resolves_to_itself(finished) -> None:
    config, _, run = finished
    assert prepare(run.config.model_copy(update={"data": config.data})).run_id == run.id


def test_killed_run_goes_on_and_ends_with_the_same_bits(finished, tmp_path) -> None:
    config, _, run = finished
    code = (
        "import sys; from pathlib import Path\n"
        "from finscale.config import ExperimentConfig; from finscale.runs import RunStore\n"
        "from finscale.experiment import run_experiment\n"
        "config = ExperimentConfig.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "run_experiment(config, runs=RunStore(sys.argv[2]))"
    )
    # a resume point after every step, so that kills land between and inside them
    always = config.training.model_copy(update={"checkpoint_minutes": 0.0})
    (tmp_path / "config.json").write_text(
        config.model_copy(update={"training": always}).model_dump_json()
    )
    command = [sys.executable, "-c", code, str(tmp_path / "config.json"), str(tmp_path / "runs")]
    store = RunStore(tmp_path / "runs")
    rng = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(command)
        started = time.monotonic()
        while not list(store.folder.glob(".*.partial/resume/*")) and process.poll() is None:
            assert time.monotonic() - started < 120
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert store.ids() in ([], [run.id])
    subprocess.run(command, check=True)
    assert store[run.id].predictions().equals(run.predictions())


def test_a_changed_byte_in_the_dataset_stops_the_run(tiny, tmp_path) -> None:
    config = tiny.model_copy(update={"data": tiny.data.model_copy(update={"root": tmp_path})})
    prepare(config)
    entry = DataStore(tmp_path).processed.get("SP500.dataset.a20")
    path = tmp_path / "processed" / entry.path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="SP500"):
        prepare(config.model_copy(update={"task": TaskConfig(horizon=2)}))


def test_unknown_symbol_says_how_to_get_it(tiny) -> None:
    data = tiny.data.model_copy(update={"symbols": ("SPY",)})
    with pytest.raises(DataError, match="finscale data download SPY"):
        prepare(tiny.model_copy(update={"data": data}))


def test_newer_bars_make_a_newer_dataset(tiny, tmp_path) -> None:
    from finscale.data import fetch_bars

    config = tiny.model_copy(update={"data": tiny.data.model_copy(update={"root": tmp_path})})
    first = prepare(config)
    store = DataStore(tmp_path)
    bars = fetch_bars("bundled", "SP500")
    shorter = type(bars)(**{**vars(bars), "frame": bars.frame[:-1]})
    store.add_bars(shorter)
    second = prepare(config)
    assert second.dataset.entries[0].version == "v2"
    assert second.run_id != first.run_id
    pinned = config.model_copy(update={"data": config.data.model_copy(update={"version": "v1"})})
    assert prepare(pinned).digests == first.digests


@pytest.mark.parametrize("name", ["base_rate", "volatility", "persistence"])
def test_a_baseline_is_a_run_like_any_other(finished, tmp_path, name: str) -> None:
    config, _, run = finished
    changed = config.model_copy(update={"model": BaselineConfig(name=name)})
    baseline = run_experiment(changed, runs=RunStore(tmp_path))
    own, other = run.predictions(), baseline.predictions()
    assert own.select("date", "symbol", "split", "target").equals(
        other.select("date", "symbol", "split", "target")
    )


def test_regression_runs_and_scores(tiny, tmp_path) -> None:
    config = tiny.model_copy(update={"task": TaskConfig(name="regression")})
    store = RunStore(tmp_path)
    run = run_experiment(config, runs=store)
    assert run.predictions("test")["target"].abs().max() < 0.2
    card = scorecard(run, store, data=DataStore(config.data.root))
    assert "rmse" in card.scores
    assert not card.is_collapsed
    gain = card.beyond_linear
    assert gain == card.skills["logistic"]
    line = card.beyond_line()
    assert line.startswith("beyond the linear model  ")
    # a network that stayed where it started is the linear model
    assert ("nothing" in line) == (run.info["training"]["best_epoch"] == 0)
    alone = ExperimentConfig.model_validate(
        {**config.model_dump(), "model": {**config.model.model_dump(), "linear_path": "none"}}
    )
    other = scorecard(run_experiment(alone, runs=store), store, data=DataStore(config.data.root))
    share = 100 * other.beyond_linear.value / other.linear_loss
    assert " squared return a window [" in other.beyond_line()
    words = f", {share:+.1f} % of its loss: ".replace("-", "−").replace("+0.", "+.")
    assert words.replace("−0.", "−.") in other.beyond_line()
    (linear,) = (r for r in store if getattr(r.config.model, "name", "") == "logistic")
    # a baseline is no network that could add to another one
    assert scorecard(linear, store, data=DataStore(config.data.root)).beyond_line() == ""


def test_scorecard_reproduces_the_published_baselines(finished) -> None:
    config, store, run = finished
    card = scorecard(run, store, data=DataStore(config.data.root))
    volatility = next(r for r in store if getattr(r.config.model, "name", "") == "volatility")
    base_rate = next(r for r in store if getattr(r.config.model, "name", "") == "base_rate")
    from finscale.judging.gather import predictions_of
    from finscale.judging.scoring import test_scores

    def scores_of(run):
        return test_scores(predictions_of([run]))

    assert scores_of(volatility)["log_loss"].value == pytest.approx(0.3705, abs=5e-4)
    assert scores_of(volatility)["auc"].value == pytest.approx(0.777, abs=1e-3)
    assert scores_of(base_rate)["log_loss"].value == pytest.approx(0.4594, abs=5e-4)
    assert card.skills["base_rate"].value == pytest.approx(
        scores_of(base_rate)["log_loss"].value - card.scores["log_loss"].value
    )
    assert len(card.rows()) >= 6
    assert any("volatility" in sentence for sentence in card.sentences())


def test_announcement_says_what_was_decided(finished) -> None:
    config, _, _ = finished
    text = dict(announcement(place(prepare(config))))
    assert "4,752 windows of 80 bars" in text["data"]
    assert "✓ manifest" in text["data"]
    assert "base rate 25.4%" in text["task"]
    assert "of 3k" in text["model"]
    assert "batch 256" in text["training"]
    assert "1 thread" in text["device"]


def test_several_symbols_share_one_run(tiny, tmp_path) -> None:
    data = tiny.data.model_copy(update={"symbols": ("SP500", "NASDAQ")})
    run = run_experiment(tiny.model_copy(update={"data": data}), runs=RunStore(tmp_path))
    counts = run.predictions("test").group_by("symbol").len().sort("symbol")
    assert counts["len"].to_list() == [1005, 1005]
    assert isinstance(run.predictions(), pl.DataFrame)


def test_quantile_forecasts_are_all_kept(tiny, tmp_path) -> None:
    training = tiny.training.model_copy(
        update={"loss": "quantile", "loss_options": {"quantiles": (0.1, 0.5, 0.9)}}
    )
    config = tiny.model_copy(update={"task": TaskConfig(name="regression"), "training": training})
    test = run_experiment(config, runs=RunStore(tmp_path)).predictions("test")
    assert test["logit"].equals(test["quantile_0.5"].alias("logit"))
    inside = (test["target"] > test["quantile_0.1"]) & (test["target"] < test["quantile_0.9"])
    assert 0 < inside.mean() < 1


def test_a_single_quantile_is_the_prediction_and_is_kept(tiny, tmp_path) -> None:
    training = tiny.training.model_copy(
        update={"loss": "quantile", "loss_options": {"quantiles": (0.1,)}}
    )
    config = tiny.model_copy(update={"task": TaskConfig(name="regression"), "training": training})
    test = run_experiment(config, runs=RunStore(tmp_path)).predictions("test")
    assert test["logit"].equals(test["quantile_0.1"].alias("logit"))
    below = (test["target"] < test["logit"]).mean()
    assert 0 < below < 0.5


def test_a_simulated_market_is_data_like_any_other(tiny, tmp_path) -> None:
    data = tiny.data.model_copy(
        update={"source": "synthetic:student", "symbols": ("WALK",), "root": tmp_path / "data"}
    )
    store = RunStore(tmp_path / "runs")
    run = run_experiment(tiny.model_copy(update={"data": data}), runs=store)
    assert run.info["data"][0]["source"] == "synthetic:student"
    assert len(run.predictions("test")) > 900


def test_seeds_and_rates_train_as_one_program(root, tmp_path, data_root) -> None:
    from finscale.config import load_config

    def config(*settings: str) -> ExperimentConfig:
        shared = ["training.epochs=2", "training.batch_size=256", "training.kernels=torch"]
        shared += ["model.budget=3k", "training.threads=1", f"data.root={data_root}"]
        return load_config(
            ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", [*shared, *settings]
        )

    configs = [
        config("seed=0"),
        config("seed=1", "training.learning_rate=1e-3"),
        config("seed=2", "training.weight_decay=0.3"),
    ]
    told: list[int] = []
    together = run_experiments(
        configs, runs=RunStore(tmp_path / "together"), done=lambda place, _: told.append(place)
    )
    assert told == [0, 1, 2]
    for one, run in zip(configs, together, strict=True):
        alone = run_experiment(one, runs=RunStore(tmp_path / "alone"))
        assert run.id == alone.id
        np.testing.assert_allclose(
            run.predictions()["logit"], alone.predictions()["logit"], rtol=1e-4, atol=1e-5
        )
        assert run.info["training"]["steps"] == alone.info["training"]["steps"]
