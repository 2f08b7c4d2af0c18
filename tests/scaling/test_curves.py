"""Several curves of one table: what differs is found, what does not is left alone, days cancel."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.errors import FinscaleError
from finscale.scaling.curves import curve_tables, fit_curves

SIZES = np.geomspace(1e4, 1e7, 7)


def frame(curves, num_seeds=3, num_days=0, noise=0.002, shared=0.05, rng=0):
    """Return rows of curves: name -> (floor, exponent)."""
    rng = np.random.default_rng(rng)
    luck = shared * rng.standard_normal(max(num_days, 1))
    rows = []
    for name, (floor, exponent) in curves.items():
        for seed in range(num_seeds):
            for size in SIZES:
                loss = floor + 9 * size**-exponent + noise * rng.standard_normal()
                if not num_days:
                    rows.append({"model": name, "parameters": size, "seed": seed, "loss": loss})
                for day in range(num_days):
                    own = loss + luck[day] + 0.005 * rng.standard_normal()
                    rows.append({"model": name, "parameters": size, "seed": seed, "day": day,
                                 "loss": own})  # fmt: skip
    return pl.DataFrame(rows)


THREE = frame({"mlp": (0.5, 0.3), "tst": (0.48, 0.3), "conv": (0.5, 0.4)})


@pytest.fixture(scope="module")
def three():
    return fit_curves(THREE, by="model", num_replicates=300)


def test_every_pair_is_compared_in_exponent_and_offset(three):
    assert list(three.laws) == ["mlp", "tst", "conv"]
    assert len(three.differences) == 6
    found = {(d.first, d.second, d.quantity): d for d in three.differences}
    assert found["mlp", "tst", "alpha"].p_value > 0.05
    offset = found["mlp", "tst", "offset"]
    assert offset.p_value < 0.05
    assert offset.low < 0.02 < offset.high
    exponent = found["tst", "conv", "alpha"]
    assert exponent.high < 0
    assert exponent.low < -0.1 < exponent.high


def test_an_interval_leaves_out_zero_where_its_p_value_is_small(three):
    for each in three.differences:
        assert each.low <= each.value <= each.high
        assert (each.low > 0 or each.high < 0) == (each.p_value < 0.05)


def test_intervals_that_hold_together_are_wider_than_one_alone(three):
    alone = fit_curves(THREE.filter(pl.col("model") != "conv"), by="model", num_replicates=300)
    one, many = (
        next(d for d in c.differences if (d.first, d.quantity) == ("mlp", "alpha"))
        for c in (alone, three)
    )
    assert many.high - many.low > one.high - one.low


def test_days_that_all_curves_share_cancel_from_differences():
    rows = frame({"a": (0.5, 0.3), "b": (0.49, 0.3)}, 2, num_days=60, noise=0.0005)
    curves = fit_curves(rows, by="model", num_replicates=200)
    assert curves.is_paired
    offset = next(d for d in curves.differences if d.quantity == "offset")
    _, low, high = curves["a"].predict([curves.at])
    # the days move each curve by far more than their difference
    assert offset.high - offset.low < 0.5 * (high - low)[0]
    assert offset.low < 0.01 < offset.high
    assert offset.p_value < 0.05
    apart = rows.filter((pl.col("model") == "a") | (pl.col("day") < 50))
    unpaired = fit_curves(apart, by="model", num_replicates=60)
    assert not unpaired.is_paired
    assert any("different days" in note for note in unpaired.notes)


def test_a_curve_that_tells_no_law_is_shown_and_not_compared():
    rows = THREE.with_columns(
        loss=pl.when(pl.col("model") == "mlp").then(2 - pl.col("loss")).otherwise(pl.col("loss"))
    )
    curves = fit_curves(rows, by="model", num_replicates=100, form="power_floor")
    assert {d.first for d in curves.differences} == {"tst"}
    assert any(note.startswith("mlp is not compared: the loss rises") for note in curves.notes)
    assert "NOT IDENTIFIED" in curves.summary()


def test_curves_without_a_common_size_have_no_offset():
    rows = frame({"a": (0.5, 0.3)})
    far = rows.with_columns(model=pl.lit("b"), parameters=pl.col("parameters") * 1e6,
                            loss=pl.col("loss") + 0.001)  # fmt: skip
    curves = fit_curves(pl.concat([rows, far]), by="model", num_replicates=60)
    assert curves.at == ()
    assert {d.quantity for d in curves.differences} == {"alpha"}


def test_surfaces_are_compared_in_both_exponents():
    rng = np.random.default_rng(0)
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e4, 1e7, 6), np.geomspace(1e4, 1e7, 6)))
    rows = pl.concat(
        pl.DataFrame({"N": N, "D": D, "model": name, "loss":
            (0.4 + 3 * N**-alpha + 2 * D**-0.3) * np.exp(0.002 * rng.standard_normal(36))})
        for name, alpha in (("a", 0.25), ("b", 0.4))
    )  # fmt: skip
    curves = fit_curves(rows, ("N", "D"), by="model", num_replicates=100)
    found = {d.quantity: d for d in curves.differences}
    assert set(found) == {"alpha", "beta", "offset"}
    assert found["alpha"].p_value < 0.05 < found["beta"].p_value


def test_held_parameters_hold_for_every_curve():
    curves = fit_curves(THREE, by="model", num_replicates=60, fix={"E": 0.49}, form="power_floor")
    assert all(law.form.names == ("A", "alpha") for law in curves.laws.values())
    assert {d.quantity for d in curves.differences} == {"alpha", "offset"}


@pytest.mark.parametrize(
    ("change", "by", "said"),
    [
        (lambda t: t, "modle", "Did you mean model"),
        (lambda t: t, "parameters", "tells no curves apart"),
        (lambda t: t.filter(pl.col("model") == "mlp"), "model", "has one value, mlp"),
        (lambda t: t.with_row_index("row"), "row", "63 values"),
        (lambda t: t.with_columns(pl.col("model").replace("tst", "MLP")), "model", "capitals"),
        (lambda t: t.with_columns(pl.col("model").replace("tst", None)), "model", "is empty"),
        (
            lambda t: t.filter((pl.col("model") != "tst") | (pl.col("parameters") < 2e4)),
            "model",
            "model tst: .* has one size only",
        ),
    ],
)  # fmt: skip
def test_what_is_no_set_of_curves_is_refused(change, by, said):
    with pytest.raises(FinscaleError, match=said):
        curve_tables(change(THREE), by, x="parameters", y="loss")


def run(*arguments):
    return CliRunner().invoke(app, ["law", *map(str, arguments)])


def test_the_verb_fits_every_curve(tmp_path):
    THREE.write_csv(tmp_path / "t.csv")
    plot = tmp_path / "curves.svg"
    common = ("--x", "parameters", "--by", "model", "--replicates", 80)
    shown = run("fit", tmp_path / "t.csv", *common, "--plot", plot)
    assert shown.exit_code == 0, shown.output
    assert "all 6 hold at 95%" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100 + len(str(plot))
    assert plot.read_text().startswith("<?xml")
    content = json.loads(run("fit", tmp_path / "t.csv", *common, "--json").stdout)
    assert set(content["curves"]) == {"mlp", "tst", "conv"}
    assert len(content["differences"]) == 6
    assert len(run("fit", tmp_path / "t.csv", *common, "-q").stdout.splitlines()) == 3
    refused = run("fit", tmp_path / "t.csv", *common, "--compare")
    assert "--compare ranks forms for one curve" in str(refused.exception)


def test_the_verb_decides_every_curve_and_counts_them(tmp_path):
    THREE.write_csv(tmp_path / "t.csv")
    result = run("decide", tmp_path / "t.csv", "--sesoi", 0.01, "--by", "model", "--json")
    content = json.loads(result.stdout)
    assert set(content["verdicts"]) == {"mlp", "tst", "conv"}
    for verdict in content["verdicts"].values():
        if verdict["adjusted_p"] is not None:
            assert verdict["stands"] == (verdict["adjusted_p"] < 0.05)
            assert verdict["adjusted_p"] >= verdict["p_improves"]
    assert len(content["comparison"]["differences"]) == 6
    shown = run("decide", tmp_path / "t.csv", "--sesoi", 0.01, "--by", "model")
    assert shown.stdout.count("mlp") >= 3


def test_fix_on_the_command_line(tmp_path):
    THREE.filter(pl.col("model") == "mlp").write_csv(tmp_path / "t.csv")
    fit = ("fit", tmp_path / "t.csv", "--x", "parameters", "--replicates", 60)
    content = json.loads(run(*fit, "--fix", "E=0.5", "--json").stdout)
    assert content["law"]["form"]["fixed"] == {"E": "0.5"}
    assert set(content["law"]["params"]) == {"A", "alpha"}
    for wrong, said in (
        (("--fix", "E"), "write NAME=VALUE"),
        (("--fix", "E=0", "--fix", "E=1"), "is given twice"),
        (("--fix", "gamma=1"), "'gamma' is not a parameter of power_floor"),
    ):
        assert said in str(run(*fit, *wrong).exception)
