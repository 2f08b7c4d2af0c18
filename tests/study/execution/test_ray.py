"""A study on a real Ray: the same bits as here, nodes killed or not."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from finscale.config import StudyConfig
from finscale.runs import RunStore
from finscale.runs.begun import begun_at
from finscale.study import Event, RayExecutor, Study

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(600)]

_STORE = 100 * 2**20


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Every process of Ray has ended after a test."""
    before = raylets()
    yield
    deadline = time.monotonic() + 30
    while raylets() - before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not raylets() - before


def raylets() -> set[int]:
    names = ((process.pid, process.info["name"]) for process in psutil.process_iter(["name"]))
    return {pid for pid, name in names if name and name.startswith(("raylet", "gcs_server"))}


@pytest.fixture
def config(tiny) -> StudyConfig:
    training = tiny.training.model_copy(update={"checkpoint_minutes": 0.0})
    return StudyConfig(
        name="on_ray",
        experiment=tiny.model_copy(update={"training": training}),
        axes={"parameters": (3_000, 5_000)},
        seeds=(0, 1),
        baselines=("base_rate", "logistic"),
    )


def longer(config: StudyConfig, epochs: int) -> StudyConfig:
    changes = {"epochs": epochs, "patience": None}
    training = config.experiment.training.model_copy(update=changes)
    experiment = config.experiment.model_copy(update={"training": training})
    return config.model_copy(update={"experiment": experiment})


def study_at(config: StudyConfig, folder: Path) -> Study:
    return Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))


def same_results(one: Study, other: Study) -> bool:
    """Tell whether tables are the same but for the time, and predictions to the bit."""
    tables = (study.results().drop("seconds") for study in (one, other))
    theirs = {planned.run_id: run for planned, run in other.completed()}
    return next(tables).equals(next(tables)) and all(
        run.predictions().equals(theirs[planned.run_id].predictions())
        for planned, run in one.completed()
    )


@pytest.mark.parametrize("shared", [None, False])
def test_a_study_has_the_bits_that_it_has_here(config, tmp_path, shared):
    local, there = study_at(config, tmp_path / "local"), study_at(config, tmp_path / "ray")
    assert local.run() == {}
    events: list[Event] = []
    with RayExecutor(shared=shared, store_bytes=_STORE, resume_seconds=0.2) as executor:
        assert there.run(executor=executor, observe=events.append) == {}
        assert executor.slots == executor.cores == os.cpu_count()
        events_of_nothing = list(executor.run([], there.runs.folder))
    assert events_of_nothing == []
    assert same_results(local, there)
    kinds = Counter(event.kind for event in events)
    assert kinds["done"] == len(there.plan)
    assert kinds["progress"] == 4 * config.experiment.training.epochs
    order = [event.kind for event in events if event.job.label == events[0].job.label]
    assert order[0] == "started"
    assert order[-1] == "done"


def test_what_fails_is_tried_twice_and_the_rest_goes_on(config, tmp_path):
    study = study_at(config, tmp_path)
    jobs_failing = next(planned for planned in study.plan if not planned.cell.is_baseline)

    class _Spoiled(RayExecutor):
        def run(self, jobs, runs):
            yield from super().run([self._spoil(job) for job in jobs], runs)

        def _spoil(self, job):
            if job.label != jobs_failing.cell.label:
                return job
            training = job.config.training.model_copy(update={"learning_rate": 1e30})
            return replace(job, config=job.config.model_copy(update={"training": training}))

    events: list[Event] = []
    with _Spoiled(store_bytes=_STORE) as executor:
        failed = study.run(executor=executor, observe=events.append)
    assert list(failed) == [jobs_failing.cell.label]
    started = [e for e in events if e.kind == "started" and e.job.label in failed]
    assert len(started) == 2
    assert "loss" in study.failures.read()[jobs_failing.run_id]["error"]
    assert len(study.completed()) == len(study.plan) - 1


def test_runs_are_judged_as_they_are_here(config, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from finscale.cli.app import app

    monkeypatch.chdir(tmp_path)
    study = study_at(config, tmp_path)
    assert study.run() == {}
    ids = [planned.run_id for planned, _ in study.completed()]
    command = ["evaluate", *ids, "--replicates", "100", "--json"]
    here = CliRunner().invoke(app, command)
    there = CliRunner().invoke(app, [*command, "--executor", "ray"])
    assert here.exit_code == there.exit_code == 0, there.output
    assert json.loads(here.stdout) == json.loads(there.stdout)


class Nodes:
    """A cluster of three nodes on this machine, of which two come and go."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.number = folder, 0
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        quick = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}
        head = {"num_cpus": 1, "object_store_memory": _STORE, "include_dashboard": False}
        head["env_vars"] = {"FINSCALE_NODE_CACHE": str(folder / "head")}
        self.cluster = Cluster(
            initialize_head=True, head_node_args={**head, "_system_config": quick}
        )
        self.others: dict[object, Path] = {}
        for _ in range(2):
            self.add()

    def add(self) -> None:
        self.number += 1
        cache = self.folder / f"node{self.number}"
        variables = {"FINSCALE_NODE_CACHE": str(cache)}
        node = self.cluster.add_node(
            num_cpus=1, object_store_memory=_STORE, env_vars=variables, wait=False
        )
        self.others[node] = cache

    def kill(self, rng: random.Random) -> None:
        """End one of the two without warning, its disk with it."""
        node = rng.choice(list(self.others))
        cache = self.others.pop(node)
        self.cluster.remove_node(node, allow_graceful=False)
        shutil.rmtree(cache, ignore_errors=True)

    def close(self) -> None:
        self.cluster.shutdown()


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path / "nodes")
    yield made
    made.close()


class Killer:
    """Kills a node, and lets another join, whenever a random number of epochs has passed."""

    def __init__(self, nodes: Nodes, kills: int, seed: int) -> None:
        self.nodes, self.left, self.rng = nodes, kills, random.Random(seed)
        self.events: list[Event] = []
        self._epochs_left = 3

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._epochs_left -= event.kind == "progress"
        if self.left and self._epochs_left <= 0:
            self.nodes.kill(self.rng)
            self.nodes.add()
            self.left -= 1
            self._epochs_left = self.rng.randint(2, 6)


def test_ten_lost_nodes_leave_the_same_results(config, tmp_path, nodes):
    config, epochs = longer(config, 24), 24
    local, there = study_at(config, tmp_path / "local"), study_at(config, tmp_path / "ray")
    assert local.run() == {}
    killer = Killer(nodes, kills=10, seed=0)
    # every file goes through Ray: what a node has not sent is lost with it
    with RayExecutor(nodes.cluster.address, shared=False, resume_seconds=0.2) as executor:
        failed = there.run(executor=executor, observe=killer)
    assert failed == {}
    assert killer.left == 0
    assert there.missing() == []
    assert same_results(local, there)
    told = [event for event in killer.events if event.kind == "progress"]
    ends = Counter(event.job.label for event in told if event.facts["epoch"] == epochs)
    assert len(ends) == 4
    assert max(ends.values()) < 3  # none was computed three times
    # runs went on from points that had left their nodes: less than all was computed anew
    assert len(told) < 2.5 * 4 * epochs


def test_data_reach_each_node_once(config, tmp_path, nodes):
    study = study_at(config, tmp_path)
    with RayExecutor(nodes.cluster.address, shared=False) as executor:
        assert executor.cores == 3
        assert study.run(executor=executor) == {}
        wanted = {file for p in study.plan for file in p.prepared.digests.values()}
        kept = {cache: stamps(cache) for cache in nodes.folder.iterdir()}
        assert all(wanted <= set(files) for files in kept.values() if files)
        more = config.model_copy(update={"name": "more", "seeds": (0, 1, 2, 3)})
        again = Study(more, studies=tmp_path / "studies", runs=study.runs)
        assert again.run(executor=executor) == {}
    for cache, files in kept.items():
        assert files.items() <= stamps(cache).items()


def stamps(cache: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in (cache / "files").glob("[!.]*"))
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}


def test_ctrl_c_brings_the_points_home_and_the_same_command_goes_on(config, tmp_path):
    config = longer(config, 30)
    (tmp_path / "study.yaml").write_text(config.model_dump_json())
    drive = (
        "import sys; from pathlib import Path; from finscale.cli import main\n"
        "from finscale.study import EXECUTORS, RayExecutor\n"
        "EXECUTORS._entries['ray'] = lambda options: RayExecutor("
        f"options.address, shared=False, store_bytes={_STORE}, resume_seconds=600)\n"
        "main()"
    )
    command = [sys.executable, "-c", drive, "study", "run", "study.yaml", "--executor", "ray"]
    environment = {**os.environ, "FINSCALE_NODE_CACHE": str(tmp_path / "node")}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not list((tmp_path / "node").rglob("resume.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert "are left" in said
    assert "goes on" in said
    assert "Traceback" not in said
    study = study_at(config, tmp_path)
    begun = [planned for planned in study.plan if begun_at(study.runs.folder, planned.run_id)]
    assert begun
    shutil.rmtree(tmp_path / "node")
    again = subprocess.run(
        [*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert len(json.loads(again.stdout)["runs"]) == len(study.plan)
    assert study.missing() == []


def test_the_code_travels_to_other_machines(config, tmp_path):
    study = study_at(config.model_copy(update={"axes": {"parameters": (3_000,)}}), tmp_path)
    with RayExecutor(store_bytes=_STORE, ship_code=True) as executor:
        variables = executor.cluster.runtime_env(1)
        assert "PYTHONPATH" not in variables["env_vars"]
        assert study.run(executor=executor) == {}


def test_no_cluster_at_the_address_is_said_in_a_sentence(config, tmp_path):
    from finscale.errors import FinscaleError

    with pytest.raises(FinscaleError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        study_at(config, tmp_path).run(executor=RayExecutor("127.0.0.1:1"))
