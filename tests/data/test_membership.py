"""Windows and labels of a universe: there where a symbol is a member, and nowhere else."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.config import ExperimentConfig, TaskConfig
from finscale.config.universes import read_universe, universe_of
from finscale.data import DataStore, FinancialDataset
from finscale.data.bars import Bars, conform
from finscale.data.membership import universe_of as planned_universe
from finscale.data.membership import with_members
from finscale.data.registered import registered_bars
from finscale.errors import DataError
from finscale.experiment.announce import announcement
from finscale.experiment.preparation import prepare
from finscale.features.relative import slowest_feature

DAYS = pl.date_range(dt.date(2015, 1, 1), dt.date(2016, 12, 31), eager=True)
WEEKDAYS = DAYS.filter(DAYS.dt.weekday() < 6)
NUM = 400
FORMER, RETURNED = (120, 260), (300, 350)


def closes(symbol, *, start=0, num=NUM, seed=0):
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, num)))
    return pl.DataFrame({"date": WEEKDAYS[start : start + num], "symbol": symbol, "close": close})


def universe(*rows, **about):
    return universe_of(rows, name="mine", place="here", **about)


def spell(symbol, first, last, group=""):
    return {"symbol": symbol, "from": WEEKDAYS[first], "to": WEEKDAYS[last], "group": group}


COMING_AND_GOING = universe(
    spell("AAA", *FORMER, "x"), spell("AAA", *RETURNED, "x"), {"symbol": "BBB", "group": "y"}
)


def dataset(frames, **about):
    task = TaskConfig(name="direction", horizon=3)
    return FinancialDataset.from_frames(frames, context_length=10, task=task, **about)


def test_windows_end_where_the_symbol_is_a_member():
    frames = [with_members(closes(name), COMING_AND_GOING) for name in ("AAA", "BBB")]
    made = dataset(frames, groups=COMING_AND_GOING.groups)
    own = made.ends_W[made.symbol_R[made.ends_W] == 0]
    expected = [*range(FORMER[0], FORMER[1] + 1), *range(RETURNED[0], RETURNED[1] + 1)]
    assert own.tolist() == expected
    assert (made.symbol_R[made.ends_W] == 1).sum() == NUM - 9 - 3
    assert made.groups == ("x", "y")
    assert made.frame.schema["member"] == pl.Boolean
    assert "member" not in made.features
    outside = ~made.frame["member"].to_numpy()
    assert np.isnan(made.target_R.numpy()[outside]).all()


def test_windows_look_back_beyond_the_first_day_and_labels_ahead_of_the_last():
    frame = with_members(closes("AAA"), COMING_AND_GOING)
    made = dataset([frame])
    first, _ = made.batch(_ends(made, 0))
    np.testing.assert_allclose(first[0, :, 0], frame["close"][FORMER[0] - 9 : FORMER[0] + 1])
    last_of_first_spell = FORMER[1]
    ahead = frame["close"][last_of_first_spell + 3] > frame["close"][last_of_first_spell]
    assert made.target_R[last_of_first_spell].item() == float(ahead)


def _ends(made, number):
    import torch

    return torch.from_numpy(made.ends_W[number : number + 1])


def test_without_a_universe_nothing_changes():
    plain, laid = dataset([closes("AAA")]), dataset([with_members(closes("AAA"), None)])
    assert "member" not in laid.frame.columns
    assert plain.groups is None
    np.testing.assert_array_equal(plain.ends_W, laid.ends_W)


def test_mapped_rows_keep_the_members(tmp_path):
    frames = [with_members(closes(name), COMING_AND_GOING) for name in ("AAA", "BBB")]
    task = TaskConfig(name="direction", horizon=3)
    mapped = FinancialDataset.memory_mapped(
        frames, tmp_path / "rows.f32", context_length=10, task=task, groups={"AAA": "x"}
    )
    made = dataset(frames)
    np.testing.assert_array_equal(mapped.ends_W, made.ends_W)
    assert mapped.frame["member"].equals(made.frame["member"])
    assert mapped.groups == ("x", "")


@pytest.mark.parametrize("column", [pl.lit(1.0), pl.lit(None, pl.Boolean), pl.lit("yes")])
def test_a_column_member_that_means_something_else_is_refused(column):
    with pytest.raises(DataError, match="AAA: the column member says whether"):
        dataset([closes("AAA").with_columns(member=column)])


def test_a_symbol_that_is_never_a_member_has_no_windows():
    made = dataset(
        [with_members(closes(name), universe({"symbol": "BBB"})) for name in ("AAA", "BBB")]
    )
    assert set(made.symbol_names(made.ends_W)) == {"BBB"}


@pytest.fixture
def store(tmp_path):
    store = DataStore(tmp_path / "data")
    for seed, name in enumerate(("AAA", "BBB")):
        frame = conform(name, closes(name, seed=seed).drop("symbol"))
        store.add_bars(Bars(name, frame, "split+dividend", "csv", provenance={"calendar": "none"}))
    return store


def planned(store, text):
    path = store.root.parent / "mine.csv"
    path.write_text(text)
    return ExperimentConfig(
        data={
            "universe": str(path),
            "root": store.root,
            "tier": "c20",
            "context_length": 10,
        },
        task={"name": "direction"},
        split={"method": "shares"},
        model={"kind": "baseline", "name": "base_rate"},
    )


TABLE = f"symbol,from,to,group\nAAA,{WEEKDAYS[250]},{WEEKDAYS[330]},x\nBBB,,,y\n"


def test_a_run_sees_the_members_of_its_universe(store):
    prepared = prepare(planned(store, TABLE))
    made = prepared.dataset
    dates = made.dates(made.ends_W[made.symbol_names(made.ends_W) == "AAA"])
    assert (dates[0], dates[-1]) == (np.datetime64(WEEKDAYS[250]), np.datetime64(WEEKDAYS[330]))
    assert made.groups == ("x", "y")
    other = prepare(planned(store, TABLE.replace(str(WEEKDAYS[330]), str(WEEKDAYS[329]))))
    assert other.run_id != prepared.run_id
    assert len(other.dataset) == len(made) - 1
    bars = registered_bars(prepared.config, store)
    assert bars.columns == ["date", "symbol", "close"]


def test_a_run_keeps_its_members_when_the_file_changes(store):
    config = planned(store, TABLE)
    before = prepare(config)
    planned(store, TABLE.replace("BBB,,,y", "BBB,,,z"))  # the file says something else now
    assert planned_universe(config.data, store.root).digest == config.data.universe_digest
    assert prepare(config).run_id == before.run_id
    (store.root.parent / "mine.csv").unlink()
    assert planned_universe(config.data, store.root).groups == {"AAA": "x", "BBB": "y"}


def test_a_universe_that_is_another_and_was_never_read_is_refused(store):
    config = planned(store, TABLE)
    planned(store, TABLE.replace("BBB,,,y", "BBB,,,z"))
    with pytest.raises(DataError, match="says something else than when this was planned"):
        planned_universe(config.data, store.root)


def test_the_shipped_universe_trains_offline(tmp_path):
    config = ExperimentConfig(
        data={"universe": "us20", "tier": "c20", "root": tmp_path, "symbols": ["KO", "GE", "XOM"]},
        task={"name": "threshold_1pct", "touch": "close"},
        split={"method": "shares"},
        model={"kind": "baseline", "name": "volatility_ranges"},
    )
    made = prepare(config).dataset
    assert made.symbols == ("KO", "GE", "XOM")
    assert made.groups == ("consumer staples", "industrials", "energy")
    assert read_universe("us20").groups["KO"] == "consumer staples"
    with pytest.raises(DataError, match=r"need the column high[\s\S]*task.touch=close"):
        prepare(config.model_copy(update={"task": TaskConfig(name="threshold_1pct")}))


def test_symbols_of_other_calendars_stand_on_their_own_days():
    """A coin trades at weekends, a stock halts and a third is delisted: windows keep to rows."""
    rng = np.random.default_rng(0)

    def on(days, symbol):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        return pl.DataFrame({"date": days, "symbol": symbol, "close": close})

    coin = on(DAYS[:400], "COIN")
    halted = on(WEEKDAYS.filter(~WEEKDAYS.is_between(WEEKDAYS[100], WEEKDAYS[139]))[:240], "HALT")
    gone = on(WEEKDAYS[:150], "GONE")
    made = dataset([coin, halted, gone])
    for symbol, frame in (("COIN", coin), ("HALT", halted), ("GONE", gone)):
        own = made.ends_W[made.symbol_names(made.ends_W) == symbol]
        first = int(np.flatnonzero(made.symbol_R == made.symbols.index(symbol))[0])
        # full context at the start, the whole horizon at the end: a delisting makes no label up
        assert (own - first).tolist() == list(range(9, frame.height - 3))
    times = made.window_times
    assert (np.diff(times.decision_W) >= 0).all()
    saturday = np.isin(made.dates(times.ends_W), [np.datetime64("2015-01-31")])
    assert set(made.symbol_names(times.ends_W[saturday])) == {"COIN"}
    # what a label reaches is counted in the days of all, so that a halt is purged whole
    before = (made.symbol_names(times.ends_W) == "HALT") & (
        made.dates(times.ends_W) == np.datetime64(WEEKDAYS[99])
    )
    reach = times.sessions[times.reach_W[before]]
    assert reach.tolist() == [WEEKDAYS[142]]


def test_a_split_by_date_holds_for_all_symbols():
    from finscale.config import SplitConfig

    made = dataset([with_members(closes(name), COMING_AND_GOING) for name in ("AAA", "BBB")])
    split = made.split(SplitConfig(method="shares"))
    last_train = made.dates(split.train).max()
    assert made.dates(split.validation).min() > last_train
    assert made.dates(split.test).min() > made.dates(split.validation).max()


@pytest.mark.parametrize(("short", "left"), [(12, "AAA"), (205, "AAA"), (210, "")])
def test_members_with_too_few_bars_are_left_out_and_told(short, left, tmp_path):
    # c20 looks back 199 bars, and a window of 10 with its label takes 11 more
    store = DataStore(tmp_path / "data")
    for seed, name in enumerate(("AAA", "BBB")):
        bars = closes(name, seed=seed, num=short if name == "AAA" else NUM).drop("symbol")
        frame = conform(name, bars)
        store.add_bars(Bars(name, frame, "split+dividend", "csv", provenance={"calendar": "none"}))
    config = planned(store, "symbol\nAAA\nBBB\n")
    lookback = slowest_feature("c20", bars=("close",)).lookback
    assert (short < lookback + 11) is bool(left)
    prepared = prepare(config, store)
    if not left:
        assert not prepared.left_out
        assert prepared.config.data.symbols == ("AAA", "BBB")
        return
    assert prepared.config.data.symbols == ("BBB",)
    told = prepared.left_out
    assert "1 of 2 members of" in told
    assert "is left out (AAA): too few daily bars" in told
    assert ("left out", told) in announcement(prepared)
    assert "1 of its 2 symbols" in prepared.dataset.membership
    # what was resolved is prepared again, as a worker does, to the same run
    assert prepare(prepared.config, store).run_id == prepared.run_id


def test_a_universe_without_one_long_member_is_refused(tmp_path):
    store = DataStore(tmp_path / "data")
    frame = conform("AAA", closes("AAA", num=30).drop("symbol"))
    store.add_bars(Bars("AAA", frame, "split+dividend", "csv", provenance={"calendar": "none"}))
    with pytest.raises(DataError, match=r"none of the 1 members of .* has the bars") as refused:
        prepare(planned(store, "symbol\nAAA\n"), store)
    assert "data.tier" in refused.value.hint
