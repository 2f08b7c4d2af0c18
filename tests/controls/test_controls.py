from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.controls import CONTROLS, ControlCheck, ControlsReport, draw_figure, run_controls
from finscale.controls.exact import _MOTIFS, _ridge
from finscale.controls.market import ControlWindows
from finscale.controls.suite import OUTCOMES, QUICK_CONTROLS, _checked, truth_of
from finscale.data.synthetic import ZipfMotifs
from finscale.errors import FinscaleError
from finscale.files import read_json


@pytest.fixture(scope="module")
def quick() -> ControlsReport:
    return run_controls(QUICK_CONTROLS, num_replicates=16, seed=3)


def test_the_quick_suite_accepts_the_instrument(quick: ControlsReport):
    missed = [
        (result.name, check)
        for result in quick.results
        for check in result.checks
        if not (check.passed or check.excused)
    ]
    assert quick.passed, missed
    assert [result.name for result in quick.results] == list(QUICK_CONTROLS)


def test_exact_exponent_is_recovered(quick: ControlsReport):
    motifs = quick.results[-1]
    assert motifs.truth is not None
    assert motifs.truth.exponent == pytest.approx(_MOTIFS.alpha, abs=0.03)
    assert motifs.exponent == pytest.approx(motifs.truth.exponent, abs=0.04)
    assert motifs.rates["LAW"] > 0.9


def test_rates_of_verdicts_add_up(quick: ControlsReport):
    for result in quick.results:
        assert sum(result.rates[name] for name in OUTCOMES) == pytest.approx(1)


def test_results_do_not_depend_on_the_number_of_processes():
    alone = run_controls(["flat, 3 seeds"], num_replicates=8)
    together = run_controls(["flat, 3 seeds"], num_replicates=8, workers=2)
    assert alone.results[0].rates == together.results[0].rates


def test_progress_is_told():
    seen = []
    run_controls(["flat, 3 seeds"], num_replicates=3, progress=lambda *step: seen.append(step))
    assert seen == [("flat, 3 seeds", done, 3) for done in (1, 2, 3)]


@pytest.mark.parametrize("name", list(CONTROLS))
def test_every_control_draws_what_a_verdict_can_judge(name: str):
    control = CONTROLS[name]
    drawn = control.draw(np.random.default_rng(0))
    if isinstance(drawn.losses_GST, pl.DataFrame):
        assert {"parameters", "loss"} <= set(drawn.losses_GST.columns)
        assert drawn.losses_GST["parameters"].n_unique() == len(drawn.sizes) >= 4
        assert np.isfinite(drawn.losses_GST["loss"].to_numpy()).all()
    else:
        num_sizes, num_seeds, num_days = drawn.losses_GST.shape
        assert num_sizes == len(drawn.sizes) >= 4
        assert num_seeds >= 2
        assert num_days >= 200
        assert np.isfinite(drawn.losses_GST).all()
    known = {*OUTCOMES, *drawn.measures, *control.says}
    known |= {"covers exponent", "covers gain", "covers tenfold"}
    assert {check.measure for check in control.checks} <= known


def test_copies_are_copies_and_a_table_without_days_has_none():
    rng = np.random.default_rng(4)
    exact = CONTROLS["exact copies"].draw(rng).losses_GST
    assert isinstance(exact, pl.DataFrame)
    assert exact.is_duplicated().all()
    near = CONTROLS["near copies"].draw(rng).losses_GST
    assert isinstance(near, pl.DataFrame)
    assert len(near) == 14
    assert not near.is_duplicated().any()
    pairs = near.group_by("parameters").agg(pl.col("loss").max() - pl.col("loss").min())
    assert pairs["loss"].max() <= 1e-6
    assert "day" not in CONTROLS["day luck, no days"].draw(rng).losses_GST.columns


def test_runs_that_blew_up_are_named_and_sound_ones_are_not():
    report = run_controls(["flat, runs blew up"], num_replicates=12)
    rates = report.results[0].rates
    assert rates["a blown-up run is not named"] == 0
    assert rates["a sound run is named"] <= 1 / 12


def test_a_refusal_is_an_outcome(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise FinscaleError("no")

    monkeypatch.setattr("finscale.controls.suite.decide", refuse)
    (result,) = run_controls(["late saturation"], num_replicates=2).results
    assert result.rates["refused"] == 1
    assert result.rates["covers gain"] == 0
    assert result.rates["misfit"] == 0
    assert not result.passed


def test_a_curves_own_truth_is_exact():
    truth = truth_of(CONTROLS["tenfold, σ = 0.0001"])
    assert truth.exponent == 0.3
    # A (x^-α - (10 x)^-α), with A from the whole gain of .5 over three tenfolds
    amount = 0.5 / (1 - 10**-0.9)
    assert truth.tenfold == pytest.approx(amount * (10**-0.9 - 10**-1.2))


@pytest.mark.parametrize(
    "name", ["teacher, features", "teacher, nestings", "teacher, data", "motifs, data"]
)
def test_drawn_losses_follow_the_true_curve(name: str):
    control = CONTROLS[name]
    assert control.truth_G is not None
    rng = np.random.default_rng(1)
    drawn = [control.draw(rng) for _ in range(5)]
    means = np.array([d.losses_GST.mean(axis=(1, 2)) for d in drawn])
    truth = control.truth_G(drawn[0].sizes)
    measured = means - means[:, -1:]
    error = measured.std(axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_array_less(
        np.abs(measured.mean(axis=0) - (truth - truth[-1]))[:-1], 5 * error[:-1] + 1e-4
    )


def test_a_teacher_over_tiers_with_nestings_returns_its_exponent_and_shuffled_labels_none():
    names = ["teacher, nestings", "teacher, nestings, labels shuffled"]
    law, null = run_controls(names, num_replicates=3, seed=1).results
    assert law.truth is not None
    # b - 1 = .5 in the limit of endless features; of 4,000 the nearest law is a little flatter
    assert law.truth.exponent == pytest.approx(0.5, abs=0.03)
    assert law.exponent == pytest.approx(0.5, abs=0.15)
    assert law.rates["LAW"] == 1.0
    assert null.rates["NO-LAW"] + null.rates["INDETERMINATE"] == 1.0


def test_the_motif_controls_exponents_are_near_their_theory():
    alpha = ZipfMotifs(alpha=0.6).alpha
    assert truth_of(CONTROLS["motifs, data"]).exponent == pytest.approx(
        alpha / (1 + alpha), abs=0.03
    )
    assert truth_of(CONTROLS["teacher, features"]).exponent == pytest.approx(0.5, abs=0.02)


def test_both_ways_of_solving_a_ridge_agree():
    rng = np.random.default_rng(2)
    wide, target = rng.standard_normal((5, 8)), rng.standard_normal(5)
    normal = np.linalg.solve(wide.T @ wide + 0.7 * np.eye(8), wide.T @ target)
    np.testing.assert_allclose(_ridge(wide, target, 0.7), normal)


def test_permuted_labels_keep_every_block_and_nothing_else():
    from finscale.config import TaskConfig

    rng = np.random.default_rng(3)
    windows = ControlWindows.draw("student", TaskConfig(name="direction"), rng, 1)
    shuffled = windows.permuted(rng)
    first = windows.train_B[:63]
    assert shuffled.target_R[first].sum() == windows.target_R[first].sum()
    assert (shuffled.target_R != windows.target_R).any()
    assert set(windows.train_B).isdisjoint(windows.test_B)


def test_a_check_is_excused_only_while_chance_explains_it():
    check = ControlCheck("LAW", at_most=0.05)
    assert _checked(check, {"LAW": 0.04}, 400).passed
    few = _checked(check, {"LAW": 0.1}, 20)
    assert (few.passed, few.excused) == (False, True)
    many = _checked(check, {"LAW": 0.1}, 400)
    assert (many.passed, many.excused) == (False, False)
    assert [ControlCheck("a", at_least=0.8).limits(), ControlCheck("a", 0.9, 0.98).limits()] == [
        "≥ 80 %",
        "90–98 %",
    ]


def test_figure_and_json(quick: ControlsReport, tmp_path: Path):
    draw_figure(quick, tmp_path / "controls.png")
    assert (tmp_path / "controls.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads(json.dumps(quick.to_dict(), allow_nan=False))
    assert content["results"][0]["passed"] is True


def test_a_missed_bound_is_said_even_where_chance_explains_it(quick: ControlsReport, capsys):
    from finscale.cli.controls import _show

    # so few worlds may miss a bound by luck: here none has
    first, *others = (
        replace(one, checks=tuple(replace(check, passed=True) for check in one.checks))
        for one in quick.results
    )
    met = replace(quick, results=(first, *others))
    _show(met)
    assert "every figure met" in capsys.readouterr().out
    check, *rest = first.checks
    missed = replace(check, passed=False, excused=True)
    report = replace(met, results=(replace(first, checks=(missed, *rest)), *others))
    assert report.passed
    _show(report)
    said = capsys.readouterr().out
    assert "every figure met" not in said
    assert "1 of " in said
    assert "figure missed (~), by no more than chance" in said
    assert f"~ {check.measure}" in said


def test_terminal(tmp_path: Path):
    from finscale.cli.controls import controls_app

    out, figure = tmp_path / "controls.json", tmp_path / "controls.svg"
    arguments = ["run", "motifs, size", "--replicates", "4", "--workers", "1"]
    shown = CliRunner().invoke(
        controls_app, [*arguments, "--out", str(out), "--figure", str(figure)]
    )
    assert shown.exit_code == 0, shown.output
    assert re.search(r"(every figure met|by no more than chance.*) · 4 worlds", shown.output)
    assert read_json(out)["num_replicates"] == 4
    assert figure.exists()
    as_json = CliRunner().invoke(controls_app, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["passed"] is True
    wrong = CliRunner().invoke(controls_app, ["run", "motivs"])
    assert isinstance(wrong.exception, FinscaleError)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_a_panel_has_the_correlation_and_the_loss_that_it_says(rho: float):
    from finscale.controls.panel import ControlPanel, expected_loss
    from finscale.evaluation.score_power import same_day_correlation

    rng = np.random.default_rng(0)
    panel, days = ControlPanel(rho), np.repeat(np.arange(750), 20)
    measured = [same_day_correlation(days, panel._labels(rng).ravel()) for _ in range(6)]
    assert np.mean(measured) == pytest.approx(rho, abs=0.04)
    said_G = np.array([0.04, 0.4])
    found_G = np.mean([panel.draw(rng, said_G).mean(axis=(1, 2)) for _ in range(12)], axis=0)
    assert found_G == pytest.approx(expected_loss(said_G), abs=0.02)
    assert expected_loss(np.zeros(1)) == pytest.approx(np.log(2))
