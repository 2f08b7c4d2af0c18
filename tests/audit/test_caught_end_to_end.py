"""Every line of the certificate can fail: a leak for each, planted on disk, found by the verb.

A file of prices is imported, a dataset built, runs made: all by the command line. Then one thing
is spoiled where it would be spoiled in life (the vendor's file, a registered dataset, a plugin, a
run), and ``finscale audit`` has to find it under the right name, and nothing where it is not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

import finscale as fs
from finscale.audit import CHECKS
from finscale.cli.app import app
from finscale.config import ExperimentConfig, load_config
from finscale.data import DataStore, FinancialDataset, Split, fetch_bars
from finscale.data.store import dataset_id
from finscale.errors import DataError
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.training import Callback

RECIPE = """
data: {symbols: [ACME], context_length: 20}
split: {train_end: 2006-12-31, validation_end: 2007-12-31}
model: {budget: 3k, patch_length: 4, stride: 4}
training: {epochs: 2, batch_size: 256, threads: 1, thermal: {enabled: false}}
"""
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Desk:
    """A folder with a vendor's file, data, runs and a recipe, and the command line in it."""

    folder: Path

    def finscale(self, *words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def import_bars(self, bars: pl.DataFrame) -> None:
        """Write the vendor's file, import it, and build the dataset."""
        file = self.folder / "acme.csv"
        bars.drop("symbol", strict=False).write_csv(file)
        root = ["--data-root", str(self.folder / "data")]
        self.finscale("data", "import", str(file), "--symbol", "ACME", *root)
        self.finscale("features", "build", "ACME", *root)

    @property
    def store(self) -> DataStore:
        return DataStore(self.folder / "data")

    @property
    def config(self) -> ExperimentConfig:
        root = f"data.root={self.folder / 'data'}"
        return load_config(ExperimentConfig, self.folder / "recipe.yaml", [root])

    @property
    def command(self) -> list[str]:
        folders = ["--data-root", "data", "--runs", "runs"]
        return ["audit", "recipe.yaml", "--json", *folders]

    def findings(self, check: str) -> list[str]:
        """Return what the verb finds under a check, after asking it for that check alone."""
        words = [
            self.folder / word if word in ("data", "runs", "recipe.yaml") else word
            for word in self.command
        ]
        done = CliRunner().invoke(app, [*map(str, words), "--only", check], catch_exceptions=False)
        return found_in(done.stdout, done.exit_code, check)


def found_in(output: str, exit_code: int, check: str) -> list[str]:
    (outcome,) = json.loads(output)["checks"]
    assert outcome["check"] == check
    assert exit_code == (1 if outcome["findings"] else 0)
    assert outcome["status"] == ("finding" if outcome["findings"] else "proven"), outcome
    return list(outcome["findings"])


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return fetch_bars("bundled", "SP500").frame[:2500]


@pytest.fixture(scope="module")
def clean(bars, tmp_path_factory) -> Desk:
    """Return a desk on which nothing is wrong: imported bars, a network's run and a baseline's."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    (desk.folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    desk.import_bars(bars)
    folders = ["--data-root", str(desk.folder / "data"), "--runs", str(desk.folder / "runs")]
    desk.finscale("train", str(desk.folder / "recipe.yaml"), "--quiet", *folders)
    return desk


@pytest.fixture
def desk(clean, tmp_path) -> Desk:
    """Return a copy of the clean desk, to be spoiled."""
    shutil.copytree(clean.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def test_nothing_is_found_where_nothing_is_planted(clean):
    words = ["audit", str(clean.folder / "recipe.yaml"), "--strict"]
    words += ["--data-root", str(clean.folder / "data"), "--runs", str(clean.folder / "runs")]
    assert "11 of 11 checks proven · no leak found" in clean.finscale(*words)


def columns(desk: Desk, bars: pl.DataFrame) -> None:
    """Register a dataset whose moving average is that of the row below."""
    name = dataset_id("ACME", "a20", "daily")
    frame, entry = desk.store.frame(name)
    parents = [
        desk.store.bars_entry("ACME"),
        desk.store.processed.get(dataset_id("ACME", "a20", "daily", "features")),
    ]
    desk.store.add_frame(
        frame.with_columns(pl.col("sma_12").shift(-1))[:-1],
        id=name,
        kind="dataset",
        symbol="ACME",
        tier="a20",
        timescale="daily",
        parents=parents,
        adjustment=entry.adjustment,
    )


def fitting(desk: Desk, bars: pl.DataFrame) -> None:
    """Store beside a run's weights the scale of all rows."""
    dataset = FinancialDataset.from_config(desk.config, desk.store)
    (weights,) = desk.folder.glob("runs/*/model.safetensors")
    save_file(load_file(weights) | {"input_scale": dataset.scaled(dataset.ends_W).scale_F}, weights)


def duplicates(desk: Desk, bars: pl.DataFrame) -> None:
    """Sell ten bars of 2001 again in 2008, at that year's price level."""
    level = bars["close"][2349] / bars["close"][599]
    pasted = bars[600:610].select(pl.col(*PRICES) * level)
    spoiled = pl.concat([bars[:2350].select(PRICES), pasted, bars[2360:].select(PRICES)])
    desk.import_bars(bars.with_columns(spoiled, adj_close=spoiled["close"]))


def plausibility(desk: Desk, bars: pl.DataFrame) -> None:
    """Sell volumes that know how the next day will end."""
    ahead = bars["close"].log().diff().shift(-1).fill_null(0.0)
    desk.import_bars(bars.with_columns(volume=1e8 * (20 * ahead).exp()))


def calendar(desk: Desk, bars: pl.DataFrame) -> None:
    """Lose eight sessions of the file."""
    desk.import_bars(pl.concat([bars[:1000], bars[1008:]]))


def finished(desk: Desk, bars: pl.DataFrame) -> None:
    """Take the last bar from the middle of its session."""
    last = pl.int_range(pl.len()) == pl.len() - 1
    desk.import_bars(
        bars.with_columns(pl.when(last).then(pl.col("volume") * 0.03).otherwise("volume"))
    )


def files(desk: Desk, bars: pl.DataFrame) -> None:
    """Change a file that the dataset was made from, after it was registered."""
    (path,) = desk.folder.glob("data/processed/v1/ACME_features_a20.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class Peek(Callback):
    def on_epoch_end(self, trainer, record) -> None:
        trainer.predict(trainer.split.test[:5])


def peeked(desk: Desk, bars: pl.DataFrame) -> None:
    """Train with a callback that looks at test windows after every epoch."""
    config = desk.config.model_copy(update={"seed": 1})
    run_experiment(config, runs=RunStore(desk.folder / "runs"), callbacks=[Peek()])


def left_out(desk: Desk, bars: pl.DataFrame) -> None:
    """Keep of a run's test windows those that suit."""
    (path,) = (weights.parent / "predictions.parquet" for weights in _weights(desk))
    table = pl.read_parquet(path)
    suits = (pl.col("split") == "validation") | (pl.col("target") > 0.5)
    table.filter(suits).write_parquet(path)


def exchanged(desk: Desk, bars: pl.DataFrame) -> None:
    """Score a run on days of its validation part instead of its test days."""
    (path,) = (weights.parent / "predictions.parquet" for weights in _weights(desk))
    table = pl.read_parquet(path)
    moved = table.filter(pl.col("split") == "validation")[:3].with_columns(split=pl.lit("test"))
    pl.concat([table[:-3], moved]).write_parquet(path)


def chosen(desk: Desk, bars: pl.DataFrame) -> None:
    """Choose among runs by their test losses."""
    from finscale.runs import choosing

    with choosing("the better seed"):
        for run in RunStore(desk.folder / "runs"):
            run.predictions("test")


def _weights(desk: Desk) -> list[Path]:
    return list(desk.folder.glob("runs/*/model.safetensors"))


ON_DISK = [
    ("columns", columns, "ACME: sma_12 is"),
    ("fitting", fitting, "stores an input scale that is not of its train rows"),
    ("duplicates", duplicates, "runs of 5 held-out bars, first ACME to 2008"),
    ("plausibility", plausibility, "volume (level) tells the label with AUC"),
    ("calendar", calendar, "(8 sessions): windows and labels reach across it"),
    ("finished", finished, "ACME: the last bar has 3% of the usual volume"),
    ("files", files, "ACME_features_a20.parquet"),
    ("test reads", peeked, "predicted its test windows 3 times while it was trained"),
    ("test reads", left_out, "of 237 test windows"),
    ("test reads", exchanged, "scored 3 windows, first ACME 2007-01-03, that are not in the"),
    ("test reads", chosen, "while choosing the better seed"),
]


@pytest.mark.parametrize(("check", "plant", "found"), ON_DISK)
def test_a_leak_on_disk_is_found_under_its_name(
    clean, desk, bars, check: str, plant: Callable[[Desk, pl.DataFrame], None], found: str
):
    assert clean.findings(check) == []
    plant(desk, bars)
    findings = desk.findings(check)
    assert any(found in finding for finding in findings), findings


@pytest.mark.parametrize("file", ["data/raw/ACME*.parquet", "data/processed/v1/ACME_dataset*"])
def test_bars_or_a_dataset_that_were_changed_are_refused_before_they_are_audited(desk, file):
    (path,) = desk.folder.glob(file)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=path.name):
        desk.findings("files")


def test_overlap_in_a_split_of_ones_own(clean):
    """A random split, as scikit-learn's KFold makes it, and one that forgot the purge."""
    config = clean.config.model_copy(
        update={"task": clean.config.task.model_copy(update={"horizon": 5})}
    )
    dataset = FinancialDataset.from_config(config, clean.store)
    honest = dataset.split(config.split)

    def findings(**parts: np.ndarray) -> tuple[str, ...]:
        given = {part: getattr(honest, part) for part in ("train", "validation", "test")} | parts
        counts = dict.fromkeys(("fold", "num_purged", "num_embargoed", "num_unused"), 0)
        split = Split(**given, **counts, ranges=honest.ranges)
        certificate = fs.audit(config, split=[split], data=clean.store, only=["overlap"])
        return certificate["overlap"].findings

    assert findings() == ()
    ends = np.random.default_rng(0).permutation(dataset.ends_W)
    train, validation, test = (np.sort(part) for part in np.split(ends, [1500, 1800]))
    (found,) = findings(train=train, validation=validation, test=test)[:1]
    assert "train windows" in found
    unpurged = dataset.ends_W[dataset.ends_W < honest.validation[0]]
    (found,) = findings(train=unpurged)
    assert found.startswith("5 train windows, first 2006-12-22, share bars with held-out")


FEATURE = """
import numpy as np
from finscale.features import FEATURES, TIERS, Feature

def change(close):
    return {compute}

FEATURES.add("change", Feature("change", ("close",), change, 0, "by hand", seen="bounded"))
TIERS.add("mine", (*TIERS["a20"], "change"))
"""
TASK = """
import numpy as np
from finscale.data.targets import TASKS, Task

def label(prices, task):
    close = prices["close"]
    {label}

TASKS.add("rises", Task(label, lambda task: "yes if it rises", ("close",), lambda task: {reach}))
"""
AHEAD = "np.r_[close[1:], close[-1:]] / close"
BEHIND = "close / np.r_[close[:1], close[:-1]]"
#: The close of two bars on, whatever is said of the reach.
FAR = "return (np.r_[close, close[-1]][2:] > close[:-1]).astype(float)"
NEAR = "return (close[2:] > close[:-2]).astype(float)"


IN_PLUGINS = [
    ("causality", FEATURE.format(compute=BEHIND), "data.tier=mine", None),
    ("causality", FEATURE.format(compute=AHEAD), "data.tier=mine", "change sees the future"),
    ("labels", TASK.format(label=NEAR, reach=2), "task.name=rises", None),
    (
        "labels",
        TASK.format(label=FAR, reach=1),
        "task.name=rises",
        "rises says that it looks 1 ahead",
    ),
]


@pytest.mark.parametrize(("check", "code", "setting", "found"), IN_PLUGINS)
def test_a_plugin_that_looks_further_than_it_says(
    desk, installed, check: str, code: str, setting: str, found: str | None
):
    place = installed()
    place.distribution("mine", {"mine": "mine"}, {"mine": code})
    for name in ("data", "recipe.yaml"):
        (place.folder / name).symlink_to(desk.folder / name)
    done = place.finscale(*desk.command, "--only", check, "--set", setting)
    assert done.stdout, done.stderr
    findings = found_in(done.stdout, done.returncode, check)
    assert bool(findings) is bool(found)
    # a feature's relative column sees what the feature sees
    assert all(found in finding for finding in findings)


def test_there_is_a_case_for_every_check():
    caught = {check for check, _, found in ON_DISK if found}
    caught |= {check for check, _, _, found in IN_PLUGINS if found}
    assert caught | {"overlap"} == set(CHECKS)
