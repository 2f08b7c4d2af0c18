"""Worlds of a calibrated model, counted in two ways."""

import numpy as np
import pytest

from finscale.evaluation import consistency
from finscale.evaluation.consistency import consistent_errors, consistent_frequencies
from finscale.evaluation.scores import Classified, probabilities


def rows(num_rows: int, seed: int = 0) -> Classified:
    logit = np.random.default_rng(seed).normal(-1.0, 1.5, num_rows).round(1)
    return Classified.of(np.zeros(num_rows), logit)


def by_hand(rows: Classified, num_replicates: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return errors and frequencies, one world after the other."""
    rng = np.random.default_rng(seed)
    num_rows, bins = len(rows.target), rows.bins.argmax(axis=1)
    errors, frequencies = [], []
    for _ in range(num_replicates):
        drawn, uniform = rng.integers(0, num_rows, num_rows), rng.random(num_rows)
        forecast, place = rows.probability[drawn], bins[drawn]
        happened = uniform < forecast
        masks = [place == k for k in range(rows.bins.shape[1])]
        distances = [abs((happened[own] - forecast[own]).sum()) for own in masks]
        errors.append(sum(distances) / num_rows)
        frequencies.append([happened[own].mean() if own.any() else np.nan for own in masks])
    return np.array(errors), np.array(frequencies)


@pytest.mark.parametrize("in_parts", [True, False])
@pytest.mark.parametrize("num_rows", [1, 7, 300])
def test_worlds_are_counted_as_they_are_drawn(num_rows, in_parts, monkeypatch):
    if in_parts:
        monkeypatch.setattr(consistency, "_CELLS", 1_000)
    own = rows(num_rows)
    errors, frequencies = by_hand(own, 20, seed=3)
    assert consistent_errors([own], 20, 3)[0] == pytest.approx(errors, abs=1e-12)
    assert consistent_frequencies(own, 20, 3) == pytest.approx(frequencies, nan_ok=True)


def test_several_forecasts_are_counted_as_one_by_one():
    """Two that have the same rows in each bin, and between them one that has others."""
    first, other = rows(300), rows(300, seed=1)
    models = [first, other, Classified.of(first.target, 0.5 * first.logit - 0.2)]
    expected = np.stack([by_hand(one, 20, seed=3)[0] for one in models])
    assert consistent_errors(models, 20, 3) == pytest.approx(expected, abs=1e-12)


def test_a_calibrated_model_has_the_error_that_chance_gives_it():
    forecasts = rows(2_000, seed=1)
    rng = np.random.default_rng(2)
    outcomes = [rng.random(2_000) < probabilities(forecasts.logit) for _ in range(50)]
    shown = [
        np.abs(forecasts.bins.T @ (outcome - forecasts.probability)).sum() / 2_000
        for outcome in outcomes
    ]
    expected = consistent_errors([forecasts], 400, 0).mean()
    assert np.mean(shown) == pytest.approx(expected, rel=0.1)
