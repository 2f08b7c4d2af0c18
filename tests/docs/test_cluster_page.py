"""The page of clusters: its files are valid, and what can run on one machine runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from finscale.config import StudyConfig

PAGE = "howto/cluster.md"


@pytest.fixture(scope="module")
def blocks(docs) -> dict[str, list[str]]:
    text = (docs / PAGE).read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for kind, inside in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found.setdefault(kind, []).append(inside)
    return found


@pytest.fixture
def study_file(tiny, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = StudyConfig(
        name="my_study",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000)},
        seeds=(0,),
        baselines=("base_rate",),
    )
    path = tmp_path / "my_study.yaml"
    path.write_text(config.model_dump_json())
    return path


def test_every_shell_block_is_shell(blocks):
    sky = yaml.safe_load(blocks["yaml"][1])["run"]
    for script in [*blocks["bash"], sky]:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_cluster_file_is_one_that_ray_takes(blocks):
    import json
    from importlib.util import find_spec

    from jsonschema import validate

    content = yaml.safe_load(blocks["yaml"][0])
    schema = Path(find_spec("ray").origin).parent / "autoscaler" / "ray-schema.json"
    validate(content, json.loads(schema.read_text()))
    assert content["head_node_type"] in content["available_node_types"]


def test_an_executor_of_one_s_own_is_found_by_name(blocks):
    from finscale.study.execution.executors import EXECUTORS, make_executor

    exec(blocks["python"][2], {})
    try:
        assert make_executor("careful", workers=6).slots == 3
    finally:
        del EXECUTORS._entries["careful"]


@pytest.mark.slow
@pytest.mark.cluster
def test_the_python_of_the_page_runs(blocks, study_file, capsys):
    exec(blocks["python"][0], {"file": study_file})
    assert "parameters" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_submitit_starts_ray_and_the_study(blocks, study_file):
    script = blocks["python"][1]
    script = script.replace('"slurm", 4', '"local", 1').replace(
        "cpus_per_task=32", "cpus_per_task=2"
    )
    script = script.replace(":6379", ":26379")
    (study_file.parent / "submit.py").write_text(script)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "submit.py"],
        cwd=study_file.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=380,
    )
    logs = [path.read_text() for path in (study_file.parent / "submitted").glob("*.out")]
    assert done.returncode == 0, (done.stderr, logs)
    assert (study_file.parent / "studies/my_study/report.html").is_file(), logs
