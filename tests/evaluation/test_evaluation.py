"""A run judged from its predictions."""

import datetime as dt
import json
import math

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.evaluation.evaluation import evaluate
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import log_losses, probabilities
from finscale.evaluation.targets import TARGETS

NUM_TEST, NUM_VALIDATION = 520, 260


def run(
    seed: int = 0, skill: float = 0.8, bias: float = -1.0, num_symbols: int = 1
) -> pl.DataFrame:
    """Return one fold's predictions; targets depend on ``num_symbols`` only."""
    rng = np.random.default_rng(99)
    days = pl.date_range(dt.date(2015, 1, 1), dt.date(2018, 12, 31), eager=True)
    days = days.filter(days.dt.weekday() <= 5)[: NUM_VALIDATION + NUM_TEST]
    num_rows = len(days) * num_symbols
    truth = -1.0 + rng.standard_normal(num_rows)
    target = rng.random(num_rows) < probabilities(truth)
    noise = np.random.default_rng(seed).standard_normal(num_rows)
    return pl.DataFrame(
        {
            "date": np.repeat(days.to_numpy(), num_symbols),
            "symbol": [f"S{i}" for i in range(num_symbols)] * len(days),
            "fold": np.zeros(num_rows, np.int32),
            "split": np.repeat(
                ["validation", "test"], [NUM_VALIDATION * num_symbols, NUM_TEST * num_symbols]
            ),
            "target": target.astype(np.float32),
            "logit": bias + skill * (truth + 1) + 0.1 * noise,
        }
    )


def of(table: pl.DataFrame, target: str = "classification") -> Predictions:
    return Predictions(table, TARGETS[target])


def test_scores_skill_and_groups():
    model, constant = run(skill=1.0), run(skill=0.0)
    volatility = model.select("date", "symbol", volatility=pl.col("logit").abs())
    result = evaluate(
        of(model),
        {"base_rate": of(constant)},
        volatility=volatility,
        expected=NUM_TEST,
        num_replicates=200,
    )
    test, other = (x.filter(split="test") for x in (model, constant))
    gain = log_losses(other["target"], other["logit"]) - log_losses(test["target"], test["logit"])
    skill = result.metric("skill", over="base_rate")
    assert skill.value == pytest.approx(gain.mean(), rel=1e-12)
    assert 0 < skill.low < skill.value < skill.high
    assert (result.num_rows, result.num_days, result.collapsed) == (NUM_TEST, NUM_TEST, False)
    assert (result.first, result.last) == (test["date"].min(), test["date"].max())
    groups = result.scores.select("group", "label").unique(maintain_order=True).rows()
    assert groups == [
        ("all", "all"),
        ("year", "2015"),
        ("year", "2016"),
        ("year", "2017"),
        ("volatility", "calm"),
        ("volatility", "middle"),
        ("volatility", "turbulent"),
    ]


def test_a_tercile_is_a_third_of_the_test_rows():
    model = run()
    volatility = model.select("date", "symbol", volatility=pl.col("logit").abs())
    result = evaluate(of(model), volatility=volatility, num_replicates=0)
    rates = result.table("volatility").filter(score="base_rate")["value"]
    assert rates.mean() == pytest.approx(result.metric("base_rate").value, abs=0.002)
    calm = model.filter(split="test").sort(pl.col("logit").abs())[: NUM_TEST // 3]
    assert result.metric("base_rate", group="volatility", label="calm").value == pytest.approx(
        calm["target"].mean(), abs=0.005
    )


def test_the_operating_point_is_chosen_on_validation_alone():
    model = run(skill=1.0)
    rule = OperatingRule("top", 0.2)
    result = evaluate(of(model), rule=rule, num_replicates=0)
    validation = model.filter(split="validation")
    threshold = rule.threshold(validation["target"], validation["logit"])
    assert result.thresholds == {0: float(probabilities(threshold))}
    flagged = model.filter((pl.col("split") == "test") & (pl.col("logit") >= threshold))
    assert result.metric("precision").value == pytest.approx(flagged["target"].mean())
    assert result.metric("flagged").value == flagged.height / NUM_TEST
    # turning the test set upside down moves no threshold
    upside = model.with_columns(
        target=pl.when(pl.col("split") == "test").then(1 - pl.col("target")).otherwise("target")
    )
    assert evaluate(of(upside), rule=rule, num_replicates=0).thresholds == result.thresholds


def test_each_fold_has_its_own_threshold_and_line():
    second = run(1, bias=0.5).with_columns(
        fold=pl.lit(1, pl.Int32), date=pl.col("date").dt.offset_by("10y")
    )
    result = evaluate(of(pl.concat([run(), second])), num_replicates=0)
    assert set(result.thresholds) == {0, 1}
    assert result.thresholds[1] > result.thresholds[0] + 0.1
    assert result.table("fold")["label"].unique().sort().to_list() == ["0", "1"]


def test_without_validation_there_is_no_operating_point():
    result = evaluate(of(run().filter(split="test")), num_replicates=0)
    assert (result.rule, result.thresholds) == ("", {})
    with pytest.raises(KeyError):
        result.metric("precision")


def test_a_collapsed_run_is_flagged():
    assert evaluate(of(run(skill=0.0)), num_replicates=0).collapsed is False  # its noise is .1
    constant = run().with_columns(logit=pl.lit(-1.0))
    assert evaluate(of(constant), num_replicates=0).collapsed


def test_regression():
    model = run(skill=0.01, bias=0.0).with_columns(target=pl.col("logit") * 3)
    zero = of(model.with_columns(logit=pl.lit(0.0)), "regression")
    result = evaluate(of(model, "regression"), {"zero": zero})
    test = model.filter(split="test")
    error = (test["target"] - test["logit"]).to_numpy()
    assert result.metric("mae").value == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert result.metric("skill", over="zero").value == pytest.approx(
        (test["target"].to_numpy() ** 2 - error**2).mean(), rel=1e-6
    )
    assert result.sweep.is_empty()
    assert result.collapsed is False


def test_the_historical_mean_knows_only_labels_that_have_ended():
    """With H = 2, a label decided on day t is known at the close of day t + 2."""
    days = [dt.date(2020, 1, d) for d in range(1, 7)]
    predictions = pl.DataFrame(
        {
            "date": days,
            "symbol": "A",
            "fold": 0,
            "split": ["validation"] * 2 + ["test"] * 4,
            "target": [1.0, 3.0, 5.0, 100.0, 7.0, 9.0],
            "logit": 0.0,
        }
    )
    known = Predictions(predictions, TARGETS["regression"], horizon=2).known_mean
    assert known.tolist() == [1.0, 2.0, 3.0, 27.25]


def test_everything_becomes_json():
    result = evaluate(of(run()), num_replicates=50)
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert content["first"] == "2015-12-31"
    lowest = next(line for line in content["scores"] if line["score"] == "prediction_min")
    assert lowest["low"] is None  # a minimum has no bootstrap interval
    assert not math.isnan(lowest["value"])


def test_symbols_count_by_day():
    result = evaluate(of(run(num_symbols=4)), num_replicates=50)
    assert (result.num_rows, result.num_days) == (4 * NUM_TEST, NUM_TEST)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x: x.drop("fold"), "column fold is missing"),
        (lambda x: x.filter(split="validation"), "no row has split 'test'"),
        (lambda x: x.with_columns(logit=pl.lit(math.nan)), "no finite target or prediction"),
        (lambda x: x.with_columns(logit=pl.lit(None, pl.Float64)), "no finite target"),
        (lambda x: pl.concat([x, x]), "occurs twice"),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(damage, message):
    with pytest.raises(DataError, match=message):
        evaluate(of(damage(run())))


def test_missing_windows_are_noticed():
    with pytest.raises(DataError, match="519 windows were tested, 520 should have been"):
        evaluate(of(run()[:-1]), expected=NUM_TEST)


def test_a_baseline_on_other_windows_is_refused():
    with pytest.raises(DataError, match="base was tested on other windows: 519 against 520"):
        evaluate(of(run()), {"base": of(run()[:-1])})
    with pytest.raises(DataError, match="base was tested on other targets"):
        evaluate(of(run()), {"base": of(run().with_columns(target=1 - pl.col("target")))})


def test_volatility_must_cover_every_row():
    model = run()
    volatility = model.select("date", "symbol", volatility=pl.lit(1.0))[:-1]
    with pytest.raises(DataError, match="volatility is not given for every test row"):
        evaluate(of(model), volatility=volatility, num_replicates=0)
