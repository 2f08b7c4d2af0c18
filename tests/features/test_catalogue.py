"""The catalogue as a whole: counted, finite, causal, free of scale, and told in words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from finscale.features import FEATURES, TIERS, compute_features, prove_all
from finscale.features.declared import FAMILIES, PARTS
from finscale.features.declared.family import Family, by_priority
from finscale.features.tiers import TIER_SIZES

NAMES = list(TIERS["a2000"])


def test_seven_tiers_hold_what_their_names_say_and_each_the_one_before():
    assert [len(TIERS[f"a{size}"]) for size in TIER_SIZES] == list(TIER_SIZES)
    whole = [f"a{size}" for size in TIER_SIZES]
    assert list(TIERS)[: len(whole)] == whole
    for smaller, larger in pairwise(TIERS[tier] for tier in whole):
        assert larger[: len(smaller)] == smaller
    assert len(set(NAMES)) == 2000


@pytest.mark.parametrize("tier", ["a200", "a500", "a1000", "a2000"])
def test_every_tier_has_equal_family_shares(tier):
    total = sum(len(family.features) for family in FAMILIES.values())
    for name, family in FAMILIES.items():
        held = sum(FEATURES[feature].family == name for feature in TIERS[tier])
        assert held == pytest.approx(len(family.features) / total * len(TIERS[tier]), abs=1.5), name


def test_every_feature_says_what_it_is():
    for name in NAMES[20:]:
        feature = FEATURES[name]
        assert feature.family in FAMILIES, name
        assert feature.words, name
        assert feature.source, name
        assert feature.seen == "bounded", name
    assert not set(PARTS) & set(FEATURES)


_PRICES = pl.col("open", "high", "low", "close")
_ROW = pl.int_range(pl.len())


def _halted(bars: pl.DataFrame) -> pl.DataFrame:
    row = pl.min_horizontal(_ROW, 900)
    volume = pl.when(_ROW < 900).then(pl.col("volume")).otherwise(0.0)
    return bars.with_columns(_PRICES.gather(row), volume=volume)


#: Series that a formula might not have thought of, made of random bars.
_WORLDS = {
    "as it is": lambda bars: bars,
    "nothing moves": lambda bars: bars.with_columns(_PRICES * 0 + 3.3, volume=pl.lit(0.0)),
    "halted": _halted,
    "a new price every seventh bar": lambda bars: bars.with_columns(_PRICES.gather(_ROW // 7 * 7)),
    "crashed to a ten-thousandth": lambda bars: bars.with_columns(
        _PRICES * pl.when(_ROW < 900).then(1.0).otherwise(1e-4)
    ),
}


def _from_lookback_on_finite(table: pl.DataFrame) -> None:
    for name in NAMES:
        finite_R = np.isfinite(table[name].to_numpy())
        assert int(finite_R.argmax()) == FEATURES[name].lookback, name
        assert finite_R[FEATURES[name].lookback :].all(), name


def test_on_real_bars_every_feature_is_finite_from_its_lookback_on(sp500):
    _from_lookback_on_finite(compute_features(sp500[:1300], NAMES))


@pytest.mark.parametrize("world", _WORLDS)
def test_every_feature_is_finite_and_knows_no_unit(world, make_bars):
    bars = _WORLDS[world](make_bars(1100))
    table = compute_features(bars, NAMES)
    _from_lookback_on_finite(table)
    scaled = compute_features(bars.with_columns(_PRICES * 10, pl.col("volume") * 7), NAMES[20:])
    for name in NAMES[20:]:
        value_R, scaled_R = table[name].to_numpy(), scaled[name].to_numpy()
        np.testing.assert_allclose(scaled_R, value_R, rtol=1e-6, atol=1e-6, err_msg=name)


def test_no_feature_sees_the_future(make_bars):
    features = {name: FEATURES[name] for name in NAMES}
    reports = prove_all(features, make_bars(1000, seed=5), cuts=[16, 873, 940])
    assert [report.describe() for report in reports if not report.causal] == []
    assert all(report.num_compared == 4 * (17 + 874 + 941) for report in reports)


def test_a_feature_that_does_is_caught_among_the_others(make_bars):
    family = Family("peeking")
    family.add("tomorrow", "close", lambda close: np.roll(close, -1) / close, "tomorrow's return")
    features = {"tomorrow": family.features["tomorrow"], "rsi_14": FEATURES["rsi_14"]}
    reports = prove_all(features, make_bars(300), cuts=[200])
    assert [report.causal for report in reports] == [False, True]


def test_a_memory_of_all_bars_is_declared(make_bars):
    bars = make_bars(1300, seed=4)
    whole, later = compute_features(bars, NAMES), compute_features(bars[105:], NAMES)
    for name in NAMES:
        feature = FEATURES[name]
        if not feature.recursive:
            first = feature.lookback
            value_R = later[name].to_numpy()[first:]
            expected_R = whole[name].to_numpy()[105 + first :]
            np.testing.assert_allclose(value_R, expected_R, rtol=1e-8, atol=1e-8, err_msg=name)


def test_too_few_bars_have_no_values(make_bars):
    table = compute_features(make_bars(3), NAMES)
    known = [name for name in NAMES if np.isfinite(table[name].to_numpy()).any()]
    assert all(FEATURES[name].lookback < 3 for name in known)


def test_a_family_refuses_what_nobody_declares():
    family = Family("mine")
    with pytest.raises(ValueError, match="nothing is called typo"):
        family.add("mine_1", "close typo", lambda close, other: close, "words")
    family.add("mine_1", "close", lambda close: close, "words")
    with pytest.raises(ValueError, match="declares mine_1 twice"):
        family.add("mine_1", "close", lambda close: close, "words")


def test_early_members_of_all_axes_come_first():
    assert by_priority("ab", (1, 2, 3))[:3] == [("a", 1), ("a", 2), ("b", 1)]
