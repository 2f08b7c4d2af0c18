"""A run put to use: its stored test predictions again, the newest row, warnings, refusals."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import finscale as fs
from finscale.data import fetch_bars
from finscale.errors import DataError, FinscaleError
from finscale.evaluation.conformal import prediction_sets
from finscale.evaluation.losses import probabilities
from finscale.experiment.forecasting import forecast
from finscale.experiment.input_warnings import beyond_training
from finscale.experiment.new_bars import new_bars_from_frame, new_bars_of
from finscale.models import ARCHITECTURES
from finscale.runs import RunStore

pytestmark = pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")

QUANTILES = ("task.name=regression", "training.loss=quantile")


@pytest.fixture
def run(desk):
    return desk()


def _stored_again(run, column: str) -> float:
    """Return the largest difference of predictions from the stored ones of validation and test."""
    found = run.predict(calibration="none").table
    stored = run.predictions()
    assert len(stored) > 200
    both = stored.join(found, on=("date", "symbol"), suffix="_again")
    assert len(both) == len(stored)
    stored_name = column if column.startswith("quantile") else "logit"
    again = f"{column}_again" if f"{column}_again" in both.columns else column
    return float((both[stored_name] - both[again]).abs().max())


@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_every_architecture_says_of_the_test_windows_what_it_has_stored(desk, kind) -> None:
    run = desk(f"model.kind={kind}")
    assert run.config.network.linear_path == "frozen"
    assert _stored_again(run, "logit") < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        ("model.linear_path=none", "data.inputs=level"),
        ("model.linear_path=fitted", "data.inputs=both"),
        ("data.memory_map=true",),
        ("data.timescale=2d", "task.horizon=2"),
    ],
    ids=["levels", "both", "mapped", "two days"],
)
def test_so_does_every_kind_of_input(desk, settings) -> None:
    assert _stored_again(desk(*settings), "logit") < 1e-5


@pytest.mark.parametrize("kind", ["patchtst", "dlinear", "gru"])
def test_numbers_come_again_with_an_interval(desk, kind) -> None:
    run = desk("task.name=regression", f"model.kind={kind}")
    assert _stored_again(run, "value") < 1e-5
    table = run.predict(last=3).table
    half = table["high"] - table["value"]
    assert (half > 0).all()
    assert half.n_unique() == 1 or float(half.max() - half.min()) < 1e-12


@pytest.mark.parametrize("kind", ["patchtst", "dlinear", "gru"])
def test_quantiles_come_again(desk, kind) -> None:
    run = desk(*QUANTILES, f"model.kind={kind}")
    for name in ("quantile_0.1", "quantile_0.5", "quantile_0.9"):
        assert _stored_again(run, name) < 1e-5
    table = run.predict(last=2).table
    assert table["value"].equals(table["quantile_0.5"].rename("value"))


def test_baselines_are_fitted_again_and_say_the_same(desk, run) -> None:
    from finscale.judging.scoring import baseline_run

    fitted = baseline_run(run, "logistic", RunStore(run.folder.parent))
    assert _stored_again(fs.load_run(fitted), "logit") < 1e-6


def test_the_newest_row_has_no_label_and_is_predicted(desk, run) -> None:
    found = run.predict(last=2)
    assert found.table["date"].to_list() == [dt.date(2018, 12, 28), dt.date(2018, 12, 31)]
    assert found.table["part"].to_list() == ["test", "new"]
    assert found.label == (
        "decided at the close of 2018-12-31 (t): yes if the high of t+1 ≥ close·1.01; "
        "t+1 is 2019-01-02"
    )
    assert found.question.startswith("whether the high of the next bar reaches +1 %")
    facts = found.to_dict()
    assert facts["runs"][0]["id"] == run.id
    assert facts["runs"][0]["data"][0]["sha256"] == run.info["data"][0]["sha256"]
    assert facts["data"][0]["sha256"] == run.data.bars_entry("MINI").sha256


def test_rows_belong_to_the_part_that_the_run_had_them_in(run) -> None:
    table = run.predict().table
    assert set(table["part"]) == {"train", "validation", "test", "new"}
    counted = dict(table.group_by("part").len().iter_rows())
    assert counted["test"] == len(run.decisions("test"))
    assert counted["new"] == 1


def test_probabilities_are_calibrated_on_validation_and_sets_are_mapies(run) -> None:
    from finscale.evaluation.calibrators import fit_calibrator

    validation = run.predictions("validation")
    platt = fit_calibrator("platt", validation["target"], validation["logit"])
    table = run.predict(last=60).table
    expected = platt(table["logit"])
    np.testing.assert_allclose(table["probability"], probabilities(expected), atol=1e-9)
    np.testing.assert_allclose(table["uncalibrated"], probabilities(table["logit"]))
    sets = prediction_sets(validation["target"], platt(validation["logit"]), expected)
    words = np.array(["none", "no", "yes", "yes or no"])[sets @ [1, 2]]
    assert table["set"].to_list() == words.tolist()


def test_the_test_part_is_not_read(desk, tmp_path) -> None:
    run = desk()
    before = len(run.test_readings())
    run.predict(last=1)
    assert len(run.test_readings()) == before


def test_a_frame_of_polars_and_of_pandas_says_the_same_as_the_store(desk, run) -> None:
    bars = desk.bars.adjusted()
    stored = run.predict(last=5).table
    assert run.predict(bars, last=5).table.equals(stored)
    named = bars.to_pandas().drop(columns="symbol").rename(columns=str.title)
    assert run.predict(named, last=5).table.equals(stored)
    assert run.predict(named.set_index("Date"), last=5).table.equals(stored)
    # pandas leaves the dates of a CSV as text
    text = named.assign(Date=named["Date"].astype(str))
    assert run.predict(text, last=5).table.equals(stored)
    assert run.predict(text.assign(Date=text["Date"] + " 00:00:00"), last=5).table.equals(stored)


def test_a_frame_of_yfinance_has_its_ticker_above_or_below_the_names(desk, run) -> None:
    bars = desk.bars.adjusted()
    stored, symbol = run.predict(last=5).table, bars["symbol"][0]
    plain = bars.drop("symbol").to_pandas().rename(columns=str.title).set_index("Date")
    for pairs in ([(name, symbol) for name in plain], [(symbol, name) for name in plain]):
        frame = plain.set_axis(pd.MultiIndex.from_tuples(pairs), axis=1)
        assert run.predict(frame, last=5).table.equals(stored)
    two = pd.concat({"AAA": plain, "BBB": plain}, axis=1)
    with pytest.raises(DataError, match="are of several tickers: AAA, BBB"):
        run.predict(two)


def test_a_frame_with_an_adjusted_close_is_adjusted_by_it(desk, run) -> None:
    bars = desk.bars.adjusted()
    doubled = bars.with_columns(
        adj_close="close", **{name: pl.col(name) * 2 for name in ("open", "high", "low", "close")}
    )
    stored = run.predict(last=3).table["probability"].to_numpy()
    np.testing.assert_allclose(run.predict(doubled, last=3).table["probability"], stored, rtol=1e-6)


def test_one_more_bar_is_one_more_row_and_changes_none_before_it(desk, run) -> None:
    bars = desk.bars.adjusted()
    before, after = run.predict(bars[:-1]).table, run.predict(bars).table
    assert len(after) == len(before) + 1
    assert before["logit"].equals(after["logit"][:-1])


def test_the_model_is_in_eval_mode_and_leaves_the_generator_alone(run) -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    model = run.model()
    assert torch.rand(1) == expected
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == run.info["parameters"]["total"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bars: bars.drop("volume"), "has no column volume"),
        (lambda bars: bars[::-1], "does not come after the one before it"),
        (lambda bars: bars[-150:], "needs more than 199"),
        (lambda bars: bars[-210:], "a window takes 24"),
        (lambda bars: bars.with_columns(close=0.0), "close is 0.0 on"),
        (lambda bars: bars.rename({"close": "last"}), "has no column close"),
        (lambda bars: pl.concat([bars, bars[-1:]]), "does not come after the one before it"),
        (
            lambda bars: bars.with_columns(close=pl.lit("much")),
            "close is String and cannot be read",
        ),
        (
            lambda bars: bars.with_columns(pl.col("date").dt.strftime("%d.%m.%Y")),
            "date is String and cannot be read as Date, every cell as 2024-01-31",
        ),
        (lambda bars: bars.to_dicts(), "polars or pandas frame, not as list"),
    ],
)
def test_bars_that_cannot_be_used_are_refused(desk, run, change, words) -> None:
    with pytest.raises(DataError, match=words):
        run.predict(change(desk.bars.adjusted()))


def _warned(run, bars, **options) -> str:
    return "\n".join(run.predict(bars, last=1, **options).warnings)


def test_inputs_that_leave_the_range_of_training_are_named(desk, run) -> None:
    bars = desk.bars.adjusted()
    crash = bars.with_columns(
        low=pl.when(pl.col("date") == bars["date"][-1]).then(pl.col("low") * 0.5).otherwise("low"),
        volume=pl.when(pl.col("date") == bars["date"][-1])
        .then(pl.col("volume") * 1000)
        .otherwise("volume"),
    )
    said = _warned(run, crash)
    assert "outside the range of training" in said
    assert "rel_low" in said
    assert "cut at the linear path's bound" in said
    beyond = run.predict(crash, last=1).facts["beyond"]["MINI"]
    assert {"rel_low", "rel_volume"} <= set(beyond["outside"])
    assert beyond["share"] > 0
    (stored,) = new_bars_of(run, run.data)
    rows = stored.rows(run.config.data, run.data)
    found = beyond_training(run, rows, rows.height - 23)
    trained_N = (rows["date"] <= dt.date(2016, 12, 1)).to_numpy()[23:]
    assert trained_N.sum() > 300
    assert not found.outside_NK[trained_N].any()
    assert found.outside_NK[~trained_N].any()


def test_old_bars_another_symbol_and_short_histories_are_named(desk, run) -> None:
    bars = new_bars_of(run, run.data)
    old = forecast([run], bars, last=1, now=dt.datetime(2019, 1, 31, 23, tzinfo=dt.UTC))
    assert "the newest bar is of 2018-12-31, 21 sessions of XNYS ago" in old.warnings[0]
    fresh = forecast([run], bars, last=1, now=dt.datetime(2019, 1, 2, 23, tzinfo=dt.UTC))
    assert not any("ago" in warning for warning in fresh.warnings)
    early = forecast([run], bars, last=1, now=dt.datetime(2018, 12, 31, 15, tzinfo=dt.UTC))
    assert "the session of 2018-12-31 is not over" in early.warnings[0]
    other = desk.bars.adjusted().with_columns(symbol=pl.lit("OTHER"))
    found = run.predict(other, last=1)
    assert "trained on MINI, not on OTHER" in "\n".join(found.warnings)
    assert found.table["part"].to_list() == ["other symbol"]
    assert "columns carry on from the first bar" in _warned(run, desk.bars.adjusted()[-400:])
    assert "9,999 rows were asked for" in "\n".join(run.predict(last=9_999).warnings)


def test_gaps_and_another_adjustment_are_named(desk, run) -> None:
    (bars,) = new_bars_of(run, run.data)
    holed = replace(bars, frame=pl.concat([bars.frame[:-10], bars.frame[-8:]]), adjustment="raw")
    said = "\n".join(forecast([run], [holed], last=1).warnings)
    assert "2 sessions of XNYS have no bar, 2018-12-17 – 2018-12-18 (2 sessions)" in said
    assert "adjusted as raw, those of training as split" in said


def test_a_control_says_that_it_says_nothing(desk) -> None:
    run = desk("task.control=permuted")
    assert "its labels were permuted" in run.predict(last=1).warnings[0]


def test_a_mean_of_seeds_is_the_mean_of_their_calibrated_probabilities(desk) -> None:
    runs = [desk(), desk("seed=1")]
    found = forecast(runs, new_bars_of(runs[0], runs[0].data), last=4)
    own = [run.predict(last=4).table["probability"] for run in runs]
    np.testing.assert_allclose(found.table["probability"], (own[0] + own[1]) / 2)
    for run, probability in zip(runs, own, strict=True):
        np.testing.assert_allclose(found.table[f"run_{run.id[:8]}"], probability)
    with pytest.raises(DataError, match="differ in task"):
        forecast([runs[0], desk("task.name=regression", "model.kind=dlinear")], [], last=1)


def test_a_run_of_an_earlier_version_is_predicted_from_its_data(desk, run, tmp_path) -> None:
    old = tmp_path / run.id
    shutil.copytree(run.folder, old)
    tensors = load_file(old / "model.safetensors")
    with safe_open(old / "model.safetensors", framework="pt") as file:
        assert set(file.metadata()) == {"inputs"}
    kept = {n: t for n, t in tensors.items() if n not in ("input_low", "input_high")}
    save_file(kept, old / "model.safetensors")
    again = fs.load_run(str(old))
    assert again.predict(last=3).table.equals(run.predict(last=3).table)
    elsewhere = fs.load_run(str(old), data_root=tmp_path / "empty")
    found = elsewhere.predict(desk.bars.adjusted(), last=3)
    assert found.table["probability"].equals(run.predict(last=3).table["probability"])
    assert "whether the inputs leave that range is not known" in "\n".join(found.warnings)


def test_a_run_that_was_stored_years_ago_says_what_it_said(tmp_path) -> None:
    from pathlib import Path

    folder = Path(__file__).parents[1] / "runs" / "old_run" / "aa0d9eeac3261ec4"
    run = fs.load_run(str(folder), data_root=tmp_path)
    bars = fetch_bars("bundled", "SP500").adjusted()
    found = run.predict(bars).table
    stored = pl.read_parquet(folder / "predictions.parquet")
    both = stored.join(found, on=("date", "symbol"), suffix="_again")
    assert len(both) == len(stored)
    assert float((both["logit"] - both["logit_again"]).abs().max()) < 1e-5


def test_what_has_no_weights_is_refused(run, tmp_path) -> None:
    folder = tmp_path / run.id
    shutil.copytree(run.folder, folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(FinscaleError, match="cannot be read"):
        fs.load_run(str(folder)).predict(last=1)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FinscaleError, match="has no weights"):
        fs.load_run(str(folder)).model()


def test_unknown_runs_are_refused_with_the_nearest(run) -> None:
    store = run.folder.parent
    wrong = ("0" if run.id[3] != "0" else "1").join([run.id[:3], ""])
    with pytest.raises(FinscaleError, match="no run in"):
        fs.load_run(wrong + "zz", runs=store)
    assert fs.load_run(run.id[:8], runs=store).id == run.id


def test_several_symbols_of_a_frame_are_told_apart(desk) -> None:
    bars = desk.bars.adjusted()
    both = pl.concat([bars, bars.with_columns(symbol=pl.lit("TWO"))])
    assert [one.symbol for one in new_bars_from_frame(both)] == ["MINI", "TWO"]
    with pytest.raises(DataError, match="has no bars of NONE"):
        new_bars_from_frame(both, "NONE")
