from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.errors import FinscaleError
from finscale.scaling.cost import CostModel, measure_flops
from finscale.scaling.law import Law, fit_law
from finscale.scaling.plan import plan

_A, _B, _ALPHA, _BETA = 4.0, 0.9, 0.4, 0.3


def _surface_table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = [
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 1e7, 6), np.geomspace(1e3, 1e6, 5))
    ]
    num, data = (np.repeat(axis, 3) for axis in sizes)
    loss = 0.5 + _A * num**-_ALPHA + _B * data**-_BETA + 2e-4 * rng.standard_normal(num.size)
    return {"parameters": num, "samples": data, "loss": loss}


@pytest.fixture(scope="module")
def surface() -> Law:
    return fit_law(_surface_table(), ("parameters", "samples"), num_replicates=200)


@pytest.fixture(scope="module")
def features() -> Law:
    size = np.array([20.0, 50, 100, 200, 500, 1000, 2000])
    rng = np.random.default_rng(1)
    loss = 0.6 + 0.3 * size[:, None, None] ** -0.5 + 0.05 * rng.standard_normal((7, 3, 500))
    grid = np.meshgrid(size, range(3), range(500), indexing="ij")
    columns = dict(zip(("features", "seed", "day"), (axis.ravel() for axis in grid), strict=True))
    return fit_law({**columns, "loss": loss.ravel()}, "features", num_replicates=200)


def test_the_best_size_is_hoffmanns(surface: Law):
    found = plan(surface, CostModel(1e9, price_per_hour=2.5), hours=2)
    products = 2 * 3600 * 1e9 / 6
    scale = (_ALPHA * _A / (_BETA * _B)) ** (1 / (_ALPHA + _BETA))
    closed_form = scale * products ** (_BETA / (_ALPHA + _BETA))
    assert found.num_parameters.value == pytest.approx(closed_form, rel=0.1)
    assert found.num_parameters.low <= closed_form * 1.05
    assert found.num_parameters.high >= closed_form * 0.95
    assert found.num_parameters.value * found.num_samples.value == pytest.approx(products, rel=1e-6)
    assert (found.seconds, found.price) == (pytest.approx(7200), pytest.approx(5.0))
    assert not found.limited_by_data
    # ten times the largest size measured, whatever the budget buys: what `law fit` says
    largest, samples = surface.table.x_nd.max(axis=0)
    true_gain = _A * largest**-_ALPHA * (1 - 10**-_ALPHA)
    assert found.gains[0].gain.value == pytest.approx(true_gain, rel=0.05)
    assert found.gains[0].gain.value == surface[f"gain_x10_{surface.form.axes[0]}"].value
    assert (found.gains[0].start, found.gains[1].start) == (largest, samples)
    assert found.gains[0].seconds == pytest.approx(6 * 10 * largest * samples / 1e9)
    assert found.gains[0].clears is None


def test_money_buys_the_hours_it_pays_for(surface: Law):
    by_time = plan(surface, CostModel(1e9, price_per_hour=2.5), hours=4)
    by_money = plan(surface, CostModel(1e9, price_per_hour=2.5), money=10)
    assert by_money.num_parameters == by_time.num_parameters
    assert "$10.00" in by_money.summary()


def test_data_run_out(surface: Law):
    found = plan(surface, CostModel(1e9), hours=10, max_samples=20_000)
    assert found.num_samples.value == 20_000
    free = plan(surface, CostModel(1e9), hours=10)
    assert free.loss.value < found.loss.value


def test_the_test_sets_noise_decides_what_can_be_seen(surface: Law, features: Law):
    found = plan(surface, CostModel(1e9), hours=1, noise=1e-6, also={"features": features})
    assert found.gains[0].clears
    assert plan(surface, CostModel(1e9), hours=1, noise=1.0).gains[0].clears is False
    tiers = plan(surface, CostModel(1e9), hours=1, also={"features": features}).gains[2]
    assert (tiers.axis, tiers.start, tiers.seconds) == ("features", 2000.0, None)
    # two sizes of three seeds that share nothing: the difference has variance 2 v / (3 · days),
    # and that noise, each run's own, is counted with the days and with the seeds
    assert tiers.detectable == pytest.approx(2.8 * 0.05 * np.sqrt(2 * 2 / 1500), rel=0.3)
    longer = plan(
        surface, CostModel(1e9), hours=1, also={"features": features}, test_days=50_000
    ).gains[2]
    assert longer.detectable < tiers.detectable
    assert (
        "below what the test set can see"
        in plan(surface, CostModel(1e9), hours=1, noise=1.0).summary()
    )


def test_one_axis_needs_the_samples(features: Law):
    table = {k: v for k, v in _surface_table().items() if k != "samples"}
    keep = _surface_table()["samples"] == 1e6
    law = fit_law({k: v[keep] for k, v in table.items()}, num_replicates=100)
    with pytest.raises(FinscaleError, match="how many samples a training sees is not known"):
        plan(law, CostModel(1e9), hours=1)
    found = plan(law, CostModel(1e9), hours=1, num_samples=1e5)
    # a falling law has no best size but the largest that can be paid
    assert found.num_parameters.value == pytest.approx(3600 * 1e9 / 6 / 1e5)
    assert found.gains[0].gain.value > 0


def test_repetition_is_worth_what_the_law_says():
    table = _surface_table()
    unique = np.minimum(table["samples"], 1e5)
    epochs = np.maximum(table["samples"] / 1e5, 1) - 1
    worth = np.minimum(table["samples"], 1e5) + 1e5 * 5 * (1 - np.exp(-epochs / 5))
    worth = np.where(table["samples"] <= 1e5, table["samples"], worth)
    loss = 0.5 + _A * table["parameters"] ** -_ALPHA + _B * worth**-_BETA
    law = fit_law(
        {**table, "unique": unique, "loss": loss},
        ("parameters", "samples", "unique"),
        form="data_constrained",
        drop_duplicates=True,  # sizes that the table has twice differ in nothing without noise
        num_replicates=50,
    )
    if law.identified:
        assert plan(law, CostModel(1e9), hours=1).loss.value > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the two"),
        ({"hours": 1, "money": 1}, "one of the two"),
        ({"money": 1}, "needs the price of an hour"),
        ({"hours": 0}, "must be positive, not 0 hours"),
    ],
)
def test_refuses_budgets_that_are_none(surface: Law, options: dict, message: str):
    with pytest.raises(FinscaleError, match=message):
        plan(surface, CostModel(1e9), **options)


def test_no_plan_rests_on_a_law_that_is_not_identified():
    rising = fit_law(
        {"parameters": [1e4, 1e5, 1e6, 1e7, 1e8], "loss": [0.5, 0.51, 0.52, 0.53, 0.54]},
        num_replicates=50,
    )
    with pytest.raises(FinscaleError, match="the law is not identified"):
        plan(rising, CostModel(1e9), hours=1, num_samples=1e5)


def test_speed_is_measured():
    assert measure_flops(seconds=0.05, utilization=1.0) > 1e8


def test_terminal(tmp_path: Path, features: Law):
    import typer

    from finscale.cli.plan import plan as verb

    app = typer.Typer()
    app.command()(verb)
    table = tmp_path / "runs.csv"
    pl.DataFrame(_surface_table()).write_csv(table)
    options = ["--x", "parameters", "--x", "samples", "--hours", "1", "--flops", "1e9"]
    options += ["--replicates", "100"]
    shown = CliRunner().invoke(app, [str(table), *options])
    assert shown.exit_code == 0, shown.output
    assert "speed     1e+09 FLOP/s (given)" in shown.output
    assert "×10       samples from" in shown.output
    content = json.loads(CliRunner().invoke(app, [str(table), *options, "--json"]).stdout)
    assert content["gains"][0]["axis"] == "parameters"
    wrong = CliRunner().invoke(app, [str(table), *options, "--also", "features"])
    assert "write COLUMN=FILE" in str(wrong.exception)
