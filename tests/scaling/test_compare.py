"""Forms ranked on one table."""

import json
from dataclasses import replace

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.scaling import FORMS, compare_forms
from finscale.scaling.form_comparison import FormComparison, FormScore

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


def score(name, aicc, error, *, identified=True, reason=""):
    return FormScore(name, 3, aicc, 0.0, error, identified, reason)


def test_a_form_that_is_not_identified_is_never_chosen():
    loose = score("m4", -30, 0.001, identified=False, reason="alpha rests on a bound")
    firm = score("power_floor", -60, 0.004), score("constant", -10, 0.2)
    ranked = FormComparison((firm[0], loose, firm[1]), "least_squares", (5e6,), 8)
    assert ranked.by_heldout is ranked.chosen is firm[0]
    assert ranked.sentence == (
        "Both AICc and the held-out size choose power_floor. m4 predicts it more closely, but its "
        "parameters are not identified (alpha rests on a bound): it cannot be chosen."
    )
    assert ranked.to_dict()["chosen"] == "power_floor"
    least = FormComparison((replace(loose, aicc=-61), *firm), "least_squares", (5e6,), 8)
    assert least.chosen is None
    assert "AICc is least for m4" in least.sentence
    assert "AICc prefers power_floor, and power_floor predicts the held-out" in least.sentence
    alone = FormComparison((loose,), "least_squares", (5e6,), 8)
    assert alone.sentence == "No form is identified by these sizes; AICc is least for m4."
