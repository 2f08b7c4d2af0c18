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


def test_it_prints_every_probe_and_the_answer_and_keeps_nothing(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = run()
    assert result.exit_code == 0, result.output
    header, probe, answer, hint = result.output.splitlines()
    assert header.split() == ["batch", "samples/s", "peak"]
    assert probe.split()[0] == "8"
    assert probe.endswith("GiB")
    assert answer.startswith("batch 8: the smallest within 5 % of the best speed")
    assert "--write CONFIG" in hint
    assert not any("finscale" in str(path) for path in tmp_path.rglob("*"))


def test_write_puts_the_answer_into_a_config(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("# mine\ntraining:\n  epochs: 3 # few\n")
    result = run("--write", str(path))
    assert path.read_text() == "# mine\ntraining:\n  batch_size: 8\n  epochs: 3 # few\n"
    assert "training.batch_size: 8" in result.output


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
