"""How much a tier holds, on columns whose correlations are known."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from finscale.data.bars import PRICES
from finscale.errors import DataError
from finscale.features import TIERS, compute_features, relative_columns
from finscale.features.quality import column_quality, nearest, tier_quality


def test_the_effective_number_is_the_participation_ratio(make_bars):
    bars = make_bars(600)
    found = tier_quality(bars, "a20")
    table = relative_columns(compute_features(bars, "a20"), "a20")
    rows = table.select(f"rel_{name}" for name in TIERS["a20"]).to_numpy()
    rows = rows[np.isfinite(rows).all(axis=1)]
    share = np.linalg.eigvalsh(np.corrcoef(rows.T))
    assert found.effective == pytest.approx(share.sum() ** 2 / (share**2).sum(), rel=1e-6)
    assert (found.num_features, found.share_missing, found.num_rows) == (20, 0.0, len(rows))


def test_near_copies_are_counted_and_named(make_bars):
    bars = make_bars(600)
    assert tier_quality(bars, "a20").num_near_copies >= 2  # DEMA of 9 and of 10
    (name, correlation), *_ = nearest(bars, "dema_9", "a20")
    assert name == "dema_10"
    assert correlation > 0.995


def test_too_few_bars_are_refused(make_bars):
    with pytest.raises(DataError, match="150 bars are too few for a20"):
        tier_quality(make_bars(150), "a20")


def test_columns_that_never_move_are_counted_and_nothing_else_is_said(sp500) -> None:
    found = column_quality(np.ones((50, 3)))
    assert (found.effective, found.num_near_copies, found.num_constant) == (0.0, 0, 3)
    still = sp500[:400].with_columns(pl.lit(20.0).alias(name) for name in PRICES)
    assert tier_quality(still, "c20").num_constant == 20


def test_nothing_resembles_a_feature_that_has_no_value_yet(sp500) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nearest(sp500[:120], "sma_200", "a20") == []
