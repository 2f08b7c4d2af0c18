"""A run's identity, folder and store."""

from __future__ import annotations

import subprocess
import sys
import time

import polars as pl
import pytest

from finscale.config import ExperimentConfig
from finscale.errors import FinscaleError
from finscale.files import write_json
from finscale.runs import (
    RunStore,
    environment,
    exclusive,
    git_state,
    partial_folder,
    publish,
    run_id,
)


def make_run(store: RunStore, name: str) -> None:
    partial = partial_folder(store.folder, name)
    (partial / "resume").mkdir(parents=True)
    write_json(partial / "run.json", {"config": ExperimentConfig().model_dump(mode="json")})
    table = pl.DataFrame({"split": ["validation", "test"], "logit": [0.1, 0.2]})
    table.write_parquet(partial / "predictions.parquet")
    table.write_parquet(partial / "metrics.parquet")
    publish(partial, store.folder / name)


def test_identity_depends_on_config_and_data() -> None:
    config = ExperimentConfig()
    first = run_id(config, {"SPY.dataset.a20": "aa"})
    assert len(first) == 16
    assert first == run_id(config, {"SPY.dataset.a20": "aa"})
    assert first != run_id(config, {"SPY.dataset.a20": "ab"})
    assert first != run_id(ExperimentConfig(seed=1), {"SPY.dataset.a20": "aa"})


def test_store_finds_whole_runs_only(tmp_path) -> None:
    store = RunStore(tmp_path / "runs")
    assert store.ids() == []
    make_run(store, "abcd000000000000")
    make_run(store, "abce000000000000")
    (tmp_path / "runs" / "ffff000000000000").mkdir()
    assert store.ids() == ["abcd000000000000", "abce000000000000"]
    assert "ffff000000000000" not in store
    assert [run.id for run in store] == store.ids()
    run = store.find("abcd")
    assert run.config == ExperimentConfig()
    assert run.predictions("test")["logit"].to_list() == [0.2]
    assert len(run.metrics()) == 2
    assert not (run.folder / "resume").exists()
    with pytest.raises(FinscaleError, match="2 runs"):
        store.find("abc")
    with pytest.raises(FinscaleError, match="no run in"):
        store.find("9")
    with pytest.raises(FinscaleError, match="is not in"):
        store["9999000000000000"]


def test_damaged_table_is_one_sentence(tmp_path) -> None:
    store = RunStore(tmp_path)
    make_run(store, "abcd000000000000")
    (tmp_path / "abcd000000000000" / "predictions.parquet").write_bytes(b"broken")
    with pytest.raises(FinscaleError, match="cannot be read"):
        store.find("abcd").predictions()


def test_lock_of_a_killed_process_is_free(tmp_path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from finscale.runs import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    started = time.monotonic()
    with exclusive(tmp_path, "x"):
        assert time.monotonic() - started < 30


def test_unwritable_runs_folder(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinscaleError, match="cannot be written"), exclusive(tmp_path / "file", "x"):
        pass


def test_environment_names_versions(tmp_path) -> None:
    facts = environment()
    assert facts["versions"]["torch"].startswith("2.")
    assert git_state(tmp_path) == {}
