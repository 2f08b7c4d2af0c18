from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from finscale.errors import FinscaleError
from finscale.scaling.settlement import Settlement, settlement
from finscale.scaling.simulation import simulate_verdicts
from finscale.scaling.verdict_power import StudyDesign, study_power

SIZES = tuple(np.geomspace(1e4, 1e7, 7))


def _design(**changes: float) -> StudyDesign:
    return StudyDesign(
        **({"sizes": SIZES, "num_seeds": 5, "num_days": 1500, "base_rate": 0.22} | changes)
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def power():
    return study_power(_design(), [0.0, 0.005, 0.05], num_replicates=400)


def test_error_rates_and_power_of_a_design(power):
    nothing, middling, large = power.rows
    assert nothing.rates["LAW"] <= 0.02
    assert nothing.rates["INVERSE"] <= 0.02
    assert nothing.rates["TURNS"] <= 0.06
    assert nothing.sees_fall == pytest.approx(0.05, abs=0.03)
    assert nothing.rates["NO-LAW"] > middling.rates["NO-LAW"]
    assert middling.sees_fall > 0.8
    assert large.rates["LAW"] > 0.9
    assert sum(large.rates.values()) == pytest.approx(1)


def test_the_smallest_gains_have_the_power_they_promise(power):
    assert power.smallest_fall < power.smallest_law
    check = study_power(
        power.design, [power.smallest_fall, power.smallest_law], num_replicates=1000, seed=7
    )
    assert check.rows[0].sees_fall == pytest.approx(0.83, abs=0.05)
    assert check.rows[1].rates["LAW"] == pytest.approx(0.83, abs=0.05)


def test_more_days_and_seeds_see_less():
    small = study_power(_design(), [], num_replicates=300).smallest_fall
    more = study_power(_design(num_days=6000, num_seeds=20), [], num_replicates=300).smallest_fall
    assert more == pytest.approx(small / 2, rel=0.15)


def test_day_noise_of_two_calibrated_models():
    """The daily variance of simulated binormal models' losses is what the design computes."""
    design = _design(base_rate=0.3, auc=0.65, correlation=0.8)
    rng = np.random.default_rng(0)
    spread = np.sqrt(2) * 0.3853204664  # the normal quantile of .65
    events = rng.random(400_000) < 0.3
    scores = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 400_000)
    logits = np.log(0.3 / 0.7) + spread * (scores + (events[:, None] - 0.5) * spread)
    losses = np.logaddexp(0, logits) - events[:, None] * logits
    difference = losses[:, 0] - losses[:, 1]
    assert difference.var() == pytest.approx(2 * design.day_variance, rel=0.12)


def test_simulated_verdicts_are_reproducible():
    design = _design()
    args = (design.sizes, design.covariance(), design.curve(0.01))
    first = simulate_verdicts(*args, sesoi=0.005, num_replicates=100, seed=3)
    again = simulate_verdicts(*args, sesoi=0.005, num_replicates=100, seed=3)
    np.testing.assert_array_equal(first.code_B, again.code_B)


def test_settlement_in_words():
    both = Settlement(None, None, (4321, 22), "if A")
    words = "About 4,400 test days and 22 seeds a size together would probably settle it, if A"
    assert str(both) == words
    either = Settlement(5234, 12, (1, 2), "if B")
    assert str(either) == "About 5,300 test days or 12 seeds a size would probably settle it, if B"
    nothing = str(Settlement(None, None, None, "if C"))
    assert nothing.startswith("Even a hundred times as many test days and seeds would probably not")


def test_days_settle_a_flat_study_whose_noise_is_the_days():
    design = _design(num_days=300, seed_noise=1e-4)
    found = settlement(design.sizes, design.covariance(), np.zeros(7), sesoi=0.005)
    assert found.num_days is not None
    assert found.num_seeds is None
    # two one-sided tests of the ends need 2.93 standard errors of their contrast inside the SESOI;
    # every pair of seven sizes needs about 1.7 times the days
    ends = 2 * design.day_variance * (2.93 / 0.005) ** 2
    assert found.num_days == pytest.approx(1.7 * ends, rel=0.15)
    enough = design.covariance().scaled(num_days=found.num_days, num_seeds=5)
    rates = simulate_verdicts(design.sizes, enough, np.zeros(7), sesoi=0.005, seed=9).rates()
    assert rates["NO-LAW"] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_rate": 1.0}, "base_rate = 1 is out of its range"),
        ({"auc": 0.5}, "auc = 0.5"),
        ({"num_seeds": 1}, "num_seeds = 1"),
        ({"sizes": (1.0, 2.0, 3.0)}, "at least four sizes"),
        ({"sizes": (1.0, 3.0, 2.0, 4.0)}, "in rising order"),
    ],
)
def test_refuses_designs_that_are_none(changes: dict, message: str):
    with pytest.raises(FinscaleError, match=message):
        _design(**changes)


@pytest.fixture(scope="module")
def app():
    import typer

    from finscale.cli.law_power import power

    app = typer.Typer()
    app.command()(power)
    return app


def test_terminal_prints_a_table_and_json(app):
    arguments = ["--days", "1500", "--base-rate", ".22", "--replicates", "100"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "sees a fall" in shown.output
    assert "With 80 % power this study sees a fall of ." in shown.output
    content = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert content["rows"][0]["gain"] == 0
    assert content["design"]["num_seeds"] == 5


def test_terminal_names_a_wrong_size(app):
    result = CliRunner().invoke(app, ["--days", "9", "--base-rate", ".2", "--sizes", "1k,many"])
    assert isinstance(result.exception, FinscaleError)
    assert "--sizes 1k,many: 'many' is not a size" in str(result.exception)


def test_no_gain_is_advertised_that_would_not_be_seen():
    """A law so steep that four sizes show one step: LAW was found in 7 % at what was promised."""
    design = StudyDesign(
        sizes=(1e4, 1e5, 1e6, 1e7), num_seeds=3, num_days=1000, base_rate=0.2, exponent=3.0
    )
    found = study_power(design, [0.0], num_replicates=200)
    assert found.smallest_law == np.inf
    assert 0 < found.smallest_fall < 0.1


def test_the_command_says_that_no_law_would_be_established():
    from finscale.cli.app import app

    words = "law power --days 1000 --base-rate .2 --sizes 10k,100k,1M,10M --seeds 3 --exponent 3"
    told = CliRunner().invoke(app, [*words.split(), "--replicates", "200"])
    assert told.exit_code == 0
    assert "would establish no law of exponent 3" in " ".join(told.output.split())
