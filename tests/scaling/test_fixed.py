"""Forms with parameters held: the same curve with fewer free numbers, whatever is held."""

import numpy as np
import pytest
from tests.scaling.test_forms import CASES

from finscale.errors import FinscaleError
from finscale.scaling.batch import fit_batch
from finscale.scaling.forms import FORMS
from finscale.scaling.forms.fixed import fixed

#: Every parameter of every form by itself, but for those whose meaning depends on free ones.
ALONE = [
    (name, parameter)
    for name in CASES
    for parameter in FORMS[name].names
    if FORMS[name].num_parameters > 1
    and (name, parameter) not in {("m4", "beta"), ("muennighoff", "A"), ("kaplan", "B")}
]
TIES = [
    ("hoffmann", {"alpha": "beta"}, [1.8, 480.0, 2085.0, 0.36, 0.36]),
    ("hoffmann", {"alpha": "beta", "E": 1.8}, [1.8, 480.0, 2085.0, 0.36, 0.36]),
    ("hoffmann", {"beta": "2*alpha", "B": "A"}, [1.8, 480.0, 480.0, 0.2, 0.4]),
    ("hoffmann", {"alpha": 0.35, "beta": "alpha"}, [1.8, 480.0, 2085.0, 0.35, 0.35]),
    ("data_constrained", {"alpha": "beta"}, [1.8, 480.0, 2085.0, 0.36, 0.36, 5.0]),
    ("muennighoff", {"beta": "alpha"}, [1.8, 480.0, 0.36, 0.36, 2085.0, 4.0, 6.0]),
    (
        "muennighoff",
        {"E": 1.8, "A": 2085.0, "B": 480.0, "alpha": 0.35, "beta": 0.37},
        [1.8, 480.0, 0.35, 0.37, 2085.0, 4.0, 6.0],
    ),
    ("broken_power", {"c1": "-c0", "E": 0.5}, [0.5, 9.0, 0.3, -0.3, 2e5, 0.4]),
    ("kaplan", {"E": 0, "beta": "alpha"}, [0.0, 480.0, 0.35, 0.35, 2085.0]),
    ("routed", {"E": 0}, [0.0, 90.0, 0.35, 0.4, -0.02]),
    ("interaction", {"G": 0}, [1.8, 480.0, 2085.0, 0.0, 0.35, 0.37]),
    ("m4", {"L0": 0.7, "alpha": 1}, [0.2, 0.7, 1.0, 30.0, -0.4]),
    ("parabola", {"b": -0.8}, [5.0, -0.8, 0.04]),
    ("power_floor", {"E": 0.5, "A": 9.0}, [0.5, 9.0, 0.3]),
    ("power_rising", {"alpha": 0.2}, [2.0, 3.0, 0.2]),
]


def check(name, held, theta):
    base, (x, _) = FORMS[name], CASES[name]
    form = fixed(base, held)
    free = [theta[base.index(parameter)] for parameter in form.names]
    y = base.predict(x, theta)
    np.testing.assert_allclose(form.predict(x, free), y, rtol=1e-10)
    np.testing.assert_allclose(list(form.named(free).values()), theta, rtol=1e-12)
    fit = fit_batch(form, x, y)
    np.testing.assert_allclose(fit.fitted_Rn[0], y, rtol=1e-8)
    np.testing.assert_allclose(fit.params_Rp[0], free, rtol=1e-4)


@pytest.mark.parametrize(("name", "parameter"), ALONE)
def test_each_parameter_of_each_form_can_be_held(name, parameter):
    theta = CASES[name][1]
    check(name, {parameter: theta[FORMS[name].index(parameter)]}, theta)


@pytest.mark.parametrize(("name", "held", "theta"), TIES)
def test_ties_and_several_at_once(name, held, theta):
    check(name, held, theta)


@pytest.mark.parametrize("loss", ["gls", "huber"])
@pytest.mark.parametrize(
    ("name", "held"),
    [("hoffmann", {"E": 1.8, "A": 480.0}), ("power_floor", {"A": 9.0}), ("m4", {"L0": 0.7})],
)
def test_held_parameters_under_every_loss(name, held, loss):
    (x, theta), base = CASES[name], FORMS[name]
    form, y = fixed(base, held), base.predict(x, theta)
    covariance = 1e-4 * (np.eye(len(y)) + 0.5) if loss == "gls" else None
    fit = fit_batch(form, x, y, loss=loss, covariance=covariance)
    np.testing.assert_allclose(fit.fitted_Rn[0], y, rtol=1e-8)


def test_the_gradient_is_the_derivative_where_an_offset_moves_with_the_exponent():
    form, (x, _) = fixed(FORMS["hoffmann"], {"A": 480.0, "beta": "alpha"}), CASES["hoffmann"]
    internal = np.array([1.8, 2085.0, 0.35])
    step = 1e-6 * internal
    numeric = [
        (form.evaluate(x, internal + e * step) - form.evaluate(x, internal - e * step))
        / 2
        / (step @ e)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(form.jacobian(x, internal), np.stack(numeric, -1), rtol=1e-6)


def test_a_form_may_be_held_twice_over():
    once = fixed(FORMS["hoffmann"], {"alpha": "beta", "E": 1.8, "A": 480.0})
    twice = fixed(fixed(fixed(FORMS["hoffmann"], {"alpha": "beta"}), {"A": 480.0}), {"E": 1.8})
    x = CASES["hoffmann"][0]
    assert once.names == twice.names == ("B", "beta")
    np.testing.assert_allclose(once.predict(x, [90.0, 0.3]), twice.predict(x, [90.0, 0.3]))
    assert twice.named([90.0, 0.3])["alpha"] == 0.3
    y = once.predict(x, [90.0, 0.3])
    np.testing.assert_allclose(fit_batch(twice, x, y).params_Rp[0], [90.0, 0.3], rtol=1e-8)


def test_noise_is_fitted_no_worse_than_by_scipy():
    from scipy.optimize import least_squares

    rng = np.random.default_rng(0)
    x = np.geomspace(1e4, 1e8, 12)
    y = 0.5 + 9 * x**-0.3 + 0.01 * rng.standard_normal((20, 12))
    ours = fit_batch(fixed(FORMS["power_floor"], {"A": 9.0}), x, y).objective_R
    for own, y_n in zip(ours, y, strict=True):
        theirs = min(
            least_squares(
                lambda p, y_n=y_n: p[0] + 9 * x ** -p[1] - y_n,
                [0.5, start],
                bounds=([0, 0.01], [9, 4]),
                xtol=1e-14,
                ftol=1e-14,
            ).cost
            for start in (0.1, 0.3, 1.0)
        )
        assert own <= 2 * theirs * (1 + 1e-8)


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("hoffmann", {"gamma": 1}, "'gamma' is not a parameter of hoffmann"),
        ("hoffmann", {"alpha": "gamma"}, "'gamma' is not a parameter of hoffmann"),
        ("hoffmann", {"alpha": "beta+1"}, "'beta\\+1' is not a parameter"),
        ("hoffmann", {"alpha": ""}, "neither a number nor a parameter"),
        ("hoffmann", {"alpha": "nan"}, "is not a number"),
        ("hoffmann", {"alpha": "beta", "beta": "alpha"}, "tied to itself"),
        ("hoffmann", {"alpha": "alpha"}, "tied to itself"),
        ("hoffmann", {"alpha": "E"}, "not of one kind"),
        ("hoffmann", {"alpha": "-beta"}, "outside its range"),
        ("hoffmann", {"alpha": 9}, "outside its range"),
        ("hoffmann", {"E": -1}, "outside its range"),
        ("broken_power", {"d": "c0"}, "not measured in the same units"),
        ("power", {"A": 1, "alpha": 0.3}, "nothing is left to fit"),
        ("m4", {"beta": 3}, "cannot be held by itself"),
        ("muennighoff", {"A": 3}, "cannot be held by itself"),
    ],
)
def test_what_cannot_be_held_is_refused_in_words(name, held, said):
    with pytest.raises(FinscaleError, match=said):
        fixed(FORMS[name], held)
