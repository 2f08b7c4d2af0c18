"""Series and slower bars beside a tier: their columns, and that no row sees the future."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from finscale.config import ExperimentConfig, load_config
from finscale.data.known import join_series
from finscale.data.qualities import quality_series, series_of
from finscale.data.releases import RELEASE_RULES
from finscale.data.series import Series, add_series, make_frame
from finscale.data.timescales import SLOWER, last_finished, resample
from finscale.errors import ConfigError, DataError
from finscale.experiment.preparation import ensure_datasets, prepare
from finscale.features import build_dataset, dataset_columns, is_current, prove_all
from finscale.features.contents import SLOWER_BARS
from finscale.features.relative import relative_feature
from finscale.features.series_features import series_features


def series(name, *, until="2019-03", seed=0):
    rule = RELEASE_RULES[name]
    if rule.frequency == "daily":
        period_P = np.arange("2011-06-01", f"{until}-01", dtype="datetime64[D]")
        period_P = period_P[np.is_busday(period_P)]
    else:
        period_P = np.arange("1999-01", until, dtype="datetime64[M]").astype("datetime64[D]")
    value_P = np.exp(np.random.default_rng(seed).normal(size=period_P.size) * 0.1) * 50
    frame = make_frame(period_P, rule.released(period_P), value_P)
    return Series(name, frame, rule.frequency, rule.transform, not rule.is_revised, "rule")


@pytest.fixture
def filled(store):
    for name in quality_series("d"):
        add_series(store, series(name))
    return store


def test_series_features_stand_behind_the_tiers_own(filled):
    names = ("UMCSENT", "VIXCLS")
    entry = build_dataset(filled, "SP500", series=names)
    frame, _ = filled.frame("SP500.dataset.a20+UMCSENT+VIXCLS")
    assert tuple(frame.columns) == dataset_columns("a20", series=names)
    assert is_current(filled, entry)
    assert entry.series == names
    kinds = [key.partition("@")[0].split(".")[1] for key in entry.parents]
    assert kinds == ["OHLCV", "series", "series", "features"]
    assert "UMCSENT as published" in entry.source
    # VIX has its first surprise after nine values of June 2011
    assert frame["date"][0].isoformat() == "2011-06-15"
    plain = build_dataset(filled, "SP500")
    tier, _ = filled.frame(plain.id)
    shared = tier.filter(pl.col("date") >= frame["date"][0])
    assert shared.equals(frame.select(tier.columns))
    assert filled.verify() == []


@pytest.mark.parametrize("timescale", ["weekly", "monthly"])
def test_no_row_knows_a_value_before_its_release(filled, timescale):
    bars = resample(filled.bars("SP500").adjusted(), timescale)
    known = join_series(bars, [series("UMCSENT"), series("T10Y2Y")], "XNYS")
    features = series_features(["UMCSENT", "T10Y2Y"])
    reports = prove_all({f.name: f for f in features}, known, cuts=[90, bars.height - 9])
    assert all(report.causal for report in reports)


def test_slower_bars_are_causal_on_daily_rows(sp500):
    bars = sp500[:260]
    features = [*SLOWER_BARS, *map(relative_feature, SLOWER_BARS)]
    reports = prove_all({f.name: f for f in features}, bars, cuts=[0, 3, 63, 64, 200])
    assert [r.describe() for r in reports if not r.causal] == []


def test_daily_rows_see_the_last_finished_bars(store):
    entry = build_dataset(store, "SP500", timescale="daily+multi")
    frame, _ = store.frame(entry.id)
    bars = store.bars("SP500").adjusted()
    first = bars.height - frame.height
    for scale in SLOWER:
        slower, at = resample(bars, scale), last_finished(bars, scale)[first:]
        for name in ("open", "high", "low", "close"):
            assert frame[f"{name}_of_{scale}"].equals(slower[name].gather(at), check_names=False)
    ratio = np.log(frame["close_of_weekly"] / frame["close"])
    np.testing.assert_allclose(frame["rel_close_of_weekly"], ratio, atol=1e-12)


def test_a_series_that_ended_is_refused(store):
    add_series(store, series("UMCSENT", until="2016-01"))
    with pytest.raises(DataError, match="UMCSENT ends with 2015-12-01, and the bars go on"):
        build_dataset(store, "SP500", series=["UMCSENT"])


def _config(store, *settings):
    given = [f"data.root={store.root}", *settings]
    return load_config(ExperimentConfig, "threshold_1pct", given)


def test_qualities_are_nested_and_name_what_is_missing(store, filled):
    assert quality_series("a") == ()
    for less, more in pairwise("abcd"):
        assert quality_series(more)[: len(quality_series(less))] == quality_series(less)
    config = _config(filled, "data.quality=c", "data.series=[t10y2y]")
    assert series_of(config.data) == ("UMCSENT", "USEPUINDXD", "VIXCLS", "T10Y2Y")
    with pytest.raises(DataError, match=r"data\.series needs .*T10Y2Y") as error:
        ensure_datasets(config, filled)
    assert "finscale series import T10Y2Y.csv" in error.value.hint
    for quality, count in (("b", 8), ("d", 16)):
        prepared = prepare(_config(filled, f"data.quality={quality}"), filled)
        assert prepared.dataset.num_features == 26 + count
    with pytest.raises(ConfigError, match="quality"):
        _config(store, "data.quality=e")


def test_a_newer_series_makes_a_newer_dataset(filled):
    config = _config(filled, "data.series=[UMCSENT]")
    one, again = prepare(config, filled).run_id, prepare(config, filled).run_id
    assert one == again
    add_series(filled, series("UMCSENT", seed=1))
    assert prepare(config, filled).run_id != one


def test_what_runs_were_before_there_were_series_they_still_are(tmp_path):
    config = load_config(ExperimentConfig, "threshold_1pct", [f"data.root={tmp_path}"])
    assert {"quality", "series"}.isdisjoint(config.identity()["data"])
    asked = load_config(ExperimentConfig, "threshold_1pct", ["data.quality=b"])
    assert asked.identity()["data"]["quality"] == "b"
    known = "116044551976c04c0827ae289c2520cb6aea621ff0ecd73ce8d505caf692ab6a"
    assert config.hash() == known  # as the version before had it
