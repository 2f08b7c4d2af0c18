"""Tasks that compare the members of a day: labels by hand, reach, members, controls."""

import datetime as dt
import math
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.data import FinancialDataset, label, stacked_labels
from finscale.data.targets import timeline
from finscale.errors import ConfigError, DataError

NAN = math.nan
TASKS_ACROSS = ("outperform", "top_fifth", "rank", "residual")


def panel(close_TS, **columns) -> list[pl.DataFrame]:
    """Frames of symbols A, B … from closes by day; NaN is no bar."""
    close_TS = np.asarray(close_TS, float)
    days = np.datetime64("2024-01-01") + np.arange(len(close_TS))
    parts = []
    for number, close_T in enumerate(close_TS.T):
        has = np.isfinite(close_T)
        own = {name: np.asarray(values)[has, number] for name, values in columns.items()}
        frame = {"date": days[has], "symbol": [chr(65 + number)] * has.sum(), "close": close_T[has]}
        parts.append(pl.DataFrame(frame | own))
    return parts


def walks(num_days: int, num_symbols: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.01, (num_days, num_symbols)) + rng.normal(0, 0.01, (num_days, 1))
    return 100 * np.exp(np.cumsum(moves, axis=0))


def task(name: str, **settings_) -> TaskConfig:
    return TaskConfig(name=name, **{"min_members": 3, **settings_})


def targets(parts, task_, groups=None):
    """Labels by day and symbol of full panels."""
    named = None if groups is None else dict(zip("ABCDEFGHIJ", groups, strict=False))
    found = stacked_labels(parts, task_, named).target_R
    return found.reshape(len(parts), -1).T


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([101, 102, 103, 104], [0, 0, 1, 1]),
        ([101, 102, 103, 102], [0, 0, 1, 0]),  # ties with the median are not above it
        ([102, 102, 102, 102], [0, 0, 0, 0]),
        ([99, 90, 95, 97], [1, 0, 0, 1]),  # a fall may outperform
    ],
)
def test_outperform_by_hand(after, expected):
    parts = panel([[100] * 4, after])
    np.testing.assert_array_equal(targets(parts, task("outperform"))[0], expected)


def test_the_middle_one_of_an_odd_number_does_not_outperform():
    parts = panel([[100] * 5, [101, 102, 103, 104, 105]])
    assert targets(parts, task("outperform"))[0].tolist() == [0, 0, 0, 1, 1]


def test_the_top_fifth_by_hand_and_with_ties():
    after = [101, 102, 103, 104, 105, 106, 107, 108, 109, 110]
    found = targets(panel([[100] * 10, after]), task("top_fifth"))[0]
    assert found.tolist() == [0] * 8 + [1, 1]
    # the best four are equal: their mean rank is 8.5, and .8 of the day does not lie below it
    tied = [101, 102, 103, 104, 105, 106, 110, 110, 110, 110]
    assert targets(panel([[100] * 10, tied]), task("top_fifth"))[0].tolist() == [0] * 10


def test_the_rank_is_a_normal_score_and_ties_share_it():
    found = targets(panel([[100] * 4, [104, 101, 103, 103]]), task("rank"))[0]
    score = NormalDist().inv_cdf
    expected = [score(3.5 / 4), score(0.5 / 4), score(0.5), score(0.5)]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_residual_is_the_return_less_beta_times_the_market():
    close_TS = walks(80, 6)
    found = targets(panel(close_TS), task("residual", horizon=3, beta_days=30))
    moves = np.diff(np.log(close_TS), axis=0)
    row = 60
    past = moves[row - 30 : row]  # the returns of the days up to t
    market = past.mean(axis=1)
    beta = [np.cov(own, market, bias=True)[0, 1] / market.var() for own in past.T]
    ahead = np.log(close_TS[row + 3] / close_TS[row])
    np.testing.assert_allclose(found[row], ahead - np.array(beta) * ahead.mean(), atol=1e-7)
    # no beta before 20 returns, no label in the last 3 days
    assert np.isnan(found[:20]).all()
    assert np.isfinite(found[20:77]).all()
    assert np.isnan(found[77:]).all()


@pytest.mark.parametrize("name", TASKS_ACROSS)
def test_within_groups_each_group_is_its_own_section(name):
    close_TS = walks(60, 8)
    groups = ["x", "y"] * 4
    among = targets(panel(close_TS), task(name, neutral="group"), groups)
    for part in (0, 1):
        own = targets(panel(close_TS[:, part::2]), task(name))
        np.testing.assert_array_equal(among[:, part::2], own)


def test_a_group_of_two_has_no_label_and_one_without_a_group_is_refused():
    parts = panel(walks(5, 5))
    found = targets(parts, task("outperform", neutral="group"), ["x", "x", "y", "y", "y"])
    assert np.isnan(found[0, :2]).all()
    assert np.isfinite(found[0, 2:]).all()
    with pytest.raises(DataError, match="compares within groups, and B, C have none"):
        stacked_labels(parts, task("rank", neutral="group"), {"A": "x", "D": "x", "E": "x"})


def test_a_day_with_few_members_has_no_label():
    member = np.ones((6, 5), bool)
    member[2, 0] = member[3, :2] = False
    parts = panel(walks(6, 5), member=member)
    found = targets(parts, TaskConfig(name="outperform", min_members=4))
    assert np.isnan(found[2, 0])  # no member, no label
    assert np.isfinite(found[2, 1:]).all()
    assert np.isnan(found[3]).all()
    # day 3 is no session of this panel: the return from day 2 goes to day 4
    close = walks(6, 5)
    move = np.log(close[4] / close[2])[1:]
    np.testing.assert_array_equal(found[2, 1:], move > np.median(move))


def test_who_is_no_member_has_no_label_of_any_task():
    member = np.ones((30, 4), bool)
    member[10:15, 2] = False
    found = targets(panel(walks(30, 4), member=member), TaskConfig(name="direction"))
    assert np.isnan(found[10:15, 2]).all()
    assert np.isfinite(np.delete(found, 2, axis=1)[:-1]).all()


def test_what_is_delisted_counts_at_its_last_close():
    close = np.array([[100.0] * 4, [90, 101, 102, 103], [80, 104, 105, 106], [NAN, 110, 111, 112]])
    found = stacked_labels(panel(close), task("rank", horizon=2)).target_R
    a, b = found[:3], found[3:7]
    # day 0: A loses 20 %; day 1: A's last close, 80, against day 3's closes of the others
    score = NormalDist().inv_cdf
    assert a[0] == np.float32(score(0.5 / 4))
    assert a[1] == np.float32(score(0.5 / 4))
    # after its last bar nothing of it can be bought: it is not compared
    assert np.isnan(a[2])
    assert np.isfinite(b[:2]).all()


def test_a_halted_symbol_counts_with_its_last_close_by_the_same_day_as_the_others():
    close = walks(12, 5)
    close[5:8, 0] = NAN  # no bars on days 5, 6, 7
    found = stacked_labels(panel(close), task("rank", horizon=2))
    row = 4  # of A: day 4, its next bar is that of day 8
    assert np.isnan(found.target_R[row])  # nothing happened by day 6
    early = found.target_R[3]  # day 3: its bar of day 4 is the last one by day 5
    moves = np.log([close[4, 0], *close[5, 1:]] / close[3])
    expected = NormalDist().inv_cdf(((moves < moves[0]).sum() + 0.5) / 5)
    assert early == np.float32(expected)


@pytest.mark.parametrize("name", TASKS_ACROSS)
def test_a_label_is_known_on_the_day_that_its_reach_names(name):
    close = walks(60, 6, seed=3)
    close[40:, 0] = NAN
    close[30:33, 1] = NAN
    parts = panel(close)
    asked = task(name, horizon=4, beta_days=20)
    whole = stacked_labels(parts, asked)
    date_R = np.concatenate([part["date"].to_numpy() for part in parts])
    symbol_R = np.concatenate([part["symbol"].to_numpy() for part in parts])
    for day in (25, 29, 38, 45):
        end = np.datetime64(dt.date(2024, 1, 1) + dt.timedelta(day))
        short = [part.filter(pl.col("date") <= end) for part in parts]
        cut = stacked_labels(short, asked)
        cut_R = np.concatenate([part["date"].to_numpy() for part in short])
        known = (date_R[whole.reach_R] <= end) & np.isfinite(whole.target_R)
        again = {
            (d, s): value
            for d, s, value in zip(
                cut_R,
                np.concatenate([part["symbol"].to_numpy() for part in short]),
                cut.target_R,
                strict=True,
            )
        }
        assert known.sum() > 8
        for row in np.flatnonzero(known):
            assert again[date_R[row], symbol_R[row]] == whole.target_R[row]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["outperform", "top_fifth", "rank"]))
def test_a_move_of_the_whole_market_changes_no_comparison(seed, name):
    rng = np.random.default_rng(seed)
    close = walks(12, 6, seed)
    shifted = close * np.exp(np.cumsum(rng.normal(0, 0.05, (12, 1)), axis=0))
    asked = task(name, horizon=int(rng.integers(1, 4)))
    np.testing.assert_array_equal(targets(panel(close), asked), targets(panel(shifted), asked))


def test_purge_knows_the_day_on_which_the_section_is_known():
    # a market that is closed at weekends beside one that is not: both count the same sessions
    close = walks(40, 6)
    close[5:40:7, :2] = NAN
    close[6:40:7, :2] = NAN
    data = FinancialDataset.from_frames(panel(close), context_length=2, task=task("outperform"))
    until = data.date_R[data.reach_R[data.ends_W]]
    for day in np.unique(data.date_R[data.ends_W]):
        assert len(np.unique(until[data.date_R[data.ends_W] == day])) == 1
    assert (until > data.date_R[data.ends_W]).all()
    dates = SplitConfig(
        train_end=dt.date(2024, 1, 20), validation_end=dt.date(2024, 1, 28), embargo=0
    )
    fold = data.split(dates)
    assert data.date_R[data.reach_R[fold.train]].max() < data.date_R[fold.validation].min()
    assert fold.num_purged > 0


def test_too_few_symbols_are_refused_with_the_way_out():
    with pytest.raises(DataError, match="at least 10 members a day, and these data have at most 4"):
        stacked_labels(panel(walks(20, 4)), TaskConfig(name="outperform"))
    with pytest.raises(DataError, match="one symbol alone has no labels"):
        label(panel(walks(20, 1))[0], TaskConfig(name="outperform"))
    bad = panel(walks(20, 4))
    bad[1] = bad[1].with_columns(close=pl.lit(-1.0))
    with pytest.raises(DataError, match=r"B: close is -1\.0 on 2024-01-01"):
        stacked_labels(bad, task("rank"))


def test_the_timeline_states_the_rules():
    words = timeline(TaskConfig(name="outperform", horizon=5))
    assert words.startswith("outperform, H = 5: decided at the close of t; yes if log(close of t+5")
    assert "at their last close" in words
    assert "fewer than 10 members" in words
    assert "its group" in timeline(TaskConfig(name="rank", neutral="group"))
    assert "beta of the 120 days to t" in timeline(TaskConfig(name="residual"))


@pytest.mark.parametrize("name", TASKS_ACROSS)
def test_permuted_labels_are_the_real_ones_of_the_day(name):
    parts = panel(walks(50, 8))
    real = targets(parts, task(name, beta_days=20))
    shuffled = targets(parts, task(name, beta_days=20, control="permuted"))
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(real, axis=1))
    assert (shuffled != real)[np.isfinite(real)].mean() > 0.2
    again = targets(parts, task(name, beta_days=20, control="permuted", control_seed=1))
    assert (again != shuffled)[np.isfinite(real)].any()


def test_the_best_model_of_planted_labels_is_known():
    from finscale.data.panel_labels import stacked_optimum

    parts = panel(walks(300, 12))
    asked = task("outperform", control="planted")
    drawn = stacked_labels(parts, asked).target_R.astype(float)
    best = stacked_optimum(parts, asked)
    labelled = np.isfinite(drawn)
    p = 1 / (1 + np.exp(-best[labelled]))
    loss = -(drawn[labelled] * np.log(p) + (1 - drawn[labelled]) * np.log(1 - p)).mean()
    expected = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    assert loss == pytest.approx(expected, abs=0.02)
    assert loss < 0.6


def test_the_settings_of_other_tasks_stay_out_of_a_run_s_identity():
    plain = ExperimentConfig()
    assert "min_members" not in plain.identity()["task"]
    assert "cross_section" not in plain.identity()["data"]
    across = ExperimentConfig(task={"name": "outperform"}, data={"cross_section": "ranks"})
    assert across.identity()["task"]["min_members"] == 10
    assert "beta_days" not in across.identity()["task"]
    assert across.identity()["data"]["cross_section"] == "ranks"
    with pytest.raises(ConfigError, match="compares all rows of a day"):
        ExperimentConfig(data={"cross_section": "ranks", "memory_map": True})
