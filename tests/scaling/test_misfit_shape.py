"""Humps, steps and sizes that stand out are neither laws nor their absence, and are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finscale.scaling.measure import Measure
from finscale.scaling.verdict import Verdict, decide

SIZES = np.geomspace(1e4, 1e7, 7)
_X = SIZES / SIZES[0]
_FLAT = np.full(7, 0.6)
_AT = np.arange(7)


def _judge(curve_G: np.ndarray, *, seed: int = 0, noise: float = 1e-3, **options) -> Verdict:
    rng = np.random.default_rng(seed)
    runs_GS = curve_G[:, None] + noise * rng.standard_normal((len(curve_G), 5))
    options = {"sizes": SIZES, "sesoi": 0.005, "num_replicates": 400, "shared_days": False} | (
        options
    )
    return decide(runs_GS, settle=False, **options)


def _hump(at: int, height: float, width: float = 1.0) -> np.ndarray:
    return _FLAT + height * np.exp(-0.5 * ((_AT - at) / width) ** 2)


@pytest.mark.parametrize(
    ("curve_G", "kind", "sizes"),
    [
        (_hump(1, 0.04), "hump", (1,)),
        (_hump(3, 0.04), "hump", (3,)),
        (_hump(3, 0.01), "hump", (3,)),
        (_hump(5, 0.04), "hump", (5,)),
        (0.6 + 0.05 * _X**-0.3 + 0.05 * (_AT == 3) + 0.04 * (_AT == 4), "waves", None),
        (np.where(_AT < 2, 0.6, 0.55), "step", (1, 2)),
        (np.where(_AT < 4, 0.6, 0.55), "step", (3, 4)),
        (np.where(_AT < 3, 0.55, 0.6), "step", (2, 3)),
        (_FLAT + 0.05 * (_AT == 3), "one size", (3,)),
        (_FLAT + 0.03 * (_AT == 1), "one size", (1,)),
        (_FLAT - 0.05 * (_AT == 4), "one size", (4,)),
        (0.6 + 0.05 * _X**-0.3 + 0.03 * (_AT == 3), "one size", (3,)),
        (0.6 + 0.05 * _X**-0.3 - 0.03 * (_AT == 2), "one size", (2,)),
        (_FLAT + 0.05 * (_AT == 0), "one size", (0,)),
        (_FLAT - 0.05 * (_AT == 6), "one size", (6,)),
        (0.65 - 0.05 * (_X / _X[-1]) ** 0.5, "late", ()),
        (0.6 + 0.05 * np.where(_X < 30, 1, (_X / 30) ** -0.3), "uneven", ()),
    ],
)
def test_shapes_are_named_and_decide_nothing(curve_G: np.ndarray, kind: str, sizes):
    verdict = _judge(curve_G)
    assert verdict.name == "INDETERMINATE"
    assert verdict.shape is not None
    assert verdict.shape.kind == kind
    if sizes is not None:
        assert verdict.shape.sizes == tuple(SIZES[list(sizes)])
    assert verdict.shape.words in verdict.sentence
    assert verdict.settles is None
    assert verdict.to_dict()["shape"]["kind"] == kind


def test_shapes_in_words():
    said = _judge(_hump(3, 0.04)).sentence
    assert (
        "no curve tried here describes the losses (p = .0025); a hump: loss rises by .0395 " in said
    )
    assert "to 316k parameters and falls by .039" in said
    said = _judge(np.where(_AT < 3, 0.6, 0.55)).sentence
    assert "a step: loss falls by .0498 nats" in said
    assert "between 100k and 316k parameters and is level on both sides" in said
    assert "differ by more than .005" in said
    said = _judge(_FLAT + 0.05 * (_AT == 3)).sentence
    assert "one size stands out: at 316k parameters loss lies .05" in said
    assert "above the curve through the others (was it trained worse?" in said
    said = _judge(_FLAT - 0.05 * (_AT == 3)).sentence
    assert "below the curve through the others (was it trained or scored otherwise?" in said
    accelerating = _judge(0.65 - 0.05 * (_X / _X[-1]) ** 0.5).sentence
    assert "loss falls (p = .0025); but ever faster with size" in accelerating
    late = _judge(0.6 + 0.05 * (1 + _X / 100) ** -0.5, noise=2e-4).sentence
    assert "but only late: level at first, it follows a power law only beyond about" in late
    assert "No curve" not in late


def test_shapes_of_an_outcome_that_rises():
    auc = Measure("AUC", "", higher_is_better=True, best=1.0, many="AUCs")
    hump = _judge(_hump(3, 0.04), measure=auc)
    assert "no curve tried here describes the AUCs" in hump.sentence
    assert "a dip: AUC falls by" in hump.sentence
    bad = _judge(_FLAT + 0.05 * (_AT == 3), measure=auc)
    assert "below the curve through the others (was it trained worse?" in bad.sentence


@pytest.mark.parametrize("exponent", [0.1, 0.3, 1.0, 1.5])
@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-3])
def test_true_laws_with_early_and_late_floors_are_no_misfits(exponent: float, noise: float):
    """The grid of exponents was seen by precise data: their own law did not fit them."""
    for seed in range(3):
        verdict = _judge(0.6 + 0.05 * _X**-exponent, seed=seed, noise=noise, num_replicates=200)
        assert verdict.fits > 0.005
        assert verdict.shape is None
        assert verdict.name == "LAW" or (exponent == 0.1 and noise == 1e-3)


def test_precise_valleys_are_no_misfits():
    curve = 0.6 + 0.05 * _X**-0.4 + 0.01 * _X**0.15
    verdict = _judge(curve, noise=1e-5)
    assert verdict.name == "TURNS"
    assert verdict.fits > 0.01
    assert verdict.shape is None
    fine = np.geomspace(1, _X[-1], 100_000)
    bottom = SIZES[0] * fine[(0.05 * fine**-0.4 + 0.01 * fine**0.15).argmin()]
    assert verdict.best_size is not None
    assert verdict.best_size.value == pytest.approx(bottom, rel=0.01)


def test_a_valley_that_rests_on_one_size_says_so():
    bad_last = 0.6 + 0.05 * _X**-0.3 + 0.03 * (_AT == 6)
    verdict = _judge(bad_last)
    assert verdict.name == "TURNS"
    assert "Without 10M parameters no valley is seen" in verdict.sentence
    sound = _judge(0.6 + 0.05 * _X**-0.4 + 0.01 * _X**0.2)
    assert sound.name == "TURNS"
    assert "no valley is seen" not in sound.sentence


def test_flat_studies_are_rarely_misfits():
    shapes = [_judge(_FLAT, seed=seed, num_replicates=200).shape for seed in range(20)]
    assert sum(shape is not None for shape in shapes) <= 1


@pytest.mark.parametrize("num_sizes", [4, 5, 10])
def test_a_hump_is_never_the_absence_of_a_law(num_sizes: int):
    at = np.arange(num_sizes)
    curve = 0.6 + 0.04 * np.exp(-0.5 * (at - num_sizes // 2) ** 2)
    sizes = np.geomspace(1e4, 1e7, num_sizes)
    verdict = _judge(curve, sizes=sizes)
    assert verdict.name == "INDETERMINATE"
    assert verdict.shape is not None
    assert verdict.shape.sizes == (sizes[num_sizes // 2],)


_SEEN = Path(__file__).parents[3] / "shared/data/laws"


@pytest.mark.skipif(not _SEEN.exists(), reason="the shared tables are not here")
@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("hump", "INDETERMINATE", "a hump: loss rises by .0399 to 158k parameters"),
        ("one_bad_size", "INDETERMINATE", "at 158k parameters loss lies .0485 above"),
        ("gain_below_sesoi", "LAW", "A law, and below what was said to matter"),
    ],
)
def test_tables_that_went_wrong(file: str, name: str, said: str):
    verdict = decide(_SEEN / f"{file}.csv", sesoi=0.005, shared_days=False)
    assert verdict.name == name
    assert said in verdict.sentence
