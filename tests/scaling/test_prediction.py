"""A law at sizes that were not run: the curve, one new run, and how sizes are written."""

import json

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.scaling import fit_law
from finscale.scaling.prediction_text import predictions_dict, predictions_text
from finscale.scaling.sizes import parse_size, parse_sizes

NOISE = 0.003


def study(seed=0, sizes=7, seeds=3, loss="auto", reach=1e7):
    rng = np.random.default_rng(seed)
    x = np.repeat(np.geomspace(1e4, reach, sizes), seeds)
    table = {"parameters": x, "loss": truth(x) + NOISE * rng.standard_normal(len(x))}
    if seeds > 1:
        table["seed"] = np.tile(np.arange(seeds), sizes)
    return fit_law(table, loss=loss, num_replicates=40)


def truth(x):
    return 0.5 + 4 * np.asarray(x) ** -0.3


@pytest.mark.parametrize(("sizes", "seeds"), [(5, 1), (7, 3)])
def test_intervals_hold_the_curve_and_a_new_run(sizes, seeds):
    at = np.array([2e6, 1e8])
    held, rng = np.zeros(4), np.random.default_rng(1)
    for seed in range(12):
        told = study(seed, sizes, seeds).predict(at, level=0.9)
        new = truth(at) + NOISE * rng.standard_normal(2)
        curve = (told.low <= truth(at)) & (truth(at) <= told.high)
        run = (told.run_low <= new) & (new <= told.run_high)
        held += np.concatenate([curve, run])
        assert (told.run_high - told.run_low > told.high - told.low).all()
    assert held.min() >= 8  # 10.8 of 12 expected


def test_three_names_are_unpacked_as_before():
    law = study()
    told = law.predict([1e6, 1e8])
    mean, low, high = told
    assert (low < mean).all()
    assert (mean < high).all()
    np.testing.assert_array_equal(mean, told.mean)
    np.testing.assert_allclose(told.beyond_md, [[0.1], [10.0]])


def test_level_widens_both():
    law = study()
    half, most = law.predict([1e8], level=0.6), law.predict([1e8], level=0.99)
    assert most.low < half.low < half.high < most.high
    assert most.run_low < half.run_low < half.run_high < most.run_high
    again = law.predict([1e8], level=law.level)
    assert again.low == law.predict([1e8]).low


def test_a_new_run_is_never_surer_than_a_seed():
    """A hundred seeds pin the curve down; the next run is as lucky as ever."""
    told = study(seeds=100).predict([1e7])
    assert told.high - told.low < NOISE
    assert told.run_high - told.run_low == pytest.approx(2 * 1.96 * NOISE, rel=0.15)
    assert told.noise == "seeds, 693 degrees of freedom"


def test_noise_that_falls_with_size_is_not_that_of_the_smallest():
    rng = np.random.default_rng(3)
    x = np.repeat(np.geomspace(1e4, 1e7, 7), 8)
    noise = 0.02 * (x / 1e4) ** -0.4
    law = fit_law(
        {
            "parameters": x,
            "loss": truth(x) + noise * rng.standard_normal(56),
            "seed": np.tile(np.arange(8), 7),
        },
        num_replicates=40,
    )
    small, large = law.predict([1e4]), law.predict([1e7])
    assert np.ptp([small.run_low, small.run_high]) > 3 * np.ptp([large.run_low, large.run_high])


def test_one_seed_and_days_tell_no_new_run():
    rng = np.random.default_rng(0)
    x = np.repeat(np.geomspace(1e4, 1e7, 7), 60)
    table = {
        "parameters": x,
        "day": np.tile(np.arange(60), 7),
        "loss": truth(x) + 0.01 * rng.standard_normal(420),
    }
    told = fit_law(table, num_replicates=40).predict([1e8])
    assert np.isfinite(told.low).all()
    assert np.isnan(told.run_low).all()
    assert told.noise == "not told: one seed a size"


def test_a_surface_in_relative_errors():
    rng = np.random.default_rng(2)
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e4, 1e6, 6), np.geomspace(1e4, 1e6, 6)))
    clean = 0.4 + 3 * N**-0.4 + 2 * D**-0.4
    law = fit_law(
        {"N": N, "D": D, "loss": clean * np.exp(0.002 * rng.standard_normal(36))},
        x=("N", "D"),
        num_replicates=60,
    )
    told = law.predict([[1e7, 1e7]])
    exact = 0.4 + 5 * 1e7**-0.4
    assert told.low < exact < told.high
    assert told.run_high - told.run_low > 3 * 0.002 * exact
    text = predictions_text(law, np.array([[1e7, 1e7]]), told, 0.95)
    assert "N=10M, D=10M" in text
    assert "10 × the largest size fitted" in text


def test_words_and_json():
    law = study()
    at = np.array([[1e3], [1e6], [1e9]])
    told = law.predict(at)
    text = predictions_text(law, at, told, 0.95)
    assert "1/10 ×" in text
    assert "100 × the largest size fitted, more than ten times" in text
    assert "95% of a new run" in text
    assert max(map(len, text.splitlines())) <= 100
    rows = json.loads(json.dumps(predictions_dict(law, at, told, 0.95), allow_nan=False))
    assert [row["extrapolated"] for row in rows] == [True, False, True]
    assert rows[2]["times_the_largest"] == {"parameters": pytest.approx(100)}
    assert rows[2]["curve"][0] < rows[2]["mean"] < rows[2]["curve"][1]


@pytest.mark.parametrize(
    ("text", "value"), [("1e9", 1e9), ("2M", 2e6), ("1.5b", 1.5e9), (" 512 ", 512), ("1_000", 1e3)]
)
def test_sizes_are_read_as_people_write_them(text, value):
    assert parse_size(text) == value


@pytest.mark.parametrize("text", ["1q", "-5", "0", "", "nan", "1e999", "M"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(FinscaleError, match=r"no positive size|not a size"):
        parse_size(text)


def test_points_of_a_surface_name_their_axes():
    axes, letters = ("params", "tokens"), {"N": "params", "D": "tokens"}
    found = parse_sizes(["N=1e9,D=2e10", "tokens=20B, params=1B", "1B,20B"], axes, letters)
    np.testing.assert_array_equal(found, [[1e9, 2e10]] * 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("N=1e9", "tokens is not given"),
        ("1e9", "1 numbers for 2 axes"),
        ("N=1,D=2,N=3", "given twice"),
        ("N=1,E=2", "'E' is no size axis"),
        ("N=1,D", "'D' is|not a size"),
    ],
)
def test_points_that_cannot_be_understood(text, reason):
    with pytest.raises(FinscaleError, match=reason):
        parse_sizes([text], ("params", "tokens"), {"N": "params", "D": "tokens"})
