"""Every leak is planted in data that are clean without it, and must be caught and named."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from finscale.audit import Fitted, audit
from finscale.config import SplitConfig, TaskConfig
from finscale.data import Bars, DataStore, FinancialDataset, Split, fetch_bars
from finscale.features import build_dataset, compute_features

CLOSE = pl.col("close")


def caught(certificate, check: str, *words: str) -> None:
    """Assert that the leak is found by the check that should, and by its name."""
    findings = [text for name, text in certificate.findings if name == check]
    assert findings, str(certificate)
    assert not certificate.clean
    for word in words:
        assert word in findings[0]


OWN = {
    "centred_mean": CLOSE.rolling_mean(5, center=True),
    "z_score": (CLOSE - CLOSE.mean()) / CLOSE.std(),
    "back_filled": CLOSE.rolling_mean(50).fill_null(strategy="backward"),
    "weekly_close": CLOSE.last().over(pl.col("date").dt.truncate("1w")),
}


@pytest.mark.parametrize("name", OWN)
def test_a_users_feature_that_looks_ahead(name, case):
    values = case.bars.select(OWN[name]).to_series().fill_null(float("nan"))
    # the centred mean lacks its last two values, as it would in a user's table
    case.frame = case.frame.with_columns(values.alias(name))[:2498]
    case.options["features"] = {name: OWN[name]}
    caught(case.certify("causality"), "causality", f"{name} sees the future: row")


def test_a_declared_column_that_was_shifted(case):
    case.frame = case.frame.with_columns(pl.col("rsi_14").shift(-1)).head(-1)
    caught(case.certify("columns"), "columns", "rsi_14", "holds the value of 1 row later")


def test_a_close_that_is_tomorrows(case):
    case.frame = case.frame.with_columns(CLOSE.shift(-1)).head(-1)
    caught(case.certify("columns"), "columns", "close", "1 row later")


@pytest.mark.parametrize("task", ["direction", "threshold_1pct", "regression"])
def test_a_column_of_unknown_origin_that_knows_tomorrow(task, case, rng):
    """Tomorrow's return under as much noise as it has itself."""
    case.task = TaskConfig(name=task)
    ahead = case.frame["close"].log().diff().shift(-1).fill_null(0).to_numpy()
    signal = ahead + rng.normal(0, ahead.std(), ahead.size)
    case.frame = case.frame.with_columns(pl.Series("signal", signal))
    caught(case.certify("plausibility"), "plausibility", "signal", "it knows bars after t")


def test_a_price_level_that_hides_what_it_knows(case):
    case.frame = case.frame.with_columns(target=CLOSE.shift(-1)).head(-1)
    caught(case.certify("plausibility"), "plausibility", "target (")


def test_a_horizon_of_five_known_ahead(case, rng):
    case.task = TaskConfig(name="direction", horizon=5)
    ahead = (CLOSE.shift(-5) / CLOSE).log().fill_null(0.0)
    case.frame = case.frame.with_columns(ahead.alias("outlook"))
    caught(case.certify("plausibility"), "plausibility", "outlook", "of 5 rows before")


def test_train_labels_that_reach_into_validation(case):
    case.task = TaskConfig(name="direction", horizon=10)
    split = case.dataset().split(case.split)
    ends = case.dataset().ends_W
    unpurged = ends[(ends < split.validation[0]) & (ends >= split.train[0])]
    case.split = [replace(split, train=unpurged)]
    caught(case.certify("overlap"), "overlap", "10 train windows, first 2006-12-15", "10 of them")


def test_windows_split_at_random(case, rng):
    ends = rng.permutation(case.dataset().ends_W)
    split = case.dataset().split(case.split)
    parts = [np.sort(part) for part in np.split(ends, [1500, 1900])]
    case.split = [
        Split(*parts, fold=0, num_purged=0, num_embargoed=0, num_unused=0, ranges=split.ranges)
    ]
    caught(case.certify("overlap"), "overlap", "train windows", "share bars with held-out")


def test_validation_labels_that_reach_into_test(case):
    case.task = TaskConfig(name="direction", horizon=3)
    split = case.dataset().split(case.split)
    widened = np.arange(split.validation[0], split.test[0])
    case.split = [replace(split, validation=widened)]
    caught(case.certify("overlap"), "overlap", "3 validation labels", "reach into test")


def test_a_window_in_two_parts(case):
    split = case.dataset().split(case.split)
    case.split = [replace(split, train=np.r_[split.train, split.test[:1]])]
    caught(
        case.certify("overlap"), "overlap", "1 windows, first 2008-01-02, are in train and in test"
    )


def test_another_symbol_trained_on_the_days_of_the_test(sp500, with_a20):
    other = with_a20.with_columns(pl.lit("OTHER").alias("symbol"), CLOSE * 1.01)
    dataset = FinancialDataset.from_frames(
        [with_a20, other], context_length=20, task=TaskConfig(), features=["close", "rsi_14"]
    )
    split = dataset.split(SplitConfig(train_end="2006-12-31", validation_end="2007-12-31"))
    theirs = dataset.ends_W[dataset.symbol_R[dataset.ends_W] == 1]
    own = dataset.symbol_R[split.train] == 0
    parts = {
        part: rows[dataset.symbol_R[rows] == 0]
        for part, rows in (("validation", split.validation), ("test", split.test))
    }
    leaking = replace(split, train=np.r_[split.train[own], theirs], **parts)
    certificate = audit(dataset, split=[leaking], only=["overlap"])
    caught(certificate, "overlap", "share bars with held-out")


def test_a_scaler_fitted_on_all_rows(case):
    def all_rows(dataset, split):
        return dataset.rows_RF.numpy().std(axis=0)

    case.options["fitted"] = {"my scaler": Fitted(all_rows)}
    caught(case.certify("fitting"), "fitting", "my scaler is fitted outside train")


def test_a_dataset_scaled_on_all_rows(case):
    dataset = case.dataset()
    scaled = dataset.scaled(dataset.ends_W)
    caught(case.certify("fitting", dataset=scaled), "fitting", "channel ", "is divided by")


def test_a_selection_that_saw_every_label(case):
    def best_channel(dataset, split):
        label = dataset.targets(dataset.ends_W)
        rows = dataset.rows_RF.numpy()[dataset.ends_W]
        return [np.corrcoef(rows[:, channel], label)[0, 1] for channel in range(5)]

    case.options["fitted"] = {"selection": Fitted(best_channel)}
    caught(case.certify("fitting"), "fitting", "selection is fitted outside train")


def test_a_calibrator_fitted_on_test(case):
    def intercept(predictions, parts=("validation", "test")):
        chosen = predictions.filter(pl.col("split").is_in(parts))
        return [chosen["target"].mean() - chosen["logit"].mean()]

    honest = Fitted(lambda table: intercept(table, ["validation"]), "validation")
    case.options["fitted"] = {"honest": honest, "greedy": Fitted(intercept, "validation")}
    certificate = case.certify("fitting")
    caught(certificate, "fitting", "greedy is fitted outside validation")
    assert len(certificate.findings) == 1


def test_rows_of_train_copied_into_test(case):
    columns = [name for name in case.frame.columns if name not in ("date", "symbol")]
    copied = case.frame.select(columns)[600:640]
    rest = case.frame.select(columns)
    spoiled = pl.concat([rest[:2350], copied, rest[2390:]])
    case.frame = case.frame.select("date", "symbol").hstack(spoiled)
    caught(case.certify("duplicates"), "duplicates", "40 held-out rows", "equal a train row")


def test_a_stretch_of_history_repeated_at_another_level(case):
    """Ten bars of 2001 pasted into 2008 at 2008's level, with a little noise on the prices."""
    prices = ["open", "high", "low", "close"]
    noise = 1 + np.random.default_rng(0).normal(0, 2e-6, (10, 4))
    level = case.bars["close"][2349] / case.bars["close"][599]
    pasted = case.bars[600:610].select(prices).to_numpy() * level * noise
    spoiled = case.bars.select(prices).to_numpy().copy()
    spoiled[2350:2360] = pasted
    case.bars = case.bars.with_columns(
        pl.Series(name, spoiled[:, column]) for column, name in enumerate(prices)
    )
    case.frame = compute_features(case.bars, "a20")
    certificate = case.certify("duplicates")
    caught(certificate, "duplicates", "6 runs of 5 held-out bars", "repeat the price path")


def test_labels_of_another_day(case):
    dataset = case.dataset()
    shifted = replace(dataset, target_R=dataset.target_R.roll(-1))
    caught(case.certify("labels", dataset=shifted), "labels", "are not the task's")


def test_a_label_that_reaches_further_than_it_says(case):
    case.task = TaskConfig(name="direction", horizon=5)
    dataset = case.dataset()
    short = replace(dataset, reach_R=np.arange(dataset.reach_R.size))
    caught(case.certify("labels", dataset=short), "labels", "count later bars than is recorded")


def test_a_hole_in_the_sessions(case):
    case.frame = pl.concat([case.frame[:1000], case.frame[1008:]])
    caught(case.certify("calendar"), "calendar", "SP500 lacks", "(8 sessions)")


def test_many_single_sessions_missing(case):
    case.frame = case.frame[np.flatnonzero(np.arange(2500) % 40 != 7).tolist()]
    caught(case.certify("calendar"), "calendar", "SP500 lacks 58 of XNYS's sessions")


def test_a_bar_on_a_holiday(case):
    days = case.frame["date"].to_list()
    row = days.index(dt.date(2004, 12, 27))
    days[row] = dt.date(2004, 12, 25)
    case.frame = case.frame.with_columns(pl.Series("date", days))
    caught(case.certify("calendar"), "calendar", "1 bars, first 2004-12-25")


def test_a_long_break_where_no_calendar_is_known(case):
    case.frame = pl.concat([case.frame[:1000], case.frame[1010:]])
    certificate = audit(case.dataset(), split=case.split, only=["calendar"])
    caught(certificate, "calendar", "has no bar between")


def test_a_thin_last_bar(case):
    last = pl.int_range(pl.len()) == pl.len() - 1
    volume = pl.when(last).then(pl.col("volume") * 0.03).otherwise(pl.col("volume"))
    case.frame = case.frame.with_columns(volume)
    caught(case.certify("finished"), "finished", "3% of the usual volume")


def test_a_last_bar_registered_before_its_session_ended(tmp_path):
    today = dt.datetime.now(dt.UTC).date()
    bars = fetch_bars("bundled", "SP500")
    days = [today - dt.timedelta(days=age) for age in range(len(bars) - 1, -1, -1)]
    frame = bars.frame.with_columns(pl.Series("date", days))
    store = DataStore(tmp_path)
    provenance = bars.provenance | {"calendar": "none"}
    store.add_bars(Bars(**(vars(bars) | {"frame": frame, "provenance": provenance})))
    build_dataset(store, "SP500")
    rows, entry = store.frame("SP500.dataset.a20")
    dataset = FinancialDataset.from_frames(
        [rows], context_length=20, task=TaskConfig(), entries=[entry]
    )
    caught(audit(dataset, data=store, only=["finished"]), "finished", str(today), "not finished")


def test_an_unfinished_week(sp500):
    weekly = (
        sp500[:1998]
        .group_by_dynamic("date", every="1w")
        .agg(
            pl.last("date").alias("last"),
            pl.first("symbol", "open"),
            pl.max("high"),
            pl.min("low"),
            pl.last("close"),
            pl.sum("volume"),
        )
    )
    weekly = weekly.with_columns(date=pl.col("last")).drop("last")
    dataset = FinancialDataset.from_frames([weekly], context_length=20, task=TaskConfig())
    certificate = audit(
        dataset, bars={"SP500": sp500[:1998]}, timescale="weekly", only=["finished", "columns"]
    )
    caught(certificate, "finished", "the weekly bar of 2006-12-11 is not finished")
    caught(certificate, "columns", "first 2006-12-11", "no finished weekly bar")


def test_a_file_changed_after_it_was_registered(tmp_path):
    store = DataStore(tmp_path)
    store.add_bars(fetch_bars("bundled", "SP500"))
    entry = build_dataset(store, "SP500")
    frame, _ = store.frame("SP500.dataset.a20")
    dataset = FinancialDataset.from_frames(
        [frame], context_length=20, task=TaskConfig(), entries=[entry]
    )
    path = store.processed.folder / entry.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    certificate = audit(dataset, data=store, only=["files"])
    caught(certificate, "files", "SP500_dataset_a20.parquet")


def test_another_symbol_that_is_the_same_history_later(case):
    """2001 of SP500 sold as 2008 of a symbol of its own, at another price level."""
    days = case.bars["date"]
    copy = case.bars[500:700].with_columns(
        pl.lit("COPY").alias("symbol"),
        days[2280:2480].alias("date"),
        *(pl.col(name) * 0.37 for name in ("open", "high", "low", "close")),
    )
    dataset = FinancialDataset.from_frames(
        [case.bars, copy], context_length=20, task=TaskConfig(name="direction")
    )
    certificate = audit(dataset, split=case.split, only=["duplicates", "plausibility"])
    caught(
        certificate, "duplicates", "runs of 5 held-out bars", "first COPY to 2008", "SP500 to 2001"
    )
    assert certificate["plausibility"].status == "proven"


def test_a_signal_in_a_panel(sp500, rng):
    other = sp500.with_columns(pl.lit("OTHER").alias("symbol"), CLOSE * 2, pl.col("high") * 2)
    frames = [
        bars.with_columns((CLOSE.log().diff().shift(-1).fill_null(0) + noise).alias("signal"))
        for bars, noise in ((sp500, rng.normal(0, 0.01, 2500)), (other, rng.normal(0, 0.01, 2500)))
    ]
    dataset = FinancialDataset.from_frames(
        frames, context_length=20, task=TaskConfig(name="direction")
    )
    caught(audit(dataset, only=["plausibility"]), "plausibility", "signal")
