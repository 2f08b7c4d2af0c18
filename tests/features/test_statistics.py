"""Moments told from sums of powers are those of each window by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from finscale.features.declared.statistics import _measure

RNG = np.random.default_rng(0)
SERIES = {
    "heavy tails": 0.01 * RNG.standard_t(3, 900),
    "one jump of ×100": np.where(np.arange(900) == 400, 4.6, 0.01 * RNG.standard_normal(900)),
    "far from zero": 0.01 + 1e-7 * RNG.standard_normal(900),
    "still": np.zeros(900),
    "rising evenly": np.full(900, 0.01),
    "still at times": np.where(np.arange(900) % 300 < 150, 0.0, 0.01 * RNG.standard_normal(900)),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("rows", [20, 250])
@pytest.mark.parametrize(
    ("measure", "outside"), [("skewness", stats.skew), ("kurtosis", stats.kurtosis)]
)
def test_moments_agree_with_scipy_window_by_window(name, rows, measure, outside):
    returns = np.round(SERIES[name], 12)
    returns[:3] = np.nan
    found = _measure(returns, rows=rows, measure=measure)
    assert np.isnan(found[: rows + 2]).all()
    none = 0.0 if measure == "skewness" else -3.0
    for row in range(rows + 2, 900, 37):
        window = returns[row - rows + 1 : row + 1]
        spread = window.std() > 1e-9
        with np.errstate(all="ignore"):
            wanted = outside(window) if spread else none
        assert found[row] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    # a value hangs on its own window alone: to the bit, whatever comes before and after
    again = _measure(returns[300:700], rows=rows, measure=measure)
    np.testing.assert_array_equal(again[rows - 1 :], found[300 + rows - 1 : 700])
