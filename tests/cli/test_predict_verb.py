"""``finscale predict`` and ``export`` as a person types them, on runs and on a study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config import StudyConfig, validate
from finscale.data import DataStore, fetch_bars
from finscale.errors import FinscaleError
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.study import Event, Job, Study

pytestmark = pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")

runner = CliRunner()


class Here:
    """Computes jobs in this process."""

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        for job in jobs:
            run = run_experiment(job.config, runs=RunStore(runs))
            yield Event("done", job, {"run_id": run.id})


STUDY = {
    "name": "mini",
    "question": "Does it pay?",
    "experiment": {
        "data": {"symbols": ["MINI"], "context_length": 24},
        "split": {"method": "walk_forward", "folds": 2, "validation_days": 150, "test_days": 60},
        "model": {"kind": "dlinear", "budget": "3k"},
        "training": {"epochs": 1, "batch_size": 128, "threads": 1, "thermal": {"enabled": False}},
    },
    "axes": {"parameters": ["3k", "5k"]},
    "seeds": [0, 1],
    "baselines": ["base_rate"],
}


def say(*words: str, code: int = 0) -> str:
    result = runner.invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def refused(*words: str) -> str:
    with pytest.raises(FinscaleError) as raised:
        runner.invoke(app, list(words), catch_exceptions=False)
    return str(raised.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a finished study of eight networks on a few real bars."""
    folder = tmp_path_factory.mktemp("predict")
    sp500 = fetch_bars("bundled", "SP500")
    frame = sp500.frame[-1_000:].with_columns(symbol=pl.lit("MINI"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        DataStore("data").add_bars(replace(sp500, symbol="MINI", frame=frame))
        bars = frame.select("date", "open", "high", "low", "close", "volume")
        bars.write_csv("bars.csv")
        study = Study(validate(StudyConfig, STUDY, place="here"))
        assert study.run(executor=Here()) == {}
        study.results()
    return folder


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def results() -> pl.DataFrame:
    return pl.read_parquet("studies/mini/results.parquet").filter(role="network")


@pytest.fixture
def run_id(results) -> str:
    return str(results["run_id"][0])


def test_a_run_says_what_it_thinks_of_the_newest_bars_in_80_columns(run_id) -> None:
    said = say("predict", run_id[:8])
    assert all(len(line) <= 80 for line in said.splitlines())
    head, *_ = said.partition("date  ")[2].splitlines()
    assert head.split() == ["probability", "set", "part", "beyond"]
    rows = [line for line in said.splitlines() if line.startswith("2018-")]
    assert len(rows) == 5
    assert rows[-1].startswith("2018-12-31")
    assert rows[-1].split()[-2] == "new"
    for words in (
        f"run {run_id}",
        "DLinear",
        "on MINI.dataset.a20@v1 md5 ",
        "MINI.OHLCV.daily@v1 · md5 ",
        "t+1 is 2019-01-02",
        "sessions of XNYS",
        "is fold 0 of 0 … 1: a later one was trained on newer bars",
    ):
        assert words in " ".join(said.split())
    quiet = say("predict", run_id, "--quiet", "--last", "1").splitlines()
    assert [line[:4] for line in quiet] == ["date", "2018"]


def test_json_and_files_hold_everything(run_id, tmp_path) -> None:
    out = tmp_path / "rows.csv"
    content = json.loads(
        say("predict", run_id, "--json", "--last", "3", "--out", str(out)),
        parse_constant=pytest.fail,
    )
    assert [row["date"] for row in content["rows"]] == ["2018-12-27", "2018-12-28", "2018-12-31"]
    assert set(content["rows"][0]) >= {"symbol", "part", "probability", "set", "logit", "beyond"}
    assert content["runs"][0]["id"] == run_id
    assert len(content["data"][0]["sha256"]) == 64
    assert content["calibration"] == {"method": "platt", "rows": 149}
    written = pl.read_csv(out)
    assert written["probability"].to_list() == [row["probability"] for row in content["rows"]]
    say("predict", run_id, "--last", "3", "--out", str(tmp_path / "rows.parquet"))
    assert len(pl.read_parquet(tmp_path / "rows.parquet")) == 3
    assert "written as .csv" in refused("predict", run_id, "--out", "rows.xlsx")


def test_a_file_says_the_same_as_the_store(run_id) -> None:
    stored = json.loads(say("predict", run_id, "--json"))
    found = json.loads(say("predict", run_id, "--json", "--file", "bars.csv", "--adjustment=split"))
    for one, other in zip(stored["rows"], found["rows"], strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)
    assert found["data"][0]["file"] == "bars.csv"
    assert "nobody said whose bars these are" in " ".join(found["warnings"])
    named = ["predict", run_id, "--json", "--file", "bars.csv", "--adjustment=split", "--symbol"]
    assert "nobody said" not in say(*named, "SP500")
    bad = pl.read_csv("bars.csv").with_columns(date=pl.lit("soon"))
    bad.write_csv("bad.csv")
    assert "bad.csv" in refused("predict", run_id, "--file", "bad.csv")
    assert "--adjustment belongs to --file" in refused("predict", run_id, "--adjustment", "raw")


def test_a_size_of_a_study_is_the_mean_of_its_latest_fold(results) -> None:
    content = json.loads(say("predict", "mini", "--size", "5k", "--json", "--last", "1"))
    expected = results.filter(pl.col("size_parameters") == 5_000, pl.col("fold") == 1)
    assert {run["id"] for run in content["runs"]} == set(expected["run_id"])
    (row,) = content["rows"]
    own = [row[f"run_{run_id[:8]}"] for run_id in expected["run_id"]]
    assert row["probability"] == pytest.approx(sum(own) / 2)
    said = say("predict", "mini", "--size", "5k", "--every-fold", "--architecture", "dlinear")
    assert "mean of 4 (2 seeds, folds 0–1)" in " ".join(said.split())
    assert "over runs" in said
    assert all(len(line) <= 80 for line in said.splitlines())


def test_what_is_meant_is_asked_or_refused(run_id) -> None:
    assert "has 2 sizes of parameters" in refused("predict", "mini")
    assert "--size says which: 3k, 5k" in refused("predict", "studies/mini")
    assert "2M is no size of mini" in refused("predict", "mini", "--size", "2M")
    assert "has no architecture gru" in refused("predict", "mini", "--architecture", "gru")
    assert "is a run, and --size belongs to a study" in refused("predict", run_id, "--size", "5k")
    unknown = refused("predict", "minni", "--size", "5k")
    assert "minni is no study in studies and no run in runs" in unknown
    assert "Did you mean mini?" in unknown
    assert "no run in runs starts with 'ffff0000'" in refused("predict", "ffff0000")
    assert "is not a calibration method" in refused("predict", run_id, "--calibration", "plat")
    assert "Known: beta, isotonic, none" in refused("predict", run_id, "--calibration", "foo")
    assert "has no bars of NONE" in refused("predict", run_id, "--symbol", "NONE")


def test_a_studys_file_names_it_and_one_without_runs_is_refused(tmp_path) -> None:
    path = tmp_path / "mini.yaml"
    path.write_text(json.dumps(STUDY))
    assert "mean of 2" in say("predict", str(path), "--size", "3k", "--last", "1")
    path.write_text(json.dumps({**STUDY, "name": "other"}))
    said = refused("predict", str(path))
    # its runs may all be there: a study that was killed while it wrote its report
    assert "study other has no table of its runs yet" in said
    assert "finscale study run FILE computes what is missing" in said


def test_export_writes_what_onnxruntime_agrees_with(run_id, tmp_path) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "model.onnx"
    said = say("export", run_id, "--onnx", "--out", str(out))
    assert out.stat().st_size > 1_000
    assert json.loads((tmp_path / "model.onnx.json").read_text())["run"] == run_id
    for words in ("window [batch, 24, 26]", "log odds", "onnxruntime against torch on 65 windows"):
        assert words in said
    assert "knows one form" in refused("export", run_id)
    assert "ends in .onnx" in refused("export", run_id, "--onnx", "--out", "model.bin")
