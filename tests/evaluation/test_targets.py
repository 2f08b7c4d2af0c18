"""What can be predicted: each target's loss by hand, and which of them an experiment asks for."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.config import BaselineConfig, ExperimentConfig, TaskConfig, TrainingConfig
from finscale.config.training import LossName
from finscale.errors import DataError
from finscale.evaluation.evaluation import evaluate
from finscale.evaluation.operating import OperatingRule, operating_points
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import TARGETS, score_target, target_of

NUMBER = TaskConfig(name="regression")


def rows(target: list[float], **columns: list[float]) -> pl.DataFrame:
    """Return the same rows as validation and, later, as test."""
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(2 * len(target))]
    own = {name: [*values, *values] for name, values in columns.items()}
    parts = ["validation"] * len(target) + ["test"] * len(target)
    table = pl.DataFrame({"date": days, "split": parts, "target": [*target, *target], **own})
    return table.with_columns(symbol=pl.lit("A"), fold=pl.lit(0))


@pytest.mark.parametrize(
    ("task", "loss", "expected"),
    [
        (TaskConfig(), None, "classification"),
        (TaskConfig(), "focal", "classification"),
        (NUMBER, None, "regression"),
        (NUMBER, "huber", "regression"),
        (NUMBER, "quantile", "quantile"),
    ],
)
def test_the_task_decides_and_a_loss_that_asks_for_more(
    task: TaskConfig, loss: LossName | None, expected: str
) -> None:
    network = ExperimentConfig(task=task, training=TrainingConfig(loss=loss))
    assert target_of(network).name == expected
    # a baseline is not trained: whatever stands under training says nothing of it
    baseline = network.model_copy(update={"model": BaselineConfig(name="base_rate")})
    assert target_of(baseline).name == task.kind


def test_losses_by_hand() -> None:
    event = TARGETS["classification"].loss(rows([1.0, 0.0], logit=[0.0, 0.0]))
    assert event[:2] == pytest.approx([np.log(2)] * 2)
    number = TARGETS["regression"].loss(rows([1.0, -2.0], logit=[0.5, 0.0]))
    assert number[:2] == pytest.approx([0.25, 4.0])
    # y = 1: .1 · (1 - 0) and .9 · (1 - .5); y = -2: (1 - .1) · 2 and (1 - .9) · 2.5
    spread = rows([1.0, -2.0], logit=[0.0, 0.0])
    spread = spread.with_columns(**{"quantile_0.9": pl.lit(0.5), "quantile_0.1": pl.lit(0.0)})
    quantile = TARGETS["quantile"].loss(spread)
    assert quantile[:2] == pytest.approx([(0.1 + 0.45) / 2, (1.8 + 0.25) / 2])


def test_quantile_scores_by_hand() -> None:
    table = rows([1.0, -1.0, 0.2], logit=[0.0, 0.0, 0.1]).with_columns(
        **{"quantile_0.1": pl.lit(-0.5), "quantile_0.5": pl.col("logit"), "quantile_0.9": 2.0}
    )
    result = evaluate(Predictions(table, TARGETS["quantile"]), num_replicates=0)
    # .1: .15, .45, .07; .5: .5, .5, .05; .9: .1, .3, .18
    expected = (0.15 + 0.45 + 0.07 + 0.5 + 0.5 + 0.05 + 0.1 + 0.3 + 0.18) / 9
    assert result.metric("pinball").value == pytest.approx(expected)
    assert result.metric("coverage").value == pytest.approx(2 / 3)
    assert result.metric("mae").value == pytest.approx((1 + 1 + 0.1) / 3)
    assert result.kind == "quantile"
    assert result.thresholds == {}


def test_a_baseline_beside_quantiles_has_those_of_its_validation_errors() -> None:
    config = ExperimentConfig(
        task=NUMBER,
        training=TrainingConfig(loss="quantile", loss_options={"quantiles": (0.25, 0.75)}),
    )
    target = target_of(config)
    point = rows([0.0, 1.0, 2.0, 3.0, 4.0], logit=[1.0, 1.0, 1.0, 1.0, 1.0])
    completed = target.complete(point, config)
    # errors -1, 0, 1, 2, 3
    assert completed["quantile_0.25"].unique().to_list() == [1.0]
    assert completed["quantile_0.75"].unique().to_list() == [3.0]
    # what forecasts quantiles itself is left as it is
    assert target.complete(completed, config) is completed
    # test targets move nothing
    upside = point.with_columns(
        target=pl.when(pl.col("split") == "test").then(-pl.col("target")).otherwise("target")
    )
    again = target.complete(upside, config)
    assert again["quantile_0.75"].equals(completed["quantile_0.75"])
    with pytest.raises(DataError, match="fold 0 has no validation rows"):
        target.complete(point.filter(split="test"), config)


def test_quantiles_that_are_not_there_are_missed() -> None:
    with pytest.raises(DataError, match="these predictions have no quantiles"):
        evaluate(Predictions(rows([1.0, 2.0], logit=[0.0, 0.0]), TARGETS["quantile"]))
    broken = rows([1.0, 2.0], logit=[0.0, 0.0]).with_columns(**{"quantile_0.5": float("nan")})
    with pytest.raises(DataError, match="no finite target or prediction"):
        Predictions(broken, TARGETS["quantile"])


def test_a_table_of_results_tells_its_target() -> None:
    assert score_target(["run_id", "log_loss", "auc"]).name == "classification"
    assert score_target(["rmse", "mae", "pinball"]).name == "regression"
    assert score_target(["pinball", "coverage"]).name == "quantile"
    with pytest.raises(DataError, match="no score"):
        score_target(["run_id"])


def test_the_sign_of_a_number_decides() -> None:
    table = rows([1.0, -1.0], logit=[0.3, -0.2])
    assert operating_points(Predictions(table, TARGETS["regression"]), OperatingRule()) == {0: 0.0}


def test_every_target_names_scores_that_it_has() -> None:
    for target in TARGETS.values():
        assert {target.first, target.second, *target.card} <= set(target.scores)
