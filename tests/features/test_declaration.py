"""A changed formula is seen by its digest, and makes a new version of a dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finscale.data import DataStore, fetch_bars
from finscale.features import FEATURES, build_dataset, is_current
from finscale.features import declaration as module
from finscale.features.declaration import feature_digest, tier_digest
from finscale.features.feature import Feature

SCALE = 2.0


def _inner(close):
    """Return twice the close."""
    return close * SCALE


def _outer(close):
    return _inner(close) + 1.0


def _same_outer(close):
    # a comment is no formula
    return _inner(close) + 1.0


def _other_outer(close):
    return _inner(close) + 2.0


def of(compute, **changes):
    plain = Feature("x", ("close",), compute, 0, "test", "bounded")
    return feature_digest(replace(plain, **changes))


def test_a_digest_sees_formulas_and_not_comments(monkeypatch):
    known = of(_outer)
    _same_outer.__qualname__ = "_outer"
    assert of(_same_outer) == known
    assert of(_other_outer) != known
    assert of(_outer, lookback=1) != known
    assert of(_outer, inputs=("open",)) != known
    assert of(_outer, parameters={"n": 2}) != of(_outer, parameters={"n": 3})
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert of(_outer) != known  # what a function calls counts
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert of(_outer) == known


def test_every_feature_has_a_digest_of_its_own():
    digests = {feature_digest(feature) for feature in FEATURES.values()}
    assert len(digests) == len(FEATURES)


@pytest.fixture
def fresh():
    yield
    tier_digest.cache_clear()


def test_a_changed_formula_is_a_new_version(tmp_path, monkeypatch, fresh):
    store = DataStore(tmp_path)
    store.add_bars(fetch_bars("bundled", "SP500"))
    first = build_dataset(store, "SP500")
    assert first.declared == tier_digest("a20")
    assert is_current(store, first)
    assert build_dataset(store, "SP500") == first
    old = FEATURES["obv"]
    changed = replace(old, compute=lambda close, volume: np.cumsum(volume))
    monkeypatch.setitem(FEATURES._entries, "obv", changed)
    tier_digest.cache_clear()
    assert not is_current(store, first)
    second = build_dataset(store, "SP500")
    assert (first.version, second.version) == ("v1", "v2")
    assert second.sha256 != first.sha256
    # a formula that gives the same values is another version of the same bytes
    monkeypatch.setitem(
        FEATURES._entries, "obv", replace(old, compute=lambda close, volume: volume.cumsum())
    )
    tier_digest.cache_clear()
    third = build_dataset(store, "SP500")
    assert (third.version, third.sha256) == ("v3", second.sha256)
    assert is_current(store, third)
    # what was built before digests were recorded stays
    assert is_current(store, third.model_copy(update={"declared": ""}))
    assert is_current(store, third.model_copy(update={"declared": "3.1:abc"}))
    assert module.tier_digest("a20") != first.declared
