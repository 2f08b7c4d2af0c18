"""``finscale train``, ``runs``, ``model`` and ``verify`` as a person types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.errors import FinscaleError

runner = CliRunner()


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    """Return a folder in which one tiny run was trained, and what the terminal said."""
    folder = tmp_path_factory.mktemp("train")
    command = [
        "train",
        str(root / "configs/daily/threshold_1pct.yaml"),
        "--budget=3k",
        "--seed=1",
        "--set=training.epochs=2",
        "--set=training.batch_size=256",
        "--set=training.thermal.enabled=false",
        f"--runs={folder / 'runs'}",
        f"--data-root={folder / 'data'}",
    ]
    return folder, command, runner.invoke(app, command, catch_exceptions=False)


def test_train_announces_trains_and_scores(trained) -> None:
    folder, _, result = trained
    assert result.exit_code == 0
    for words in (
        "SP500 · a20 · daily · 4,752 windows of 80 bars",
        "decided at the close of t",
        "purge 2 · embargo 5",
        "of 3k",
        "batch 256",
        "epoch",
        "log loss (nats)",
        "skill over volatility",
        "beyond the linear model  ",
        "chosen on validation",
        "test days.",
        "finscale evaluate",
    ):
        assert words in result.output
    assert len(list((folder / "runs").glob("*/run.json"))) == 1 + len(DEFAULT_BASELINES)


def test_train_ends_with_what_the_network_adds_to_the_linear_model(trained) -> None:
    _, _, result = trained
    lines = result.output.rstrip().splitlines()
    line = next(line for line in lines if line.startswith("beyond the linear model"))
    # two epochs of three thousand weights move little from the logistic that they start from
    interval = r"[+−]\.0\d+ nats a window \[−\.0\d+, \+\.0\d+\]"
    assert re.fullmatch(rf"beyond the linear model  {interval}: no difference seen", line)
    # what follows from it, in words, then where the run lies
    assert any(line.startswith("decision  ") for line in lines)
    assert lines[-1].startswith("run       ")


def test_train_again_shows_the_same_run_as_json(trained) -> None:
    _, command, first = trained
    again = runner.invoke(app, [*command, "--json"], catch_exceptions=False)
    content = json.loads(again.output, parse_constant=pytest.fail)
    assert content["run"][:4] in first.output
    gain = content["beyond_linear"]
    assert gain == content["skills"]["logistic"]
    assert gain["low"] < gain["value"] < gain["high"]
    assert 0 < content["scores"]["log_loss"]["low"] < content["scores"]["log_loss"]["value"]
    quiet = runner.invoke(app, [*command, "--quiet"], catch_exceptions=False)
    assert quiet.output.strip().endswith(content["run"])


def test_train_says_what_is_science_and_where_it_is_computed(trained) -> None:
    _, command, _ = trained
    said = runner.invoke(app, command, catch_exceptions=False).output.splitlines()
    training = next(line for line in said if line.startswith("training"))
    assert training.split()[1] == "fp32"
    assert "learning rate" in training
    device = next(line for line in said if line.startswith("device"))
    assert "1 thread · fast kernels" in device


def test_runs_list_and_show(trained) -> None:
    folder, _, _ = trained
    runs = f"--runs={folder / 'runs'}"
    listed = json.loads(runner.invoke(app, ["runs", "list", runs, "--json"]).output)
    assert {row["model"] for row in listed} == {"patchtst", *DEFAULT_BASELINES}
    assert "patchtst" in runner.invoke(app, ["runs", "list", runs]).output
    run = next(row for row in listed if row["model"] == "patchtst")
    shown = runner.invoke(app, ["runs", "show", run["id"][:6], runs]).output
    assert "threshold_1pct" in shown
    assert json.loads(runner.invoke(app, ["runs", "show", run["id"], runs, "--json"]).output)[
        "seed"
    ]


def test_model_show() -> None:
    rows = json.loads(runner.invoke(app, ["model", "show", "2M", "200M", "2B", "--json"]).output)
    for row, budget in zip(rows, (2e6, 2e8, 2e9), strict=True):
        assert abs(row["total"] / budget - 1) < 0.05
        assert row["non_embedding"] < row["total"]
    assert "depth" in runner.invoke(app, ["model", "show", "2M"]).output


def test_verify_names_every_mismatch(trained) -> None:
    folder, _, _ = trained
    root = f"--data-root={folder / 'data'}"
    good = runner.invoke(app, ["verify", root])
    assert good.exit_code == 0
    assert "SP500.dataset.a20@v1" in good.output
    assert "checks passed" in good.output
    path = folder / "data/raw/SP500.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        bad = runner.invoke(app, ["verify", root, "--json"])
    finally:
        path.write_bytes(content)
    assert bad.exit_code == 1
    assert [c["subject"] for c in json.loads(bad.output) if not c["ok"]] == ["SP500.OHLCV.daily@v1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "none.yaml"], "none.yaml does not exist"),
        (["runs", "show", "abcd"], "no run in runs starts with 'abcd'"),
        (["model", "show", "two"], "is not a"),
    ],
)
def test_a_mistake_is_a_finscale_error(words: list[str], message: str) -> None:
    result = runner.invoke(app, words)
    assert isinstance(result.exception, FinscaleError)
    assert message in str(result.exception)


def test_the_process_prints_one_sentence_and_exits_with_1(root, tmp_path) -> None:
    script = [sys.executable, str(root / "scripts/train.py")]
    recipe = str(root / "configs/daily/threshold_1pct.yaml")
    done = subprocess.run(
        [*script, recipe, "--set", "training.learning_rte=1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: training.learning_rte is not a setting.\n"
        "       Did you mean training.learning_rate? (in --set); "
        "all settings: docs/reference/config\n"
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_verb_and_teaches() -> None:
    text = runner.invoke(app, ["--help"]).output
    for verb in ("train", "study", "data", "features", "runs", "law", "audit", "verify"):
        assert verb in text
    assert (
        "--set training.lr=3e-4"
        in runner.invoke(app, ["train", "--help"], env={"COLUMNS": "120"}).output
    )


@pytest.mark.parametrize("symbol", ["ON", "NO", "600519", "1E3"])
@pytest.mark.parametrize("verb", ["train", "find-batch-size"])
def test_a_symbol_is_text_whatever_yaml_takes_it_for(root, tmp_path, verb, symbol) -> None:
    recipe = str(root / "configs/daily/threshold_1pct.yaml")
    command = [verb, recipe, "--symbol", symbol, "--data-root", str(tmp_path / "600519")]
    with pytest.raises(FinscaleError, match=f"no bars of {symbol}"):
        runner.invoke(app, command, catch_exceptions=False)


def test_a_data_folder_that_is_a_file_is_named(root, tmp_path) -> None:
    (tmp_path / "afile").touch()
    command = ["train", str(root / "configs/daily/threshold_1pct.yaml")]
    with pytest.raises(FinscaleError, match=r"data\.root = .*afile.*is a file"):
        runner.invoke(
            app, [*command, f"--set=data.root={tmp_path / 'afile'}"], catch_exceptions=False
        )


#: Ctrl-C while the config is read.
STOPPED = """
import finscale.config
from finscale.cli import main

def load_config(*_):
    raise KeyboardInterrupt

finscale.config.load_config = load_config
main()
"""


def test_ctrl_c_before_training_says_how_to_go_on() -> None:
    command = [sys.executable, "-c", STOPPED, "train", "recipe.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 130
    assert ended.stderr == "\nstopped; the same command goes on from the last resume point\n"
