"""A study in MLflow and Weights & Biases: one parent, a child a run, artefacts, offline sync."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from finscale.config import StudyConfig, TrackingConfig
from finscale.errors import FinscaleError, FinscaleWarning
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.tracked import StudyTracking, tracking_of
from finscale.training.study_trackers import WandbStudy

pytest.importorskip("mlflow", reason="finscale[mlflow] is not installed")


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No account, and no network."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, root, data_root) -> Path:
    """Return a folder with a tiny study, all of whose runs are finished, made without workers."""
    from finscale.config import ExperimentConfig, load_config

    folder = tmp_path_factory.mktemp("tracked")
    changes = ["training.epochs=1", "training.batch_size=512", "training.thermal.enabled=false"]
    experiment = load_config(
        ExperimentConfig,
        root / "configs/daily/threshold_1pct.yaml",
        ["model.budget=3k", "training.threads=1", f"data.root={data_root}", *changes],
    )
    study = open_study(folder, experiment)
    study.registration.register()
    for planned in study.plan:
        run_experiment(planned.prepared.config, runs=study.runs)
    study.results()
    (study.folder / "figures").mkdir()
    (study.folder / "figures" / "scaling.png").write_bytes(PNG)
    (study.folder / "report.md").write_text("# the report")
    return folder


#: One black point.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


def open_study(folder: Path, experiment, **settings) -> Study:
    config = StudyConfig(
        name="tiny",
        question="Does it pay?",
        experiment=experiment,
        axes={"parameters": (3_000, 5_000)},
        seeds=(0,),
        baselines=("base_rate",),
        **settings,
    )
    return Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))


@pytest.fixture
def study(finished, tiny) -> Study:
    registered = finished / "studies" / "tiny" / "study.yaml"
    cool = ["experiment.training.thermal.enabled=false", "experiment.training.threads=1"]
    return Study.from_file(
        registered, cool, studies=finished / "studies", runs=RunStore(finished / "runs")
    )


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> str:
    """Return a database whose tables MLflow makes once."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def where(database, request) -> TrackingConfig:
    return TrackingConfig(mlflow_experiment=request.node.name[:40], mlflow_tracking_uri=database)


def test_a_finished_study_is_a_parent_with_a_child_a_run(study, where) -> None:
    from mlflow.tracking import MlflowClient

    for _ in range(2):  # a second time adds nothing
        tracking = StudyTracking(study, where, strict=True).start()
        assert tracking.active == ("mlflow",)
        tracking.finish()
    client = MlflowClient(tracking_uri=where.mlflow_tracking_uri)
    experiment = client.get_experiment_by_name(where.mlflow_experiment)
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    children = [one for one in runs if one is not parent]
    assert parent.info.run_name == "tiny"
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["finscale.hash"] == study.config.hash()
    assert "Does it pay?" in parent.data.tags["mlflow.note.content"]
    assert parent.data.params["axes.parameters"] == "[3000, 5000]"
    assert {one.data.tags["mlflow.parentRunId"] for one in children} == {parent.info.run_id}
    names = {"base_rate", "parameters3000-seed0", "parameters5000-seed0"}
    assert {one.info.run_name for one in children} == names
    assert len(children) == 3
    child = next(one for one in children if one.info.run_name == "parameters3000-seed0")
    planned, run = next(
        one for one in study.completed() if one[0].cell.label.endswith("3000-seed0")
    )
    assert child.data.tags["finscale.run"] == run.id == planned.run_id
    assert child.data.metrics["test/loss"] > 0
    history = client.get_metric_history(child.info.run_id, "validation/loss")
    assert [one.step for one in history] == run.metrics()["epoch"].to_list()
    assert child.data.params["config.training.epochs"] == "1"
    artefacts = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert artefacts >= {"figures", "tables", "study.yaml", "report.md", "results.parquet"}
    (figure,) = client.list_artifacts(parent.info.run_id, "figures")
    assert figure.path == "figures/scaling.png"


def test_wandb_gets_each_run_once_and_a_group(study, monkeypatch, tmp_path) -> None:
    opened = []

    class Opened:
        def __init__(self, **facts) -> None:
            self.facts, self.steps, self.summary, self.files = facts, [], {}, []
            opened.append(self)

        def log(self, values, step=None) -> None:
            self.steps.append((step, values))

        def log_artifact(self, artefact) -> None:
            self.files = sorted(artefact.manifest.entries)

        def finish(self, exit_code) -> None:
            self.exit_code = exit_code

    wandb = pytest.importorskip("wandb", reason="finscale[wandb] is not installed")
    monkeypatch.setattr(wandb, "init", lambda **facts: Opened(**facts))
    monkeypatch.setattr(wandb, "Image", lambda path: f"picture {Path(path).name}")
    where = TrackingConfig(wandb_project="p", wandb_mode="offline", wandb_dir=str(tmp_path / "w"))
    (study.folder / "tracked.json").unlink(missing_ok=True)
    StudyTracking(study, where, strict=True).start().finish()
    *children, parent = opened
    assert len(children) == 3
    assert {one.facts["group"] for one in opened} == {"tiny"}
    assert {one.facts["job_type"] for one in children} == {"run"}
    assert parent.facts["job_type"] == "study"
    assert parent.facts["mode"] == "offline"
    assert {"figures/scaling.png", "report.md", "study.yaml"} <= set(parent.files)
    assert parent.steps == [(None, {"figures/scaling.png": "picture scaling.png"})]
    assert {one.exit_code for one in opened} == {0}
    opened.clear()
    StudyTracking(study, where, strict=True).start().finish()
    assert [one.facts["job_type"] for one in opened] == ["study"]


def test_a_tracker_that_fails_never_stops_a_study(study, monkeypatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a-secret-word")

    def fail(self, study) -> None:
        raise OSError("http://me:hidden@host said a-secret-word\nand more")

    monkeypatch.setattr(WandbStudy, "start", fail)
    where = TrackingConfig(wandb_project="p")
    with pytest.warns(FinscaleWarning, match="study track tiny") as told:
        assert StudyTracking(study, where).start().active == ()
    assert "hidden" not in str(told[0].message)
    assert "a-secret-word" not in str(told[0].message)
    with pytest.raises(FinscaleError, match="wandb failed"):
        StudyTracking(study, where, strict=True).start()


def test_a_study_run_sends_each_run_when_it_is_done(finished, study, where, tmp_path) -> None:
    from mlflow.tracking import MlflowClient

    from finscale.study import Event

    class Made:
        """An executor that finds every run made."""

        def run(self, jobs, runs):
            for job in jobs:
                assert job.config.tracking == TrackingConfig()  # the study's, not the run's
                run_experiment(job.config, runs=RunStore(runs))
                yield Event("done", job)

    config = study.config.model_copy(update={"tracking": where, "seeds": (1,)})
    assert config.hash() == config.model_copy(update={"tracking": TrackingConfig()}).hash()
    other = Study(config, studies=tmp_path / "studies", runs=RunStore(finished / "runs"))
    assert tracking_of(other) == where
    assert other.run(executor=Made()) == {}
    client = MlflowClient(tracking_uri=where.mlflow_tracking_uri)
    experiment = client.get_experiment_by_name(where.mlflow_experiment).experiment_id
    assert {one.info.status for one in client.search_runs([experiment])} == {"FINISHED", "RUNNING"}
    other.tracking.finish()
    runs = client.search_runs([experiment])
    assert len(runs) == 4
    assert {one.info.status for one in runs} == {"FINISHED"}


def test_the_verb_refuses_a_study_without_a_tracker(finished, database) -> None:
    from typer.testing import CliRunner

    from finscale.cli.app import app

    places = [f"--studies={finished / 'studies'}", f"--runs={finished / 'runs'}"]
    with pytest.raises(FinscaleError, match="no tracker is named") as refused:
        CliRunner().invoke(app, ["study", "track", "tiny", *places], catch_exceptions=False)
    assert "--mlflow-experiment" in refused.value.hint
    words = ["--mlflow-experiment=verb", f"--mlflow-tracking-uri={database}", "--json"]
    result = CliRunner().invoke(
        app, ["study", "track", "tiny", *places, *words], catch_exceptions=False
    )
    assert '"trackers": [\n    "mlflow"\n  ]' in result.stdout


@pytest.mark.slow
def test_the_page_of_a_study_looks_right(study, tmp_path) -> None:
    """A real server, a real browser; the text of the page is what a person would read."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium is installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    command += ["--artifacts-destination", str(tmp_path / "artefacts")]
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        start_new_session=True,
    )
    try:
        wait_for(f"{url}/health")
        where = TrackingConfig(mlflow_experiment="first", mlflow_tracking_uri=url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NO_PROXY", "127.0.0.1")
            tracking = StudyTracking(study, where, strict=True).start()
            tracking.finish()
            from mlflow.tracking import MlflowClient

            client = MlflowClient(tracking_uri=url)
            experiment = client.get_experiment_by_name("first").experiment_id
            (parent,) = client.search_runs([experiment], "tags.`finscale.run` = 'none'")
        page = f"{url}/#/experiments/{experiment}/runs/{parent.info.run_id}"
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server"]
        command += [f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1500,1500"]
        command += ["--virtual-time-budget=30000"]
        shown = subprocess.run(
            [*command, "--dump-dom", page], capture_output=True, text=True, timeout=120, check=True
        ).stdout
        for words in (
            "Child runs",
            "parameters3000-seed0",
            "base_rate",
            "Does it pay?",
            "Finished",
        ):
            assert words in shown
        subprocess.run(
            [*command, f"--screenshot={tmp_path / 'page.png'}", page],
            capture_output=True,
            timeout=120,
            check=True,
        )
        assert (tmp_path / "page.png").stat().st_size > 20_000
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def wait_for(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while True:
        try:
            opener.open(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.5)
