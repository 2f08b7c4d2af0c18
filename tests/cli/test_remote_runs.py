"""The verbs with ``--runs`` at an address."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.errors import FinscaleError
from finscale.files import read_json
from finscale.runs.address import CACHE

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
from s3_server import SECRET, s3_server

runner = CliRunner()
SETTINGS = ("training.epochs=1", "training.batch_size=512", "training.thermal.enabled=false")


def verb(*words: str) -> str:
    """Run a verb and return what it printed on standard output."""
    result = runner.invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def train(root: Path, data: Path, runs: str, *more: str) -> dict[str, object]:
    recipe = str(root / "configs/daily/threshold_1pct.yaml")
    settings = [f"--set={one}" for one in (*SETTINGS, *more)]
    words = ["--budget=3k", f"--runs={runs}", f"--data-root={data}", "--json"]
    return json.loads(verb("train", recipe, *settings, *words))


def test_train_list_show_evaluate_and_predict(root, data_root, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path)
    runs = f"memory://{tmp_path.name}/runs"
    secret = "tracking.mlflow_tracking_uri=http://me:hidden-word@127.0.0.1:9"
    run = str(train(root, data_root, runs, secret)["run"])
    # another machine
    monkeypatch.setenv(CACHE, str(tmp_path / "there"))
    rows = json.loads(verb("runs", "list", f"--runs={runs}", "--json"))
    assert run in {row["id"] for row in rows}
    assert all(row["test_loss"] > 0 for row in rows)
    assert not list((tmp_path / "there").rglob("*.parquet*"))[1:]  # the index alone
    assert f"{runs}/{run}" in verb("runs", "show", run[:6], f"--runs={runs}")
    evaluate = ("evaluate", run[:6], "--baseline=volatility", f"--runs={runs}", "--json")
    words = [f"--data-root={data_root}", f"--out={tmp_path / 'evaluations'}", "--replicates=100"]
    assert json.loads(verb(*evaluate, *words))["runs"][0]
    predict = ("predict", run[:6], f"--runs={runs}", f"--data-root={data_root}", "--json")
    assert json.loads(verb(*predict))
    assert verb(*predict) == verb("predict", f"{runs}/{run}", f"--data-root={data_root}", "--json")
    (info, *_) = (tmp_path / "here").rglob(f"{run}/run.json")
    assert "hidden-word" not in info.read_text()
    assert read_json(info)["config"]["tracking"]["mlflow_tracking_uri"].startswith("http://***@")
    with pytest.raises(FinscaleError, match=f"no run in {runs} starts with 'ffff'"):
        verb("runs", "show", "ffff", f"--runs={runs}")


@pytest.mark.slow
def test_a_study_on_s3_is_the_same_as_one_in_a_folder(data_root, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(
        "name: small\naxes: {parameters: [3k, 5k]}\nseeds: 2\nbaselines: [base_rate, volatility]\n"
        "experiment: {split: {train_end: 2013-03-28, validation_end: 2016-02-12}}\n"
    )
    settings = [f"--set=experiment.{one}" for one in SETTINGS]
    words = ["small.yaml", *settings, f"--data-root={data_root}", "--json"]
    with s3_server(monkeypatch):
        remote = json.loads(verb("study", "run", *words, "--runs=s3://bucket/runs"))
        monkeypatch.setenv(CACHE, str(tmp_path / "there"))
        rows = json.loads(verb("runs", "list", "--runs=s3://bucket/runs", "--json"))
        assert {row["id"] for row in rows} == {row["run_id"] for row in remote["runs"]}
        states = json.loads(verb("study", "status", *words, "--runs=s3://bucket/runs"))
        assert all(row["done"] for row in states)
        again = json.loads(verb("study", "report", *words, "--runs=s3://bucket/runs"))
        assert again["runs"] == remote["runs"]
    local = json.loads(
        verb("study", "run", *words, f"--runs={tmp_path / 'runs'}", "--studies=others")
    )
    timed = {"seconds", "samples_per_second"}
    for one, other in zip(remote["runs"], local["runs"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }
    texts = [p.read_text() for p in tmp_path.rglob("*.json") if "browser" not in p.parts]
    assert not any(SECRET in text for text in texts)
