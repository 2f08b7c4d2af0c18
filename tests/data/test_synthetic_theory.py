"""The two markets with a signal, against closed forms and against learners that run on them."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.data.synthetic import LinearTeacher, VolumeTeacher, ZipfMotifs, simulate
from finscale.errors import FinscaleError


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def test_tiers_follow_the_tail_of_the_spectrum():
    tiers = np.array([20, 50, 100, 200, 500, 1000, 2000])
    excess = LinearTeacher(b=1.5, num_features=2_000_000).tier_excess(tiers)
    # SCIENCE.md, section 4: -.504 computed, theory -.5
    assert _slope(tiers, excess) == pytest.approx(-0.504, abs=0.002)
    assert LinearTeacher(b=2.0, num_features=10**6).tier_excess(0) == pytest.approx(1.0)


def test_data_axis_has_the_local_slope_of_the_deterministic_equivalent():
    num_samples = np.array([500, 1000, 2000, 4000])
    excess = LinearTeacher(signal=0.01).tuned_ridge_excess(num_samples)
    assert _slope(num_samples, excess) == pytest.approx(-0.284, abs=0.003)


def test_data_axis_reaches_the_asymptotes_of_cui():
    noiseless = LinearTeacher(a=1.5, b=1.5, num_features=10**5, signal=1 - 1e-9)
    early = np.geomspace(50, 400, 3)
    assert _slope(early, noiseless.tuned_ridge_excess(early)) == pytest.approx(-0.5, abs=0.02)
    noisy = LinearTeacher(a=1.5, b=1.5, num_features=10**5, signal=0.03)
    late = np.geomspace(1e4, 4e4, 3)
    assert _slope(late, noisy.tuned_ridge_excess(late)) == pytest.approx(-1 / 3, abs=0.01)


def test_ridge_regression_follows_its_deterministic_equivalent():
    teacher = LinearTeacher(num_features=300, signal=0.5)
    rng = np.random.default_rng(0)
    weights = np.sqrt(teacher.powers / teacher.variances)
    measured = []
    for _ in range(40):
        feature, target = teacher.sample(150, rng)
        gram = feature.T @ feature + 3.0 * np.eye(300)
        error = np.linalg.solve(gram, feature.T @ target) - weights
        measured.append((error**2 * teacher.variances).sum())
    theory = teacher.ridge_excess(150, 3.0)[0]
    assert np.mean(measured) == pytest.approx(theory, abs=3 * np.std(measured) / np.sqrt(40))
    assert theory >= teacher.tuned_ridge_excess(150)[0]


def test_volume_teacher_explains_by_lag_what_its_theory_says():
    process = VolumeTeacher(signal=0.3, num_lags=64)
    panel = simulate(process, 12, seed=3)
    volume = np.log(panel.bars.volume_TS)
    volume = (volume - np.log(1e6)) / 0.5
    for num_lags in (1, 4, 16):
        x = np.concatenate(
            [np.stack([volume[64 - i : -i, s] for i in range(1, num_lags + 1)], 1)
             for s in range(12)]
        )  # fmt: skip
        y = panel.draw.return_TS[64:].T.ravel()
        residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        explained = 1 - residual.var() / y.var()
        expected = 0.3 * (1 - float(process.theory.tier_excess(num_lags)))
        assert explained == pytest.approx(expected, abs=0.01)


def test_symbols_share_the_teacher_and_seeds_do_not():
    def weights(seed: int, symbol: str) -> np.ndarray:
        panel = simulate(VolumeTeacher(signal=0.9, num_lags=8), [symbol], seed=seed)
        volume = np.log(panel.bars.volume_TS[:, 0] / 1e6)
        x = np.stack([volume[8 - i : -i] for i in range(1, 9)], 1)
        return np.sign(np.linalg.lstsq(x, panel.draw.return_TS[8:, 0], rcond=None)[0])

    np.testing.assert_array_equal(weights(1, "A"), weights(1, "B"))
    assert (weights(1, "A") != weights(2, "A")).any()


def test_motifs_can_be_read_back_from_the_bars():
    motifs = ZipfMotifs()
    panel = simulate(motifs, ["A"], seed=2)
    read = motifs.decode(panel.frame("A"))
    assert motifs.num_motifs == 16384
    drift = panel.draw.mean_TS[2:, 0] / panel.draw.volatility_TS[2:, 0]
    np.testing.assert_allclose(drift, 0.5 * motifs.signs(2)[read[:-1]])
    share = np.bincount(read, minlength=4)[:4] / read.size
    np.testing.assert_allclose(share, motifs.frequencies[:4], atol=0.02)


def test_past_closes_hold_no_information_and_up_is_a_coin():
    returns = simulate("zipf", 40, seed=3).draw.return_TS
    lags = [np.corrcoef(returns[k:].ravel(), returns[:-k].ravel())[0, 1] for k in (1, 2, 5)]
    np.testing.assert_allclose(lags, 0, atol=0.006)
    motifs = ZipfMotifs()
    assert (motifs.frequencies @ motifs.signs(3)) == pytest.approx(0, abs=1e-15)


def test_bayes_loss_is_exact():
    motifs = ZipfMotifs(drift=1.0)
    assert motifs.hit_rate == pytest.approx(0.841345, abs=1e-6)
    assert motifs.bayes_loss == pytest.approx(0.4374, abs=1e-4)
    panel = simulate(motifs, 10, seed=4)
    up = panel.draw.return_TS[1:] > 0
    forecast = np.where(panel.draw.mean_TS[1:] > 0, motifs.hit_rate, 1 - motifs.hit_rate)
    loss = -np.log(np.where(up, forecast, 1 - forecast))
    assert loss.mean() == pytest.approx(motifs.bayes_loss, abs=4 * loss.std() / np.sqrt(loss.size))


def test_motif_curves_have_the_exponents_of_hutter():
    motifs = ZipfMotifs(alpha=0.8, num_wicks=256)
    sizes = np.array([10, 30, 100, 300, 1000])
    assert _slope(sizes, motifs.size_excess(sizes)) == pytest.approx(-0.8, abs=0.03)
    assert motifs.size_excess(0) == pytest.approx(np.log(2) - motifs.bayes_loss)
    days = np.array([1000, 4000, 16000, 64000])
    assert _slope(days, motifs.data_excess(days)) == pytest.approx(-0.8 / 1.8, abs=0.02)


def test_the_data_curve_is_what_the_best_learner_loses():
    motifs = ZipfMotifs(drift=1.0, num_volumes=16)
    rng = np.random.default_rng(5)
    losses = []
    for _ in range(300):
        seen = rng.multinomial(400, motifs.frequencies)
        rises = rng.binomial(seen, motifs.hit_rate)
        forecast = motifs.forecast(rises, seen)
        loss = -motifs.hit_rate * np.log(forecast)
        loss -= (1 - motifs.hit_rate) * np.log1p(-forecast)
        losses.append(motifs.frequencies @ loss - motifs.bayes_loss)
    error = np.std(losses) / np.sqrt(300)
    assert motifs.data_excess(400)[0] == pytest.approx(np.mean(losses), abs=3 * error)


def test_more_levels_than_a_bar_can_tell_apart_are_refused():
    with pytest.raises(FinscaleError, match="16 wicks and 8192 volumes cannot be told apart"):
        ZipfMotifs(num_volumes=8192)
