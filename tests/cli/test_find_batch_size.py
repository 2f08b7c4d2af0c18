import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from finscale.cli.batch_size import find_batch_size
from finscale.errors import TrainingError
from finscale.training import devices

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "configs/daily/threshold_1pct.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the verb on a few weeks of bundled bars: one probe is all that they allow."""
    folder = tmp_path_factory.mktemp("data")
    app = typer.Typer()
    app.command()(find_batch_size)

    def invoke(*options, budget="20k"):
        weeks = ["--set", "split.train_start=2011-12-01", "--data-root", str(folder)]
        return CliRunner().invoke(app, [str(RECIPE), "--budget", budget, *weeks, *options])

    return invoke


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FINSCALE_CACHE", str(tmp_path))
    return tmp_path


def test_it_prints_every_probe_the_answer_and_where_it_is_remembered(run, cache):
    result = run()
    assert result.exit_code == 0, result.output
    header, probe, answer, memory = result.output.splitlines()
    assert header.split() == ["batch", "samples/s", "peak"]
    assert probe.split()[0] == "8"
    assert probe.endswith("GiB")
    assert answer.startswith("batch 8: the smallest within 5 % of the best speed")
    assert str(cache / "batch_sizes.json") in memory
    assert (cache / "batch_sizes.json").exists()


def test_json_says_the_same(run):
    report = json.loads(run("--json").output)
    assert report["batch_size"] == 8
    assert report["probes"][0]["samples_per_second"] > 0


def test_what_cannot_fit_is_refused_at_once(run, monkeypatch):
    monkeypatch.setattr(devices, "total_memory", lambda device: 24 * 2**30)
    result = run(budget="2B")
    assert isinstance(result.exception, TrainingError)
    assert "need at least" in str(result.exception)


def test_the_script_is_the_same_verb():
    script = [sys.executable, ROOT / "scripts/find_batch_size.py", "--help"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Measure batch sizes" in done.stdout
