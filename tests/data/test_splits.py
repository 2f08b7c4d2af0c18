import datetime as dt
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finscale.config import SplitConfig, TaskConfig
from finscale.data.splits import Split, WindowTimes, make_splits
from finscale.data.windows import FinancialDataset
from finscale.errors import DataError


def panel(
    spans: list[tuple[int, int]], length: int, horizon: int, closed: tuple[set[int], ...] = ()
) -> FinancialDataset:
    """Symbols that trade on weekdays between two positions of one calendar, but for some days."""
    start = np.datetime64("2020-01-01")
    frames = []
    for number, (first, last) in enumerate(spans):
        missing = closed[number] if closed else set()
        positions = [day for day in range(first, last) if day not in missing]
        days = np.busday_offset(start, positions, roll="forward")
        price = 100.0 + np.arange(days.size) % 7
        frames.append(
            pl.DataFrame(
                {"date": days, "symbol": [f"S{number}"] * len(days), "high": price, "close": price}
            )
        )
    return FinancialDataset.from_frames(
        frames, context_length=length, task=TaskConfig(name="direction", horizon=horizon)
    )


def dates(train_end: str, validation_end: str, **options) -> SplitConfig:
    return SplitConfig(train_end=train_end, validation_end=validation_end, **options)


def rows_of(split: Split) -> np.ndarray:
    return np.concatenate([split.train, split.validation, split.test])


def test_dates_by_hand():
    # 30 weekdays from 2020-01-01; L = 3, H = 2: decision rows 2 … 27
    dataset = panel([(0, 30)], length=3, horizon=2)
    split = dataset.split(dates("2020-01-21", "2020-01-31", embargo=3))
    day = {str(d): row for row, d in enumerate(dataset.date_R)}
    first_validation, first_test = day["2020-01-22"], day["2020-02-03"]
    assert (first_validation, first_test) == (15, 23)
    # rows 13, 14 reach row 15; rows 10 … 12 come within 3 sessions of it
    assert split.train.tolist() == list(range(2, 10))
    # rows 21, 22 reach row 23
    assert split.validation.tolist() == list(range(15, 21))
    assert split.test.tolist() == list(range(23, 28))
    assert (split.num_purged, split.num_embargoed, split.num_unused) == (4, 3, 0)
    assert split.describe() == (
        "train 2020-01 … 2020-01 (8)  purge 4 · embargo 3  "
        "validation 2020-01 … 2020-01 (6)  test 2020-02 … 2020-02 (5, sealed)"
    )


def test_whole_years_read_as_years():
    day = dt.date
    split = Split(
        *(np.arange(3),) * 3,
        fold=0,
        num_purged=1,
        num_embargoed=1234,
        num_unused=2,
        ranges=(
            (day(1999, 10, 18), day(2011, 12, 22)),
            (day(2012, 1, 3), day(2014, 12, 30)),
            (day(2015, 1, 2), day(2015, 12, 31)),
        ),
    )
    assert split.describe() == (
        "train 1999-10 … 2011-12 (3)  purge 1 · embargo 1,234 · unused 2  "
        "validation 2012–2014 (3)  test 2015 (3, sealed)"
    )


def test_start_and_end_leave_windows_unused():
    dataset = panel([(0, 60)], length=3, horizon=1)
    config = dates(
        "2020-02-14", "2020-02-28", train_start="2020-01-10", test_end="2020-03-13", embargo=0
    )
    split = dataset.split(config)
    assert dataset.dates(split.train)[0] == np.datetime64("2020-01-10")
    assert dataset.dates(split.test)[-1] == np.datetime64("2020-03-13")
    used = rows_of(split).size + split.num_purged + split.num_embargoed
    assert split.num_unused == len(dataset.ends_W) - used == 11


def test_held_out_parts_of_a_panel_are_sorted_by_date_then_symbol():
    dataset = panel([(0, 60), (10, 60)], length=3, horizon=1)
    split = dataset.split(dates("2020-02-14", "2020-02-28"))
    order = list(zip(dataset.dates(split.test), dataset.symbol_R[split.test], strict=True))
    assert order == sorted(order)
    assert set(dataset.symbol_names(split.test)) == {"S0", "S1"}


def test_walk_forward_test_blocks_follow_one_another_to_the_end_of_the_data():
    dataset = panel([(0, 203)], length=3, horizon=1)  # 200 decision days
    config = SplitConfig(
        method="walk_forward", folds=3, test_days=20, validation_days=30, embargo=2
    )
    folds = dataset.splits(config)
    assert [fold.fold for fold in folds] == [0, 1, 2]
    tests = np.concatenate([fold.test for fold in folds])
    assert tests.tolist() == dataset.ends_W[-60:].tolist()
    for fold in folds:
        assert fold.validation.size == 30 - 1  # the last one reaches into test
        assert fold.train[0] == 2
        assert fold.test[0] - fold.train[-1] == 30 + 1 + 2 + 1  # validation, purge, embargo
    assert dataset.split(config.model_copy(update={"fold": 2})).test.tolist() == tests[40:].tolist()


def test_rolling_walk_forward_trains_on_the_last_days_only():
    dataset = panel([(0, 203)], length=3, horizon=1)
    config = SplitConfig(
        method="walk_forward",
        window="rolling",
        train_days=50,
        folds=3,
        test_days=20,
        validation_days=30,
        embargo=2,
    )
    for fold in dataset.splits(config):
        assert fold.train.size == 50 - 1 - 2
        total = rows_of(fold).size + fold.num_purged + fold.num_embargoed + fold.num_unused
        assert total == len(dataset.ends_W)


def test_chunks_are_drawn_by_seed_and_hold_out_whole_blocks():
    dataset = panel([(0, 403)], length=3, horizon=1)
    config = SplitConfig(method="chunks", chunk_days=20, embargo=1)
    split = dataset.split(config)
    for part in (split.validation, split.test):
        blocks = {(402 - row) // 20 for row in part}
        assert len(blocks) == 3  # 15 % of 20 blocks
    assert dataset.split(config).test.tolist() == split.test.tolist()
    other = dataset.split(config.model_copy(update={"chunk_seed": 1}))
    assert other.test.tolist() != split.test.tolist()


@pytest.mark.parametrize(("length", "horizon"), [(3, 10), (40, 1), (77, 20)])
def test_chunks_hold_out_the_same_days_for_any_context_and_horizon(length, horizon):
    """They were counted from the first decision day: 3 of some 800 test days were common to all."""
    config = SplitConfig(method="chunks", chunk_days=20, embargo=1)

    def test_days(length, horizon, start=0):
        dataset = panel([(start, 803)], length=length, horizon=horizon)
        split = dataset.split(config)
        return set(split.test.tolist()), set(split.train.tolist())

    # features that need more history begin later, too
    first, other = test_days(3, 1), test_days(length, horizon)
    later = {day + 60 for day in test_days(length, horizon, start=60)[0]}
    assert len(later & first[0]) >= 0.8 * len(later)
    assert other[0] <= first[0]
    assert len(other[0]) >= 0.8 * len(first[0])
    assert not first[0] & other[1]


def test_errors_say_what_the_data_cover_and_what_is_needed():
    dataset = panel([(0, 60)], length=3, horizon=1)
    with pytest.raises(
        DataError, match=r"validation is left without.*2020-01-03 … 2020-03-23"
    ) as e:
        dataset.split(SplitConfig())
    assert "2022-12-31" in e.value.hint
    with pytest.raises(DataError, match="needs 1,266 decision days and the data have 57"):
        dataset.split(SplitConfig(method="walk_forward"))
    with pytest.raises(DataError, match="need 189 decision days and the data have 57"):
        dataset.split(SplitConfig(method="chunks"))
    with pytest.raises(DataError, match="train is left without a window"):
        dataset.split(SplitConfig(method="chunks", chunk_days=15, embargo=60))
    rolling = {"window": "rolling", "train_days": 3, "folds": 1, "test_days": 5}
    with pytest.raises(DataError, match="train of fold 0 is left without"):
        dataset.split(SplitConfig(method="walk_forward", validation_days=5, **rolling))


@st.composite
def configs(draw):
    method = draw(st.sampled_from(["dates", "walk_forward", "chunks"]))
    embargo = draw(st.integers(0, 8))
    if method == "dates":
        first = dt.date(2020, 1, 20) + dt.timedelta(draw(st.integers(0, 120)))
        second = first + dt.timedelta(draw(st.integers(1, 80)))
        third = draw(st.none() | st.integers(1, 60).map(lambda n: second + dt.timedelta(n)))
        return dates(str(first), str(second), test_end=third, embargo=embargo)
    if method == "walk_forward":
        window = draw(st.sampled_from(["expanding", "rolling"]))
        return SplitConfig(
            method=method,
            embargo=embargo,
            folds=draw(st.integers(1, 4)),
            test_days=draw(st.integers(1, 25)),
            validation_days=draw(st.integers(1, 25)),
            window=window,
            train_days=draw(st.integers(20, 60)) if window == "rolling" else None,
        )
    return SplitConfig(
        method=method,
        embargo=embargo,
        chunk_days=draw(st.integers(3, 30)),
        chunk_seed=draw(st.integers(0, 9)),
    )


@st.composite
def panels(draw):
    length, horizon = draw(st.integers(2, 9)), draw(st.integers(1, 7))
    spans, closed = [], []
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, 40))
        spans.append((first, first + draw(st.integers(length + horizon + 30, 180))))
        closed.append(draw(st.sets(st.integers(0, 220), max_size=25)))
    return panel(spans, length, horizon, tuple(closed))


@settings(max_examples=150, deadline=None)
@given(dataset=panels(), config=configs())
def test_no_leak_and_every_window_used_exactly_once(dataset, config):
    try:
        folds = dataset.splits(config)
    except DataError:
        assume(False)
    _, session_R = np.unique(dataset.date_R, return_inverse=True)
    context = dataset.context_length
    for split in folds:
        rows = rows_of(split)
        assert np.unique(rows).size == rows.size
        assert np.isin(rows, dataset.ends_W).all()
        left_out = split.num_purged + split.num_embargoed + split.num_unused
        assert rows.size + left_out == len(dataset.ends_W)

        # bars that train may touch, by date: context and label of each window
        def touched(ends, dataset=dataset, session_R=session_R):
            first = session_R[ends - context + 1]
            return first, session_R[ends], session_R[dataset.reach_R[ends]]

        first, decided, reach = touched(split.train)
        for part in (split.validation, split.test):
            _, held, _ = touched(part)
            held = np.unique(held)
            # no label bar of train lies on a held-out decision day, nor do its context bars
            # unless the whole window lies clear of it, embargo included
            before = held[None, :] > decided[:, None]
            assert not np.isin(decided, held).any()
            assert np.where(before, held[None, :] - reach[:, None], config.embargo + 1).min() > (
                config.embargo
            )
            after = np.where(~before, first[:, None] - held[None, :], config.embargo + 1)
            assert after.min() > config.embargo
        # the sealed test: no validation label reaches a later test day
        _, decided, reach = touched(split.validation)
        held = np.unique(touched(split.test)[1])
        later = held[None, :] > decided[:, None]
        assert (~later | (held[None, :] > reach[:, None])).all()


def test_a_held_out_label_keeps_train_contexts_away():
    # H = 10 exceeds the embargo: contexts after a test block start behind its last label bar
    dataset = panel([(0, 400)], length=3, horizon=10)
    split = dataset.split(SplitConfig(method="chunks", chunk_days=40, embargo=2))
    for block_end in split.test[np.r_[np.diff(split.test) > 1, True]]:
        after = split.train[split.train > block_end]
        if after.size:
            assert after[0] - 2 > block_end + 10 + 2


def test_times_are_positions_among_the_sessions():
    times = WindowTimes(
        sessions=np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"),
        ends_W=np.arange(2, 9),
        first_W=np.arange(0, 7),
        decision_W=np.arange(2, 9),
        reach_W=np.arange(3, 10),
    )
    assert times.span == "2020-01-03 … 2020-01-09"
    (split,) = make_splits(dates("2020-01-05", "2020-01-07", embargo=0), times)
    assert (split.train.tolist(), split.validation.tolist()) == ([2, 3], [5])
    assert split.test.tolist() == [7, 8]


def test_shares_hold_out_the_last_sessions_whatever_the_context_and_the_horizon():
    # 200 weekdays: the last 30 are test, 30 before them validation
    config = SplitConfig(method="shares", embargo=3)
    held_out = []
    for length, horizon in ((3, 1), (20, 2)):
        dataset = panel([(0, 200)], length=length, horizon=horizon)
        split = dataset.split(config)
        held_out.append((split.validation[0], split.test[0]))
        assert split.train[0] == length - 1
        # purged where labels reach row 140, embargoed within 3 sessions of it
        assert split.train[-1] == 140 - horizon - 1 - 3
        assert split.test[-1] == 199 - horizon
    assert held_out == [(140, 170), (140, 170)]


def test_shares_may_be_others():
    config = SplitConfig(method="shares", validation_fraction=0.1, test_fraction=0.3, embargo=0)
    split = panel([(0, 100)], length=2, horizon=1).split(config)
    assert (split.validation[0], split.test[0]) == (60, 70)
    with pytest.raises(ValueError, match="leave nothing to train on"):
        SplitConfig(method="shares", validation_fraction=0.5, test_fraction=0.5)


def test_what_is_out_of_proportion_is_said():
    config = SplitConfig(method="shares", validation_fraction=0.05, test_fraction=0.6)
    split = panel([(0, 1000)], length=2, horizon=1).split(config)
    assert split.caution == (
        "train has fewer windows (343) than test (599); validation has 49 windows: fewer than 100 "
        "tell little"
    )
    assert panel([(0, 1000)], length=2, horizon=1).split(SplitConfig(method="shares")).caution == ""


def test_dates_outside_the_data_are_refused_with_dates_that_fit():
    dataset = panel([(0, 300)], length=3, horizon=1)
    with pytest.raises(DataError, match="train is left without a window") as refused:
        dataset.split(dates("2001-12-31", "2002-12-31"))
    (proposed,) = re.findall(
        r"split.train_end: (\S+) and split.validation_end: (\S+) would fit", refused.value.hint
    )
    by_dates = dataset.split(dates(*proposed))
    by_shares = dataset.split(SplitConfig(method="shares"))
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(by_dates, name), getattr(by_shares, name))


@pytest.mark.parametrize(
    ("days", "changes"),
    [(900, {}), (300, {}), (900, {"window": "rolling", "train_days": 800})],
)
def test_a_walk_forward_that_does_not_fit_is_refused_with_one_that_does(days: int, changes):
    dataset = panel([(0, days)], length=3, horizon=1)
    with pytest.raises(DataError, match="walk_forward with 8 folds needs") as refused:
        dataset.splits(SplitConfig(method="walk_forward", folds=8, **changes))
    fits = dict(re.findall(r"split\.(\w+): (\d+)", refused.value.hint))
    split = SplitConfig(method="walk_forward", **{**changes, **fits})
    folds = dataset.splits(split)
    assert len(folds) == int(fits["folds"])
    assert len(folds[0].train) > len(folds[0].test)
