from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from finscale.config.names import TIER_NAMES
from finscale.errors import FinscaleError
from finscale.features import FEATURES, TIERS, compute_features, prove_causality, tier_features
from finscale.features.feature import INPUTS

#: Those of larger tiers are proven together, in test_catalogue.py.
EVERY_FEATURE = tier_features("a20")


def named(feature):
    return feature.name


def test_a20_is_what_the_study_asks_for():
    assert TIERS["a20"] == (
        *("dema_9", "dema_10", "dema_20", "dema_25", "dema_90"),
        *("sma_12", "sma_50", "sma_100", "sma_200"),
        *("rsi_14", "rsi_14_5d", "stochrsi_k", "stochrsi_k_5d"),
        *("macd_12_26_9", "obv", "adosc_3_10", "atr_14", "adx_14", "bollinger_b_20", "vwap_20"),
    )
    assert len(TIERS["a20"]) + len(INPUTS) == 25


def test_tiers_are_nested_in_the_order_of_the_config():
    assert list(TIERS) == [name for name in TIER_NAMES if name in TIERS]
    for (name, smaller), (other, larger) in itertools.pairwise(TIERS.items()):
        if name[0] != other[0]:  # from tiers of whole bars to those of closes
            continue
        assert larger[: len(smaller)] == smaller


def test_unknown_tier_names_the_nearest():
    with pytest.raises(FinscaleError, match=r"'a21' is not a tier[\s\S]*a20"):
        tier_features("a21")


@pytest.mark.parametrize("feature", EVERY_FEATURE, ids=named)
def test_lookback_is_the_first_finite_row(feature, sp500):
    values = compute_features(sp500[:400], [feature])[feature.name].to_numpy()
    assert np.flatnonzero(np.isfinite(values))[0] == feature.lookback
    assert np.isfinite(values[feature.lookback :]).all()


@pytest.mark.parametrize("feature", EVERY_FEATURE, ids=named)
def test_recursive_features_and_only_they_remember_all_bars(feature, sp500):
    """Without its first bar, a finite memory of ``lookback`` rows gives the same later values."""
    whole = compute_features(sp500[:400], [feature])[feature.name].to_numpy()
    # five bars, so that blocks of five sessions stay the same blocks
    later = compute_features(sp500[5:400], [feature])[feature.name].to_numpy()
    first = feature.lookback + 5
    same = np.allclose(whole[first:], later[feature.lookback :], rtol=1e-9, atol=0)
    assert same is not feature.recursive


@pytest.mark.parametrize("feature", EVERY_FEATURE, ids=named)
def test_no_feature_sees_the_future_of_real_bars(feature, sp500):
    report = prove_causality(feature, sp500)
    assert report.causal, report.describe()


@pytest.mark.parametrize("feature", EVERY_FEATURE, ids=named)
def test_no_feature_sees_the_future_of_random_bars_after_any_row(feature, make_bars):
    bars = make_bars(feature.lookback + 60, seed=3)
    report = prove_causality(feature, bars, cuts=range(bars.height - 1))
    assert report.causal, report.describe()


def test_flat_prices_without_volume_give_the_declared_values(flat_bars):
    last = compute_features(flat_bars, "a20").row(-1, named=True)
    declared = dict.fromkeys(("rsi_14", "rsi_14_5d", "stochrsi_k", "stochrsi_k_5d"), 0.0)
    declared |= dict.fromkeys(("macd_12_26_9", "obv", "adosc_3_10", "atr_14", "adx_14"), 0.0)
    declared |= {"bollinger_b_20": 0.5, "vwap_20": 20.0, "sma_200": 20.0, "dema_90": 20.0}
    assert {name: last[name] for name in declared} == pytest.approx(declared, abs=1e-12)


def test_parameters_read_well():
    assert FEATURES["rsi_14_5d"].describe_parameters() == "timeperiod 14 · 5-session bars"
    assert FEATURES["obv"].describe_parameters() == ""


def test_declarations_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FEATURES["obv"].lookback = 3
