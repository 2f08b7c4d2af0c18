"""Loss along the steps of runs: rows of one run are not runs."""

import json

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError, FinscaleError
from finscale.scaling import fit_learning_curves
from finscale.scaling.learning_curve import MOST_POINTS


def curve(seed=0, *, points=80, correlation=0.9, alpha=0.4, noise=0.003):
    """Return steps and losses whose errors move together."""
    rng = np.random.default_rng(seed)
    step = np.geomspace(100, 1e5, points)
    normal = rng.standard_normal(points)
    error = normal.copy()
    for i in range(1, points):
        error[i] = correlation * error[i - 1] + np.sqrt(1 - correlation**2) * normal[i]
    return {"step": step, "loss": 0.5 + 5 * step**-alpha + noise * error}


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_interval_of_one_run_holds(correlation):
    held = 0
    for seed in range(12):
        run = fit_learning_curves(curve(seed, correlation=correlation), num_replicates=80).curves[0]
        low, high = run.intervals["alpha"]
        held += low <= 0.4 <= high
    assert held >= 10  # of 12; by blocks of residuals it is 8 where they are correlated


def test_correlated_rows_are_worth_few():
    alone = fit_learning_curves(curve(correlation=0.0)).curves[0]
    together = fit_learning_curves(curve(correlation=0.95)).curves[0]
    assert alone.errors.num_effective > 40
    assert together.errors.num_effective < 20
    assert np.ptp(together.intervals["alpha"]) > 1.5 * np.ptp(alone.intervals["alpha"])


def test_several_runs_are_one_number_each():
    parts = [
        pl.DataFrame(curve(seed, alpha=alpha)).with_columns(pl.lit(f"r{seed}").alias("run"))
        for seed, alpha in enumerate((0.38, 0.40, 0.42, 0.40))
    ]
    found = fit_learning_curves(pl.concat(parts), group="run", num_replicates=50)
    assert [one.name for one in found.curves] == ["r0", "r1", "r2", "r3"]
    exponents = np.array([one.exponent for one in found.curves])
    assert found.mean == pytest.approx(exponents.mean())
    reach = 3.182446 * exponents.std(ddof=1) / 2
    assert found.interval == pytest.approx((found.mean - reach, found.mean + reach))
    text = found.summary()
    assert "rows of one run are one training, not many" in text
    assert "over runs" in text
    assert max(map(len, text.splitlines())) <= 100
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(content["runs"]) == 4
    assert content["caveat"].startswith("rows of one run")


def test_one_run_has_no_interval_over_runs():
    found = fit_learning_curves(curve(), num_replicates=50)
    assert np.isnan(found.interval).all()
    assert "over runs    " not in found.summary()


def test_two_runs_in_one_are_refused():
    table = {name: np.concatenate([value, value]) for name, value in curve().items()}
    with pytest.raises(DataError, match="step 100 stands in rows 1 and 81") as caught:
        fit_learning_curves(table)
    assert "--group" in str(caught.value)


def test_what_is_left_out_is_counted():
    table = pl.DataFrame(curve(points=60))
    before = pl.DataFrame({"step": [0.0, 1.0, 2.0], "loss": [9.0, 8.0, 7.5]})
    empty = pl.DataFrame({"step": [150.0, 250.0], "loss": [None, None]}).cast(pl.Float64)
    found = fit_learning_curves(pl.concat([before, table, empty]), skip=50, num_replicates=50)
    assert found.notes == (
        "2 rows without a loss are left out",
        "1 rows at step 0 are left out: a power law has no value there",
        "2 rows up to step 50 are skipped",
    )
    assert found.curves[0].num_rows == 60


def test_long_runs_are_averaged():
    step = np.arange(1.0, 20_001)
    found = fit_learning_curves({"step": step, "loss": 0.5 + 5 * step**-0.4}, num_replicates=50)
    assert len(found.curves[0].x_n) <= MOST_POINTS
    assert found.curves[0].num_rows == 20_000
    assert found.mean == pytest.approx(0.4, abs=0.01)
    assert "averaged to" in found.notes[0]


def test_a_run_that_tells_nothing_says_why():
    flat = {"step": np.geomspace(1, 100, 12), "loss": np.full(12, 0.7)}
    found = fit_learning_curves(flat, num_replicates=50)
    assert np.isnan(found.mean)
    assert "every loss is the same" in found.summary()
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"form": "hoffmann"}, FinscaleError, "a learning curve has one"),
        ({"along": "steps_done"}, DataError, "steps_done"),
        ({"skip": 1e9}, DataError, "no row is left"),
        ({"y": "step"}, DataError, "one column twice"),
    ],
)
def test_refusals(change, error, reason):
    with pytest.raises(error, match=reason):
        fit_learning_curves(curve(), **change)


def test_a_diverged_step_is_named():
    table = curve(points=20)
    table["loss"][7] = np.inf
    with pytest.raises(DataError, match="loss is inf in row 8"):
        fit_learning_curves(table)


def chart(tmp_path, names=("run-a", "gru - wide"), metric="val/loss"):
    """Return the CSV that W&B's button "export" below a chart writes."""
    rng = np.random.default_rng(0)
    step = np.arange(100, 4001, 100)
    columns = {"Step": step}
    for i, name in enumerate(names):
        loss = 1.5 + 5 * step**-0.4 + 0.001 * rng.standard_normal(40)
        own = [None if at >= 40 - 4 * i else value for at, value in enumerate(loss.tolist())]
        for what, values in ((metric, own), ("_step", step.tolist())):
            columns |= {f"{name} - {what}{end}": values for end in ("", "__MIN", "__MAX")}
    path = tmp_path / "chart.csv"
    pl.DataFrame(columns).write_csv(path)
    return path


def test_the_export_of_a_chart_has_a_column_a_run(tmp_path):
    path = chart(tmp_path)
    found = fit_learning_curves(path, "Step", "val/loss", group="Name", num_replicates=60)
    assert [one.name for one in found.curves] == ["run-a", "gru - wide"]
    assert found.mean == pytest.approx(0.4, abs=0.02)
    assert any("a chart's export of 2 runs" in note for note in found.notes)
    with pytest.raises(DataError, match="are these two runs"):
        fit_learning_curves(path, "Step", "val/loss")
    single = fit_learning_curves(path, "Step", "run-a - val/loss", num_replicates=60)
    assert len(single.curves) == 1
    assert not any("chart" in note for note in single.notes)


def test_a_dash_in_a_name_makes_no_chart(tmp_path):
    step = np.geomspace(100, 1e4, 20)
    path = tmp_path / "plain.csv"
    pl.DataFrame({"step": step, "my - loss": 1.5 + 5 * step**-0.4}).write_csv(path)
    found = fit_learning_curves(path, "step", "my - loss", num_replicates=60)
    assert len(found.curves) == 1
