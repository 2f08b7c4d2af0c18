"""Features chosen by stability: on train alone, counted as trials, written as a tier file."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import yaml

from finscale.config import DataConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.experiment.preparation import prepare
from finscale.experiment.selection import mutual_information, select_features, write_tier


@pytest.fixture
def config(tiny):
    return tiny.model_copy(update={"data": tiny.data.model_copy(update={"tier": "a50"})})


def test_information_is_that_of_the_counts():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    one_N, two_N = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    two_N[:200] = np.minimum(one_N[:200], 2)
    count_BC = np.zeros((4, 3))
    np.add.at(count_BC, (one_N, two_N), 1)
    expected = sklearn.mutual_info_score(one_N, two_N) - 3 * 2 / (2 * 500)
    assert mutual_information(count_BC[None])[0] == pytest.approx(expected)


def test_the_choice_rests_on_training_rows_alone_and_is_written_as_a_tier(
    config, tmp_path, monkeypatch
):
    store = DataStore(config.data.root)
    found = select_features(config, top=10, data=store, draws=40)
    assert len(set(found.features)) == 10
    assert found.facts["trials"] == 50
    frequencies = [found.frequency[name] for name in found.features]
    assert frequencies == sorted(frequencies, reverse=True)
    # a threshold of the day's high is above all volatility
    assert any("vol" in name or "atr" in name for name in found.features[:3])
    split = prepare(config, store).split
    assert found.facts["train_windows"] == len(split.train)

    # labels of validation and test are turned round: nothing changes
    from finscale.data.windows import FinancialDataset

    known = FinancialDataset.targets

    def turned(self, ends):
        value_N = np.array(known(self, ends))
        return np.where(np.isin(ends, split.train), value_N, 1 - value_N)

    monkeypatch.setattr(FinancialDataset, "targets", turned)
    assert select_features(config, top=10, data=store, draws=40) == found

    path = tmp_path / "mine.yaml"
    write_tier(found, path)
    data = DataConfig(tier=str(path))
    assert data.columns == found.features
    assert data.selection_trials == 50
    assert yaml.safe_load(path.read_text())["selection"]["task"] == "threshold_1pct"
    with pytest.raises(FinscaleError, match="exists already"):
        write_tier(found, path)
    with pytest.raises(FinscaleError, match="not named as YAML"):
        write_tier(found, tmp_path / "mine.txt")


def test_what_cannot_be_chosen_is_refused(config):
    with pytest.raises(FinscaleError, match="60 features cannot be chosen of the 50"):
        select_features(config, top=60)
    short = config.split.model_copy(update={"train_end": dt.date(2001, 6, 30)})
    with pytest.raises(FinscaleError, match="fewer than 8 blocks"):
        select_features(config.model_copy(update={"split": short}), top=5)


def test_a_run_on_chosen_features_counts_their_candidates(config, tmp_path):
    from finscale.experiment import run_experiment
    from finscale.judging.judge import judge
    from finscale.runs import RunStore

    path = tmp_path / "mine.yaml"
    path.write_text("features: [rsi_14, atr_14]\nselection: {trials: 120}\n")
    data = {**config.data.model_dump(), "tier": str(path)}
    own = config.model_validate({**config.model_dump(), "data": data})
    run = run_experiment(own, runs=RunStore(tmp_path / "runs"))
    assert run.config.data.columns == ("rsi_14", "atr_14")
    assert run.info["data"][0]["id"].startswith("SP500.dataset.mine-")
    judged = judge((run,), store=RunStore(tmp_path / "runs"))
    assert judged.num_trials > 120
