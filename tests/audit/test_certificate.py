from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from finscale.audit import CHECKS, Certificate, CheckOutcome, audit
from finscale.audit.evidence import collect
from finscale.config import ExperimentConfig
from finscale.data import DataStore, FinancialDataset, Split, fetch_bars
from finscale.errors import FinscaleError
from finscale.features import build_dataset
from finscale.files import write_json
from finscale.runs import RunStore
from finscale.runs.reads import TRAINING, note_reading

CONFIG = {"split": {"train_end": "2011-12-31", "validation_end": "2014-12-31"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> DataStore:
    store = DataStore(tmp_path_factory.mktemp("data"))
    store.add_bars(fetch_bars("bundled", "SP500"))
    build_dataset(store, "SP500")
    return store


def write_run(folder, store, *, scale=None, rows=1005, **facts):
    """Write a finished run's folder, as far as the audit reads it."""
    config = ExperimentConfig(**CONFIG)
    dataset = FinancialDataset.from_config(config, store)
    split = dataset.split(config.split)
    days = dataset.frame["date"].gather(split.test)
    predictions = pl.DataFrame(
        {
            "date": days,
            "symbol": ["SP500"] * days.len(),
            "fold": pl.zeros(days.len(), pl.Int32, eager=True),
            "split": ["test"] * days.len(),
            "target": dataset.targets(split.test),
            "logit": np.zeros(days.len()),
        }
    )
    folder.mkdir(parents=True)
    predictions.head(rows).write_parquet(folder / "predictions.parquet")
    if "test_reads" in facts:
        note_reading(folder.parent, folder.name, TRAINING)
    info = {
        "config": config.model_dump(mode="json"),
        "data": [entry.model_dump(mode="json") for entry in dataset.entries],
        "windows": {"test": len(split.test)},
    }
    write_json(folder / "run.json", info | facts)
    if scale is not None:
        from safetensors.numpy import save_file

        train = dataset.scaled(getattr(split, scale) if scale != "all" else dataset.ends_W)
        save_file({"input_scale": train.scale_F}, folder / "model.safetensors")


def certify(store, tmp_path, *only) -> Certificate:
    return audit(ExperimentConfig(**CONFIG), data=store, runs=RunStore(tmp_path), only=only)


def test_runs_that_read_the_test_set_once_are_counted(store, tmp_path):
    for number in range(3):
        write_run(tmp_path / f"{number:016x}", store, test_reads=1, scale="train")
    outcome = certify(store, tmp_path, "test reads", "fitting")
    assert outcome.clean
    assert outcome["test reads"].statement == (
        "3 runs, 3 of which keep a record; their test windows were read 0 times since; the best "
        "of 3 worthless models would show an AUC of 0.519 there"
    )
    assert outcome["fitting"].statement.endswith("compared with train rows: 3")


def test_a_run_that_read_the_test_set_often_is_a_finding(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store, test_reads=9)
    assert certify(store, tmp_path, "test reads").findings == (
        (
            "test reads",
            "run 00000000000000aa predicted its test windows 9 times while it was trained: "
            "something was chosen by them",
        ),
    )


def test_runs_on_another_split_do_not_count(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store, test_reads=9)
    other = {"train_end": "2009-12-31", "validation_end": "2012-12-31"}
    config = ExperimentConfig(split=other)
    certificate = audit(config, data=store, runs=RunStore(tmp_path), only=["test reads"])
    assert certificate["test reads"].statement.startswith("no run on this dataset")


def test_a_run_that_does_not_say_is_unproven(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store)
    certificate = certify(store, tmp_path, "test reads")
    assert certificate.clean
    assert not certificate.complete


def test_a_run_that_left_test_windows_out_is_a_finding(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store, test_reads=1, rows=1000)
    [(_, finding)] = certify(store, tmp_path, "test reads").findings
    assert finding == "run 00000000000000aa scored 1,000 of 1,005 test windows"


def test_a_stored_scale_of_all_rows_is_a_finding(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store, test_reads=1, scale="all")
    [(check, finding)] = certify(store, tmp_path, "fitting").findings
    assert check == "fitting"
    assert finding == "run 00000000000000aa stores an input scale that is not of its train rows"


def test_a_dataset_alone_says_nothing_of_the_scales_of_runs(store, tmp_path):
    write_run(tmp_path / "00000000000000aa", store, test_reads=1, scale="all")
    dataset = FinancialDataset.from_config(ExperimentConfig(**CONFIG), store)
    certificate = audit(dataset, data=store, runs=RunStore(tmp_path), only=["fitting"])
    assert certificate.clean, str(certificate)


def test_a_correctly_scaled_dataset_is_no_finding(store):
    dataset = FinancialDataset.from_config(ExperimentConfig(**CONFIG), store)
    split = dataset.split(ExperimentConfig(**CONFIG).split)
    certificate = audit(dataset.scaled(split.train), split=[split], data=store, only=["fitting"])
    assert certificate.clean, str(certificate)


def test_a_mapped_dataset_is_checked_as_far_as_it_is_in_memory(store):
    config = ExperimentConfig(**CONFIG, data={"memory_map": True})
    dataset = FinancialDataset.from_config(config, store)
    split = dataset.split(config.split)
    for subject in (dataset, dataset.scaled(split.train)):
        certificate = audit(subject, split=[split], data=store)
        assert certificate.clean, str(certificate)
        unproven = {o.check: o.unproven[0] for o in certificate.outcomes if o.unproven}
        assert set(unproven) == {"columns", "duplicates", "plausibility"}
        assert unproven["columns"].startswith("26 channels, first rel_")
    assert "runs of 5 bars compared with all" in certificate["duplicates"].statement
    all_rows = dataset.scaled(dataset.ends_W)
    certificate = audit(all_rows, split=[split], data=store, only=["fitting"])
    assert "its train rows have a standard deviation of" in certificate.findings[0][1]


def test_a_mapped_dataset_without_bar_channels_leaves_plausibility_unproven(case, tmp_path):
    dataset = FinancialDataset.memory_mapped(
        [case.frame], tmp_path / "r.f32", context_length=20, task=case.task, features=["rsi_14"]
    )
    certificate = case.certify(dataset=dataset)
    assert certificate.clean, str(certificate)
    assert certificate["plausibility"].statement == "no channel is at hand"
    assert certificate["plausibility"].unproven[0].startswith("1 channel, first rsi_14: a memory")


def test_an_older_dataset_is_compared_with_the_bars_that_it_was_made_from(tmp_path):
    """A dividend later than the dataset changes every adjusted price before it."""
    bars = fetch_bars("bundled", "SP500")
    old = bars.frame.head(4900)
    store = DataStore(tmp_path)
    store.add_bars(replace(bars, frame=old))
    build_dataset(store, "SP500")
    adjusted = bars.frame.with_columns(pl.col("adj_close") * 0.997)
    store.add_bars(replace(bars, frame=adjusted))
    config = ExperimentConfig(**CONFIG, data={"version": "v1"})
    checks = ["causality", "columns", "calendar", "finished", "files"]
    certificate = audit(config, data=store, only=checks)
    assert certificate.clean, str(certificate)
    assert certificate.complete, str(certificate)
    dataset = FinancialDataset.from_config(config, store)
    assert collect(dataset, data=store).bars["SP500"]["close"].equals(old["close"])
    # in memory, without an entry, the newest bars are those at hand
    entryless = replace(dataset, entries=())
    assert collect(entryless, data=store).bars["SP500"]["close"].equals(adjusted["adj_close"])


def test_labels_of_one_kind_only_are_unproven(case):
    dataset = case.dataset()
    rare = dataset.ends_W[dataset.targets(dataset.ends_W) == 0]
    parts = np.split(rare, [1000, 1500])
    ranges = dataset.split(case.split).ranges
    split = Split(*parts, fold=0, num_purged=0, num_embargoed=0, num_unused=0, ranges=ranges)
    certificate = audit(dataset, split=[split], only=["plausibility"])
    assert certificate["plausibility"].status == "unproven"


def test_an_unknown_check_names_the_nearest(case):
    with pytest.raises(FinscaleError, match=r"'casuality' is not a check[\s\S]*causality"):
        case.certify("casuality")


def test_a_certificate_reads_well_and_is_plain_json():
    certificate = Certificate(
        "SPY",
        (
            CheckOutcome("causality", "20 of 20 features"),
            CheckOutcome("overlap", "100 windows", findings=("3 train windows", "2 labels")),
            CheckOutcome("files", "in memory", unproven=("no file",), mend="register it"),
        ),
    )
    assert str(certificate).splitlines() == [
        "SPY",
        "✓ causality: 20 of 20 features",
        "✗ overlap: 100 windows",
        "    ✗ 3 train windows",
        "    ✗ 2 labels",
        "? files: in memory",
        "    ? no file",
        "1 of 3 checks proven · 1 not provable from what is at hand · 2 findings",
    ]
    content = json.loads(json.dumps(certificate.to_dict()))
    assert content["clean"] is False
    assert [check["status"] for check in content["checks"]] == ["proven", "finding", "unproven"]


def test_every_check_asks_one_question():
    for name, check in CHECKS.items():
        assert check.name == name
        assert check.question.endswith("?")


def test_the_room_is_called_by_its_name_whatever_was_imported_first():
    import finscale
    import finscale.audit.certify
    from finscale import audit as room

    assert room is finscale.audit
    assert room.audit is audit
    with pytest.raises(FinscaleError, match="'nothing' is not a check"):
        finscale.audit(ExperimentConfig(), only=["nothing"])


def test_names_of_the_room():
    import finscale.audit as room

    for name in dir(room):
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = room.nothing
