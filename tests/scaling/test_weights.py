"""Weights, standard errors, checkpoints of one run, and least squares of ln L."""

import numpy as np
import polars as pl
import pytest
from scipy.optimize import curve_fit, least_squares

from finscale.errors import FinscaleError
from finscale.scaling import decide, fit_law, read_table
from finscale.scaling.batch import fit_batch
from finscale.scaling.forms import FORMS
from finscale.scaling.grouped import run_replicates, without_each_run
from finscale.scaling.problem import problem_of
from finscale.scaling.run_errors import RunRows
from finscale.scaling.weighing import mean_variances, point_weights

SIZES = np.geomspace(1e4, 1e7, 7)
CLEAN = 0.5 + 9 * SIZES**-0.3
ERROR = np.geomspace(0.01, 0.001, 7)


def noisy(seed=0, sizes=SIZES, error=ERROR):
    draws = np.random.default_rng(seed).standard_normal(len(sizes))
    return 0.5 + 9 * sizes**-0.3 + error * draws


def law_of(sizes, E, A, alpha):
    return E + A * (sizes / 1e5) ** -alpha


def test_standard_errors_give_the_fit_and_the_errors_of_scipy():
    y = noisy()
    expected, covariance = curve_fit(
        law_of, SIZES, y, p0=[0.5, 0.3, 0.3], sigma=ERROR, absolute_sigma=True
    )
    law = fit_law({"parameters": SIZES, "loss": y, "se": ERROR}, stderr="se", num_replicates=500)
    assert law.fit.problem.loss == "gls"
    assert law.params["alpha"] == pytest.approx(expected[2], rel=1e-5)
    half = 1.96 * np.sqrt(covariance[2, 2])
    assert law["alpha"].high - law["alpha"].low == pytest.approx(2 * half, rel=0.1)
    low, high = law["alpha"].percentile
    assert high - low == pytest.approx(2 * half, rel=0.15)


def test_half_the_standard_error_gives_half_the_interval():
    widths = []
    for factor in (1.0, 0.5):
        rows = {"parameters": SIZES, "loss": noisy(), "se": factor * ERROR}
        law = fit_law(rows, stderr="se", num_replicates=100)
        widths.append(law["alpha"].high - law["alpha"].low)
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.05)


def test_a_misfit_is_seen_by_standard_errors_alone():
    bent = CLEAN + 0.03 * np.sin(np.arange(7))
    law = fit_law({"parameters": SIZES, "loss": bent, "se": 1e-3}, stderr="se", num_replicates=60,
                  form="power_floor")  # fmt: skip
    assert law.fit.lack_of_fit.rejected
    good = fit_law({"parameters": SIZES, "loss": noisy(), "se": ERROR}, stderr="se",
                   num_replicates=60)  # fmt: skip
    assert not good.fit.lack_of_fit.rejected


def test_runs_that_differ_more_than_their_errors_have_larger_ones():
    rows = {
        "parameters": np.repeat(SIZES, 2),
        "loss": np.repeat(CLEAN, 2) + np.tile([0.02, -0.02], 7),
        "se": 1e-3,
    }
    variance_n = mean_variances(read_table(rows, x="parameters", stderr="se"))
    # two runs 0.04 apart: a variance of 0.0008 each
    np.testing.assert_allclose(variance_n, 0.0008 / 2, rtol=1e-6)
    rows["se"] = 0.1
    variance_n = mean_variances(read_table(rows, x="parameters", stderr="se"))
    np.testing.assert_allclose(variance_n, 0.01 / 2, rtol=1e-6)


def test_weights_give_the_fit_of_scipy_and_of_repeated_rows():
    y = noisy()
    expected, _ = curve_fit(law_of, SIZES, y, p0=[0.5, 0.3, 0.3], sigma=ERROR)
    law = fit_law({"parameters": SIZES, "loss": y, "w": ERROR**-2}, weights="w", num_replicates=60)
    assert law.params["alpha"] == pytest.approx(expected[2], rel=1e-5)
    # a factor on all weights changes nothing, intervals included
    same = fit_law(
        {"parameters": SIZES, "loss": y, "w": 7e5 * ERROR**-2}, weights="w", num_replicates=60
    )
    for name in ("alpha", "E"):
        np.testing.assert_allclose(law[name].profile, same[name].profile, rtol=1e-4)
        np.testing.assert_allclose(law[name].percentile, same[name].percentile, rtol=1e-4)


def test_the_mean_of_weighted_runs_is_weighted():
    rows = {"parameters": [1e4, 1e4, 1e5], "loss": [1.0, 2.0, 0.5], "w": [3.0, 1.0, 1.0]}
    table = read_table(rows, x="parameters", weights="w")
    np.testing.assert_allclose(table.y_n, [1.25, 0.5])
    np.testing.assert_allclose(point_weights(table, "least_squares"), [4 / (5 / 3), 1 / (5 / 3)])


def test_equal_weights_change_nothing():
    rng = np.random.default_rng(3)
    rows = {
        "parameters": np.repeat(SIZES, 3),
        "loss": np.repeat(CLEAN, 3) + 0.003 * rng.standard_normal(21),
    }
    plain = fit_law(rows, num_replicates=60)
    weighed = fit_law(rows | {"w": 2.0}, weights="w", num_replicates=60)
    assert weighed.params["alpha"] == pytest.approx(plain.params["alpha"], rel=1e-9)
    assert weighed["alpha"].profile == pytest.approx(plain["alpha"].profile, rel=1e-6)
    assert weighed.fit.lack_of_fit.p_value == pytest.approx(plain.fit.lack_of_fit.p_value)


def test_seeds_of_unequal_weight_are_redrawn_by_their_error():
    rng = np.random.default_rng(1)
    error = np.tile([0.002, 0.02], 7 * 20)
    sizes = np.repeat(SIZES, 40)
    rows = {
        "parameters": sizes,
        "loss": 0.5 + 9 * sizes**-0.3 + error * rng.standard_normal(280),
        "w": error**-2,
    }
    law = fit_law(rows, weights="w", num_replicates=300)
    assert law.scheme == "seeds"
    low, high = law["alpha"].percentile
    profile = np.diff(law["alpha"].profile)[0]
    assert high - low == pytest.approx(profile, rel=0.25)
    plain = fit_law({k: rows[k] for k in ("parameters", "loss")}, num_replicates=300,
                    drop_duplicates=False)  # fmt: skip

    assert high - low < 0.4 * np.diff(plain["alpha"].percentile)[0]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("weights", [1.0, -1, 1, 1, 1, 1, 1], "w is -1.0 in row 2; a weight is zero or more"),
        ("weights", [0.0] * 7, "every w is 0"),
        ("stderr", [1.0, 1, 0, 1, 1, 1, 1], "w is 0.0 in row 3; a standard error is above zero"),
        ("stderr", [1.0, 1, 1, np.nan, 1, 1, 1], "w is nan in row 4"),
        ("stderr", list("abcdefg"), "not a number"),
    ],
)
def test_what_weighs_nothing_is_refused(column, values, said):
    with pytest.raises(FinscaleError, match=said):
        fit_law({"parameters": SIZES, "loss": CLEAN, "w": values}, **{column: "w"})


def test_rows_of_weight_zero_are_left_out_and_counted():
    rows = {"parameters": SIZES, "loss": [99.0, *CLEAN[1:]], "w": [0.0, 1, 1, 1, 1, 1, 1]}
    table = read_table(rows, x="parameters", weights="w")
    assert table.num_sizes == 6
    assert "1 rows of weight 0 are left out" in table.notes


def test_two_ways_of_weighing_are_one_too_many():
    rows = {"parameters": SIZES, "loss": CLEAN, "w": 1.0, "se": 0.1}
    with pytest.raises(FinscaleError, match="both say how much a row counts"):
        fit_law(rows, weights="w", stderr="se")
    with pytest.raises(FinscaleError, match="gls weighs points by their covariance"):
        fit_law(rows, weights="w", ignore="se", loss="gls", covariance=np.eye(7))


def test_days_tell_their_errors_themselves():
    days = np.tile(np.arange(40), 7)
    rows = {"parameters": np.repeat(SIZES, 40), "day": days, "loss": np.repeat(CLEAN, 40),
            "se": 0.1}  # fmt: skip
    rows["loss"] = rows["loss"] + 0.01 * np.random.default_rng(0).standard_normal(280)
    with pytest.raises(FinscaleError, match="already tells the error"):
        fit_law(rows, stderr="se")


# least squares of ln L


def test_log_least_squares_is_that_of_scipy():
    y = noisy(1)
    found = least_squares(
        lambda p: np.log(law_of(SIZES, *p)) - np.log(y), [0.5, 0.3, 0.3], xtol=1e-14, ftol=1e-14
    )
    fit = fit_batch("power_floor", SIZES, y, loss="log_least_squares")
    assert fit.objective_R[0] == pytest.approx(2 * found.cost, rel=1e-8)
    assert fit["alpha"][0] == pytest.approx(found.x[2], rel=1e-5)


def test_log_least_squares_is_a_law_with_all_its_intervals():
    rng = np.random.default_rng(4)
    loss = np.repeat(CLEAN, 2) * np.exp(0.004 * rng.standard_normal(14))
    law = fit_law({"parameters": np.repeat(SIZES, 2), "loss": loss}, loss="log_least_squares",
                  num_replicates=200)  # fmt: skip
    assert law.fit.lack_of_fit is not None
    for estimate in law.estimates.values():
        assert estimate.low < estimate.value < estimate.high
        assert estimate.profile is not None
    with pytest.raises(FinscaleError, match="signed losses have none"):
        fit_law({"parameters": SIZES, "loss": CLEAN - 0.7}, signed=True, loss="log_least_squares")


# checkpoints of one run

RUNS = np.repeat(np.arange(8), 6)
STEPS = np.geomspace(1e4, 1e8, 48)


def checkpoints(seed, shared=0.01, own=0.001):
    rng = np.random.default_rng(seed)
    moved = shared * rng.standard_normal(8)[RUNS] + own * rng.standard_normal(48)
    return {"parameters": STEPS, "run": RUNS, "loss": (0.5 + 9 * STEPS**-0.3) * np.exp(moved)}


def test_runs_are_redrawn_and_not_rows():
    rows = checkpoints(0)
    options = {"form": "power_floor", "num_replicates": 100}
    by_run = fit_law(rows, group="run", **options)
    by_row = fit_law(rows, ignore="run", **options)
    assert by_run.scheme == "runs"
    assert by_run.params["alpha"] == pytest.approx(by_row.params["alpha"])
    wide, narrow = (law["alpha"].high - law["alpha"].low for law in (by_run, by_row))
    assert wide > 1.3 * narrow
    assert by_run["alpha"].profile is None
    assert by_run.fit.aicc > by_row.fit.aicc


def rows_of_runs(seed, luck, own, num_runs=40, num_steps=6):
    """Rows around a level curve: each run has so much luck, each row so much error."""
    rng = np.random.default_rng(seed)
    group_J = np.repeat(np.arange(num_runs), num_steps)
    noise = luck * rng.standard_normal(num_runs)[group_J]
    noise = noise + own * rng.standard_normal(len(group_J))
    return RunRows(np.arange(len(group_J)), group_J, 1 + noise, np.ones(len(group_J)))


@pytest.mark.parametrize(("luck", "own"), [(0.2, 0.05), (0.05, 0.2), (0.1, 0.1), (0.0, 0.1)])
def test_luck_of_runs_and_own_errors_are_told_apart(luck, own):
    num = 240
    slopes_np = np.stack([np.ones(num), np.arange(num)], axis=1)
    found = [
        rows_of_runs(seed, luck, own).of_curve(np.ones(num), slopes_np, relative=False)
        for seed in range(20)
    ]
    mean_luck = np.mean([each.luck for each in found])
    assert mean_luck == pytest.approx(luck**2, abs=0.15 * luck**2 + 1e-3)
    assert np.mean([each.own for each in found]) == pytest.approx(own**2, rel=0.1)
    one = found[0]
    assert one.matrix_nn[0, 1] == pytest.approx(one.luck)
    assert one.matrix_nn[0, 0] == pytest.approx(one.luck + one.own)
    assert one.matrix_nn[0, 6] == 0


def test_runs_that_pass_the_same_points_show_their_luck_without_a_curve():
    rng = np.random.default_rng(0)
    run_J, point_J = np.repeat(np.arange(60), 5), np.tile(np.arange(5), 60)
    loss_J = 1 + point_J**2 + 0.2 * rng.standard_normal(60)[run_J] + 0.1 * rng.standard_normal(300)
    rows = RunRows(point_J, run_J, loss_J, np.full(300, 1 / 60))
    found = rows.of_replicates(np.ones(5), relative=False)
    assert (found.luck, found.own) == pytest.approx((0.04, 0.01), rel=0.25)
    assert found.degrees == pytest.approx(59)
    np.testing.assert_allclose(found.matrix_nn[0, 1:], found.luck / 60)
    alone = rows_of_runs(0, 0.1, 0.1)
    assert alone.of_replicates(np.ones(240), relative=False) is None


def checkpoints_of_sizes(seed, *, break_by=0.0):
    """Three runs of each of six sizes, five checkpoints each: luck of 2 %, errors of .3 %."""
    rng = np.random.default_rng(seed)
    sizes, steps = np.geomspace(1e5, 1e8, 6), np.geomspace(1e7, 1e9, 5)
    size_J, step_J = np.repeat(sizes, 15), np.tile(steps, 18)
    run_J = np.repeat(np.arange(18), 5)
    loss_J = 1.7 + 20 * size_J**-0.3 + 60 * step_J**-0.33
    loss_J = loss_J * (1 + break_by * np.sin(2 * np.log(size_J)))
    luck_J = 0.02 * rng.standard_normal(18)[run_J] + 0.003 * rng.standard_normal(90)
    return {"N": size_J, "D": step_J, "run": run_J, "loss": loss_J * np.exp(luck_J)}


@pytest.mark.parametrize("loss", ["auto", "log_least_squares"])
def test_checkpoints_of_a_true_law_identify_it(loss):
    """The luck of six sizes' runs was taken for six points and one degree of freedom."""
    laws = [
        fit_law(checkpoints_of_sizes(seed), ("N", "D"), group="run", loss=loss, num_replicates=60)
        for seed in range(4)
    ]
    assert all(law.identified for law in laws)
    assert not any(law.fit.lack_of_fit.rejected for law in laws)
    assert laws[0].fit.lack_of_fit.against == "the spread of runs"
    assert all(law["beta"].low < 0.36 and law["beta"].high > 0.30 for law in laws)
    # one run more of a size has its luck, and not only the error of a checkpoint
    told = laws[0].predict([[1e8, 1e9]])
    assert told.run_high[0] - told.run_low[0] > 3 * 0.02 * told.mean[0]


def test_a_form_that_misses_checkpoints_is_rejected():
    rows = checkpoints_of_sizes(0, break_by=0.12)
    law = fit_law(rows, ("N", "D"), group="run", loss="log_least_squares", num_replicates=60)
    assert law.fit.lack_of_fit.rejected


def test_each_run_multiplies_its_residuals_by_one_factor():
    table = read_table(checkpoints(1), x="parameters", group="run")
    problem = problem_of(table, "least_squares")
    theta = fit_batch("power_floor", table.x_nd, table.y_n).params_Rp[0]
    form = FORMS["power_floor"]
    draws = run_replicates(table, form, problem, theta, 50, 0)
    moved = draws.y_Rn - form.predict(table.x_nd, theta)
    for run in range(8):
        own = moved[:, run == RUNS]
        np.testing.assert_allclose(own / own[:, :1], np.broadcast_to(own[0] / own[0, 0], own.shape))
    left = without_each_run(table)
    assert left.weights_Rn.shape == (8, 48)
    np.testing.assert_allclose(left.weights_Rn.sum(axis=1), 42)


def test_a_run_at_each_point_is_a_seed():
    rows = {
        "parameters": np.repeat(SIZES, 3),
        "run": [f"r{i}" for i in range(21)],
        "loss": np.repeat(CLEAN, 3) + 0.003 * np.random.default_rng(0).standard_normal(21),
    }
    law = fit_law(rows, group="run", num_replicates=60)
    assert law.scheme == "seeds"
    assert law["alpha"].profile is not None


def test_one_run_describes_itself():
    rows = {"step": SIZES, "run": "a", "loss": noisy()}
    law = fit_law(rows, "step", group="run", num_replicates=60)
    assert law.identified
    assert any("checkpoints of one run" in flag for flag in law.fit.flags)


def test_runs_over_several_sizes_with_replicates():
    """Points that several runs pass: each run moves its share of the point's mean."""
    sizes, steps = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 5)
    mesh = np.meshgrid(sizes, steps, [0, 1], indexing="ij")
    size, step, seed = (axis.ravel() for axis in mesh)
    run = [f"{n:.0f}-{s}" for n, s in zip(size, seed, strict=True)]
    luck = np.random.default_rng(0).normal(size=10)
    moved = dict(zip(dict.fromkeys(run), luck, strict=True))
    noise = np.array([0.005 * moved[name] for name in run])
    loss = (1.7 + 20 * size**-0.3 + 60 * step**-0.33) * np.exp(noise)
    rows = pl.DataFrame({"N": size, "D": step, "run": run, "loss": loss})
    law = fit_law(rows, ("N", "D"), group="run", loss="log_least_squares", num_replicates=60)
    assert law.scheme == "runs"
    assert law["beta"].low < law.params["beta"] < law["beta"].high


def test_groups_are_refused_where_they_say_nothing():
    rows = checkpoints(0)
    with pytest.raises(FinscaleError, match="checkpoints of one run move together"):
        fit_law(rows, group="run", loss="gls", covariance=np.eye(48))
    with pytest.raises(FinscaleError, match="run is empty in row 1"):
        fit_law(pl.DataFrame(rows).with_columns(run=pl.lit(None, pl.Int64)), group="run")


@pytest.mark.parametrize("option", ["weights", "stderr", "group"])
def test_a_verdict_does_not_drop_what_it_cannot_use(option):
    rows = {"parameters": np.repeat(SIZES, 3), "loss": np.repeat(CLEAN, 3), "c": np.arange(21) + 1}
    rows["loss"] = rows["loss"] + 0.003 * np.random.default_rng(0).standard_normal(21)
    table = read_table(rows, x="parameters", **{option: "c"})
    with pytest.raises(FinscaleError, match=f"knows nothing of --{option}"):
        decide(table, sesoi=0.01)
