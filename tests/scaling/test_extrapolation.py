"""Forms fitted to the smaller sizes and scored on the larger ones."""

import json

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.scaling import score_extrapolation

SIZES = np.geomspace(1e4, 1e8, 14)
SIMPLE = ("constant", "power", "power_floor", "parabola", "power_rising")


def table(losses, noise=0.002, seeds=3):
    rng = np.random.default_rng(0)
    x = np.repeat(SIZES, seeds)
    return {
        "parameters": x,
        "seed": np.tile(np.arange(seeds), len(SIZES)),
        "loss": np.repeat(losses, seeds) + noise * rng.standard_normal(len(x)),
    }


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        (0.5 + 4 * SIZES**-0.3, "power_floor"),
        (4 * SIZES**-0.1, "power"),
        (np.full(14, 0.7), "constant"),
        (0.5 + 0.01 * np.log(SIZES / 1e5) ** 2, "parabola"),
    ],
)
def test_the_true_form_extrapolates(losses, best):
    found = score_extrapolation(table(losses), forms=SIMPLE)
    named = {score.name: score for score in found.scores}
    assert named[best].error < 1.5 * found.best.error
    assert found.best.error <= min(score.error for score in found.scores if score.identified)
    assert found.metric == "RMSLE"
    # the interval of the true form holds what it says
    assert np.mean(named[best].coverages) > 0.6


def test_the_score_is_that_of_a_fit_to_the_smaller_part():
    losses = 0.5 + 4 * SIZES**-0.3
    found = score_extrapolation(
        table(losses, noise=0.0, seeds=1), forms=["constant"], shares=(0.5, 0.8)
    )
    first, second = found.scores[0].errors
    below, beyond = losses[:7], losses[7:]
    assert first == pytest.approx(np.sqrt(np.mean(np.log(below.mean() / beyond) ** 2)))
    assert second == pytest.approx(np.sqrt(np.mean(np.log(losses[:11].mean() / losses[11:]) ** 2)))
    assert [(cut.num_fitted, cut.num_predicted) for cut in found.cuts] == [(7, 7), (11, 3)]
    assert found.cuts[0].largest == pytest.approx(SIZES[6])
    assert found.cuts[0].reach == pytest.approx(SIZES[-1] / SIZES[6])


def test_forms_that_bend_are_scored_too():
    found = score_extrapolation(table(0.5 + 4 * SIZES**-0.3, seeds=1), shares=(0.7,))
    names = {score.name for score in found.scores}
    assert {"m4", "broken_power"} <= names
    assert found.best.error < 0.02


def test_a_surface_is_cut_along_the_product_of_its_axes():
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e4, 1e6, 6), np.geomspace(1e4, 1e6, 6)))
    loss = 0.4 + 3 * N**-0.4 + 2 * D**-0.4
    noise = 1 + 0.002 * np.random.default_rng(0).standard_normal(36)
    found = score_extrapolation(
        {"N": N, "D": D, "loss": loss * noise},
        x=("N", "D"),
        forms=["constant", "power", "hoffmann"],
    )
    assert found.best.name == "hoffmann"
    assert {s.name for s in found.scores} == {"constant", "power(N)", "power(D)", "hoffmann"}
    assert found.along == "N × D"
    assert found.loss == "huber"
    assert np.mean(found.best.coverages) > 0.8
    assert "hoffmann extrapolates best" in found.summary()


def test_differences_are_scored_without_logarithms():
    found = score_extrapolation(
        table(-0.1 + 4 * SIZES**-0.3), forms=["constant", "power_floor"], signed=True
    )
    assert found.metric == "RMSE"
    assert found.best.name == "power_floor"


def test_too_few_sizes_are_a_dash():
    short = {"parameters": SIZES[:6], "loss": 0.5 + 4 * SIZES[:6] ** -0.3}
    found = score_extrapolation(short, forms=["constant", "power_floor"], shares=(0.34, 0.8))
    named = {score.name: score for score in found.scores}
    assert np.isnan(named["power_floor"].errors[0])
    assert found.best.name == "constant"
    assert "– (–)" in found.summary()
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {form["name"]: form["errors"][0] for form in content["forms"]}["power_floor"] is None


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01, 1.5, -0.5])
def test_a_cut_that_leaves_nothing_is_refused(share):
    with pytest.raises(FinscaleError, match="nothing to fit or nothing to predict"):
        score_extrapolation(table(4 * SIZES**-0.1), forms=["constant"], shares=(share,))


def test_a_form_that_is_not_identified_is_shown_and_not_chosen():
    losses = np.full(14, 0.5)
    losses[0] = 0.9
    found = score_extrapolation(table(losses, noise=1e-3), forms=["constant", "power", "m4"])
    loose = [score.name for score in found.scores if not score.identified]
    assert loose
    assert found.best.identified
    assert "not identified" in found.summary()
    if not found.scores[0].identified:
        assert f"{loose[0]} is closer" in found.sentence
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {each["identified"] for each in content["forms"]} == {True, False}
