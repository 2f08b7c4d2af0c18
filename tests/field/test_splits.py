"""Files on which plain models used to be beaten for nothing: halted, with a bad high, flat."""

from __future__ import annotations

import pytest

from finscale.config import ExperimentConfig, load_config
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.experiment import prepare, run_experiment
from finscale.experiment.preparation import fitted_split
from finscale.judging import scorecard
from finscale.judging.judge import judge
from finscale.judging.tables import Options
from finscale.runs import RunStore


@pytest.fixture
def experiment(bars_of, root, tmp_path):
    """Return what imports a file and lays its symbol over the recipe of daily bars."""

    def make(name: str, symbol: str, **options) -> tuple[ExperimentConfig, DataStore]:
        store = DataStore(tmp_path / "data")
        store.add_bars(bars_of(name, symbol, **options))
        settings = [
            "model.budget=3k",
            "training.epochs=1",
            "training.batch_size=256",
            "training.threads=1",
            "training.thermal.enabled=false",
            f"data.root={store.root}",
            f"data.symbols={symbol}",
        ]
        return load_config(
            ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings
        ), (store)

    return make


@pytest.mark.parametrize(
    ("name", "symbol"), [("halted_long.csv", "HALT"), ("bad_high_long.csv", "BADH")]
)
def test_nothing_is_claimed_where_nothing_is_known(experiment, tmp_path, name, symbol):
    try:
        config, store = experiment(name, symbol)
    except DataError as error:
        pytest.skip(f"refused on import: {error.message}")
    assert fitted_split(config, store) == (config, "")
    runs = RunStore(tmp_path / "runs")
    run = run_experiment(config, runs=runs, data=store)
    card = scorecard(run, runs, data=store)
    said = " ".join([*card.sentences(), card.beyond_line()])
    # the outcomes were drawn at random: no plain model and no network can know them
    assert "Skill over" not in said.replace("No skill over", "")
    assert not said.endswith(": better")
    judged = judge((run,), runs, data=store, options=Options(num_replicates=100))
    standings = {name: judged.claims.standing(name) for name in judged.claims.gains}
    assert "seen" not in standings.values()


def test_a_series_that_never_moves_is_refused_before_training(experiment):
    config, store = experiment("flat_long.csv", "FLAT", adjustment="raw")
    with pytest.raises(DataError, match="none of the 2,735 windows of train has a positive label"):
        prepare(config, store)
