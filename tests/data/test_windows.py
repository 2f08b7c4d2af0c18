import datetime as dt

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.data.bars import Bars
from finscale.data.gather import _gather_blocks, _gather_rows, gather_windows
from finscale.data.spread import rows_seen
from finscale.data.store import DataStore
from finscale.data.windows import FinancialDataset
from finscale.errors import DataError

DIRECTION = TaskConfig(name="direction")


def rows(symbol: str, count: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    return pl.DataFrame(
        {
            "date": np.busday_offset("2020-01-01", np.arange(count)),
            "symbol": [symbol] * count,
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": rng.integers(1, 100, count).astype(float),
            "signal": rng.normal(size=count),
        }
    )


def dataset(frames, length=4, task=DIRECTION, **options) -> FinancialDataset:
    return FinancialDataset.from_frames(frames, context_length=length, task=task, **options)


def test_channels_are_the_columns_in_order_and_can_be_chosen():
    frame = rows("A", 10)
    assert dataset([frame]).features == ("open", "high", "low", "close", "volume", "signal")
    chosen = dataset([frame], features=["signal", "close"])
    assert chosen.features == ("signal", "close")
    assert chosen.num_features == 2
    np.testing.assert_array_equal(
        chosen.rows_RF.numpy(), frame.select("signal", "close").to_numpy().astype(np.float32)
    )
    assert chosen.frame.columns == frame.columns
    assert chosen.rows_RF.is_contiguous()


def test_a_pandas_frame_gives_the_same_windows():
    frame = rows("A", 10)
    bars = frame.to_pandas().drop(columns="symbol")
    yahoo = bars.rename(columns=str.title).rename(columns={"Signal": "signal"}).set_index("Date")
    options = {"context_length": 4, "task": DIRECTION}
    of_csv = yahoo.set_index(yahoo.index.strftime("%Y-%m-%d"))
    for given_frame in (bars, yahoo, yahoo.tz_localize("America/New_York"), of_csv):
        found = FinancialDataset.from_pandas(given_frame, symbol="A", **options)
        assert torch.equal(found.rows_RF, dataset([frame]).rows_RF)
        assert (found.date_R == dataset([frame]).date_R).all()
    named = FinancialDataset.from_pandas(bars, symbol="A", context_length=4, task="direction")
    assert torch.equal(named.target_R[:-1], found.target_R[:-1])
    several = FinancialDataset.from_pandas(
        [frame.to_pandas(), rows("B", 9, seed=1).to_pandas()], **options
    )
    assert several.symbols == ("A", "B")
    with pytest.raises(DataError, match="no column symbol"):
        FinancialDataset.from_pandas(bars, **options)
    with pytest.raises(DataError, match="has no dates"):
        FinancialDataset.from_pandas(bars.drop(columns="date"), symbol="A", **options)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(12, 30), min_size=1, max_size=4),
    length=st.integers(1, 6),
    horizon=st.integers(1, 5),
    data=st.data(),
)
def test_windows_equal_naive_slices_and_never_cross_symbols(counts, length, horizon, data):
    frames = [rows(f"S{i}", count, seed=i) for i, count in enumerate(counts)]
    task = TaskConfig(name="regression", horizon=horizon)
    whole = dataset(frames, length, task)
    assert len(whole.ends_W) == sum(count - (length - 1) - horizon for count in counts)
    ends = data.draw(st.lists(st.sampled_from(whole.ends_W.tolist()), min_size=1, max_size=8))
    x_BLF, y_B = whole.batch(torch.tensor(ends))
    offsets = np.cumsum([0, *counts])
    for x_LF, y, end in zip(x_BLF, y_B, ends, strict=True):
        symbol = int(whole.symbol_R[end])
        row = end - offsets[symbol]
        own = frames[symbol].select(whole.features).to_numpy().astype(np.float32)
        np.testing.assert_array_equal(x_LF.numpy(), own[row - length + 1 : row + 1])
        close = frames[symbol]["close"].to_numpy()
        assert y.item() == np.float32(np.log(close[row + horizon] / close[row]))
        assert whole.reach_R[end] == end + horizon
        assert whole.date_R[end] == frames[symbol]["date"].to_numpy()[row]


def test_a_batch_is_written_into_the_buffer():
    whole = dataset([rows("A", 20)])
    buffer = torch.full((8, 4, 6), -1.0)
    ends = torch.tensor([5, 3, 9])
    x_BLF, y_B = whole.batch(ends, out=buffer)
    assert x_BLF.data_ptr() == buffer.data_ptr()
    assert x_BLF.shape == (3, 4, 6)
    assert y_B.shape == (3,)
    assert torch.equal(x_BLF, whole.batch(ends)[0])
    assert (buffer[3:] == -1).all()


def test_gather_serves_forecasting_and_slices_of_a_table():
    table = torch.arange(40.0).view(20, 2)
    later = table[4:]  # a view that starts inside the storage
    ends = torch.tensor([5, 9])
    past = gather_windows(later, ends, 3)
    future = gather_windows(later, ends + 2, 2)
    assert past[1, :, 0].tolist() == [22.0, 24.0, 26.0]
    assert future[1, :, 1].tolist() == [29.0, 31.0]
    with pytest.raises((IndexError, RuntimeError)):
        gather_windows(later, torch.tensor([1]), 3)


@pytest.mark.parametrize("gather", [_gather_blocks, _gather_rows])
def test_both_ways_of_gathering_agree(gather):
    table = torch.randn(50, 3)[7:]
    ends = torch.tensor([4, 42, 20, 4])
    expected = torch.stack([table[end - 4 : end + 1] for end in ends.tolist()])
    assert torch.equal(gather(table, ends, 5, None), expected)
    buffer = torch.empty(4, 5, 3)
    assert gather(table, ends, 5, buffer).data_ptr() == buffer.data_ptr()
    assert torch.equal(buffer, expected)


def test_map_style_items_equal_the_batch():
    whole = dataset([rows("A", 20), rows("B", 15, seed=1)])
    items = whole.as_torch(whole.ends_W)
    assert len(items) == len(whole.ends_W) == 16 + 11
    loader = torch.utils.data.DataLoader(items, batch_size=len(items))
    x_BLF, y_B = next(iter(loader))
    expected_x, expected_y = whole.batch(torch.from_numpy(whole.ends_W))
    assert torch.equal(x_BLF, expected_x)
    assert torch.equal(y_B, expected_y)
    assert len(list(items)) == len(items)  # plain iteration stops


def test_facts_of_windows():
    whole = dataset([rows("A", 20), rows("B", 15, seed=1)])
    ends = whole.ends_W[[0, -1]]
    assert whole.dates(ends).tolist() == [dt.date(2020, 1, 6), dt.date(2020, 1, 20)]
    assert whole.symbol_names(ends).tolist() == ["A", "B"]
    close = rows("A", 20)["close"].to_numpy()
    rises = close[4:] > close[3:-1]
    assert whole.base_rate(whole.ends_W[:16]) == pytest.approx(rises.mean(), abs=1e-12)
    assert whole.timeline.startswith("direction, H = 1")
    assert whole.device == torch.device("cpu")
    assert whole.to("cpu").rows_RF.equal(whole.rows_RF)
    assert whole.to("meta").device.type == "meta"


def test_scale_is_fitted_on_rows_that_train_windows_see():
    frame = rows("A", 40).with_columns(constant=pl.lit(7.0), nearly=pl.lit(0.1) * 3)
    whole = dataset([frame])
    train = whole.ends_W[2:10]  # rows 2 … 12
    scaled = whole.scaled(train)
    expected = whole.rows_RF.numpy()[2:13].astype(np.float64).std(axis=0)
    np.testing.assert_allclose(scaled.scale_F[:6], expected[:6], rtol=1e-12)
    assert scaled.scale_F[6:].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(
        scaled.rows_RF.numpy(), whole.rows_RF.numpy() / scaled.scale_F.astype(np.float32), rtol=1e-6
    )
    assert whole.scale_F.tolist() == [1.0] * 8
    assert scaled.frame is whole.frame

    changed = frame.with_columns(
        signal=pl.when(pl.int_range(pl.len()) > 12).then(99.0).otherwise(pl.col("signal"))
    )
    assert dataset([changed]).scaled(train).scale_F.tolist() == scaled.scale_F.tolist()
    np.testing.assert_allclose(scaled.scaled(train).scale_F, scaled.scale_F, rtol=1e-6)


def test_rows_seen_of_windows_far_apart():
    assert np.flatnonzero(rows_seen(np.array([9, 2, 9]), 2, 12)).tolist() == [1, 2, 8, 9]


def test_leading_warm_up_rows_are_left_out():
    frame = rows("A", 20).with_columns(
        slow=pl.when(pl.int_range(pl.len()) >= 5).then(1.0).otherwise(None)
    )
    whole = dataset([frame])
    assert whole.date_R[0] == frame["date"].to_numpy()[5]
    assert len(whole.ends_W) == 20 - 5 - 3 - 1


def hole(frame: pl.DataFrame, column: str, row: int, value: float | None) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(column)).alias(column)
    )


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "at least one symbol"),
        ([hole(rows("A", 20), "signal", 7, None)], "A: signal is nan on 2020-01-10"),
        ([hole(rows("A", 20), "signal", 7, float("inf"))], "A: signal is inf on 2020-01-10"),
        ([rows("A", 20).with_columns(dead=float("nan"))], "A: dead has no value on any of 20"),
        (
            [rows("A", 4)],
            "A has 4 complete rows; a window of 4 bars with a label over the next 1 needs at "
            "least 5",
        ),
        ([rows("A", 9), rows("B", 9).drop("signal")], "B has no column signal"),
        ([rows("A", 9).drop("symbol")], "a frame has no column symbol"),
        ([rows("A", 9), rows("A", 9)], "A is given twice"),
        ([rows("A", 9).reverse()], "A: the row of 2020-01-10 follows that of 2020-01-13"),
        ([rows("A", 9)[[0, 1, 1, 2, 3, 4]]], "A: the row of 2020-01-02 follows that of 2020-01-02"),
        ([pl.concat([rows("A", 9), rows("B", 9)])], r"a frame holds 2 symbols \(A, B\)"),
        ([hole(rows("A", 20), "close", 7, 0.0)], "A: close is 0.0 on 2020-01-10"),
    ],
)
def test_bad_frames_are_refused_by_name(frames, message):
    with pytest.raises(DataError, match=message):
        dataset(frames)


def test_an_unknown_feature_gets_a_suggestion():
    with pytest.raises(DataError, match="A has no column signl") as error:
        dataset([rows("A", 9)], features=["close", "signl"])
    assert error.value.hint == "Did you mean signal?"


@pytest.fixture
def store(tmp_path):
    store = DataStore(tmp_path / "data")
    for number, symbol in enumerate(("AAA", "BBB")):
        bars = rows(symbol, 60, seed=number).drop("signal")
        bars = bars.select(
            "date", "symbol", "open", "high", "low", "close",
            pl.col("close").alias("adj_close"), "volume",
        )  # fmt: skip
        entry = store.add_bars(Bars(symbol=symbol, frame=bars, adjustment="raw", source="test"))
        for scale, suffix in (("daily", ""), ("weekly", ".weekly")):
            store.add_frame(
                rows(symbol, 60, seed=number),
                id=f"{symbol}.dataset.a20{suffix}",
                kind="dataset",
                symbol=symbol,
                tier="a20",
                timescale=scale,
                parents=[entry],
            )
    return store


def config(**data) -> ExperimentConfig:
    return ExperimentConfig(
        data={"symbols": ["BBB", "AAA"], "context_length": 5, "inputs": "level", **data}
    )


def test_from_config_reads_the_registered_datasets(store):
    whole = FinancialDataset.from_config(config(), store)
    assert whole.symbols == ("BBB", "AAA")
    assert [entry.id for entry in whole.entries] == ["BBB.dataset.a20", "AAA.dataset.a20"]
    assert whole.frame["close"][:60].equals(rows("BBB", 60, seed=1)["close"])
    split = whole.split(SplitConfig(train_end="2020-02-14", validation_end="2020-02-28"))
    assert split.train.size
    weekly = FinancialDataset.from_config(config(timescale="weekly"), store)
    assert weekly.entries[0].id == "BBB.dataset.a20.weekly"


def test_a_dataset_that_is_not_there_says_how_to_build_it(store):
    with pytest.raises(DataError, match=r"AAA.dataset.a20.5d is not in") as error:
        FinancialDataset.from_config(config(symbols="AAA", timescale="5d"), store)
    assert "build_dataset(store, 'AAA', tier='a20', timescale='5d')" in error.value.hint


def test_a_changed_file_is_refused(store):
    path = store.processed.folder / store.processed.get("AAA.dataset.a20").path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="AAA"):
        FinancialDataset.from_config(config(), store)


def test_many_channels_of_several_symbols_lie_where_their_rows_do():
    """More channels than a tile of the stacking, and a number of them that fills none."""
    rng = np.random.default_rng(0)
    names = tuple(f"x{i}" for i in range(37))
    frames = [
        rows(symbol, count).with_columns(**{n: pl.Series(rng.normal(size=count)) for n in names})
        for symbol, count in (("A", 30), ("B", 20))
    ]
    whole = dataset(frames, features=names)
    expected = pl.concat(frames).select(names).to_numpy().astype(np.float32)
    np.testing.assert_array_equal(whole.rows_RF.numpy(), expected)
    assert whole.rows_RF.is_contiguous()


def test_a_buffer_holds_a_batch_and_is_written_over():
    whole = dataset([rows("A", 40)])
    ends = torch.from_numpy(whole.ends_W)
    buffer = whole.buffer(8)
    first, _ = whole.batch(ends[:8], buffer)
    assert first.data_ptr() == buffer.data_ptr()
    last, _ = whole.batch(ends[-5:], buffer)
    assert last.shape == (5, 4, 6)
    assert torch.equal(last, whole.batch(ends[-5:])[0])
    assert torch.equal(first[:5], last)  # the same memory
