"""Every form: gradient, inverse, units, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finscale.errors import FinscaleError
from finscale.scaling.forms import FORMS
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
