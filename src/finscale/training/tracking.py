"""Metrics mirrored to Weights & Biases and MLflow; a tracker that fails never stops a training."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from finscale.config import TrackingConfig
from finscale.errors import FinscaleWarning, TrainingPaused, missing_extra
from finscale.hidden import hide_in_text, hide_secrets
from finscale.registry import Registry
from finscale.training.callbacks import Callback, Training

if TYPE_CHECKING:
    from finscale.training.state import EpochRecord

Status = Literal["finished", "failed", "killed"]

#: MLflow's oldest limit on a parameter's value; longer ones are cut and end with an ellipsis.
_LONGEST_VALUE = 500
_LONGEST_KEY = 250
#: Parameters that MLflow takes at once.
MLFLOW_BATCH = 100


class Tracker(Protocol):
    """One place that metrics are mirrored to."""

    def start(self, run_name: str) -> None:
        """Open a run."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add one step's metrics."""

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Add settings: nested, with their secrets hidden already."""

    def finish(self, status: Status) -> None:
        """Close the run."""


#: Name → tracker, made from the config; None if the config leaves it off.
TRACKERS: Registry[Callable[[TrackingConfig], Tracker | None]] = Registry("tracker")


class TrackingManager:
    """Sends metrics and settings to every tracker that the config turns on.

    A tracker that fails (no network, no credential, not installed) is named in one warning and
    switched off; the others and the training go on. Values under keys that look like secrets, and
    credentials inside URLs, are hidden before anything leaves.

    Parameters
    ----------
    config : TrackingConfig
        A tracker is on when its project or experiment is named.

    Examples
    --------
    >>> with TrackingManager(TrackingConfig()) as tracking:
    ...     tracking.start(run_name="first", config={"seed": 0})
    ...     tracking.log_metric("train/loss", 0.69, step=1)
    """

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._trackers: dict[str, Tracker] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the trackers that are started and have not failed."""
        return tuple(self._trackers)

    def start(self, run_name: str = "", config: Mapping[str, Any] | None = None) -> None:
        """Open one run in each tracker and log ``config`` there.

        ``run_name`` serves where the tracking config names none; without either, the tracker
        makes one up.
        """
        made = {name: make(self.config) for name, make in TRACKERS.items()}
        self._trackers = {name: tracker for name, tracker in made.items() if tracker is not None}
        self._each(lambda tracker: tracker.start(run_name))
        if config is not None:
            self.log_config(config)

    def log_metric(self, name: str, value: float, step: int) -> None:
        """Log one metric."""
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log several metrics of one step; steps rise."""
        self._each(lambda tracker: tracker.log_metrics(metrics, step))

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Log nested settings; secrets are hidden."""
        safe = hide_secrets(config)
        self._each(lambda tracker: tracker.log_config(safe))

    def finish(self, status: Status = "finished") -> None:
        """Close the runs; a second call does nothing."""
        self._each(lambda tracker: tracker.finish(status))
        self._trackers = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish("finished")
        else:
            stopped = issubclass(kind, KeyboardInterrupt | TrainingPaused)
            self.finish("killed" if stopped else "failed")

    def _each(self, action: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                action(tracker)
            # whatever a tracker raises, the training is worth more
            except Exception as error:
                del self._trackers[name]
                reason = hide_in_text(f"{error}".strip().partition("\n")[0])
                warnings.warn(
                    f"{name} failed and is switched off for this run "
                    f"({type(error).__name__}: {reason}); training goes on",
                    FinscaleWarning,
                    stacklevel=3,
                )


class TrackingCallback(Callback):
    """Feeds each epoch's figures to a :class:`TrackingManager`."""

    def __init__(self, tracking: TrackingManager) -> None:
        self.tracking = tracking

    def on_epoch_end(self, trainer: Training, record: EpochRecord) -> None:
        """Log losses, learning rate and speed under the epoch's number."""
        self.tracking.log_metrics(
            {
                "train/loss": record["train_loss"],
                "validation/loss": record["validation_loss"],
                "train/learning_rate": record["learning_rate"],
                "train/samples_per_second": record["samples_per_second"],
                "train/samples": trainer.num_samples,
            },
            step=int(record["epoch"]),
        )


class WandbTracker:
    """Weights & Biases, online or offline."""

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._run: Any = None

    def start(self, run_name: str) -> None:
        """Open a run; without a credential this fails instead of asking at the terminal."""
        try:
            import wandb
        except ImportError:
            raise missing_extra("wandb", "wandb") from None
        config = self.config
        if config.wandb_mode == "online" and not wandb.login(prompt=False):
            raise PermissionError("no credential: `wandb login`, or tracking.wandb_mode: offline")
        if config.wandb_dir is not None:
            Path(config.wandb_dir).mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=config.wandb_project,
            name=config.wandb_run_name or run_name or None,
            mode=config.wandb_mode,
            dir=config.wandb_dir,
            reinit="create_new",
            settings=wandb.Settings(
                console="off", silent=True, init_timeout=30, finish_timeout=60, disable_git=True
            ),
        )

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add one step's metrics."""
        self._run.log(dict(metrics), step=step)

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Add settings, nested as they are."""
        self._run.config.update(dict(config), allow_val_change=True)

    def finish(self, status: Status) -> None:
        """Flush and close the run."""
        self._run.finish(exit_code=0 if status == "finished" else 1)


class MlflowTracker:
    """MLflow, on a database or a server."""

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._client: Any = None
        self._run_id = ""
        self._logged: set[str] = set()

    def start(self, run_name: str) -> None:
        """Open a run in the experiment, which is made if it is new."""
        self._client, experiment = open_mlflow(self.config)
        name = self.config.mlflow_run_name or run_name or None
        self._run_id = self._client.create_run(experiment, run_name=name).info.run_id

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add one step's metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(mlflow_name(name), float(v), now, step) for name, v in metrics.items()]
        self._client.log_batch(self._run_id, metrics=batch)

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Add settings as flat parameters; MLflow's are final, so a second value is left out."""
        from mlflow.entities import Param

        flat = {mlflow_name(name): mlflow_value(value) for name, value in flatten(config).items()}
        fresh = [Param(name, value) for name, value in flat.items() if name not in self._logged]
        for start in range(0, len(fresh), MLFLOW_BATCH):
            batch = fresh[start : start + MLFLOW_BATCH]
            self._client.log_batch(self._run_id, params=batch)
        self._logged |= flat.keys()

    def finish(self, status: Status) -> None:
        """Close the run with its status."""
        self._client.set_terminated(self._run_id, status.upper())


def open_mlflow(config: TrackingConfig) -> tuple[Any, str]:
    """Return MLflow's client and the id of the experiment, which is made if it is new.

    Raises
    ------
    FinscaleError
        If MLflow is not installed.
    """
    # no reports to third parties, and minutes of retries become seconds
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # it would print links between the lines of a table, and into JSON
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise missing_extra("mlflow", "mlflow") from None
    client = MlflowClient(tracking_uri=config.mlflow_tracking_uri)
    known = client.get_experiment_by_name(config.mlflow_experiment)
    if known:
        return client, str(known.experiment_id)
    # the page then shows runs first, not prompts and traces
    kind = {"mlflow.experimentKind": "custom_model_development"}
    return client, str(client.create_experiment(config.mlflow_experiment, tags=kind))


TRACKERS.add("wandb", lambda config: WandbTracker(config) if config.wandb_project else None)
TRACKERS.add("mlflow", lambda config: MlflowTracker(config) if config.mlflow_experiment else None)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        flat |= flatten(value, name) if isinstance(value, Mapping) and value else {name: value}
    return flat


def mlflow_name(name: str) -> str:
    """Return a name with nothing in it that MLflow refuses."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)[:_LONGEST_KEY]


def mlflow_value(value: Any) -> str:
    """Return a value as MLflow takes it: text of a limited length."""
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
