"""What no fitter can know, and how this one says so."""

import json
import warnings

import numpy as np
import pytest

from finscale.errors import DataError, FinscaleError
from finscale.scaling import FORMS, Problem, fit_form, fit_law, read_table

SIZES = np.geomspace(1e4, 1e7, 8)


def rows(sizes=SIZES, losses=None, seeds=3, noise=1e-3):
    rng = np.random.default_rng(0)
    x = np.repeat(sizes, seeds)
    clean = 0.5 + 4 * x**-0.4 if losses is None else np.repeat(losses, seeds)
    return {"parameters": x, "loss": clean + noise * rng.standard_normal(len(x))}


def unidentified(law):
    assert not law.identified
    assert law.reason
    assert "NOT IDENTIFIED" in repr(law)
    assert law.reason in repr(law)
    assert "NOT IDENTIFIED" in law.summary()
    assert np.isnan(list(law.params.values())).all()
    assert np.isnan(law.predict(np.full((1, len(law.table.axes)), 1e6)).mean).all()
    assert np.isnan([e.value for e in law.estimates.values()]).all()
    assert np.isnan(law.size_for(0.6))
    content = json.loads(json.dumps(law.to_dict(), allow_nan=False))
    assert content["identified"] is False
    assert set(content["params"].values()) == {None}
    return law.reason


def test_three_points():
    assert "3 sizes cannot tell the 3 parameters" in unidentified(fit_law(rows(SIZES[:3])))


def test_three_points_are_too_few_for_two_parameters_as_well():
    assert "4 are the fewest" in unidentified(fit_law(rows(SIZES[:3]), form="power"))


def test_all_equal_losses():
    law = fit_law(rows(losses=np.full(8, 0.7), noise=0.0, seeds=1))
    assert "every loss is the same" in unidentified(law)


def test_rising_losses():
    law = fit_law(rows(losses=2 - 4 * SIZES**-0.4))
    assert "rises with x" in unidentified(law)
    assert "power_rising" in law.reason
    rising = fit_law(rows(losses=2 - 4 * SIZES**-0.4), form="power_rising")
    assert rising.identified
    assert rising["alpha"].low < 0.4 < rising["alpha"].high


def test_pure_noise_is_no_law():
    law = fit_law(rows(losses=0.7 - 1e-5 * np.arange(8), noise=0.01, seeds=2))
    assert "bound" in unidentified(law)


def test_one_size():
    with pytest.raises(DataError, match="one size only"):
        fit_law({"parameters": [1e6] * 5, "loss": [0.5, 0.51, 0.52, 0.5, 0.49]})


def test_nan_names_its_row():
    table = rows()
    table["loss"][4] = np.nan
    with pytest.raises(DataError, match="loss is nan in row 5"):
        fit_law(table)


def test_missing_value_names_its_row():
    with pytest.raises(DataError, match="loss is empty in row 2"):
        fit_law({"parameters": [1e4, 1e5, 1e6], "loss": [0.5, None, 0.4]})


@pytest.mark.parametrize("wrong", [0.0, -0.1])
def test_zero_and_negative_losses(wrong):
    table = rows()
    table["loss"][2] = wrong
    with pytest.raises(DataError, match="in row 3; a loss is positive") as error:
        fit_law(table)
    assert "signed=True" in error.value.hint


def test_signed_losses_are_differences():
    table = rows(losses=-0.01 + 4 * SIZES**-0.4)
    law = fit_law(table, signed=True)
    assert law.identified
    assert law["E"].low < -0.01 < law["E"].high
    with pytest.raises(FinscaleError, match="signed losses have none"):
        fit_law(table, signed=True, loss="huber")


def test_duplicate_sizes_are_seeds():
    law = fit_law(rows())
    assert law.table.num_sizes == 8
    assert law.table.seeds_n.tolist() == [3] * 8
    assert any("are its seeds" in note for note in law.table.notes)
    assert "are its seeds" in law.summary()


def test_all_duplicates_are_one_size():
    with pytest.raises(DataError, match="duplicate sizes are seeds, not sizes"):
        fit_law(rows(np.full(8, 1e6)))


def test_a_narrow_span_is_flagged():
    law = fit_law(rows(np.geomspace(1e4, 3.5e4, 8), noise=1e-6))
    assert any("span a factor of 3.5" in flag for flag in law.fit.flags)
    assert "span a factor of 3.5" in law.summary()
    wide = fit_law(rows(np.geomspace(1e4, 4.1e4, 8), noise=1e-6))
    assert not any("span" in flag for flag in wide.fit.flags)


def test_one_seed_a_size_is_flagged():
    law = fit_law(rows(seeds=1))
    assert any("one seed a size" in flag for flag in law.fit.flags)


def test_a_floor_at_zero_is_not_told_and_the_exponent_is():
    # the best floor of this curve is -.002: the bound is where it rests
    law = fit_law(rows(losses=40 * SIZES**-0.4 - 0.002, noise=1e-4), num_replicates=300)
    assert law.identified
    assert np.isnan(law.params["E"])
    assert law.params["alpha"] == pytest.approx(0.4, abs=0.01)
    assert law["alpha"].low <= law.params["alpha"] <= law["alpha"].high
    assert "no floor can be told from zero" in law.summary()
    assert "E not identified" in repr(law)


def test_a_nuisance_may_stay_untold():
    x = np.geomspace(5e3, 5e6, 24)
    form = FORMS["broken_power"]
    y = form.predict(x, [0.5, 9.0, 0.3, -0.5, 2e5, 0.08])
    y = y + 1e-4 * np.random.default_rng(0).standard_normal(24)
    fit = fit_form(form, Problem(x[:, None], y, "least_squares", np.ones(24)))
    assert fit.identified
    assert fit.params["c0"] == pytest.approx(0.3, abs=0.02)


def test_a_loss_that_does_not_exist():
    with pytest.raises(FinscaleError, match="Did you mean huber"):
        fit_law(rows(), loss="hubert")


def test_gls_without_days_or_seeds():
    with pytest.raises(FinscaleError, match="neither days nor seeds"):
        fit_law(rows(seeds=1), loss="gls")


def test_gls_with_fewer_days_than_sizes():
    rng = np.random.default_rng(0)
    i, d = (a.ravel() for a in np.meshgrid(range(8), range(5), indexing="ij"))
    table = {"parameters": SIZES[i], "day": d, "loss": 0.5 + 0.01 * rng.standard_normal(40)}
    with pytest.raises(FinscaleError, match="covariance of 8 sizes cannot be inverted"):
        fit_law(table)


@pytest.mark.parametrize("lockstep", [0.0, 1.0])
def test_a_surface_whose_axes_do_not_move_apart(lockstep):
    """D held constant, or grown with N: no table of this kind tells alpha from beta."""
    N = np.geomspace(1e4, 1e7, 30)
    D = 1e5 * (N / 1e4) ** lockstep
    noise = 1e-4 * np.random.default_rng(0).standard_normal(30)
    loss = 0.5 + 4 * N**-0.4 + 3 * D**-0.35 + noise
    assert "bound" in unidentified(fit_law({"N": N, "D": D, "loss": loss}, x=("N", "D")))


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e9])
def test_a_law_does_not_depend_on_the_unit_of_the_loss(unit: float):
    size = np.repeat(np.geomspace(1e4, 1e8, 7), 3)
    loss = 1.5 + 20 * size**-0.35 + 0.003 * np.random.default_rng(0).standard_normal(21)
    table = {"n": size, "loss": unit * loss}
    law = fit_law(table, "n", seed="rows", num_replicates=60)
    assert law.identified, law.reason
    assert law["alpha"].value == pytest.approx(0.35, abs=0.01)
    assert law["alpha"].high - law["alpha"].low < 0.02


@pytest.mark.parametrize("option", ["stderr", "weights"])
def test_an_empty_error_is_left_out_by_the_hint_that_is_given(option: str):
    size = np.geomspace(1e4, 1e8, 7)
    told = {"n": size, "loss": 1.5 + 20 * size**-0.35, "own": [None, *[0.003] * 6]}
    with pytest.raises(DataError, match="own is empty in row 1") as refused:
        read_table(told, x="n", **{option: "own"})
    hint = str(refused.value.hint)
    assert hint.endswith("--where own!=")
    kept = read_table(told, x="n", where=hint.split()[-1], **{option: "own"})
    assert kept.num_sizes == 6


def test_a_valley_far_off_warns_of_nothing():
    size = np.geomspace(1e4, 1e8, 7)
    rising = {"n": np.repeat(size, 2), "sharpe": np.repeat(0.3 * np.log10(size), 2)}
    rising["sharpe"] = rising["sharpe"] + 0.002 * np.random.default_rng(0).standard_normal(14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_law(rising, "n", "sharpe", seed="rows", higher_is_better=True, num_replicates=60)
