from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.errors import FinscaleError
from finscale.scaling.measure import Measure, negated
from finscale.scaling.sentences import interval
from finscale.scaling.trend import SizeAxis, shape
from finscale.scaling.verdict import Verdict, decide

SIZES = np.geomspace(1e4, 1e7, 7)
_X = SIZES / SIZES[0]


def _losses(curve: np.ndarray, *, seed: int = 0, own: float = 0.02) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = 0.3 * rng.standard_normal(1000)
    of_size = own * rng.standard_normal((len(curve), 1, 1000))
    of_run = 0.3 * own * rng.standard_normal((len(curve), 5, 1000))
    of_seed = 0.001 * rng.standard_normal((len(curve), 5, 1))
    return curve[:, None, None] + common + of_size + of_run + of_seed


def _decide(curve: np.ndarray, **options: object) -> Verdict:
    options = {"sesoi": 0.005, "num_replicates": 500} | options
    return decide(_losses(curve), SIZES, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def law() -> Verdict:
    return _decide(0.6 + 0.05 * _X**-0.3)


def test_a_falling_power_law_is_a_law(law: Verdict):
    assert law.name == "LAW"
    assert law.exponent.low <= 0.3 <= law.exponent.high
    assert law.exponent.high - law.exponent.low < 0.2
    true_gain = 0.05 * (1 - _X[-1] ** -0.3)
    assert law.gain.low <= true_gain <= law.gain.high
    true_tenfold = 0.05 * _X[-1] ** -0.3 * (1 - 10**-0.3)
    assert law.next_tenfold.low <= true_tenfold <= law.next_tenfold.high
    assert law.p_improves < 0.01 < law.p_turns
    assert law.held_out[0] < law.held_out[1]
    assert law.settles is None
    assert repr(law).startswith("LAW: loss falls from 10k to 10M parameters as a power law with")


def test_a_rising_loss_is_inverse():
    verdict = _decide(0.6 - 0.05 * _X**-0.3)
    assert verdict.name == "INVERSE"
    assert verdict.exponent.low <= -0.3 <= verdict.exponent.high
    assert verdict.next_tenfold.high < 0
    assert "INVERSE: loss rises from 10k to 10M parameters, by .04" in verdict.sentence


def test_a_valley_turns_and_the_law_up_to_it_is_told():
    curve = 0.6 + 0.05 * _X**-0.4 + 0.01 * _X**0.15
    verdict = _decide(curve)
    fine = np.geomspace(1, _X[-1], 1000)
    bottom = SIZES[0] * fine[(0.05 * fine**-0.4 + 0.01 * fine**0.15).argmin()]
    assert verdict.name == "TURNS"
    assert verdict.best_size is not None
    assert verdict.best_size.low <= bottom <= verdict.best_size.high
    assert verdict.up_to_best is not None
    assert verdict.up_to_best.statement.sizes[-1] <= verdict.best_size.value
    assert verdict.to_dict()["up_to_best"]["name"] == verdict.up_to_best.name


def test_no_effect_is_no_law_when_the_sesoi_is_excluded():
    verdict = _decide(np.full(7, 0.6))
    assert verdict.name == "NO-LAW"
    assert verdict.p_equivalent < 0.05
    assert verdict.alike
    assert "and every size lies within ±.005 of every other" in verdict.sentence


def test_a_small_fall_is_indeterminate_and_says_what_would_settle_it():
    verdict = _decide(0.6 + 0.006 * _X**-0.3)
    assert verdict.name == "INDETERMINATE"
    assert verdict.settles is not None
    both = verdict.settles.both
    assert both is not None
    assert both[0] > 1000
    assert both[1] > 5
    assert any("exponent cannot be pinned down" in reason for reason in verdict.reasons)
    assert "would probably settle it, if the trend is real" in verdict.sentence


def test_what_would_settle_it_does():
    verdict = decide(
        _losses(np.full(7, 0.6), own=0.1), SIZES, sesoi=0.005, num_replicates=500, seed=1
    )
    assert verdict.name == "INDETERMINATE"
    assert verdict.settles is not None
    assert verdict.settles.assumption == "if there is no effect"
    assert verdict.settles.num_days is not None
    days = int(verdict.settles.num_days * 1.2)
    rng = np.random.default_rng(5)
    settled = 0
    for _ in range(10):
        daily = rng.standard_normal((7, 1, days)) * 0.1 + 0.03 * rng.standard_normal((7, 5, days))
        daily = 0.6 + daily + 0.001 * rng.standard_normal((7, 5, 1))
        again = decide(daily, SIZES, sesoi=0.005, num_replicates=300, settle=False)
        settled += again.name == "NO-LAW"
    assert settled >= 6


def test_too_few_or_too_close_sizes_never_make_a_law():
    three = decide(_losses(0.6 + 0.05 * _X[:3] ** -0.3), SIZES[:3], sesoi=0.005)
    assert three.name == "INDETERMINATE"
    assert "3 sizes identify no exponent" in three.sentence
    close = decide(_losses(0.6 + 0.05 * _X**-0.3), np.linspace(10, 30, 7), sesoi=0.005)
    assert close.name == "INDETERMINATE"
    assert "the sizes span ×3" in close.sentence


def test_sizes_may_come_in_any_order(law: Verdict):
    losses = _losses(0.6 + 0.05 * _X**-0.3)
    shuffled = np.array([3, 0, 6, 1, 5, 2, 4])
    verdict = decide(losses[shuffled], SIZES[shuffled], sesoi=0.005, num_replicates=500)
    assert verdict.exponent.value == pytest.approx(law.exponent.value)
    assert verdict.statement.sizes == law.statement.sizes


def test_a_table_is_read_like_an_array(law: Verdict):
    losses = _losses(0.6 + 0.05 * _X**-0.3)
    size, seed, day = np.meshgrid(SIZES, np.arange(5), np.arange(1000), indexing="ij")
    table = pl.DataFrame(
        {
            "parameters": size.ravel(),
            "seed": seed.ravel(),
            "day": day.ravel(),
            "loss": losses.ravel(),
        }
    )
    with pytest.raises(FinscaleError, match="a loss is positive") as refused:
        decide(table, sesoi=0.005)
    assert "signed=True" in str(refused.value.hint)
    # the days' luck takes some of these losses below zero
    verdict = decide(table, sesoi=0.005, num_replicates=500, signed=True, unit="nats")
    assert verdict.sentence == law.sentence


def test_without_daily_losses_nothing_is_decided_beyond_these_days():
    means = _losses(0.6 + 0.05 * _X**-0.3).mean(axis=2)
    options = {"sesoi": 0.005, "num_replicates": 300}
    verdict = decide(means, SIZES, **options)
    assert verdict.name == "INDETERMINATE"
    assert verdict.shows == "LAW"
    assert verdict.settles is None
    assert verdict.covariance.num_days == 0
    assert verdict.sentence.startswith("INDETERMINATE beyond these test days: without daily losses")
    assert "Of these days alone they show LAW: loss falls" in verdict.sentence
    assert "--no-shared-days" in verdict.sentence
    stated = decide(means, SIZES, **options, shared_days=False)
    assert stated.name == stated.shows == "LAW"
    assert "stated that runs of one size share no luck of the test days" in stated.sentence
    # one day is no sample of days
    one_day = decide(means[:, :, None], SIZES, **options)
    assert one_day.sentence == verdict.sentence
    flat = decide(means - means.mean(axis=1, keepdims=True), SIZES, **options)
    assert (flat.name, flat.shows) == ("INDETERMINATE", "NO-LAW")
    rng = np.random.default_rng(1)
    open_too = decide(0.6 + 0.01 * rng.standard_normal((7, 5)), SIZES, **options)
    assert open_too.shows == "INDETERMINATE"
    assert "Without daily losses the luck of the test days" in open_too.sentence


def test_days_that_runs_of_one_size_share_make_no_verdict():
    """TURNS was said in 19 % of worlds without an effect whose days were averaged away."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(10):
        of_size = 0.003 * rng.standard_normal((7, 1))
        means = 0.6 + of_size + 0.001 * rng.standard_normal((7, 5))
        found.append(decide(means, SIZES, sesoi=0.005, num_replicates=100, settle=False))
    assert {verdict.name for verdict in found} == {"INDETERMINATE"}
    assert {verdict.shows for verdict in found} != {"INDETERMINATE"}


def test_a_curve_that_no_form_describes_is_said():
    verdict = _decide(0.6 + 0.02 * np.array([0, 1, 0, 1, 0, 1, 0]))
    assert "no curve tried here describes the losses (p = .002)" in verdict.sentence
    # where the verdict stands all the same, as a caveat
    valley = 0.6 + np.array([0, -0.03, -0.025, -0.035, -0.025, -0.035, 0.01])
    verdict = _decide(valley)
    assert verdict.name == "TURNS"
    assert "No curve tried here describes the losses well (p = .002): several turns" in (
        verdict.sentence
    )


@pytest.mark.parametrize(
    "bumps",
    [[1, 0, 1, 0, 1, 0, 1], [1, 0, 1.3, 1, 0, 0.5, 1], [1, 0.9, 0, 0.95, 1.1, 0.1, 1]],
)
def test_several_valleys_are_no_best_size(bumps: list[float]):
    """A hump as high as an end parts them: the loss does not rise beyond the first."""
    verdict = _decide(0.6 + 0.03 * np.array(bumps))
    assert verdict.name == "INDETERMINATE"
    assert "several turns" in verdict.sentence


def test_a_level_start_before_a_valley_parts_nothing():
    bumps = np.array([0, -0.0005, 0.0005, -0.03, -0.05, -0.02, 0.02])
    assert _decide(0.6 + bumps).name == "TURNS"


def test_a_law_below_the_smallest_effect_says_so(law: Verdict):
    below = _decide(0.6 + 0.05 * _X**-0.3, sesoi=0.05)
    assert below.name == "LAW"
    assert "A law, and below what was said to matter: sizes differ by less than ±.05" in (
        below.sentence
    )
    assert "below what was said to matter" not in law.sentence


def test_differences_from_a_baseline_give_the_same_verdict(law: Verdict):
    losses = _losses(0.6 + 0.05 * _X**-0.3)
    paired = losses - losses.mean(axis=(0, 1)) - 1.0
    verdict = decide(paired, SIZES, sesoi=0.005, num_replicates=500)
    assert verdict.exponent.value == pytest.approx(law.exponent.value, rel=1e-6)
    assert verdict.gain.value == pytest.approx(law.gain.value)


def test_to_dict_is_json_and_complete(law: Verdict):
    content = json.loads(json.dumps(law.to_dict(), allow_nan=False))
    assert content["name"] == "LAW"
    assert content["statement"]["sesoi"] == 0.005
    assert len(content["covariance"]) == 7
    assert content["exponent"]["value"] == law.exponent.value


@pytest.mark.parametrize(
    ("losses", "sizes", "options", "message"),
    [
        (np.ones((4, 2, 5)), [1, 2, 3, 4], {}, "all losses are equal"),
        (np.ones((2, 2, 5)), [1, 2, 3], {}, "losses of 2 sizes need as many sizes"),
        (np.ones((2, 2, 5)), [1, 1], {}, "positive and each once"),
        (np.ones((1, 2, 5)), [1], {}, "two sizes or more"),
        (np.ones((2, 2, 5)), [0, 1], {}, "positive and each once"),
        (np.ones((2, 2, 5)), [1, 2], {"sesoi": 0.0}, "must be positive, not 0"),
        (np.array([[0.6, 0.6], [0.5, 0.5]]), [1, 2], {}, "1 and 2 differ by exactly the same in"),
    ],
)
def test_refuses(losses: np.ndarray, sizes: list[float], options: dict, message: str):
    with pytest.raises(FinscaleError, match=message):
        decide(losses, sizes, **({"sesoi": 0.01} | options))


def test_refuses_one_run_read_twice():
    losses = np.random.default_rng(0).standard_normal((4, 2, 50))
    losses[:, 1] = losses[:, 0]
    losses[2] = losses[1]
    with pytest.raises(FinscaleError, match="sizes 2 and 3 have the same loss"):
        decide(losses, [1, 2, 3, 4], sesoi=0.01)


@settings(max_examples=30, deadline=None)
@given(
    exponent=st.floats(0.1, 2.5),
    gain=st.floats(0.01, 10),
    level=st.floats(-5, 5),
    scale=st.floats(1, 1e6),
)
def test_a_noise_free_law_is_recovered(exponent: float, gain: float, level: float, scale: float):
    sizes = scale * np.array([1.0, 3, 10, 40, 100, 1000])
    curve = level + gain * (sizes / sizes[0]) ** -exponent
    fit = SizeAxis(tuple(sizes), 1536).fit(curve[None], np.eye(6)[None] * 1e-6).fall
    assert -fit.exponent_B[0] == pytest.approx(exponent, rel=0.005)
    np.testing.assert_allclose(fit.predict(sizes)[0], curve, atol=2e-3 * gain)


def test_shapes_run_from_zero_to_one_and_bend_as_their_exponent():
    x = np.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(shape(np.array(-1e-6), x, 1.0, 100.0), [0, 0.5, 1], atol=1e-5)
    np.testing.assert_allclose(shape(np.array(-1.0), x, 1.0, 100.0), [0, 0.9 / 0.99, 1])
    np.testing.assert_allclose(shape(np.array(1.0), x, 1.0, 100.0), [0, 9 / 99, 1])


def test_terminal(tmp_path: Path):
    import typer
    from typer.testing import CliRunner

    from finscale.cli.law_decide import decide as verb

    app = typer.Typer()
    app.command()(verb)
    means = _losses(0.6 + 0.05 * _X**-0.4 + 0.01 * _X**0.15).mean(axis=2)
    table = tmp_path / "runs.csv"
    size, seed = np.meshgrid(SIZES, np.arange(5), indexing="ij")
    columns = {"parameters": size.ravel(), "seed": seed.ravel(), "loss": means.ravel()}
    pl.DataFrame(columns).write_csv(table)
    words = [str(table), "--sesoi", "0.005", "--no-shared-days"]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("TURNS: loss falls to a least value at")
    assert "up to there" in shown.output
    quiet = CliRunner().invoke(app, [*words, "-q"])
    assert "whole gain" not in quiet.output
    as_json = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(as_json.stdout)["name"] == "TURNS"
    silent = json.loads(CliRunner().invoke(app, [*words[:-1], "--json"]).stdout)
    assert (silent["name"], silent["shows"]) == ("INDETERMINATE", "TURNS")
    pl.DataFrame(columns | {"loss": means.ravel() - 1}).write_csv(table)
    refused = CliRunner().invoke(app, words)
    assert "a loss is positive" in str(refused.exception)
    differences = CliRunner().invoke(app, [*words, "--signed"])
    assert differences.output.startswith("TURNS: loss falls to a least value at")


AUC = Measure("AUC", "", higher_is_better=True, best=1.0, many="AUCs")


def _rising(curve: np.ndarray, **options: object) -> Verdict:
    """Judge an AUC whose error falls along a curve."""
    values = 1 - _losses(curve)
    options = {"sesoi": 0.01, "num_replicates": 500} | options
    return decide(AUC.as_loss(values), SIZES, measure=AUC, **options)  # type: ignore[arg-type]


def test_an_outcome_that_rises_is_a_law_in_its_own_terms(law: Verdict):
    verdict = _rising(0.6 + 0.05 * _X**-0.3, sesoi=0.005)
    assert verdict.name == "LAW"
    assert verdict.improves
    assert (verdict.direction, law.direction) == ("rising", "falling")
    assert verdict.sentence.startswith(
        "LAW: AUC rises from 10k to 10M parameters as a power law with exponent"
    )
    assert "loss" not in verdict.sentence
    assert "nats" not in verdict.sentence
    # the same numbers as the loss that it is turned into
    assert verdict.gain.value == pytest.approx(law.gain.value)
    assert verdict.mean_G == pytest.approx(1 - law.mean_G)
    assert verdict.gain.value == pytest.approx(verdict.mean_G[-1] - verdict.mean_G[0])
    rise = f"the next tenfold would change it by {interval(verdict.next_tenfold)}."
    assert rise in verdict.sentence
    assert interval(negated(law.next_tenfold)) in law.sentence
    content = json.loads(json.dumps(verdict.to_dict()))
    assert content["statement"]["measure"]["title"] == "AUC"
    assert content["mean"] == verdict.mean_G.tolist()


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (0.6 - 0.05 * _X**-0.3, "INVERSE: AUC falls from 10k to 10M parameters, by .04"),
        (0.6 + 0.05 * _X**-0.4 + 0.01 * _X**0.15, "TURNS: AUC rises to a highest value at "),
        (np.full(7, 0.6), "NO-LAW: the gain in AUC from 10k to 10M parameters is "),
    ],
)
def test_every_verdict_speaks_of_the_outcome(curve: np.ndarray, said: str):
    verdict = _rising(curve)
    assert verdict.sentence.startswith(said)
    assert " loss" not in verdict.sentence
    if verdict.name == "TURNS":
        assert "parameters and falls beyond" in verdict.sentence


def test_an_open_verdict_names_the_outcome_too():
    verdict = _rising(0.6 + 0.004 * _X**-0.3, sesoi=0.001, settle=False)
    assert verdict.name == "INDETERMINATE"
    assert any(reason.startswith("AUC rises") for reason in verdict.reasons) or (
        "neither a fall nor a rise" in verdict.reasons[0]
    )
    assert "the gain in AUC from 10k" in verdict.sentence


def test_a_valley_whose_falling_side_has_single_seeds_is_still_judged():
    """A law up to the best size cannot be told there: it was a division by zero."""
    rng = np.random.default_rng(0)
    sizes = np.array([1e4, 2e4, 5e4, 1e5, 1e6, 3e6, 1e7])
    losses = 0.5 + (0.02 * (np.arange(7) - 3) ** 2 / 9)[:, None, None]
    losses = losses + 0.2 * rng.standard_normal((1, 1, 500))
    losses = (
        losses + 0.02 * rng.standard_normal((7, 1, 500)) + 0.001 * rng.standard_normal((7, 3, 1))
    )
    losses[:4, 1:] = np.nan
    found = decide(losses, sizes, sesoi=0.005, num_replicates=300)
    assert found.name == "TURNS"
