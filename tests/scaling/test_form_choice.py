"""The form of a table where none is named, and what a comparison says of forms that lose."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.scaling import FORMS, Problem, compare_forms, fit_form, fit_law

SIZES = np.geomspace(1e4, 1e8, 12)
BROKEN = FORMS["broken_power"]


def rows(truth_n, seeds=3, noise=5e-4, sizes=SIZES):
    rng = np.random.default_rng(0)
    x = np.repeat(sizes, seeds)
    return {"N": x, "loss": np.repeat(truth_n, seeds) + noise * rng.standard_normal(len(x))}


def test_a_power_law_with_a_floor_is_usual():
    law = fit_law(rows(0.3 + 5 * SIZES**-0.4), "N", num_replicates=20)
    assert law.form.name == "power_floor"
    assert law.chosen == "power_floor, the usual form; the table does not reject it"
    assert law.chosen in " ".join(law.summary().split())
    assert law.to_dict()["chosen"] == law.chosen
    assert fit_law(rows(0.3 + 5 * SIZES**-0.4), "N", form="power", num_replicates=20).chosen == ""


@pytest.mark.parametrize(
    ("truth", "name"),
    [
        (0.5 + 0.01 * np.log(SIZES / 1e6) ** 2, "parabola"),
        (BROKEN.predict(SIZES, [0.3, 0.5, 0.0, 0.6, 1e6, 0.2]), "broken_power"),
    ],
)
def test_another_form_is_chosen_where_both_criteria_prefer_it(truth, name):
    law = fit_law(rows(truth), "N", num_replicates=20)
    assert law.form.name == name
    assert law.chosen.startswith(f"{name}: better than power_floor, the usual form, by ")
    assert "at the largest size, held out" in law.chosen


def test_a_small_floor_does_not_make_a_pure_power():
    law = fit_law(rows(0.01 + 4 * SIZES**-0.1, seeds=1), "N", num_replicates=20)
    assert law.form.name == "power_floor"


def test_few_sizes_cannot_be_judged():
    sizes = SIZES[::3]
    law = fit_law(rows(0.3 + 5 * sizes**-0.4, 1, sizes=sizes), "N", num_replicates=20)
    assert law.form.name == "power_floor"
    assert "4 sizes are too few for AICc to judge another" in law.chosen


def test_a_rise_is_refused_and_not_bent_into_a_law():
    law = fit_law(rows(2 - 4 * SIZES**-0.4), "N", num_replicates=20)
    assert "power_rising is the form for that" in law.reason


@pytest.mark.parametrize(
    "theta",
    [
        [0.3, 0.5, 0.0, 0.6, 2e5, 0.2],  # flat, then a power law
        [0.3, 0.5, 0.0, 9.5, 2e5, 0.3],  # as steep as published ones
        [0.3, 0.5, 0.0, 6.0, 2e5, 0.02],  # and as sharp
        [0.3, 0.1, -0.2, 0.9, 2e5, 0.3],  # rises, then falls
    ],
)
def test_published_breaks_are_inside_the_bounds(theta):
    x = np.geomspace(5e3, 5e6, 12)
    y = BROKEN.predict(x, theta) + 1e-4 * np.random.default_rng(0).standard_normal(12)
    fit = fit_form(BROKEN, Problem(x[:, None], y, "least_squares", np.ones(12)))
    assert fit.identified, fit.reason
    assert fit.params["c0"] == pytest.approx(theta[2], abs=0.01)
    assert fit.params["c1"] == pytest.approx(theta[3], rel=0.1)
    assert fit.params["d"] == pytest.approx(theta[4], rel=0.05)


def test_a_comparison_names_the_forms_that_are_rejected():
    ranked = compare_forms(rows(0.5 + 0.01 * np.log(SIZES / 1e6) ** 2), "N", forms=FEW)
    scores = {score.name: score for score in ranked.scores}
    assert scores["power_floor"].rejected
    assert not scores["parabola"].rejected
    assert "Both AICc and the held-out size choose parabola." in ranked.sentence
    assert "Rejected for lack of fit: " in ranked.sentence
    assert "power (p < .001)" in ranked.sentence
    assert "rejected" in ranked.summary()


def test_a_refused_form_does_not_lose_by_default():
    # an L: where it bends is told, how steeply it came down before is not
    truth = np.full(12, 0.5)
    truth[:2] = [0.9, 0.6]
    ranked = compare_forms(rows(truth), "N", forms=[*FEW, "broken_power"])
    best = ranked.by_aicc
    assert best.name == min(ranked.scores, key=lambda s: s.aicc).name
    assert not best.identified
    assert ranked.sentence.startswith(f"AICc is least for {best.name}, but its parameters are not")
    assert "it cannot be chosen" in ranked.sentence
    assert "No other form is near it" in ranked.sentence
    assert ranked.chosen is None


def test_five_sizes_decide_nothing_by_aicc():
    sizes = np.geomspace(1e4, 1e8, 5)
    ranked = compare_forms(rows(0.3 + 5 * sizes**-0.4, 1, sizes=sizes), "N", forms=FEW)
    assert ranked.by_aicc.name == "constant"
    assert ranked.undecided
    assert ranked.sentence.startswith("AICc cannot decide: 5 sizes are too few for it to judge ")
    assert "predicted best by power_floor" in ranked.sentence


def test_close_forms_are_not_told_apart():
    slow = rows(0.3 + 0.5 * SIZES**-0.05, noise=2e-3)
    ranked = compare_forms(slow, "N", forms=["power_floor", "parabola"])
    assert ranked.sentence.startswith("AICc cannot tell ")


def test_the_loss_that_was_asked_for_is_used():
    table = rows(0.3 + 5 * SIZES**-0.4)
    huber = compare_forms(table, "N", forms=FEW, loss="huber")
    squares = compare_forms(table, "N", forms=FEW, loss="least_squares")
    assert (huber.loss, squares.loss) == ("huber", "least_squares")
    assert huber.by_aicc.aicc != squares.by_aicc.aicc
    assert huber.by_aicc.name == squares.by_aicc.name == "power_floor"


FEW = ["constant", "power", "power_floor", "parabola"]
