"""Rows in a mapped file: the same bits, in less memory than the data take."""

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from finscale.config import DataConfig, ExperimentConfig, TaskConfig
from finscale.data import DataStore, fetch_bars
from finscale.data.mapped import rows_file
from finscale.data.windows import FinancialDataset
from finscale.errors import DataError
from finscale.features import build_dataset

DIRECTION = TaskConfig(name="direction")


def walk(symbol: str, count: int, num_features: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    columns = {
        "date": np.busday_offset("2000-01-03", np.arange(count)),
        "symbol": [symbol] * count,
        "open": close,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": np.ones(count),
    }
    signals = rng.normal(3, 2, (num_features, count))
    return pl.DataFrame(columns | {f"x{i}": signal for i, signal in enumerate(signals)})


@pytest.fixture
def both(tmp_path):
    frames = [walk("A", 60, 3), walk("B", 40, 3, seed=1)]
    options = {"context_length": 5, "task": DIRECTION}
    mapped = FinancialDataset.memory_mapped(iter(frames), tmp_path / "r.f32", **options)
    return FinancialDataset.from_frames(frames, **options), mapped


def test_mapped_windows_are_the_same_bits_scaled_or_not(both):
    whole, mapped = both
    assert mapped.mapped
    assert not whole.mapped
    assert mapped.features == whole.features
    assert mapped.frame.columns == ["date", "symbol", "open", "high", "low", "close", "volume"]
    assert mapped.ends_W.tolist() == whole.ends_W.tolist()
    ends = torch.from_numpy(whole.ends_W)
    for one, other in ((whole, mapped), (whole.scaled(ends[:30]), mapped.scaled(ends[:30]))):
        assert one.scale_F.tolist() == other.scale_F.tolist()
        for left, right in zip(one.batch(ends), other.batch(ends), strict=True):
            assert torch.equal(left, right)
        buffer = other.buffer(len(ends))
        assert torch.equal(other.batch(ends, buffer)[0], one.batch(ends)[0])
        assert torch.equal(other.as_torch(whole.ends_W)[7][0], one.as_torch(whole.ends_W)[7][0])
    assert mapped.scaled(ends[:30]).scale_F.max() > 1.5


def test_frames_are_taken_one_at_a_time(tmp_path):
    alive = []

    def frames():
        for symbol in "ABC":
            frame = walk(symbol, 30, 1)
            alive.append(symbol)
            yield frame
            # the file grows before the next frame is made
            assert alive[-1] == symbol

    mapped = FinancialDataset.memory_mapped(
        frames(), tmp_path / "r.f32", context_length=4, task=DIRECTION
    )
    assert mapped.symbols == ("A", "B", "C")
    assert (tmp_path / "r.f32").stat().st_size == 4 * mapped.rows_RF.numel()


def test_a_frame_that_is_refused_leaves_no_file(tmp_path):
    bad = walk("B", 30, 1).with_columns(x0=pl.lit(float("inf")))
    with pytest.raises(DataError, match="B: x0"):
        FinancialDataset.memory_mapped(
            [walk("A", 30, 1), bad], tmp_path / "r.f32", context_length=4, task=DIRECTION
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="at least one symbol"):
        FinancialDataset.memory_mapped([], tmp_path / "r.f32", context_length=4, task=DIRECTION)


def test_a_config_maps_its_datasets_into_a_file_named_by_their_digests(tmp_path):
    store = DataStore(tmp_path)
    store.add_bars(fetch_bars("bundled", "SP500"))
    entry = build_dataset(store, "SP500")
    config = ExperimentConfig(data=DataConfig(memory_map=True))
    mapped = FinancialDataset.from_config(config, store)
    file = rows_file(store.processed.folder, [entry], config.data.inputs)
    written = file.stat().st_mtime_ns
    assert mapped.mapped
    assert FinancialDataset.from_config(config, store).mapped
    assert file.stat().st_mtime_ns == written
    assert store.verify() == []
    plain = FinancialDataset.from_config(ExperimentConfig(), store)
    assert not plain.mapped  # it fits
    assert torch.equal(plain.rows_RF, mapped.rows_RF)
    assert config.hash() == ExperimentConfig().hash()


_CHILD = """
import json, resource, sys
from pathlib import Path
import numpy as np, polars as pl, torch
from finscale.config import ModelConfig, SplitConfig, TaskConfig, TrainingConfig
from finscale.data.windows import FinancialDataset
from finscale.models import build_model, resolve_model
from finscale.training import Trainer, fit

torch.set_num_threads(1)
how, file = sys.argv[1], Path(sys.argv[2])
count, num_features, num_symbols = 2_000, 400, 60
options = {"context_length": 16, "task": TaskConfig(name="direction")}

def frames(num_symbols):
    for number in range(num_symbols):
        rng = np.random.default_rng(number)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
        columns = {"date": np.busday_offset("2000-01-03", np.arange(count)),
                   "symbol": [f"S{number}"] * count, "high": close * 1.01, "close": close}
        signals = rng.normal(1, 2, (num_features, count)).astype(np.float32)
        yield pl.DataFrame(columns | {f"x{i}": signal for i, signal in enumerate(signals)})

def losses(dataset, num_steps):
    split = dataset.split(SplitConfig(method="walk_forward", folds=1))
    shape = {"num_features": dataset.num_features, "context_length": 16}
    network = resolve_model(ModelConfig(budget=20_000, patch_length=8, stride=4), **shape)
    torch.manual_seed(0)
    config = TrainingConfig(device="cpu", threads=1, batch_size=32, epochs=1, learning_rate=1e-3,
                            precision="fp32")
    trainer = Trainer(build_model(network, **shape), dataset.scaled(split.train), split, config,
                      task=options["task"])
    fit.setup(trainer)
    trainer.model.train()
    order = torch.from_numpy(split.train)[torch.randperm(len(split.train))]
    for step in range(num_steps):
        fit.step(trainer, order[32 * step : 32 * step + 32])
    return [loss.hex() for loss in trainer.state.losses_S[:num_steps].tolist()]

# the libraries' own memory does not count
first = FinancialDataset.memory_mapped(frames(1), file.with_suffix(".first"), **options)
losses(first, 2)
if how != "whole":
    # private memory only: pages of mapped files do not count
    data = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
    limit = int(data.split()[1]) * 1024 + 100 * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
if how == "mapped":
    dataset = FinancialDataset.memory_mapped(frames(num_symbols), file, **options)
else:
    dataset = FinancialDataset.from_frames(list(frames(num_symbols)), **options)
print(json.dumps({"bytes": 4 * dataset.rows_RF.numel(), "losses": losses(dataset, 20)}))
"""


def _train(how, folder):
    return subprocess.run(
        [sys.executable, "-c", _CHILD, how, str(folder / "rows.f32")],
        env={**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA is Linux's")
def test_data_larger_than_the_memory_limit_train_to_the_same_bits(tmp_path):
    done = {how: _train(how, tmp_path) for how in ("whole", "mapped")}
    assert [done[how].returncode for how in done] == [0, 0], done["mapped"].stderr[-2000:]
    whole, mapped = (json.loads(done[how].stdout.splitlines()[-1]) for how in done)
    assert mapped["bytes"] > 180 * 2**20
    assert mapped["losses"] == whole["losses"]
    assert len(set(whole["losses"])) > 10
    # what was mapped could not have been held: the limit is one
    assert _train("limited", tmp_path).returncode != 0
