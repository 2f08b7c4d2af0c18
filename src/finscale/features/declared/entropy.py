"""Disorder: entropies, fractal dimensions and long memory of the last bars' returns.

References
----------
Bandt and Pompe 2002 (permutation entropy); Richman and Moorman 2000 (sample entropy); Petrosian
1995; Katz 1988; Higuchi 1988; Hjorth 1970; Hurst 1951; Peng et al. 1994 (detrended fluctuations);
Lempel and Ziv 1976; Costa et al. 2002. ``antropy`` and ``nolds`` compute most of these for one
window; here they are vectorised over windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.windows import dot, rolled
from finscale.features.feature import Array

#: In the order in which tiers take them in.
WINDOWS = (60, 120, 30, 250)

FAMILY = Family("entropy", COMMON)


def _of_counts(count_nK: Array, most: float) -> Array:
    """Return the entropy of each row's counts over the largest possible, 0 to 1."""
    share_nK = count_nK / count_nK.sum(axis=1, keepdims=True)
    logs = np.log(share_nK, out=np.zeros_like(share_nK), where=share_nK > 0)
    return np.asarray(-(share_nK * logs).sum(axis=1) / most)


def _counted(code_nm: Array, num_codes: int) -> Array:
    """Return how often each code occurs in each row, ``[n, codes]``."""
    offset = np.arange(len(code_nm))[:, None] * num_codes
    flat = np.bincount((code_nm + offset).ravel(), minlength=len(code_nm) * num_codes)
    return flat.reshape(len(code_nm), num_codes).astype(np.float64)


def _permutation(w: Array, order: int) -> Array:
    embedded = sliding_window_view(w, order, axis=1)
    ranks = np.argsort(embedded, axis=2, kind="stable")
    code = (ranks * order ** np.arange(order)).sum(axis=2)
    known = np.array(
        sorted(sum(r * order**i for i, r in enumerate(p)) for p in permutations(range(order)))
    )
    return _of_counts(_counted(np.searchsorted(known, code), len(known)), math.log(len(known)))


def _signs(w: Array, length: int) -> Array:
    """Return the entropy of words of ``length`` rises and falls."""
    up = sliding_window_view((w > 0).astype(np.int64), length, axis=1)
    code = (up * 2 ** np.arange(length)).sum(axis=2)
    return _of_counts(_counted(code, 2**length), length * math.log(2))


def _binned(w: Array) -> Array:
    """Return the entropy of eight bins of equal width over the window's range."""
    low, high = w.min(axis=1, keepdims=True), w.max(axis=1, keepdims=True)
    place = np.divide(w - low, high - low, out=np.zeros_like(w), where=high > low)
    code = np.minimum((place * 8).astype(np.int64), 7)
    return _of_counts(_counted(code, 8), math.log(8))


def _spectral(w: Array) -> Array:
    power = np.abs(np.fft.rfft(w - w.mean(axis=1, keepdims=True), axis=1))[:, 1:] ** 2
    total = power.sum(axis=1, keepdims=True)
    even = np.full_like(power, 1.0 / power.shape[1])
    share = np.divide(power, total, out=even, where=total > 1e-24)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(-(share * logs).sum(axis=1) / math.log(power.shape[1]))


def _singular(w: Array) -> Array:
    """Return the entropy of the singular values of the window embedded in three dimensions."""
    embedded = sliding_window_view(w, 3, axis=1)
    values = np.linalg.eigvalsh(np.einsum("nmi,nmj->nij", embedded, embedded))
    values = np.sqrt(np.maximum(values, 0.0))
    total = values.sum(axis=1, keepdims=True)
    share = np.divide(values, total, out=np.full_like(values, 1 / 3), where=total > 1e-12)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(-(share * logs).sum(axis=1) / math.log(3))


def _sample(w: Array) -> Array:
    """Return sample entropy, m = 2 and r = .2 deviations; no match at all counts as half a one."""
    found = np.empty(len(w))
    radius = 0.2 * w.std(axis=1)
    step = max(4_000_000 // w.shape[1] ** 2, 1)
    for start in range(0, len(w), step):
        part, near = w[start : start + step], radius[start : start + step, None, None]
        close = np.abs(part[:, :, None] - part[:, None, :]) <= near
        two = close[:, :-2, :-2] & close[:, 1:-1, 1:-1]
        three = two & close[:, 2:, 2:]
        itself = part.shape[1] - 2
        pairs, longer = (np.count_nonzero(x, axis=(1, 2)) - itself for x in (two, three))
        found[start : start + step] = np.log(np.maximum(pairs, 0.5) / np.maximum(longer, 0.5))
    return np.clip(found, 0.0, 10.0)


def _petrosian(w: Array) -> Array:
    turned = (np.diff(w[:, 1:], axis=1) * np.diff(w[:, :-1], axis=1) < 0).sum(axis=1)
    length = math.log10(w.shape[1])
    return np.asarray(length / (length + np.log10(w.shape[1] / (w.shape[1] + 0.4 * turned))))


def _katz(w: Array) -> Array:
    path = np.cumsum(w, axis=1)
    walked = np.abs(w[:, 1:]).sum(axis=1)
    reach = np.abs(path - path[:, :1]).max(axis=1)
    steps = math.log10(w.shape[1] - 1)
    ratio = np.divide(reach, walked, out=np.ones_like(reach), where=walked > 1e-12)
    return np.asarray(np.clip(steps / (steps + np.log10(np.maximum(ratio, 1e-6))), 0.0, 10.0))


def _slope(x_k: Array, y_nk: Array) -> Array:
    away = x_k - x_k.mean()
    return dot(y_nk, away) / float((away**2).sum())


def _higuchi(w: Array) -> Array:
    path, lengths = np.cumsum(w, axis=1), []
    scales = (1, 2, 3, 4, 6, 8)
    for scale in scales:
        steps = [np.abs(np.diff(path[:, m::scale], axis=1)).mean(axis=1) for m in range(scale)]
        lengths.append(np.mean(steps, axis=0) / scale)
    logs = np.log(np.maximum(np.stack(lengths, axis=1), 1e-12))
    return -_slope(np.log(np.array(scales, dtype=np.float64)), logs)


def _mobility(w: Array) -> Array:
    spread = w.std(axis=1)
    return np.asarray(
        np.divide(np.diff(w, axis=1).std(axis=1), spread, out=np.zeros(len(w)), where=spread > 1e-9)
    )


def _complexity(w: Array) -> Array:
    whole = _mobility(w)
    return np.divide(_mobility(np.diff(w, axis=1)), whole, out=np.zeros(len(w)), where=whole > 1e-9)


def _hurst(w: Array) -> Array:
    """Return the exponent of the rescaled range over three lengths of the window."""
    size = w.shape[1]
    lengths = [size // 4, size // 2, size]
    logs = []
    for length in lengths:
        count = size // length
        parts = w[:, size - count * length :].reshape(len(w), count, length)
        path = np.cumsum(parts - parts.mean(axis=2, keepdims=True), axis=2)
        reach, spread = path.max(axis=2) - path.min(axis=2), parts.std(axis=2)
        scaled = np.divide(reach, spread, out=np.ones_like(reach), where=spread > 1e-9)
        logs.append(np.log(np.maximum(scaled.mean(axis=1), 1e-6)))
    return _slope(np.log(np.array(lengths, dtype=np.float64)), np.stack(logs, axis=1))


def _fluctuation(w: Array) -> Array:
    """Return the exponent of detrended fluctuations over four box sizes."""
    path = np.cumsum(w - w.mean(axis=1, keepdims=True), axis=1)
    size = w.shape[1]
    boxes = sorted({max(size // k, 4) for k in (10, 6, 4, 2)})
    logs = []
    for box in boxes:
        count = size // box
        parts = path[:, size - count * box :].reshape(len(w), count, box)
        time = np.arange(box) - (box - 1) / 2
        slope = dot(parts, time) / float((time**2).sum())
        rest = parts - parts.mean(axis=2, keepdims=True) - slope[:, :, None] * time
        logs.append(np.log(np.maximum(np.sqrt((rest**2).mean(axis=(1, 2))), 1e-12)))
    return _slope(np.log(np.array(boxes, dtype=np.float64)), np.stack(logs, axis=1))


def _distinct(w: Array) -> Array:
    """Return the share of distinct words of five signs among all that fit in the window."""
    up = sliding_window_view((w > 0).astype(np.int64), 5, axis=1)
    code = (up * 2 ** np.arange(5)).sum(axis=2)
    return np.asarray((_counted(code, 32) > 0).sum(axis=1) / min(32, code.shape[1]))


def _coarse(w: Array) -> Array:
    """Return the sample entropy of means of three bars (multiscale entropy at 3)."""
    size = w.shape[1] // 3 * 3
    return _sample(w[:, w.shape[1] - size :].reshape(len(w), -1, 3).mean(axis=2))


def _size_permutation(w: Array) -> Array:
    return _permutation(np.abs(w), 3)


def _size_memory(w: Array) -> Array:
    return _fluctuation(np.abs(w))


def _of_order(function: Callable[[Array, int], Array], order: int) -> Callable[[Array], Array]:
    return lambda w: function(w, order)


_MEASURES: dict[str, tuple[str, Callable[[Array], Array], int]] = {
    "permutation_3": ("permutation entropy, order 3", _of_order(_permutation, 3), 250),
    "hurst": ("Hurst exponent by rescaled range", _hurst, 250),
    "sample": ("sample entropy", _sample, 60),
    "spectral": ("spectral entropy", _spectral, 250),
    "dfa": ("exponent of detrended fluctuations", _fluctuation, 250),
    "signs_3": ("entropy of words of 3 signs", _of_order(_signs, 3), 250),
    "higuchi": ("Higuchi's fractal dimension less 1", _higuchi, 250),
    "binned": ("entropy of eight bins", _binned, 250),
    "mobility": ("Hjorth's mobility", _mobility, 250),
    "permutation_4": ("permutation entropy, order 4", _of_order(_permutation, 4), 250),
    "petrosian": ("Petrosian's fractal dimension", _petrosian, 250),
    "complexity": ("Hjorth's complexity", _complexity, 250),
    "singular": ("entropy of singular values", _singular, 250),
    "katz": ("Katz's fractal dimension", _katz, 250),
    "size_permutation": ("permutation entropy of sizes, order 3", _size_permutation, 250),
    "signs_5": ("entropy of words of 5 signs", _of_order(_signs, 5), 250),
    "distinct": ("share of distinct words of 5 signs", _distinct, 250),
    "size_dfa": ("exponent of detrended fluctuations of sizes", _size_memory, 250),
    "multiscale": ("sample entropy of means of 3 bars", _coarse, 120),
    "signs_2": ("entropy of words of 2 signs", _of_order(_signs, 2), 250),
    "size_spectral": ("spectral entropy of sizes", lambda w: _spectral(np.abs(w)), 250),
}


def _measure(returns: Array, *, rows: int, measure: str) -> Array:
    # what differs by rounding alone is equal: orders and signs of returns must not hang on it
    return rolled(np.round(returns, 12), rows, _MEASURES[measure][1])


for _name, _rows in by_priority(tuple(_MEASURES), WINDOWS):
    if _rows <= _MEASURES[_name][2]:
        FAMILY.add(
            f"entropy_{_name}_{_rows}",
            "return_1",
            _measure,
            f"{_MEASURES[_name][0]} of {_rows} returns",
            extra=_rows - 1,
            rows=_rows,
            measure=_name,
        )
