"""What a node does with an order, without a cluster: the same functions that Ray calls."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from finscale.experiment import run_experiment
from finscale.experiment.preparation import prepare
from finscale.runs import RunStore
from finscale.study.execution.local import Job
from finscale.study.execution.node_work import compute
from finscale.study.execution.parcels import position_of, receive, unpack_resume
from finscale.study.execution.shipping import Shipping


class Node:
    """A node that is this process: it has a cache of its own and hears what it says."""

    def __init__(self, runs: Path, *, shared: bool | None) -> None:
        self.objects: dict[int, object] = {}
        self.runs, self.said = runs, []
        self.shipping = Shipping(runs, self._put, shared=shared, resume_seconds=0.01)

    def _put(self, content: object) -> int:
        self.objects[len(self.objects)] = content
        return len(self.objects) - 1

    def compute(self, job: Job):
        with self.shipping.open():
            order = self.shipping.order([job], "cpu")
            data = self.objects[self.shipping.data(job)]
            (outcome,) = compute(
                order,
                data["parts"],
                lambda *message: self.said.append(message),
                lambda sha256: self.objects[data["files"][sha256]],
            )
        return outcome

    def heard(self, kind: str) -> list[tuple]:
        return [message for message in self.said if message[0] == kind]


@pytest.fixture
def job(tiny) -> Job:
    training = tiny.training.model_copy(update={"checkpoint_minutes": 0.0})
    return Job(0, "3k", prepare(tiny.model_copy(update={"training": training})).config, 1.0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FINSCALE_NODE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_run_comes_home_through_a_parcel_with_the_bits_that_it_has_here(job, tmp_path, cache):
    calm = run_experiment(job.config, runs=RunStore(tmp_path / "calm"))
    node = Node(tmp_path / "runs", shared=False)
    outcome = node.compute(job)
    assert outcome.kind == "done"
    assert RunStore(node.runs).ids() == []
    receive(outcome.parcel, node.runs, outcome.facts["run_id"])
    run = RunStore(node.runs)[outcome.facts["run_id"]]
    assert run.id == calm.id == node.shipping.run_id(job)
    assert run.predictions().equals(calm.predictions())
    assert run.config.data.root == calm.config.data.root  # not the node's
    assert [message[2]["epoch"] for message in node.heard("progress")] == [1, 2]
    assert not list(cache.glob("runs/*/[0-9a-f]*"))  # nothing stays behind
    assert not list(node.runs.glob(".shared-*"))


def test_a_node_that_sees_the_run_store_writes_there(job, tmp_path):
    node = Node(tmp_path / "runs", shared=None)
    outcome = node.compute(job)
    assert outcome.kind == "done"
    assert outcome.parcel == {}
    assert RunStore(node.runs).is_whole(outcome.facts["run_id"])


def test_a_node_that_should_see_the_run_store_and_does_not_says_so(job, tmp_path):
    node = Node(tmp_path / "runs", shared=True)
    order = node.shipping.order([job], "cpu")  # no mark is left in the store
    (outcome,) = compute(order, {}, lambda *message: None, lambda sha256: b"")
    assert outcome.kind == "failed"
    assert "does not see the run store" in outcome.facts["error"]


def test_resume_points_leave_the_node_while_it_trains_and_another_goes_on(
    job, tmp_path, monkeypatch
):
    calm = run_experiment(job.config, runs=RunStore(tmp_path / "calm"))
    lost = Node(tmp_path / "runs", shared=False)
    assert lost.compute(job).kind == "done"
    sent = lost.heard("resume")
    assert sent
    unpack_resume(sent[-1][3], lost.runs, lost.shipping.run_id(job))
    monkeypatch.setenv("FINSCALE_NODE_CACHE", str(tmp_path / "other"))
    other = Node(lost.runs, shared=False)
    order = other.shipping.order([job], "cpu")
    assert position_of(order.resume[calm.id]) == (sent[-1][2]["epoch"], sent[-1][2]["step"])
    outcome = other.compute(job)
    receive(outcome.parcel, other.runs, calm.id)
    assert RunStore(other.runs)[calm.id].predictions().equals(calm.predictions())


def test_what_fails_is_told_with_its_reason(job, tmp_path):
    training = job.config.training.model_copy(update={"learning_rate": 1e30})
    config = job.config.model_copy(update={"training": training})
    outcome = Node(tmp_path / "runs", shared=False).compute(Job(0, "3k", config, 1.0))
    assert outcome.kind == "failed"
    assert "loss" in outcome.facts["error"]
    assert "Traceback" in outcome.facts["traceback"]
    assert threading.active_count() < 20


@pytest.mark.parametrize("shared", [False, True])
def test_a_search_stops_a_run_on_a_node_as_it_does_here(job, tmp_path, shared):
    node = Node(tmp_path / "runs", shared=shared)
    outcome = node.compute(replace(job, limits=((1, 0.0),)))  # no loss is below 0
    assert outcome.kind == "stopped"
    assert outcome.facts["epoch"] == 1
    assert len(outcome.facts["losses"]) == 1
    assert RunStore(node.runs).ids() == []
