"""Controls whose scaling curve is known in closed form: the power-law teacher and Zipf's motifs."""

from __future__ import annotations

from functools import cache

import numpy as np

from finscale.controls.case import CONTROLS, HONEST_INTERVALS, Control, ControlCheck, Float, Losses
from finscale.data.synthetic import LinearTeacher, ZipfMotifs, simulate

_TIERS = np.array([20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0])
_TIER_TEACHER = LinearTeacher(b=1.5, num_features=2_000_000, signal=0.5)
_TIER_SEEDS, _TIER_DAYS = 3, 6000
#: Training rows of each model of the tier control: so many that its curve is the population's.
_MANY_ROWS = 10_000_000

_SAMPLES = np.array([25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0])
_DATA_TEACHER = LinearTeacher(a=1.0, b=1.5, num_features=200, signal=0.8)
_DATA_SEEDS, _DATA_DAYS = 4, 3000

_MOTIFS = ZipfMotifs(alpha=0.6, drift=1.0, num_wicks=128)
_KNOWN = np.array([20.0, 60.0, 200.0, 600.0, 2000.0, 6000.0])
_LEARNED = np.array([500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0])
_MOTIF_SEEDS, _MOTIF_SYMBOLS, _MOTIF_DAYS = 4, 20, 3000


def _tiers(rng: np.random.Generator) -> Losses:
    """Draw squared errors of models that see the first F features, in units of the signal.

    The error of tier F is the noise plus what all features beyond F explain: independent normals
    for the features between one tier and the next. Each seed's training rows add their own small
    error, of variance noise × F / rows.
    """
    tail_G = _TIER_TEACHER.tier_excess(_TIERS.astype(int))
    step_G = np.sqrt(tail_G - np.append(tail_G[1:], 0.0))
    unseen_GT = step_G[:, None] * rng.standard_normal((len(_TIERS), _TIER_DAYS))
    residual_GT = np.cumsum(unseen_GT[::-1], axis=0)[::-1]
    residual_GT = residual_GT + np.sqrt(_TIER_TEACHER.noise) * rng.standard_normal(_TIER_DAYS)
    learned_G = np.sqrt((tail_G + _TIER_TEACHER.noise) * _TIERS / _MANY_ROWS)
    shape_GST = (len(_TIERS), _TIER_SEEDS, _TIER_DAYS)
    error_GST = residual_GT[:, None, :] + learned_G[:, None, None] * rng.standard_normal(shape_GST)
    return Losses(error_GST**2, _TIERS)


def _tier_truth(size_G: Float) -> Float:
    tail_G = _TIER_TEACHER.tier_excess(size_G.astype(int))
    return tail_G + (tail_G + _TIER_TEACHER.noise) * size_G / _MANY_ROWS


def _data(rng: np.random.Generator) -> Losses:
    """Fit ridge regressions with the best penalty to growing samples, and score them."""
    teacher = _DATA_TEACHER
    weight_P = np.sqrt(teacher.powers / teacher.variances)
    test_TP, _ = teacher.sample(_DATA_DAYS, rng)
    noise_T = np.sqrt(teacher.noise) * rng.standard_normal(_DATA_DAYS)
    losses_GST = np.empty((len(_SAMPLES), _DATA_SEEDS, _DATA_DAYS))
    for seed in range(_DATA_SEEDS):
        train_NP, target_N = teacher.sample(int(_SAMPLES[-1]), rng)
        for index, (num_rows, penalty) in enumerate(zip(_SAMPLES, _penalties(), strict=True)):
            rows_NP, rows_N = train_NP[: int(num_rows)], target_N[: int(num_rows)]
            learned_P = _ridge(rows_NP, rows_N, penalty)
            losses_GST[index, seed] = (test_TP @ (learned_P - weight_P) - noise_T) ** 2
    return Losses(losses_GST, _SAMPLES)


def _ridge(x_NP: Float, y_N: Float, penalty: float) -> Float:
    num_rows, num_features = x_NP.shape
    if num_rows >= num_features:
        gram_PP = x_NP.T @ x_NP + penalty * np.eye(num_features)
        return np.asarray(np.linalg.solve(gram_PP, x_NP.T @ y_N))
    kernel_NN = x_NP @ x_NP.T + penalty * np.eye(num_rows)
    return np.asarray(x_NP.T @ np.linalg.solve(kernel_NN, y_N))


@cache
def _penalties() -> tuple[float, ...]:
    """Return the penalty at which the deterministic equivalent is least, for each sample."""
    from scipy.optimize import minimize_scalar

    def excess(log_penalty: float, num_rows: float) -> float:
        return float(_DATA_TEACHER.ridge_excess(num_rows, np.exp(log_penalty))[0])

    found = [
        minimize_scalar(excess, bounds=(-6.0, 6.0), args=(num_rows,), method="bounded")
        for num_rows in _SAMPLES
    ]
    return tuple(float(np.exp(best.x)) for best in found)


def _market(rng: np.random.Generator, num_symbols: int, num_days: int) -> tuple[Float, Float]:
    """Simulate bars, read the motifs back from them: motif and next rise, ``[S, T]`` each."""
    seed = int(rng.integers(2**31))
    panel = simulate(_MOTIFS, num_symbols, seed=seed, num_days=num_days + 2)
    motif_ST = np.stack([_MOTIFS.decode(frame)[:-1] for frame in panel.frames()])
    close_TS = panel.bars.close_TS
    rise_ST = (close_TS[2:] > close_TS[1:-1]).T
    drift_K = _MOTIFS.signs(seed).astype(np.float64)
    # which motifs drift up is the market's own secret: hand it over with the data
    return np.stack([motif_ST, rise_ST]).astype(np.int64), drift_K


def _log_loss(rise_ST: Float, forecast_ST: Float) -> Float:
    loss_ST = -np.log(np.where(rise_ST > 0, forecast_ST, 1 - forecast_ST))
    return np.asarray(loss_ST.mean(axis=0))


def _known_motifs(rng: np.random.Generator) -> Losses:
    """Score models that know the N most frequent motifs and call all others a coin."""
    (motif_ST, rise_ST), drift_K = _market(rng, _MOTIF_SYMBOLS, _MOTIF_DAYS)
    hit = _MOTIFS.hit_rate
    knows_ST = np.where(drift_K[motif_ST] > 0, hit, 1 - hit)
    daily_GT = np.stack(
        [_log_loss(rise_ST, np.where(motif_ST < known, knows_ST, 0.5)) for known in _KNOWN]
    )
    # another seed knows the same motifs: nothing of this curve is luck of the seed
    return Losses(np.repeat(daily_GT[:, None, :], 2, axis=1), _KNOWN)


def _learned_motifs(rng: np.random.Generator) -> Losses:
    """Score learners that count each motif's rises in D bars, one training set a seed."""
    most = int(_LEARNED[-1])
    pool = -(-most // _MOTIF_DAYS)
    bars, _ = _market(rng, _MOTIF_SYMBOLS + _MOTIF_SEEDS * pool, _MOTIF_DAYS)
    motif_ST, rise_ST = bars[:, :_MOTIF_SYMBOLS]
    losses_GST = np.empty((len(_LEARNED), _MOTIF_SEEDS, _MOTIF_DAYS))
    for seed in range(_MOTIF_SEEDS):
        first = _MOTIF_SYMBOLS + seed * pool
        train_motif, train_rise = (part[first : first + pool].ravel() for part in bars)
        for index, num_bars in enumerate(_LEARNED.astype(int)):
            seen_K = np.bincount(train_motif[:num_bars], minlength=_MOTIFS.num_motifs)
            rises_K = np.bincount(
                train_motif[:num_bars], train_rise[:num_bars], minlength=_MOTIFS.num_motifs
            )
            forecast_K = _MOTIFS.forecast(rises_K, seen_K)
            losses_GST[index, seed] = _log_loss(rise_ST, forecast_K[motif_ST])
    return Losses(losses_GST, _LEARNED)


for _name, _about, _draw, _truth in (
    (
        "teacher, features",
        "linear teacher, tiers of 20 to 2,000 features, ample data: exponent b − 1 = .5",
        _tiers,
        _tier_truth,
    ),
    (
        "teacher, data",
        "linear teacher, tuned ridge on 25 to 1,600 rows: the deterministic equivalent",
        _data,
        _DATA_TEACHER.tuned_ridge_excess,
    ),
    (
        "motifs, size",
        "Zipf motifs in bars, the N most frequent known: exponent α = .6",
        _known_motifs,
        lambda size_G: _MOTIFS.bayes_loss + _MOTIFS.size_excess(size_G.astype(int)),
    ),
    (
        "motifs, data",
        "Zipf motifs in bars, learned from 500 to 32,000 of them: exponent α / (1 + α)",
        _learned_motifs,
        lambda size_G: _MOTIFS.bayes_loss + _MOTIFS.data_excess(size_G.astype(int)),
    ),
):
    _checks = (ControlCheck("LAW", at_least=0.80), *HONEST_INTERVALS)
    CONTROLS.add(_name, Control(_name, _about, "exact", _draw, _checks, truth_G=_truth))
