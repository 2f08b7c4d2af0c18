"""Three readings of one surface, and whether they differ by more than chance."""

import json

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.scaling import compare_approaches
from finscale.scaling.approaches import Approach, Approaches, Difference


@pytest.mark.parametrize("pair", [(0.34, 0.28), (0.4, 0.4), (0.3, 0.6)])
def test_three_approaches_find_the_exponent(isoflops, pair):
    a, table = isoflops(*pair, noise=1e-5)
    three = compare_approaches(table, x=("N", "D"), num_replicates=60)
    assert three.isoflop.exponent == pytest.approx(a, abs=0.005)
    assert three.parametric.exponent == pytest.approx(a, abs=0.005)
    assert three.envelope.exponent == pytest.approx(a, abs=0.05)
    assert three.disagree == ()
    assert len(three.isoflop.optima_m2) == 5


def test_the_loss_asked_for_is_used_by_all(isoflops):
    """One run in eleven blew up: least squares follows it, in the parabolas as in the surface."""
    a, table = isoflops(levels=5, sizes=17, noise=1e-4)
    table["loss"][3::11] *= 1.02
    errors = {}
    for loss in ("least_squares", "huber"):
        three = compare_approaches(table, x=("N", "D"), loss=loss, num_replicates=40)
        assert three.loss == loss
        assert f"loss by {loss}" in three.summary()
        errors[loss] = [abs(one.exponent - a) for one in (three.isoflop, three.parametric)]
    assert max(errors["huber"]) < 0.005
    assert np.all(np.greater(errors["least_squares"], errors["huber"]))


def test_agreement_is_asked_of_the_difference(isoflops):
    """Errors that both share cancel: overlapping intervals can be apart, and here they are not."""
    apart = 0
    for seed in range(8):
        _, table = isoflops(noise=0.003, drift=0.1, seed=seed)
        three = compare_approaches(table, x=("N", "D"), loss="least_squares", num_replicates=100)
        apart += len(three.disagree)
        widths = {(d.first, d.second): np.ptp(d.interval) for d in three.differences}
        assert widths["isoflop", "parametric"] < 0.5 * widths["envelope", "isoflop"]
    assert apart <= 1


def test_a_wrong_surface_is_found_out(isoflops):
    """N and D multiply each other's effect: the surface's exponent is another than the minima's."""
    _, table = isoflops(0.2, 0.6, levels=6, sizes=9, drift=0.15)
    log_n = np.log(table["N"]) - np.log(table["N"]).mean()
    log_c = np.log(table["C"]) - np.log(table["C"]).mean()
    rng = np.random.default_rng(0)
    table["loss"] = (
        3 - 0.15 * log_c + 0.02 * (log_n - 0.6 * log_c) ** 2 + 0.002 * rng.standard_normal(54)
    )
    three = compare_approaches(table, x=("N", "D"), loss="least_squares", num_replicates=200)
    assert three.isoflop.exponent == pytest.approx(0.6, abs=0.02)
    assert ("isoflop", "parametric") in three.disagree
    assert "DISAGREE" in three.sentence


def test_disagreement_is_reported():
    nothing = np.zeros((0, 2))
    three = Approaches(
        Approach("envelope", 0.45, (0.40, 0.52), nothing),
        Approach("isoflop", 0.50, (0.48, 0.53), nothing),
        Approach("parametric", 0.60, (0.55, 0.64), nothing),
        (
            Difference("envelope", "isoflop", -0.05, (-0.12, 0.02)),
            Difference("envelope", "parametric", -0.15, (-0.22, -0.06)),
            Difference("isoflop", "parametric", -0.10, (-0.14, -0.05)),
        ),
        "huber",
        "6·N·D",
        0.95,
    )
    assert three.spread == pytest.approx(0.15)
    assert three.disagree == (("envelope", "parametric"), ("isoflop", "parametric"))
    assert three.sentence == (
        "The approaches DISAGREE by up to 0.150: envelope and parametric; isoflop and parametric "
        "differ by more than redrawing the same runs makes (95%, all pairs at once)."
    )
    content = json.loads(json.dumps(three.to_dict(), allow_nan=False))
    assert content["disagree"] == [["envelope", "parametric"], ["isoflop", "parametric"]]
    assert content["differences"][1]["interval"] == [-0.22, -0.06]


def test_too_few_levels_are_no_line(isoflops):
    _, table = isoflops(levels=2, sizes=9, noise=1e-4)
    three = compare_approaches(table, x=("N", "D"), num_replicates=50)
    assert np.isnan(three.envelope.exponent)
    assert "a line needs 3" in three.isoflop.reason
    assert "a line needs 3" in three.summary()
    assert "nothing to compare" in three.sentence
    json.dumps(three.to_dict(), allow_nan=False)


def test_approaches_need_two_axes(isoflops):
    _, table = isoflops()
    with pytest.raises(FinscaleError, match="two size axes"):
        compare_approaches(table, x=("N",))
