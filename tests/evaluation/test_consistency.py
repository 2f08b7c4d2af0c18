"""Worlds of a calibrated model, counted in two ways."""

import numpy as np
import pytest

from finscale.evaluation import consistency
from finscale.evaluation.consistency import Consistent
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


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("num_rows", [1, 7, 300])
def test_worlds_are_counted_as_they_are_drawn(num_rows, kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(consistency, "_KEPT_CELLS", 0)
        monkeypatch.setattr(consistency, "_CELLS", 1_000)
    found = Consistent(rows(num_rows), 20, seed=3)
    errors, frequencies = by_hand(rows(num_rows), 20, seed=3)
    assert found.errors() == pytest.approx(errors, abs=1e-12)
    assert found.frequencies() == pytest.approx(frequencies, nan_ok=True)


def test_a_calibrated_model_has_the_error_that_chance_gives_it():
    forecasts = rows(2_000, seed=1)
    rng = np.random.default_rng(2)
    outcomes = [rng.random(2_000) < probabilities(forecasts.logit) for _ in range(50)]
    shown = [
        np.abs(forecasts.bins.T @ (outcome - forecasts.probability)).sum() / 2_000
        for outcome in outcomes
    ]
    expected = Consistent(forecasts, 400, seed=0).errors().mean()
    assert np.mean(shown) == pytest.approx(expected, rel=0.1)


def test_what_was_counted_before_changes_nothing():
    """Forecasts of one model, raised and lowered, with the bins of another in between."""
    models = [rows(300), rows(300, seed=1)]
    for model, shift in ((0, 0.0), (0, 0.3), (1, 0.0), (0, -0.2), (0, 0.0)):
        one = Classified.of(models[model].target, models[model].logit + shift)
        errors, frequencies = by_hand(one, 20, seed=5)
        assert Consistent(one, 20, seed=5).errors() == pytest.approx(errors, abs=1e-12)
        found = Consistent(one, 20, seed=5).frequencies()
        assert found == pytest.approx(frequencies, nan_ok=True)
