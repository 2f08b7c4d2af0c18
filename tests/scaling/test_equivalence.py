from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from finscale.scaling.covariance import SizeCovariance, size_covariance
from finscale.scaling.decision import redraw
from finscale.scaling.equivalence import Equivalence, difference_interval, widest_difference
from finscale.scaling.measure import LOSS, Measure
from finscale.scaling.simulation import simulate_verdicts
from finscale.scaling.verdict import Verdict, decide
from finscale.scaling.verdict_power import StudyDesign

SIZES = tuple(np.geomspace(1e4, 1e7, 7))
SESOI = 0.005
#: A pair of sizes has a standard error of .0014: the SESOI is 3.6 of them.
DESIGN = StudyDesign(sizes=SIZES, num_seeds=5, num_days=4500, base_rate=0.22, correlation=0.8)


def _test(**changes: float) -> tuple[SizeCovariance, Equivalence]:
    covariance = StudyDesign(**({**vars(DESIGN), **changes})).covariance()
    return covariance, Equivalence.of(covariance, sesoi=SESOI, level=0.05)


def test_p_is_that_of_the_widest_pair_and_certain_without_an_error():
    mean_1G = np.array([[0.0, 0.002, 0.001]])
    covariance_1GG = np.diag([1e-6, 3e-6, 1e-6])[None]
    alike = Equivalence(SESOI, 0.05, np.full((3, 3), 10.0))
    # of .002 apart, with an error of .002: (.005 - .002) / .002
    assert alike.p_value(mean_1G, covariance_1GG) == pytest.approx(t.sf(1.5, 10))
    without_error = np.zeros((1, 3, 3))
    assert alike.p_value(mean_1G, without_error) == 0
    assert alike.holds(mean_1G, without_error).all()
    assert alike.p_value(3 * mean_1G, without_error) == 1
    assert not alike.holds(3 * mean_1G, without_error).any()


CURVES = {
    "the ends": [-0.5, 0, 0, 0, 0, 0, 0.5],
    "two inside": [0, 0, 0.5, 0, -0.5, 0, 0],
    "one size": [0, 0, 0, 1, 0, 0, 0],
    "a step": [0, 0, 0, 1, 1, 1, 1],
    "a hump": [0, 0.4, 0.9, 1, 0.8, 0.4, 0],
    "a slope": [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1],
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_that_reach_the_effect_are_called_alike_at_most_as_often_as_stated(name: str):
    covariance, alike = _test()
    curve_G = SESOI * np.array(CURVES[name])
    drawn = redraw(covariance, curve_G, 4000, np.random.default_rng(5))
    # .05 and twice the standard error of 4,000 draws
    assert alike.holds(*drawn).mean() <= 0.05 + 0.007


def test_unequal_errors_keep_the_level_too():
    rng = np.random.default_rng(2)
    unequal = np.diag([1.0, 9, 1, 0.1, 1, 4, 0.01]) * 2e-7
    alike = Equivalence(SESOI, 0.05, np.full((7, 7), np.inf))
    spread = np.broadcast_to(unequal, (4000, 7, 7))
    for first, second in [(0, 1), (3, 6), (2, 4), (1, 5)]:
        for share in (0.0, 0.5, 1.0):
            curve_G = np.full(7, share * SESOI)
            curve_G[[first, second]] = 0, SESOI
            again = rng.multivariate_normal(curve_G, unequal, 4000)
            assert alike.holds(again, spread).mean() <= 0.057


def test_power_tables_use_the_same_rule():
    hump_G = SESOI * 4 * np.array([0, 0.2, 0.8, 1, 0.8, 0.2, 0])
    found = simulate_verdicts(SIZES, DESIGN.covariance(), hump_G, sesoi=SESOI, num_replicates=300)
    assert found.rates()["NO-LAW"] == 0
    assert found.rates()["LAW"] == 0
    assert (~found.fits_B).mean() > 0.9


OUTCOMES = {
    "loss": (LOSS, 0.6, 0.02),
    "auc": (Measure("AUC", "", higher_is_better=True, best=1.0, many="AUCs"), 0.55, 0.04),
    "r2": (Measure("R²", "", higher_is_better=True, best=1.0, many="R² values"), 0.01, 0.05),
    "ic": (Measure("rank IC", "", higher_is_better=True, best=1.0, many="rank ICs"), 0.02, 0.1),
    "sharpe": (Measure("Sharpe ratio", "", higher_is_better=True, many="ratios"), 0.5, 3.0),
}


def _world(
    rng: np.random.Generator,
    outcome: str,
    *,
    num_seeds: int,
    num_days: int,
    horizon: int = 1,
    common: float = 0.0,
) -> tuple[np.ndarray, Measure]:
    """Return four sizes without an effect, as losses, whose labels overlap over the horizon.

    ``common`` is the part of a day's noise that runs of a size share.
    """
    measure, level, noise = OUTCOMES[outcome]
    long = num_days + horizon - 1
    own = np.sqrt(common) * rng.standard_normal((4, 1, long))
    own = own + np.sqrt(1 - common) * rng.standard_normal((4, num_seeds, long))
    overlapping = sum(own[:, :, k : k + num_days] for k in range(horizon)) / np.sqrt(horizon)
    seed = 0.02 * noise * rng.standard_normal((4, num_seeds, 1))
    day = 3 * noise * rng.standard_normal(num_days)
    return measure.as_loss(level + noise * overlapping + seed + day), measure


def _reach(covariance: SizeCovariance, level: float = 0.05) -> float:
    """Return the end farthest from zero of any pair's interval, by hand."""
    reach = 0.0
    for first in range(len(covariance.mean_G)):
        for second in range(first):
            value, error, degrees = covariance.difference(first, second)
            reach = max(reach, abs(value) + error * t.ppf(1 - level, degrees))
    return reach


def _decide(losses_GST: np.ndarray, sesoi: float, **options: object) -> Verdict:
    options = {"num_replicates": 60, "settle": False} | options
    return decide(losses_GST, np.geomspace(1e3, 1e6, 4), sesoi=sesoi, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(("num_seeds", "horizon", "common"), [(2, 5, 0.0), (3, 1, 0.9)])
def test_no_law_is_never_said_where_an_interval_reaches_beyond_the_effect(
    outcome: str, num_seeds: int, horizon: int, common: float
):
    """A gain of −.0006 [−.0104, .0091] was called alike within ±.005 with p = .035."""
    rng = np.random.default_rng(4)
    for _ in range(4):
        shape = {"num_seeds": num_seeds, "horizon": horizon, "common": common}
        losses_GST, measure = _world(rng, outcome, num_days=400, **shape)
        reach = _reach(size_covariance(losses_GST, horizon=horizon))
        stated = {"horizon": horizon, "measure": measure}
        # the luckiest draws look alike, whatever their errors: the effect lies just within reach
        beyond = _decide(losses_GST, 0.999 * reach, **stated)
        assert beyond.name != "NO-LAW"
        assert not beyond.alike
        assert beyond.p_equivalent >= 0.05
        within = _decide(losses_GST, 1.001 * reach, **stated)
        assert within.alike
        assert within.p_equivalent < 0.05
        assert max(-within.widest.gain.low, within.widest.gain.high) == pytest.approx(reach)
        assert within.widest.level == pytest.approx(0.9)


def test_sizes_that_look_alike_by_luck_are_not_called_alike():
    """Errors as large as the effect, means that all but coincide: what the old rule fell for."""
    covariance, _ = _test(num_days=300)
    errors = [covariance.difference(0, other)[1] for other in range(1, 7)]
    assert min(errors) > 0.9 * SESOI
    alike = Equivalence.of(covariance, sesoi=SESOI, level=0.05)
    assert not alike.holds(np.zeros((1, 7)), covariance.matrix_GG[None]).any()
    assert alike.p_value(np.zeros((1, 7)), covariance.matrix_GG[None]) > 0.05


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1])
def test_the_rule_and_the_intervals_agree_at_every_level(level: float):
    rng = np.random.default_rng(1)
    losses_GST, _ = _world(rng, "ic", num_seeds=2, num_days=300, horizon=5)
    covariance = size_covariance(losses_GST, horizon=5)
    reach = _reach(covariance, level)
    first, second, gain = widest_difference(covariance, 1 - 2 * level)
    assert max(-gain.low, gain.high) == pytest.approx(reach)
    assert gain == difference_interval(covariance, first, second, 1 - 2 * level)
    one = covariance.mean_G[None], covariance.matrix_GG[None]
    for factor, holds in ((0.999, False), (1.001, True)):
        alike = Equivalence.of(covariance, sesoi=factor * reach, level=level)
        assert alike.holds(*one)[0] == holds
        assert (alike.p_value(*one) < level) == holds


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_without_an_effect_enough_days_still_say_no_law(outcome: str):
    rng = np.random.default_rng(0)
    sesoi = 0.25 * OUTCOMES[outcome][2]
    found = []
    for _ in range(8):
        shape = {"num_seeds": 2, "horizon": 5, "common": 0.5}
        losses_GST, measure = _world(rng, outcome, num_days=3000, **shape)
        found.append(_decide(losses_GST, sesoi, horizon=5, measure=measure).name)
    assert found.count("NO-LAW") >= 7


def test_the_sentence_names_the_interval_that_decides():
    rng = np.random.default_rng(0)
    losses_GST, measure = _world(rng, "ic", num_seeds=2, num_days=1500)
    covariance = size_covariance(losses_GST)
    wide = _decide(losses_GST, 3 * _reach(covariance), measure=measure)
    assert wide.name == "NO-LAW"
    assert "the widest 90 % interval of a difference, of " in wide.sentence
    assert "the gain is given with" not in wide.sentence
    assert wide.to_dict()["widest"]["level"] == pytest.approx(0.9)
    # of two sizes the widest pair is the gain: its 95 % interval reaches beyond, and it is said
    two_GST = losses_GST[[0, 3]]
    stated = {"measure": measure, "num_replicates": 60, "settle": False}
    sesoi = 1.01 * _reach(size_covariance(two_GST))
    found = decide(two_GST, [1e3, 1e6], sesoi=sesoi, **stated)  # type: ignore[arg-type]
    assert found.name == "NO-LAW"
    assert max(-found.gain.low, found.gain.high) > sesoi
    assert "the widest 90 % interval of a difference, of 1k and 1M, is [" in found.sentence
    assert "; the gain is given with its 95 % interval)" in found.sentence
    # of three, another pair may be the widest: then the gain's own is said too
    three_GST = np.concatenate([two_GST[:1], losses_GST[1:2] + 0.002, two_GST[1:]])
    sesoi = 1.01 * _reach(size_covariance(three_GST))
    found = decide(three_GST, [1e3, 1e4, 1e6], sesoi=sesoi, **stated)  # type: ignore[arg-type]
    beyond = max(-found.gain.low, found.gain.high) >= sesoi
    assert found.name == "NO-LAW"
    assert (", that of the gain [" in found.sentence) == (
        beyond and found.widest.sizes != (1e3, 1e6)
    )


def test_an_open_verdict_names_the_pair_that_is_not_excluded():
    """One size is measured far worse: its pair is the widest, whichever means lie apart."""
    rng = np.random.default_rng(3)
    losses_GST = 0.6 + 0.02 * rng.standard_normal((4, 3, 1000))
    losses_GST[2] += 0.2 * rng.standard_normal(1000)
    found = _decide(losses_GST, 0.006)
    assert found.name == "INDETERMINATE"
    assert 1e5 in np.round(found.widest.sizes)
    assert any("100k" in reason for reason in found.reasons if "not excluded" in reason)


def test_no_other_verdict_calls_small_what_its_quoted_interval_does_not():
    """A law whose 90 % interval alone lies within the effect is not "below what was to matter"."""
    rng = np.random.default_rng(0)
    curve_G = 0.6 + 0.05 * np.geomspace(1, 1e3, 7) ** -0.3
    noise = 0.02 * rng.standard_normal((7, 5, 1000)) + 0.001 * rng.standard_normal((7, 5, 1))
    losses_GST = curve_G[:, None, None] + noise
    first = decide(losses_GST, SIZES, sesoi=SESOI, num_replicates=200)
    assert first.name == "LAW"
    reach = max(-first.widest.gain.low, first.widest.gain.high)
    between = (reach + max(-first.gain.low, first.gain.high)) / 2
    for sesoi, small in ((between, False), (2 * between, True)):
        found = decide(losses_GST, SIZES, sesoi=sesoi, num_replicates=200)
        assert found.name == "LAW"
        assert found.alike
        assert ("below what was said to matter" in found.sentence) == small
