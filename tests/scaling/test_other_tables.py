"""Kinds of tables that were answered wrongly or in wrong words when they were first tried."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config.quantities import format_count
from finscale.errors import DataError, FinscaleError
from finscale.scaling import decide, read_table
from finscale.scaling.covariance import last_digit, size_covariance
from finscale.scaling.digits import signed
from finscale.scaling.extrapolation import score_extrapolation
from finscale.scaling.forms import FORMS
from finscale.scaling.law_text import interval
from finscale.scaling.sizes import parse_sizes
from finscale.scaling.verdict_power import StudyDesign

SIZES = np.geomspace(5e3, 5e6, 8)


def law(x, floor=0.4):
    return floor + 3 * np.asarray(x, dtype=float) ** -0.4


def written(tmp_path, columns):
    path = tmp_path / "runs.csv"
    pl.DataFrame(columns).write_csv(path)
    return str(path)


def verb(*arguments):
    return CliRunner().invoke(app, ["law", *map(str, arguments)])


@pytest.mark.parametrize("at", [1, 3, 6])
def test_one_better_size_makes_no_valley_by_the_luck_of_the_others(at):
    # a draw in which one of the level sizes lies below both ends by luck
    noise = 0.002 * np.random.default_rng(1).standard_normal((8, 4))
    curve = 0.6 - 0.05 * (np.arange(8) == at)
    losses = curve[:, None] + noise
    found = decide(losses, SIZES, sesoi=0.005, shared_days=False, settle=False)
    assert found.name == "INDETERMINATE"
    assert "one size stands out" in found.sentence


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([0.45, 0.5, 1.37], 0.01),
        ([45.0, 52.0], 1.0),
        ([0.451, 0.5], 0.001),
        ([0.123456789], 0.0),
        ([1 - 0.75, 1 - 0.61], 0.01),
    ],
)
def test_the_last_digit_of_a_column(values, unit):
    assert last_digit(np.array(values)) == pytest.approx(unit)


def test_seeds_that_were_rounded_alike_are_not_precise():
    exact = law(SIZES)[:, None] + 0.002 * np.random.default_rng(5).standard_normal((8, 3))
    rounded = exact.round(2)
    assert (np.ptp(rounded, axis=1) == 0).any()
    assert (size_covariance(rounded).seed_variance_G >= 0.99 * 3 * 0.01**2 / 12).all()
    found = decide(rounded, SIZES, sesoi=0.005, shared_days=False, settle=False)
    assert found.fits > 0.001
    assert found.next_tenfold.low < law(5e6) - law(5e7) < found.next_tenfold.high
    # unrounded seeds are as they were
    assert size_covariance(exact).seed_variance_G.max() < 2e-5


def test_losses_that_never_differ_are_still_refused():
    with pytest.raises(FinscaleError, match="the same run over and over"):
        decide(np.full((8, 3), 0.5), SIZES, sesoi=0.005)


@pytest.mark.parametrize("step", ["step", "trainer/global_step", "steps", "_step"])
@pytest.mark.parametrize("kind", [int, float])
def test_the_history_of_runs_is_told_by_its_steps(tmp_path, step, kind):
    luck = np.random.default_rng(0).normal(0, 0.01, (8, 2))
    rows = [
        (n, s, kind(t), law(n) + t**-0.5 + luck[i, s])
        for i, n in enumerate(SIZES)
        for s in (0, 1)
        for t in (10, 100)
    ]
    size, seed, steps, loss = zip(*rows, strict=True)
    table = {"params": size, "seed": seed, step: steps, "loss": loss}
    with pytest.raises(DataError) as refused:
        read_table(pl.DataFrame(table), x="params", y="loss")
    assert f"--last {step}" in str(refused.value)
    assert read_table(pl.DataFrame(table), x="params", y="loss", last=step).num_sizes == 8


def test_counts_that_are_fractions_keep_their_digits():
    told = [format_count(value) for value in (0.005, 1.8637, 5.0, 999.4, 999.7, 2e6)]
    assert told == ["0.005", "1.86", "5", "999", "1k", "2M"]


def test_a_unit_in_the_header_is_said_once(tmp_path):
    table = written(tmp_path, {"size [M]": SIZES / 1e6, "loss (nats)": law(SIZES)})
    told = verb("fit", table, "--x", "size [M]", "--y", "loss (nats)", "--replicates", 40).stdout
    assert "size [M] 0.005 … 5" in told
    assert "(nats) (nats)" not in told


@pytest.mark.parametrize(
    ("axis", "text", "own"),
    [
        ("size [M]", "1B", 1000),
        ("params (B)", "7B", 7),
        ("tokens_B", "500M", 0.5),
        ("N (10^6)", "2M", 2),
    ],
)
def test_a_letter_is_refused_where_the_column_counts_in_such_units(axis, text, own):
    with pytest.raises(FinscaleError, match=f"{own:g} for {text} in all"):
        parse_sizes([text], [axis])
    assert parse_sizes([f"{own:g}"], [axis])[0, 0] == own


@pytest.mark.parametrize("axis", ["params", "size_MB", "N", "model", "tokens"])
def test_letters_are_read_in_every_other_column(axis):
    assert parse_sizes(["1B"], [axis])[0, 0] == 1e9


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.3492, 0.4071), "[0.349, 0.407]"),
        ((0.39999, 0.40003), "[0.39999, 0.40003]"),
        ((0.5, 0.5), "[0.5, 0.5]"),
        ((0.1, np.inf), "[0.1, open]"),
    ],
)
def test_the_ends_of_a_narrow_interval_differ(ends, said):
    assert interval(ends) == said


def test_a_narrow_interval_of_a_verdict_has_two_ends():
    from finscale.evaluation.bootstrap import Metric

    assert signed(Metric(0.4, 0.39998, 0.40002)) == "+.400000 [+.399980, +.400020]"
    assert signed(Metric(0.0943, 0.0902, 0.0984)) == "+.0943 [+.0902, +.0984]"


@pytest.mark.parametrize(("cell", "said"), [("", "is empty in row 3"), ("inf", "is inf in row 3")])
def test_every_way_out_of_a_missing_loss_works(tmp_path, cell, said):
    loss = [f"{value:.6f}" for value in law(np.repeat(SIZES, 3))]
    loss[2] = cell
    table = written(tmp_path, {"params": np.repeat(SIZES, 3), "loss": loss})
    refused = str(verb("fit", table, "--x", "params").exception)
    assert said in refused
    assert ("--where loss!=" in refused) == (cell == "")
    ways = [("--drop", "diverged")] + [("--where", "loss!=")] * (cell == "")
    for way in ways:
        known = ("--keep-duplicates", "--replicates", 40, "-q")
        assert verb("fit", table, "--x", "params", *way, *known).exit_code == 0


@pytest.mark.parametrize("sizes", [2, 3])
def test_too_few_sizes_are_told_to_be_more(tmp_path, sizes):
    table = written(tmp_path, {"params": SIZES[:sizes], "loss": law(SIZES[:sizes])})
    refused = str(verb("predict", table, "--x", "params", "--at", "1B").exception)
    assert "measure at least 4 sizes" in refused


def test_the_form_that_cannot_be_fitted_at_every_cut_is_not_silent():
    x = np.repeat(np.geomspace(5e3, 5e6, 4), 3)
    noise = 0.002 * np.random.default_rng(0).standard_normal(12)
    scored = score_extrapolation({"params": x, "loss": law(x) + noise}, "params", "loss")
    assert "with sizes enough for it power_floor is closer" in scored.sentence


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [1e308, -1e308, np.inf, 50.0])
def test_curves_beyond_what_a_float_holds_leak_no_warning(level):
    q = np.array([[0.5, level, 1e307], [2.0, level, -0.5]])
    assert FORMS["m4"].basis(SIZES[:, None] / SIZES[0], q).shape == (2, 8, 2)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("auc", 0.4, "between .5 and 1"), ("seed_noise", 0.0, "--noise"), ("num_seeds", 1, "--seeds")],
)
def test_a_range_is_said_with_its_option(option, value, allowed):
    design = {"sizes": (1e3, 1e4, 1e5, 1e6), "num_seeds": 3, "num_days": 100, "base_rate": 0.3}
    with pytest.raises(FinscaleError, match="out of its range") as refused:
        StudyDesign(**{**design, option: value})
    assert allowed in str(refused.value)


def test_no_days_are_refused_before_they_divide():
    assert verb("power", "--days", 0, "--base-rate", 0.3).exit_code == 2


def test_one_line_counts_the_runs_that_were_fitted(tmp_path):
    table = written(tmp_path, {"params": np.repeat(SIZES, 2), "loss": law(np.repeat(SIZES, 2))
                               + 0.001 * np.random.default_rng(1).standard_normal(16)})  # fmt: skip
    told = verb("fit", table, "--x", "params", "--holdout", 2, "-q", "--replicates", 40).stdout
    assert "6 sizes, 12 runs" in told


def test_words_json_and_prediction_agree(tmp_path):
    noise = 0.002 * np.random.default_rng(1).standard_normal(24)
    table = written(tmp_path, {"params": np.repeat(SIZES, 3), "loss": law(np.repeat(SIZES, 3))
                               + noise})  # fmt: skip
    known = ("--x", "params", "--replicates", 40)
    fitted = json.loads(verb("fit", table, *known, "--json").stdout)["law"]["params"]
    told = json.loads(verb("predict", table, *known, "--at", "50M", "--json").stdout)
    own = fitted["E"] + fitted["A"] * 5e7 ** -fitted["alpha"]
    mean = told["predictions"][0]["mean"]
    assert mean == pytest.approx(own, rel=1e-9)
    assert f"{mean:.6g}" in verb("predict", table, *known, "--at", "50M", "-q").stdout
    assert f"alpha = {fitted['alpha']:.4g}" in verb("fit", table, *known, "-q").stdout
