"""Slower bars are trained, split and annualised in their own bars."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.audit import audit
from finscale.config import ExperimentConfig, load_config
from finscale.data.registered import registered_bars
from finscale.data.releases import RELEASE_RULES
from finscale.data.series import Series, add_series, make_frame
from finscale.data.store import DataStore
from finscale.data.timescales import TIMESCALES
from finscale.evaluation.market import Market
from finscale.experiment.preparation import prepare
from finscale.study.axes import AXES


def _config(data_root, timescale, *settings):
    given = [f"data.timescale={timescale}", f"data.root={data_root}", "data.context_length=6"]
    given += ["split.method=shares", "model.kind=baseline", "model.name=base_rate", *settings]
    return load_config(ExperimentConfig, "threshold_1pct", given)


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_every_timescale_counts_its_own_bars(data_root, timescale):
    horizon = 2
    config = _config(data_root, timescale, "task.name=regression", f"task.horizon={horizon}")
    prepared = prepare(config)
    dataset, split = prepared.dataset, prepared.split
    times = dataset.window_times
    assert (times.reach_W - times.decision_W == horizon).all()
    # the last train label is known before validation's first decision, an embargo of bars apart
    first = np.searchsorted(times.sessions, dataset.date_R[split.validation[0]])
    last = np.searchsorted(times.sessions, dataset.date_R[split.train[-1]])
    assert first - last - horizon > config.split.embargo
    bars = registered_bars(config, DataStore(data_root))
    periods = Market.of(bars).periods
    assert periods == pytest.approx(TIMESCALES[timescale].bars_a_year, rel=0.03)


def test_years_of_history_are_of_the_timescales_bars(data_root):
    config = load_config(
        ExperimentConfig,
        "threshold_1pct",
        ["data.timescale=weekly", "split.method=walk_forward", "split.folds=1"],
    )
    assert AXES["rows"].apply(config, 3, lambda _: None).split.train_days == 156


def test_an_audit_proves_series_and_names_those_that_were_revised(tmp_path, data_root):
    rule = RELEASE_RULES["CPIAUCSL"]
    period_P = np.arange("1995-01", "2019-03", dtype="datetime64[M]").astype("datetime64[D]")
    value_P = 100 * 1.002 ** np.arange(period_P.size) + np.arange(period_P.size) % 5
    frame = make_frame(period_P, rule.released(period_P), value_P)
    store = DataStore(tmp_path)
    store.add_bars(DataStore(data_root).bars("SP500"))
    add_series(store, Series("CPIAUCSL", frame, "monthly", "log", False, "rule"))
    config = _config(tmp_path, "weekly", "data.series=[CPIAUCSL]", "task.name=threshold_2pct")
    checks = {one.check: one for one in audit(config, data=store).outcomes}
    assert not checks["causality"].findings
    assert not checks["columns"].findings
    assert not checks["files"].findings
    assert "CPIAUCSL: values as revised later" in checks["causality"].unproven[-1]
