"""Forms ranked, and three approaches on one surface."""

import json

import numpy as np
import pytest

from finscale.errors import DataError, FinscaleError
from finscale.scaling import FORMS, compare_approaches, compare_forms
from finscale.scaling.approaches import Approach, Approaches

SIZES = np.geomspace(5e3, 5e6, 8)


def runs(losses, noise=0.002, seeds=4, seed=0):
    rng = np.random.default_rng(seed)
    x = np.repeat(SIZES, seeds)
    return {
        "parameters": x,
        "loss": np.repeat(losses, seeds) + noise * rng.standard_normal(len(x)),
    }


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        (0.36 + 3 * SIZES**-0.45, "power_floor"),
        (np.full(8, 0.7), "constant"),
        (4 * SIZES**-0.1, "power"),
        (0.9 - 3 * SIZES**-0.45, "power_rising"),
        (0.5 + 0.01 * np.log(SIZES / 1e5) ** 2, "parabola"),
    ],
)
def test_the_true_form_wins(losses, best):
    ranked = compare_forms(runs(losses))
    assert ranked.by_aicc.name == best
    assert ranked.scores[0].aicc == min(score.aicc for score in ranked.scores)
    assert sum(score.weight for score in ranked.scores) == pytest.approx(1)


def test_heldout_error_is_that_of_a_fit_without_the_largest_size():
    table = runs(0.36 + 3 * SIZES**-0.45)
    ranked = compare_forms(table, forms=["constant", "power_floor"])
    errors = {score.name: score.heldout_error for score in ranked.scores}
    losses = np.asarray(table["loss"]).reshape(8, 4).mean(axis=1)
    assert errors["constant"] == pytest.approx(abs(losses[:7].mean() - losses[7]))
    assert errors["power_floor"] < 0.25 * errors["constant"]
    assert ranked.heldout_sizes == (5e6,)


def test_every_form_of_one_axis_is_compared():
    names = {score.name for score in compare_forms(runs(0.36 + 3 * SIZES**-0.45)).scores}
    assert names == {name for name, form in FORMS.items() if len(form.axes) == 1}


def test_text_and_json():
    ranked = compare_forms(runs(0.36 + 3 * SIZES**-0.45))
    assert "error at 5e+06" in ranked.summary()
    assert ranked.sentence.startswith("Both AICc and the held-out size choose power_floor. Reject")
    assert ranked.sentence.endswith("8 sizes are too few for AICc to judge broken_power.")
    content = json.loads(json.dumps(ranked.to_dict(), allow_nan=False))
    assert content["forms"][0]["name"] == "power_floor"


def test_disagreement_is_said():
    losses = 0.36 + 3 * SIZES**-0.45
    losses[-1] = losses[-2] + 0.02
    ranked = compare_forms(runs(losses, noise=1e-4), forms=["constant", "power_floor", "parabola"])
    assert "neither form is established" in ranked.sentence


def test_nothing_can_be_told_of_three_sizes():
    ranked = compare_forms(
        {"parameters": [1e4, 1e5, 1e6], "loss": [0.5, 0.4, 0.35]}, forms=["power", "power_floor"]
    )
    assert ranked.by_aicc is None
    assert ranked.sentence == "No form can be told from these sizes."


def test_a_form_of_two_axes_does_not_fit_a_table_of_one():
    with pytest.raises(FinscaleError, match="no form has the 1 axes"):
        compare_forms(runs(0.36 + 3 * SIZES**-0.45), forms=["hoffmann"])


def isoflop(optimum=0.5, levels=5, sizes=7, seed=0, noise=1e-3):
    """Return runs on IsoFLOP curves of a Hoffmann surface with a = ``optimum``."""
    rng = np.random.default_rng(seed)
    alpha = 0.4
    beta = alpha * optimum / (1 - optimum)
    compute = np.repeat(np.geomspace(1e9, 1e13, levels), sizes)
    best = (alpha * 3 / (beta * 2)) ** (1 / (alpha + beta)) * compute**optimum
    N = best * np.tile(np.geomspace(0.1, 10, sizes), levels)
    D = compute / N
    loss = 0.5 + 3 * N**-alpha + 2 * D**-beta
    return {"N": N, "D": D, "loss": loss * np.exp(noise * rng.standard_normal(len(N)))}


@pytest.mark.parametrize("optimum", [0.4, 0.5, 0.6])
def test_three_approaches_find_the_exponent(optimum):
    three = compare_approaches(isoflop(optimum, noise=1e-5), x=("N", "D"), num_replicates=100)
    assert three.isoflop.exponent == pytest.approx(optimum, abs=0.01)
    assert three.parametric.exponent == pytest.approx(optimum, abs=0.005)
    assert three.envelope.exponent == pytest.approx(optimum, abs=0.05)
    assert len(three.isoflop.optima_m2) == 5


def test_a_valley_at_the_edge_is_discarded():
    table = {key: np.asarray(value) for key, value in isoflop().items()}
    level = np.repeat(np.arange(5), 7)
    keep = (level != 2) | (np.tile(np.arange(7), 5) >= 3)  # right half of one curve
    three = compare_approaches(
        {key: value[keep] for key, value in table.items()}, x=("N", "D"), num_replicates=50
    )
    assert len(three.isoflop.optima_m2) == 4
    assert any("at the edge" in why or "no valley" in why for why in three.isoflop.discarded)
    assert "left out: level" in three.summary()


def test_disagreement_of_approaches_is_reported():
    nothing = np.zeros((0, 2))
    three = Approaches(
        Approach("envelope", 0.45, (0.40, 0.52), nothing),
        Approach("isoflop", 0.50, (0.48, 0.53), nothing),
        Approach("parametric", 0.60, (0.55, 0.64), nothing),
        0.95,
    )
    assert three.spread == pytest.approx(0.15)
    assert three.disagree == (("envelope", "parametric"), ("isoflop", "parametric"))
    assert three.sentence == (
        "The approaches DISAGREE by 0.150: envelope and parametric; isoflop and parametric have "
        "intervals apart."
    )
    content = json.loads(json.dumps(three.to_dict(), allow_nan=False))
    assert content["disagree"] == [["envelope", "parametric"], ["isoflop", "parametric"]]


def test_too_few_levels_are_no_line():
    three = compare_approaches(isoflop(levels=2), x=("N", "D"), num_replicates=50)
    assert np.isnan(three.envelope.exponent)
    assert "a line needs 3" in three.isoflop.reason
    assert "a line needs 3" in three.summary()
    json.dumps(three.to_dict(), allow_nan=False)


def test_approaches_need_two_axes():
    with pytest.raises(DataError, match="two size axes"):
        compare_approaches(runs(0.36 + 3 * SIZES**-0.45), x=("parameters",))
