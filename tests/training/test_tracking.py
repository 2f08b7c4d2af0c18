import json
import shutil
import socket
import sqlite3
import struct
import sys
import time

import pytest

from finscale.config import TrackingConfig
from finscale.errors import FinscaleWarning
from finscale.hidden import hide_in_text, hide_secrets
from finscale.study.tune.storage import without_password
from finscale.training import TrackingCallback, TrackingManager
from finscale.training.tracking import flatten

SETTINGS = {
    "seed": 3,
    "training": {"learning_rate": 0.001, "betas": (0.9, 0.95)},
    "data": {"SPY.dataset.a20": {"version": "v1", "md5": "6b1309a5"}},
    "environment": {"WANDB_API_KEY": "very-secret", "url": "https://me:hidden@host/db"},
    "note": "x" * 900,
}


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No account, no settings of the person who runs the tests, no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """A database whose tables MLflow has made once."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    MlflowClient(tracking_uri=uri).search_experiments()
    return uri


def mlflow_runs(uri, experiment):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return client, client.search_runs([found.experiment_id])


def wandb_records(folder):
    """Return all that an offline run holds, once its last record is on disk."""
    deadline = time.monotonic() + 60
    while (found := read_wandb(folder))[2] is None:
        # W&B's own process writes the file, and may still do so after `finish`
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def read_wandb(folder):
    """Return settings, metrics by step and the exit code: None while that is not written."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    config, metrics, exit_code = {}, {}, None
    for data in leveldb_log(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        for update in (*record.run.config.update, *record.config.update):
            config[update.key or update.nested_key[0]] = json.loads(update.value_json)
        if record.HasField("history"):
            items = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            metrics[items.pop("_step", record.history.step.num)] = items
        if record.HasField("exit"):
            exit_code = record.exit.exit_code
    return config, metrics, exit_code


def leveldb_log(content):
    """Yield the records of a LevelDB log, W&B's file format, after its header of 7 bytes."""
    position, record = 7, b""
    while position + 7 <= len(content):
        left_in_block = 32768 - position % 32768
        if left_in_block < 7:
            position += left_in_block
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        # 1: whole, 2: first part, 3: middle, 4: last
        if kind in (1, 4):
            yield record
            record = b""


def mlflow_config(uri, experiment="first"):
    return TrackingConfig(mlflow_experiment=experiment, mlflow_tracking_uri=uri)


def test_mlflow_on_sqlite_gives_back_every_metric(database):
    with TrackingManager(mlflow_config(database, "metrics")) as tracking:
        tracking.start(run_name="3f9c", config=SETTINGS)
        assert tracking.active == ("mlflow",)
        tracking.log_metric("train/loss", 0.7, step=1)
        tracking.log_metrics({"train/loss": 0.6, "AUC (50 %)": 0.71}, step=2)
    client, (run,) = mlflow_runs(database, "metrics")
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.7), (2, 0.6)]
    assert run.data.metrics["AUC _50 __"] == 0.71
    assert run.info.run_name == "3f9c"
    assert run.info.status == "FINISHED"


def test_mlflow_gets_flat_settings_without_secrets(database):
    with TrackingManager(mlflow_config(database, "settings")) as tracking:
        tracking.start(run_name="3f9c", config=SETTINGS)
        # MLflow's parameters are final: what is known already is not sent again
        tracking.log_config({"seed": 4, "device": "cpu"})
        assert tracking.active == ("mlflow",)
    _, (run,) = mlflow_runs(database, "settings")
    assert run.data.params == {
        "seed": "3",
        "training.learning_rate": "0.001",
        "training.betas": "[0.9, 0.95]",
        "data.SPY.dataset.a20.version": "v1",
        "data.SPY.dataset.a20.md5": "6b1309a5",
        "environment.WANDB_API_KEY": "***",
        "environment.url": "https://***@host/db",
        "note": "x" * 499 + "…",
        "device": "cpu",
    }


def test_more_than_a_hundred_settings_fit(database):
    many = {f"setting_{number}": number for number in range(250)}
    with TrackingManager(mlflow_config(database, "many")) as tracking:
        tracking.start(run_name="many", config=many)
    _, (run,) = mlflow_runs(database, "many")
    assert len(run.data.params) == 250


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_mlflow_hears_how_a_run_ended(database, error, status):
    def broken():
        with TrackingManager(mlflow_config(database, status)) as tracking:
            tracking.start(run_name="broken")
            raise error

    with pytest.raises(error):
        broken()
    _, (run,) = mlflow_runs(database, status)
    assert run.info.status == status


def test_wandb_offline_holds_settings_and_metrics(tmp_path):
    config = TrackingConfig(
        wandb_project="finscale", wandb_mode="offline", wandb_dir=str(tmp_path / "logs")
    )
    with TrackingManager(config) as tracking:
        tracking.start(run_name="3f9c", config=SETTINGS)
        assert tracking.active == ("wandb",)
        tracking.log_metrics({"train/loss": 0.7, "validation/loss": 0.8}, step=1)
        tracking.log_metric("train/loss", 0.6, step=2)
    settings, metrics, exit_code = wandb_records(tmp_path / "logs")
    assert metrics[1]["train/loss"] == 0.7
    assert metrics[1]["validation/loss"] == 0.8
    assert metrics[2]["train/loss"] == 0.6
    assert settings["training"]["learning_rate"] == 0.001
    assert settings["environment"]["WANDB_API_KEY"] == "***"
    assert exit_code == 0
    everything = b"".join(p.read_bytes() for p in (tmp_path / "logs").rglob("*") if p.is_file())
    assert b"very-secret" not in everything
    assert b"me:hidden" not in everything


def test_both_trackers_get_the_epochs_of_a_training(make_trainer, database, tmp_path):
    config = TrackingConfig(
        mlflow_experiment="both",
        mlflow_tracking_uri=database,
        wandb_project="finscale",
        wandb_mode="offline",
        wandb_dir=str(tmp_path),
    )
    with TrackingManager(config) as tracking:
        tracking.start(run_name="both")
        trainer = make_trainer(epochs=2, callbacks=[TrackingCallback(tracking)])
        result = trainer.fit()
    client, (run,) = mlflow_runs(database, "both")
    _, metrics, _ = wandb_records(tmp_path)
    for record in result.history:
        epoch = record["epoch"]
        assert metrics[epoch]["validation/loss"] == record["validation_loss"]
        logged = client.get_metric_history(run.info.run_id, "validation/loss")[epoch - 1]
        assert (logged.step, logged.value) == (epoch, record["validation_loss"])
    assert run.data.metrics["train/samples"] == result.samples


def test_nothing_named_means_nothing_tracked(tmp_path):
    with TrackingManager(TrackingConfig()) as tracking:
        tracking.start(run_name="quiet", config=SETTINGS)
        tracking.log_metric("train/loss", 0.5, step=1)
        assert tracking.active == ()
    assert not list(tmp_path.iterdir())


def test_without_a_credential_wandb_is_switched_off_and_mlflow_goes_on(database):
    config = TrackingConfig(
        wandb_project="finscale", mlflow_experiment="goes on", mlflow_tracking_uri=database
    )
    with TrackingManager(config) as tracking:
        with pytest.warns(FinscaleWarning, match=r"wandb failed and is switched off.*wandb login"):
            tracking.start(run_name="half")
        assert tracking.active == ("mlflow",)
        tracking.log_metric("train/loss", 0.5, step=1)
    _, (run,) = mlflow_runs(database, "goes on")
    assert run.data.metrics == {"train/loss": 0.5}


def test_a_server_that_is_not_there_is_named_without_its_password(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking = TrackingManager(mlflow_config(f"http://me:hidden@127.0.0.1:{port}"))
    with pytest.warns(FinscaleWarning, match="mlflow failed and is switched off") as warned:
        tracking.start(run_name="lost")
    assert "hidden" not in str(warned[0].message)
    tracking.log_metric("train/loss", 0.5, step=1)
    tracking.finish()


def test_a_tracker_that_breaks_midway_warns_once(database, tmp_path):
    shutil.copy(database.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    tracking = TrackingManager(mlflow_config(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    tracking.start(run_name="breaks")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("DROP TABLE metrics")
        connection.execute("DROP TABLE latest_metrics")
    with pytest.warns(FinscaleWarning, match="mlflow failed") as warned:
        tracking.log_metric("train/loss", 0.5, step=1)
    assert len(warned) == 1
    # a second failure would be a warning again, and warnings are errors here
    tracking.log_metric("train/loss", 0.4, step=2)


@pytest.mark.parametrize(("module", "extra"), [("wandb", "wandb"), ("mlflow.tracking", "mlflow")])
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    config = (
        TrackingConfig(wandb_project="p", wandb_mode="offline")
        if extra == "wandb"
        else TrackingConfig(mlflow_experiment="e")
    )
    with pytest.warns(FinscaleWarning, match=rf"{extra} is not installed"):
        TrackingManager(config).start(run_name="missing")


def test_names_that_look_like_secrets_are_hidden_at_any_depth():
    assert hide_secrets(
        {
            "api_key": "a",
            "Token": "b",
            "nested": [{"db_password": "c", "plain": "d"}],
            "AWS_SECRET_ACCESS": b"e",
            "num_tokens": 5,
            "uri": "postgresql://user:pw@host:5432/db",
        }
    ) == {
        "api_key": "***",
        "Token": "***",
        "nested": [{"db_password": "***", "plain": "d"}],
        "AWS_SECRET_ACCESS": "***",
        "num_tokens": 5,
        "uri": "postgresql://***@host:5432/db",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hidden@host/db",
        "postgresql://me:p@hidden@host/db",
        "postgresql://host/db?user=me&password=hidden&x=1",
        "https://host/a?X-Amz-Signature=hidden",
        "https://host/a?access_token=hidden",
    ],
)
def test_no_part_of_a_secret_in_a_url_is_left(url):
    for text in (hide_in_text(f"{url} is down"), hide_secrets({"uri": url})["uri"]):
        assert "hidden" not in text
        assert "***" in text
    assert "hidden" not in without_password(url)
    assert hide_in_text("see https://host/a?page=2&x=1") == "see https://host/a?page=2&x=1"


def test_flatten_joins_names_with_dots_and_keeps_empty_ones():
    assert flatten({"a": {"b": {"c": 1}, "d": {}}, "e": [1]}) == {"a.b.c": 1, "a.d": {}, "e": [1]}
