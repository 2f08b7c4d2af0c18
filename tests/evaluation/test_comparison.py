"""Models against each other."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.evaluation.comparison import compare
from finscale.evaluation.inference import delong, diebold_mariano
from finscale.evaluation.multiple import holm
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import log_losses, probabilities
from finscale.evaluation.targets import TARGETS

NUM_DAYS = 400


def model(skill: float, seed: int = 0) -> pl.DataFrame:
    """Return predictions of skill 0 to 1; targets are the same for all."""
    rng = np.random.default_rng(7)
    truth = 1.5 * rng.standard_normal(NUM_DAYS)
    target = rng.random(NUM_DAYS) < probabilities(truth)
    noise = np.random.default_rng(seed + 100).standard_normal(NUM_DAYS)
    return pl.DataFrame(
        {
            "date": [dt.date(2015, 1, 1) + dt.timedelta(days=i) for i in range(NUM_DAYS)],
            "symbol": "A",
            "fold": 0,
            "split": "test",
            "target": target.astype(np.float32),
            "logit": skill * truth + 0.1 * noise,
        }
    )


def checked(
    models: dict[str, pl.DataFrame], target: str = "classification"
) -> dict[str, Predictions]:
    return {name: Predictions(table, TARGETS[target]) for name, table in models.items()}


def pick(pairs: pl.DataFrame, **where: str) -> dict:
    return pairs.filter(**where).row(0, named=True)


def test_pairs_carry_the_tests_they_name():
    models = {"good": model(1.0), "weak": model(0.3, 1), "none": model(0.0, 2)}
    result = compare(checked(models), num_replicates=300)
    assert result.pairs.height == 3 * 4
    y, first, second = (
        x.to_numpy()
        for x in (models["good"]["target"], models["good"]["logit"], models["none"]["logit"])
    )
    line = pick(result.pairs, first="good", second="none", test="diebold_mariano")
    outside = diebold_mariano(np.arange(NUM_DAYS), log_losses(y, first), log_losses(y, second))
    assert line["value"] == pytest.approx(outside.difference.value)
    assert line["p_value"] == pytest.approx(outside.p_value)
    line = pick(result.pairs, first="good", second="none", test="delong")
    assert line["p_value"] == pytest.approx(delong(y, first, second).p_value)
    assert line["score"] == "auc"
    family = result.pairs.filter(test="delong")
    assert family["holm"].to_list() == pytest.approx(holm(family["p_value"].to_numpy()).tolist())
    assert (result.pairs["holm"] >= result.pairs["benjamini_hochberg"] - 1e-12).all()
    assert result.confidence.members == ("good",)


def test_two_models_need_no_confidence_set():
    result = compare(checked({"a": model(1.0), "b": model(1.0, 1)}), num_replicates=300)
    assert result.confidence is None
    assert pick(result.pairs, score="loss", test="bootstrap")["p_value"] > 0.05


def test_numbers_are_compared_by_squared_errors():
    exact = model(1.0).with_columns(logit=pl.col("target").cast(pl.Float64))
    models = checked({"exact": exact, "zero": model(0.0)}, "regression")
    result = compare(models, num_replicates=100)
    assert result.pairs["score"].unique().to_list() == ["loss"]
    line = pick(result.pairs, test="diebold_mariano")
    assert line["value"] < 0
    assert line["p_value"] < 1e-6


def test_other_windows_are_refused():
    with pytest.raises(DataError, match="b was tested on other windows"):
        compare(checked({"a": model(1.0), "b": model(1.0)[:-5]}))


def test_models_that_predict_different_things_are_refused():
    models = {**checked({"a": model(1.0)}), **checked({"b": model(1.0)}, "regression")}
    with pytest.raises(DataError, match="b predicts a number, predictions a yes or no"):
        compare(models)


def test_more_than_ten_models_are_compared_with_the_best():
    models = checked({str(i): model(i / 11, i) for i in range(11)})
    result = compare(models, checked({"flat": model(0.0, 50)}), num_replicates=200)
    assert result.best == "10"
    assert set(result.pairs["first"]) == {"10"}
    assert result.pairs["second"].n_unique() == 10
    assert set(zip(result.pairs["score"], result.pairs["test"], strict=True)) == {
        ("loss", "diebold_mariano"),
        ("loss", "bootstrap"),
        ("auc", "delong"),
    }
    family = result.pairs.filter(test="diebold_mariano")
    assert family["holm"].to_list() == pytest.approx(holm(family["p_value"].to_numpy()).tolist())
    assert set(result.confidence.p_values) == set(models)
    assert "10" in result.superior["flat"].better
    ten = compare({name: models[name] for name in list(models)[1:]}, num_replicates=100)
    assert ten.best is None
    assert ten.pairs.height == 45 * 4


def test_one_event_leaves_the_losses_to_be_compared():
    """The AUC needs two; all tests were lost with it."""
    once = pl.Series([1.0] + [0.0] * (NUM_DAYS - 1), dtype=pl.Float32)
    models = {name: model(skill).with_columns(target=once) for name, skill in (("a", 1), ("b", 0))}
    found = compare(checked(models), num_replicates=100)
    assert found.pairs["score"].unique().to_list() == ["loss"]
