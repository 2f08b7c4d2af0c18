"""Every form: gradient, inverse, units, what it refuses, and its parameters held."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finscale.errors import FinscaleError
from finscale.scaling.batch import fit_batch
from finscale.scaling.forms import FORMS
from finscale.scaling.forms.fixed import fixed
from finscale.scaling.forms.surface import effective_data

X = np.geomspace(5e3, 5e6, 9)
N = np.geomspace(1e4, 1e7, 6).repeat(5)
D = np.tile(np.geomspace(1e3, 1e6, 5), 6)
U = np.minimum(D, 3e4)

CASES = {
    "constant": (X, [1.2]),
    "power": (X, [5.0, 0.2]),
    "power_floor": (X, [0.5, 9.0, 0.3]),
    "power_rising": (X, [2.0, 3.0, 0.2]),
    "parabola": (X, [5.0, -0.8, 0.04]),
    "broken_power": (X, [0.5, 9.0, 0.3, -0.5, 2e5, 0.4]),
    "m4": (X, [0.2, 0.7, 0.8, 30.0, -0.4]),
    "hoffmann": (np.c_[N, D], [1.8, 480.0, 2085.0, 0.35, 0.37]),
    "data_constrained": (np.c_[N, D, U], [1.8, 480.0, 2085.0, 0.35, 0.37, 5.0]),
    "muennighoff": (np.c_[N, D, U], [1.8, 480.0, 0.35, 0.37, 2085.0, 4.0, 6.0]),
    "overtraining": (np.c_[N, D], [1.8, 300.0, 900.0, 0.17]),
    "overtraining_compute": (np.c_[6 * N * D, D / N], [1.8, 300.0, 900.0, 0.17]),
    "interaction": (np.c_[N, D], [1.8, 480.0, 2085.0, -9000.0, 0.35, 0.37]),
    "kaplan": (np.c_[N, D], [1.2, 480.0, 0.35, 0.37, 2085.0]),
    "routed": (np.c_[N, D / 1e3], [1.2, 90.0, 0.35, 0.4, -0.02]),
}


def test_every_form_is_covered():
    assert set(CASES) == set(FORMS)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_derivative(name):
    form, (x, theta) = FORMS[name], CASES[name]
    x_nd = form.columns(x)
    internal = form.internalise(np.array(theta), np.ones(x_nd.shape[1]))
    step = 1e-6 * internal
    numeric = np.stack(
        [
            (form.evaluate(x_nd, internal + e * step) - form.evaluate(x_nd, internal - e * step))
            / (2 * step[i])
            for i, e in enumerate(np.eye(len(internal)))
        ],
        axis=-1,
    )
    np.testing.assert_allclose(form.jacobian(x_nd, internal), numeric, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in CASES if name != "constant"])
def test_inverse_finds_the_size_of_a_loss(name):
    form, (x, theta) = FORMS[name], CASES[name]
    x_nd = form.columns(x)
    losses = form.predict(x, theta)
    wanted = 0.5 * (losses[0] + losses[2]) if len(form.axes) == 1 else losses[7]
    others = x_nd[7, 1:]
    size = form.inverse(wanted, theta, others)
    assert form.predict([[float(size), *others]], theta)[0] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "loss"), [("power_floor", 0.5), ("power_floor", 0.4), ("m4", 0.2), ("parabola", 0.9)]
)
def test_a_loss_below_the_floor_needs_an_infinite_size(name, loss):
    assert FORMS[name].inverse(loss, CASES[name][1]) == np.inf


def test_m4_has_no_size_above_chance():
    assert np.isnan(FORMS["m4"].inverse(0.71, CASES["m4"][1]))


def test_m4_solves_its_own_equation():
    E, L0, alpha, beta, c = CASES["m4"][1]
    loss = FORMS["m4"].predict(X, CASES["m4"][1])
    np.testing.assert_allclose((loss - E) / (L0 - loss) ** alpha, beta * X**c, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_units_come_back(name):
    form, (x, theta) = FORMS[name], CASES[name]
    x_nd = form.columns(x)
    x0_d = form.reference_sizes(x_nd)
    internal = form.internalise(np.array(theta), x0_d)
    np.testing.assert_allclose(form.publish(internal, x0_d), theta, rtol=1e-12)
    np.testing.assert_allclose(
        form.evaluate(x_nd / x0_d, internal), form.predict(x, theta), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["parabola", "broken_power"])
def test_turning_point_is_the_least_loss(name):
    form, theta = FORMS[name], CASES[name][1]
    x = np.geomspace(1e3, 1e7, 200_001)
    assert form.turning_point(theta) == pytest.approx(
        x[np.argmin(form.predict(x, theta))], rel=1e-3
    )


def test_monotone_curves_have_no_turning_point():
    assert np.isnan(FORMS["power_floor"].turning_point([0.5, 9.0, 0.3]))
    assert np.isnan(FORMS["broken_power"].turning_point([0.5, 9.0, 0.3, 0.2, 2e5, 0.4]))
    assert np.isnan(FORMS["parabola"].turning_point([5.0, -0.8, -0.04]))


def test_repeated_data_are_worth_less_than_new_and_more_than_none():
    # 4 epochs at R* = 15.4: Muennighoff et al. find them almost as good as new data
    worth = effective_data(np.array([400.0]), np.array([100.0]), np.array(15.4))
    assert worth[0] == pytest.approx(100 + 100 * 15.4 * (1 - np.exp(-3 / 15.4)))
    assert 100 < worth[0] < 400
    once = effective_data(np.array([50.0]), np.array([100.0]), np.array(15.4))
    assert once[0] == 50.0


def test_relaxed_frees_a_sign_and_nothing_else():
    free = FORMS["power_floor"].relaxed("E")
    assert free.linear[0].lower == -np.inf
    assert free.linear[1].lower == 0.0
    assert FORMS["power_floor"].linear[0].lower == 0.0


def test_errors_name_the_way_out():
    with pytest.raises(FinscaleError, match="Did you mean power_floor"):
        FORMS["powerfloor"]
    with pytest.raises(FinscaleError, match="hoffmann needs 2 size columns"):
        FORMS["hoffmann"].predict([1.0, 2.0], [1, 1, 1, 1, 1])
    with pytest.raises(FinscaleError, match="'gamma' is not a parameter of power_floor"):
        FORMS["power_floor"].index("gamma")


@given(
    floor=st.floats(0, 5),
    scale=st.floats(0.01, 1e4),
    exponent=st.floats(0.05, 2),
    size=st.floats(10, 1e9),
)
def test_inverse_undoes_predict(floor, scale, exponent, size):
    theta = [floor, scale, exponent]
    form = FORMS["power_floor"]
    removed = scale * size**-exponent
    loss = form.predict([size], theta)[0]
    # what is left of the digits of the removable part once the floor is added
    digits = 1e-15 * loss / removed / exponent
    if digits < 1e-4:
        assert form.inverse(loss, theta) == pytest.approx(size, rel=1e-9 + 10 * digits)


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
