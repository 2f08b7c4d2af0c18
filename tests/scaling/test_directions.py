"""Which way an outcome improves, its unit, and what the axes of a form stand for."""

import numpy as np
import pytest

from finscale.errors import DataError, FinscaleError
from finscale.scaling import FORMS, compare_forms, fit_law, read_table
from finscale.scaling.axes import with_axes_checked

SIZES = np.geomspace(5e3, 5e6, 7)


def table(name, values=None):
    return {"parameters": SIZES, name: np.linspace(0.5, 0.6, 7) if values is None else values}


@pytest.mark.parametrize(
    "name",
    [
        "sharpe",
        "test_accuracy",
        "rocAuc",
        "IC",
        "r2",
        "R²",
        "return",
        "metrics.val_auc",
        "hit_rate",
        "PnL",
        "pass@1",
        "top-5",
        "exact_match",
        "R-squared",
        "mIoU",
        "skill_nats",
        "t_stat",
    ],
)
def test_outcomes_that_rise_ask_which_way_is_better(name):
    with pytest.raises(DataError, match="more is usually better") as error:
        read_table(table(name), x="parameters", y=name)
    assert "--higher-is-better or --lower-is-better" in error.value.hint
    assert not read_table(table(name), x="parameters", y=name, higher_is_better=False).signed


@pytest.mark.parametrize(
    "name", ["loss", "brier_score", "return_mse", "neg_sharpe", "1-auc", "nll", "auc_loss", "bits"]
)
def test_losses_do_not_ask(name):
    assert read_table(table(name), x="parameters", y=name).loss == name


@pytest.mark.parametrize(
    ("name", "scale", "best", "fitted"),
    [
        ("auc", 1, None, "1 - auc"),
        ("sharpe", 1, None, "-sharpe"),
        ("accuracy", 100, None, "-accuracy"),
        ("accuracy", 100, 100, "100 - accuracy"),
    ],
)
def test_what_rises_is_fitted_as_what_falls(name, scale, best, fitted):
    values = scale * np.linspace(0.5, 0.6, 7)
    read = read_table(table(name, values), x="parameters", y=name, higher_is_better=True, best=best)
    assert read.loss == fitted
    assert f"{name}: higher is better; fitted as {fitted}" in read.notes[0]
    assert read.signed == fitted.startswith("-")
    np.testing.assert_allclose(read.measure.shown(read.y_n), values)


def test_a_best_value_that_is_passed_or_of_a_loss_is_refused():
    with pytest.raises(DataError, match=r"auc reaches 0\.6, above its best value of 0\.55"):
        read_table(table("auc"), x="parameters", y="auc", higher_is_better=True, best=0.55)
    with pytest.raises(DataError, match="'loss' is a loss, which has no best value"):
        read_table(table("loss"), x="parameters", best=1)


@pytest.mark.parametrize(
    ("name", "given", "unit"),
    [
        ("loss", None, ""),
        ("log_loss", None, "nats"),
        ("eval.nll", None, "nats"),
        ("cross_entropy", None, "nats"),
        ("bpb", None, "bits"),
        ("mse", None, ""),
        ("mse", "bp²", "bp²"),
    ],
)
def test_units_are_said_or_none(name, given, unit):
    assert read_table(table(name), x="parameters", y=name, unit=given).measure.unit == unit


def test_a_law_of_a_sharpe_ratio_is_fitted():
    values = 0.9 - 8 * SIZES**-0.4
    law = fit_law(
        table("sharpe", values), y="sharpe", higher_is_better=True, form="power_floor",
        num_replicates=50,
    )  # fmt: skip
    assert law.params["alpha"] == pytest.approx(0.4, abs=1e-3)
    assert law.params["E"] == pytest.approx(-0.9, abs=1e-3)


@pytest.fixture
def three():
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(4, 7, 40), 10 ** rng.uniform(3, 5, 40)
    loss = 0.4 + 3 * N**-0.4 + 2 * D**-0.4 + 1e-4 * rng.standard_normal(40)
    return {"N": N, "D": D, "U": D / rng.uniform(1, 4, 40), "loss": loss}


def test_a_form_of_three_axes_is_named_and_says_what_it_takes(three):
    axes = ("N", "D", "U")
    with pytest.raises(FinscaleError, match="is not told by their number") as error:
        fit_law(three, axes)
    assert "--form data_constrained takes N (parameters), D (samples" in error.value.hint
    table = with_axes_checked(read_table(three, x=axes), FORMS["data_constrained"])
    assert "data_constrained takes N (" in table.notes[0]
    assert "as U, unique samples" in table.notes[0]
    with pytest.raises(FinscaleError, match="no form has 4 size axes"):
        fit_law({**three, "F": three["U"] / 2}, (*axes, "F"))


@pytest.mark.slow
def test_forms_of_three_axes_are_compared_only_if_named(three):
    compared = compare_forms(three, ("N", "D", "U")).to_dict()["forms"]
    assert "data_constrained" not in {form["name"] for form in compared}


def test_more_unique_samples_than_samples_are_refused_with_their_row(three):
    three["U"][6] = 3 * three["D"][6]
    with pytest.raises(
        DataError, match=r"U is .* in row 7, above D = .*: data_constrained takes U"
    ):
        fit_law(three, ("N", "D", "U"), form="data_constrained")
    # named in another order, unique samples would be the larger ones
    three["U"] = three["D"] / 2
    with pytest.raises(DataError, match="as in 39 rows more"):
        fit_law(three, ("N", "U", "D"), form="data_constrained")
