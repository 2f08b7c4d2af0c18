"""Runs that stand apart: named, left out by rule or by name, outvoted by a median."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.errors import FinscaleError
from finscale.scaling import decide, fit_law, read_table
from finscale.scaling.covariance import size_covariance
from finscale.scaling.dropping import drop_runs, dropped_runs
from finscale.scaling.measure import Measure
from finscale.scaling.outliers import outlying_runs, outlying_ways, outlying_words, stand_apart
from finscale.scaling.seed_median import median_variance

SIZES = np.geomspace(1e4, 1e7, 7)


def grid(seed: int = 0, num_seeds: int = 5, noise: float = 0.001, num_days: int = 0):
    """Return losses of a law, ``[7, S]`` or ``[7, S, T]``."""
    rng = np.random.default_rng(seed)
    runs_GS = 0.6 + 0.05 * (SIZES[:, None] / 1e4) ** -0.3 + noise * rng.normal(size=(7, num_seeds))
    if not num_days:
        return runs_GS
    return runs_GS[:, :, None] + 0.01 * rng.normal(size=(7, num_seeds, num_days))


def frame_of(runs_GS, seeds=None) -> pl.DataFrame:
    num_sizes, num_seeds = runs_GS.shape
    return pl.DataFrame(
        {
            "parameters": np.repeat(SIZES[:num_sizes], num_seeds),
            "seed": np.tile(np.arange(num_seeds) if seeds is None else seeds, num_sizes),
            "loss": runs_GS.ravel(),
        }
    )


@pytest.mark.parametrize(("num_sizes", "num_seeds"), [(4, 3), (7, 3), (7, 5), (5, 20), (12, 4)])
def test_sound_tables_are_left_alone_and_the_noise_is_right(num_sizes: int, num_seeds: int):
    rng = np.random.default_rng(1)
    found = [stand_apart(0.01 * rng.normal(size=(num_sizes, num_seeds))) for _ in range(200)]
    assert np.mean([one.apart_nS.any() for one in found]) <= 0.03
    # unbiased at any number of seeds: the reason for differences of runs
    typical = np.median([np.sqrt((one.noise_n**2).mean()) for one in found])
    assert typical == pytest.approx(0.01, rel=0.12)


@pytest.mark.parametrize("excess", [0.02, -0.02, 5.0])
@pytest.mark.parametrize("num_seeds", [3, 4, 5, 20])
def test_the_bad_run_is_found_and_no_other(num_seeds: int, excess: float):
    runs_GS = grid(num_seeds=num_seeds)
    runs_GS[2, 1] += excess
    (one,) = outlying_runs(runs_GS, SIZES[:, None])
    assert (one.size, one.seed, one.told) == ("100k", "1", True)
    assert np.sign(one.distance) == np.sign(excess)
    assert abs(one.distance) == pytest.approx(abs(excess) / 0.001, rel=0.6)


def test_seeds_that_vary_more_at_small_sizes_are_no_outliers():
    rng = np.random.default_rng(2)
    scale_G1 = np.geomspace(0.01, 0.0005, 7)[:, None]
    named = [stand_apart(scale_G1 * rng.normal(size=(7, 5))).apart_nS.any() for _ in range(200)]
    assert np.mean(named) <= 0.05


def test_of_two_seeds_nobody_can_tell_which_is_wrong():
    runs_GS = grid(num_seeds=2)
    runs_GS[3, 0] += 0.5
    runs = outlying_runs(runs_GS, SIZES[:, None])
    assert {run.told for run in runs} == {False}
    said = outlying_words(runs)
    assert said.startswith("At 316k the seeds lie further apart than elsewhere")
    assert not dropped_runs(runs_GS, SIZES[:, None], ["outlying"]).mask_nS.any()
    # half of four: neither
    runs_GS = grid(num_seeds=4)
    runs_GS[3, :2] += 0.5
    assert not dropped_runs(runs_GS, SIZES[:, None], ["outlying"]).mask_nS.any()


@pytest.mark.parametrize(
    "runs",
    [
        np.full((4, 3), 0.5),
        np.arange(4.0)[:, None] + np.zeros((4, 1)),
        np.array([[0.5, 0.5, np.nan], [0.4, 0.4, 0.4], [0.3, np.nan, np.nan]]),
    ],
)
def test_without_noise_or_replicates_nobody_is_named(runs):
    assert outlying_runs(runs, np.arange(1.0, len(runs) + 1)[:, None]) == ()


def test_losses_rounded_to_three_digits_have_the_noise_of_a_step():
    runs_GS = np.tile(np.array([[0.512, 0.512, 0.513, 0.512]]), (5, 1))
    assert outlying_runs(runs_GS, SIZES[:5, None]) == ()
    runs_GS[2, 0] = 0.9
    (one,) = outlying_runs(runs_GS, SIZES[:5, None])
    assert one.seed == "0"


def test_a_gap_in_the_grid_is_no_run():
    runs_GS = grid()
    runs_GS[0, 2] = np.nan
    runs_GS[5, 4] += 0.1
    frame = frame_of(runs_GS, seeds=[10, 20, 30, 40, 50]).filter(pl.col("loss").is_not_nan())
    table = read_table(frame, x="parameters")
    assert table.labels[0] == ("10", "20", "40", "50")
    (one,) = outlying_runs(table.runs_nS, table.x_nd, table.labels)
    assert (one.size, one.seed) == ("3.16M", "50")


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (["diverged"], 34),
        (["outlying"], 33),
        (["100k:1"], 34),
        (["100000:1", "diverged"], 33),
        (["10M:0", "10M:1", "10M:2", "10M:3", "10M:4"], 30),
    ],
)
def test_rules_and_names_leave_runs_out_and_say_so(rules, left):
    runs_GS = grid()
    runs_GS[2, 1] -= 0.05
    runs_GS[4, 3] += 0.2
    table = read_table(frame_of(runs_GS), x="parameters")
    kept = drop_runs(table, rules)
    assert int(kept.seeds_n.sum()) == left
    assert any(note.startswith("left out: ") for note in kept.notes)
    assert len(kept.labels) == kept.num_sizes
    if len(rules) == 5:
        assert kept.num_sizes == 6
        assert kept.notes[-1] == "left out: size 10M, which has no other run"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("worst", "neither a rule nor a run"),
        ("77k:0", "no such size"),
        ("100k:9", "has no seed 9"),
        ("many:1", "is no size"),
        ("1M:2M:0", "neither a rule nor a run"),
    ],
)
def test_what_cannot_be_left_out_is_refused_with_the_way_out(rule, message):
    table = read_table(frame_of(grid()), x="parameters")
    with pytest.raises(FinscaleError, match=message) as caught:
        drop_runs(table, [rule])
    assert caught.value.hint


def test_a_verdict_names_bad_runs_and_a_rule_gives_the_law_back():
    losses = grid(num_days=200)
    assert decide(losses, SIZES, sesoi=0.005).name == "LAW"
    losses[3, 2] += 0.2
    spoiled = decide(losses, SIZES, sesoi=0.005)
    assert "1 run stands apart from the other seeds of their size (316k, seed 2" in spoiled.sentence
    assert [run.seed for run in spoiled.outlying] == ["2"]
    assert json.loads(json.dumps(spoiled.to_dict()))["outlying"][0]["told"] is True
    for options in ({"drop": ["diverged"]}, {"seeds": "median"}):
        assert decide(losses, SIZES, sesoi=0.005, **options).name == "LAW"
    mended = decide(losses, SIZES, sesoi=0.005, drop=["diverged"])
    assert mended.statement.exclusions[0].startswith("1 of 35 runs (diverged")
    assert mended.covariance.seeds_G.tolist() == [5, 5, 5, 4, 5, 5, 5]
    assert mended.outlying == ()


def test_worse_is_said_in_the_measures_own_terms():
    auc = Measure("AUC", "", higher_is_better=True, best=1.0)
    losses = grid(num_days=100)
    losses[3, 2] += 0.2
    said = decide(losses, SIZES, sesoi=0.005, measure=auc).sentence
    (run,) = decide(losses, SIZES, sesoi=0.005, measure=auc).outlying
    assert run.loss == pytest.approx(1 - losses[3, 2].mean())
    assert "deviations worse than its size's median" in said


def test_runs_without_a_finite_loss_go_only_by_a_rule():
    frame = frame_of(grid()).with_columns(
        loss=pl.when(pl.int_range(pl.len()) == 3).then(np.nan).otherwise("loss")
    )
    with pytest.raises(FinscaleError, match=r"NaN|nan") as caught:
        fit_law(frame)
    assert "--drop diverged" in (caught.value.hint or "")
    law = fit_law(frame, drop=["diverged"], num_replicates=50)
    assert law.table.seeds_n.tolist() == [4, 5, 5, 5, 5, 5, 5]
    assert "left out: 1 run without a finite loss" in law.table.notes
    judged = decide(frame, sesoi=0.005, drop=["diverged"])
    assert "Left out: 1 run without a finite loss." in judged.sentence


def test_a_run_with_one_infinite_day_goes_whole():
    losses = grid(num_days=3)
    losses[1, 1, 2] = np.inf
    frame = pl.DataFrame(
        {
            "parameters": np.repeat(SIZES, 15),
            "seed": np.tile(np.repeat(np.arange(5), 3), 7),
            "day": np.tile(np.arange(3), 35),
            "loss": losses.ravel(),
        }
    )
    table = read_table(frame, x="parameters", unfinished=True)
    assert table.seeds_n.tolist() == [5, 4, 5, 5, 5, 5, 5]


def test_the_median_is_not_moved_and_its_variance_is_known():
    losses = grid(num_days=50)
    plain = size_covariance(losses, seeds="median")
    losses[3, 2] += 5
    spoiled = size_covariance(losses, seeds="median")
    np.testing.assert_allclose(spoiled.mean_G, plain.mean_G, atol=0.002)
    np.testing.assert_allclose(
        np.diag(spoiled.matrix_GG), np.diag(plain.matrix_GG), rtol=0.7, atol=1e-7
    )
    # Kendall and Stuart's exact values
    for count, variance in ((2, 0.5), (3, 0.4487), (4, 0.2982), (5, 0.2868), (10, 0.1383)):
        assert median_variance(count) == pytest.approx(variance, rel=0.01)
    assert median_variance(101) == pytest.approx(np.pi / 202)


def test_a_fit_by_medians_finds_the_law_behind_a_bad_run():
    runs_GS = grid(noise=0.0005)
    runs_GS[3, 2] += 0.2
    law = fit_law(frame_of(runs_GS), seeds="median", num_replicates=200)
    assert law.params["alpha"] == pytest.approx(0.3, abs=0.05)
    low, high = law["alpha"].percentile
    assert low < 0.3 < high
    assert high - low < 0.2
    assert law.to_dict()["seeds"] == "median"
    assert "medians over them" in law.summary()
    assert "apart" in law.summary()


def test_terminal(tmp_path):
    runs_GS = grid()
    runs_GS[3, 2] += 0.2
    path = str(tmp_path / "runs.csv")
    frame_of(runs_GS).write_csv(path)

    def said(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["law", *arguments])
        assert found.exit_code == 0, found.output
        return " ".join(found.stdout.split())

    fit = ("fit", path, "--x", "parameters", "--replicates", "50")
    assert "316k, seed 2" in said(*fit)
    assert "or outlying (both) leaves them out" in said(*fit)
    assert "left out: 1 of 35 runs (diverged" in said(*fit, "--drop", "diverged")
    assert "left out: 1 of 35 runs (by name): 316k seed 2" in said(*fit, "--drop", "316k:2")
    assert json.loads(said(*fit, "--json"))["law"]["outlying"][0]["seed"] == "2"
    decide_ = ("decide", path, "--sesoi", "0.005")
    assert "stands apart" in said(*decide_)
    assert "--seeds median" in said(*decide_)
    assert "Left out: 1 of 35 runs" in said(*decide_, "--drop", "diverged")
    assert "median of its seeds" in said(*decide_, "--seeds", "median")


def test_what_is_advised_of_runs_that_stand_apart_is_what_helps(tmp_path):
    """Of two seeds no rule can tell which is wrong, and their median is their mean."""
    of_three, of_two = grid(num_seeds=3), grid(num_seeds=2)
    of_three[2, 1] += 3
    of_two[2, 1] += 3
    told = outlying_ways(outlying_runs(of_three, SIZES[:, None]))
    assert told.startswith("--drop diverged")
    assert "by name" not in told
    untold = outlying_ways(outlying_runs(of_two, SIZES[:, None]))
    assert "diverged" not in untold
    assert "median" not in untold
    path = tmp_path / "two.csv"
    frame_of(of_two).write_csv(path)
    asked = ["law", "decide", str(path), "--sesoi", "0.005", "--no-shared-days"]
    text = " ".join(CliRunner().invoke(app, asked).output.split())
    (name,) = re.findall(r"left out by name: --drop (\S+)", text)
    left = CliRunner().invoke(app, [*asked, "--drop", name])
    assert "Left out: 1 of 14 runs (by name)" in " ".join(left.output.split())
