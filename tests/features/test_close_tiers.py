"""Tiers of closes: what they read, how they nest, and what bars without a range may ask for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from finscale.data.frames import level_names, relative_names
from finscale.errors import DataError
from finscale.features import FEATURES, TIERS, build_dataset, compute_features, dataset_rows
from finscale.features.causality import prove_all
from finscale.features.declared import FAMILIES
from finscale.features.needs import fitting_tiers, refuse_unfit, shown_bars, tier_inputs
from finscale.features.relative import (
    dataset_columns,
    relative_columns,
    relative_features,
    slowest_feature,
)
from finscale.features.tiers import raw_inputs, tier_features

SIZES = (20, 50, 100, 200)
NAMES = list(TIERS["c200"])
OF_CLOSES = list(TIERS["c50"])


def test_tiers_of_closes_hold_what_their_names_say_and_each_the_one_before():
    assert [len(TIERS[f"c{size}"]) for size in SIZES] == list(SIZES)
    for size in SIZES:
        assert TIERS["c200"][:size] == TIERS[f"c{size}"]
    assert len(set(NAMES)) == 200


def test_small_ones_read_closes_alone_and_large_ones_volume_too():
    assert {name: raw_inputs(FEATURES[name]) for name in OF_CLOSES} == dict.fromkeys(
        OF_CLOSES, frozenset({"close"})
    )
    assert frozenset.union(*(raw_inputs(FEATURES[name]) for name in NAMES)) == {"close", "volume"}
    assert tier_inputs("c20") == tier_inputs("c50") == ("close",)
    assert tier_inputs("c100") == tier_inputs("c200") == ("close", "volume")


@pytest.mark.parametrize("size", SIZES)
def test_each_family_has_equally_many(size):
    counts = Counter(FEATURES[name].family for name in TIERS[f"c{size}"])
    assert ("volume" in counts) is (size >= 100)
    assert set(counts) <= set(FAMILIES)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert {"momentum", "volatility", "range", "risk"} <= set(counts)


def test_every_feature_is_free_of_scale(make_bars):
    bars = make_bars(700).select("date", "close", "volume")
    table = compute_features(bars, NAMES)
    scaled = compute_features(bars.with_columns(pl.col("close") * 10, pl.col("volume") * 7), NAMES)
    for name in NAMES:
        assert FEATURES[name].seen == "bounded", name
        np.testing.assert_allclose(scaled[name], table[name], rtol=1e-6, atol=1e-6, err_msg=name)


_ROW = pl.int_range(pl.len())
#: Closes that a formula might not have thought of.
_WORLDS = {
    "as it is": pl.col("close"),
    "nothing moves": pl.col("close") * 0 + 3.3,
    "halted": pl.col("close").gather(pl.min_horizontal(_ROW, 400)),
    "a new price every seventh bar": pl.col("close").gather(_ROW // 7 * 7),
    "crashed to a ten-thousandth": pl.col("close") * pl.when(_ROW < 400).then(1.0).otherwise(1e-4),
}


@pytest.mark.parametrize("world", _WORLDS)
def test_on_closes_alone_every_feature_is_finite_from_its_lookback_on(world, make_bars):
    closes = make_bars(600).select("date", _WORLDS[world])
    table = compute_features(closes, OF_CLOSES)
    for name in OF_CLOSES:
        finite_R = np.isfinite(table[name].to_numpy())
        assert int(finite_R.argmax()) == FEATURES[name].lookback, name
        assert finite_R[FEATURES[name].lookback :].all(), name


def test_no_column_of_a_tier_of_closes_sees_the_future(make_bars):
    bars = make_bars(500, seed=5).select("date", "close", "volume")
    features = {f.name: f for f in relative_features("c200", bars=("close", "volume"))}
    reports = prove_all(features, bars, cuts=[16, 430, 470])
    assert [report.describe() for report in reports if not report.causal] == []
    assert len(reports) == 203


def test_windows_show_the_same_of_closes_and_of_whole_bars(make_bars):
    whole = make_bars(400).with_columns(symbol=pl.lit("A"))
    closes = whole.select("date", "symbol", "close")
    rows, of_closes = (dataset_rows(bars, tier="c20") for bars in (whole, closes))
    assert tuple(of_closes.columns) == dataset_columns("c20", bars=("close",))
    assert level_names(rows.columns) == level_names(of_closes.columns) == ("close", *TIERS["c20"])
    names = relative_names(of_closes.columns)
    assert names == relative_names(rows.columns)
    assert names[:2] == ("rel_close", "rel_volatility")
    assert "high" in rows.columns  # labels and costs may read it
    assert rows.select(of_closes.columns).equals(of_closes)


def test_relative_columns_of_closes_are_those_of_whole_bars(make_bars):
    whole = make_bars(400)
    closes = relative_columns(whole.select("date", "close"), "c50")
    assert closes.equals(relative_columns(whole, "c50").select(closes.columns))
    assert shown_bars("c50") == ("close",)


@pytest.mark.parametrize(
    ("columns", "tier", "said"),
    [
        (("close",), "a20", "a20 needs open, high, low and volume, and X has closes alone"),
        (("close",), "c100", "c100 needs volume, and X has closes alone"),
        (("close", "volume"), "a50", "a50 needs open, high and low, and X has closes and volume"),
    ],
)
def test_a_tier_that_does_not_fit_names_those_that_do(columns, tier, said):
    with pytest.raises(DataError, match=said) as caught:
        refuse_unfit(tier, columns, whose="X")
    assert ", ".join(fitting_tiers(columns)) in str(caught.value)


def test_what_fits_which_bars():
    assert fitting_tiers(("close",)) == ("c20", "c50")
    assert fitting_tiers(("close", "volume")) == ("c20", "c50", "c100", "c200")
    assert set(TIERS) == set(fitting_tiers(("open", "high", "low", "close", "volume")))


def test_a_feature_says_which_column_it_misses(make_bars):
    with pytest.raises(DataError, match=r"no column high, low, which atr_14 needs"):
        compute_features(make_bars(100).select("date", "close"), ["atr_14"])


def test_registered_closes_make_a_dataset(tmp_path):
    from finscale.data import DataStore, fetch_bars

    store = DataStore(tmp_path)
    store.add_bars(fetch_bars("us20", "KO"))
    entry = build_dataset(store, "KO", tier="c20")
    assert entry.rows == 8313 - 199
    with pytest.raises(DataError, match="a20 needs open, high, low and volume, and KO has closes"):
        build_dataset(store, "KO", tier="a20")


def test_no_relative_column_looks_back_further_than_the_longest_feature_of_its_tier():
    for tier in TIERS:
        assert slowest_feature(tier).lookback == max(f.lookback for f in tier_features(tier))
