"""A whole study in Weights & Biases and MLflow: one parent, a child a run, figures and tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from finscale.config import TrackingConfig
from finscale.errors import FinscaleError, missing_extra
from finscale.training.tracking import (
    MLFLOW_BATCH,
    Status,
    flatten,
    mlflow_name,
    mlflow_value,
    open_mlflow,
)

#: Tags that tell a study's runs among others.
STUDY, RUN = "finscale.study", "finscale.run"


@dataclass(frozen=True)
class TrackedRun:
    """A finished run, as a tracker shows it.

    Parameters
    ----------
    run_id, name : str
        Its identity, and what people call it: ``parameters 5k, seed 1``.
    config : mapping
        Its settings and facts, with secrets hidden.
    history : sequence of (int, mapping)
        Epoch and its metrics.
    metrics : mapping
        What came of it: ``test/loss``.
    tags : mapping
    started, finished : float
        Seconds since the epoch.
    """

    run_id: str
    name: str
    config: Mapping[str, Any]
    history: Sequence[tuple[int, Mapping[str, float]]]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    started: float
    finished: float


@dataclass(frozen=True)
class TrackedStudy:
    """What a tracker shows of a study itself.

    Parameters
    ----------
    name : str
    config : mapping
        The resolved study, with secrets hidden.
    tags : mapping
    note : str
        Markdown: the question, the verdict, the decision. Empty before there are any.
    metrics : mapping
        The verdict's numbers.
    files : mapping of str to Path
        Name among the artefacts → file: figures, tables, the report.
    """

    name: str
    config: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


class StudyTracker(Protocol):
    """One place that a study is mirrored to."""

    def start(self, study: TrackedStudy) -> None:
        """Open the parent, or find it."""

    def known(self) -> set[str] | None:
        """Return the runs that are there already; None where that cannot be asked."""

    def add(self, run: TrackedRun) -> None:
        """Add a finished run under the parent."""

    def finish(self, study: TrackedStudy, status: Status) -> None:
        """Add what came of the study, and close the parent."""


class MlflowStudy:
    """A parent run in MLflow, its children nested below it."""

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._client: Any = None
        self._experiment = ""
        self._parent = ""

    def start(self, study: TrackedStudy) -> None:
        """Find the study's parent, or make it."""
        config = self.config
        self._client, self._experiment = open_mlflow(config)
        found = self._search(f"tags.`{STUDY}` = '{study.name}' and tags.`{RUN}` = 'none'")
        parent = next(found, None)
        if parent is None:
            parent = self._client.create_run(
                self._experiment,
                run_name=config.mlflow_run_name or study.name,
                tags={**study.tags, STUDY: study.name, RUN: "none"},
            )
            self._log_params(parent.info.run_id, study.config)
        self._parent = parent.info.run_id
        self._client.update_run(self._parent, status="RUNNING")

    def known(self) -> set[str]:
        """Return the runs that are finished there; halves of others are removed."""
        found = set()
        for run in self._search(f"tags.`mlflow.parentRunId` = '{self._parent}'"):
            if run.info.status == "FINISHED":
                found.add(run.data.tags.get(RUN, ""))
            else:
                self._client.delete_run(run.info.run_id)
        return found

    def add(self, run: TrackedRun) -> None:
        """Add a child with its own times, so that the page shows when it was computed."""
        tags = {**run.tags, RUN: run.run_id, "mlflow.parentRunId": self._parent}
        child = self._client.create_run(
            self._experiment, start_time=int(1000 * run.started), run_name=run.name, tags=tags
        ).info.run_id
        self._log_params(child, run.config)
        end = int(1000 * run.finished)
        steps = [*run.history, (max((step for step, _ in run.history), default=0), run.metrics)]
        self._log_metrics(child, steps, end)
        self._client.set_terminated(child, "FINISHED", end_time=end)

    def finish(self, study: TrackedStudy, status: Status) -> None:
        """Describe the parent, add its artefacts, and close it."""
        import time

        if study.note:
            self._client.set_tag(self._parent, "mlflow.note.content", study.note)
        for name, value in study.tags.items():
            self._client.set_tag(self._parent, name, value)
        self._log_metrics(self._parent, [(0, study.metrics)], int(1000 * time.time()))
        for name, path in study.files.items():
            folder = str(Path(name).parent)
            self._client.log_artifact(self._parent, str(path), None if folder == "." else folder)
        self._client.set_terminated(self._parent, status.upper())

    def _search(self, query: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], query, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _log_params(self, run: str, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        flat = {mlflow_name(name): mlflow_value(value) for name, value in flatten(config).items()}
        for batch in _batches([Param(name, value) for name, value in flat.items()], MLFLOW_BATCH):
            self._client.log_batch(run, params=batch)

    def _log_metrics(
        self, run: str, steps: Sequence[tuple[int, Mapping[str, float]]], when: int
    ) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(mlflow_name(name), float(value), when, step)
            for step, values in steps
            for name, value in values.items()
        ]
        for batch in _batches(metrics, 1000):
            self._client.log_batch(run, metrics=batch)


class WandbStudy:
    """A group in Weights & Biases: one run of type ``study``, the others of type ``run``."""

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._study = ""

    def start(self, study: TrackedStudy) -> None:
        """See whether W&B can be reached; the study's own run is written at its end."""
        try:
            import wandb
        except ImportError:
            raise missing_extra("wandb", "wandb") from None
        if self.config.wandb_mode == "online" and not wandb.login(prompt=False):
            raise PermissionError("no credential: `wandb login`, or --wandb-mode offline")
        if self.config.wandb_dir is not None:
            Path(self.config.wandb_dir).mkdir(parents=True, exist_ok=True)
        self._study = study.name

    def known(self) -> None:
        """Offline there is nobody to ask."""

    def add(self, run: TrackedRun) -> None:
        """Write a run of the study's group, under an id that a second time has as well."""
        opened = self._open(run.run_id, run.name, "run", run.config, tuple(run.tags.values()))
        for step, values in run.history:
            opened.log(dict(values), step=step)
        opened.summary.update(dict(run.metrics))
        opened.finish(exit_code=0)

    def finish(self, study: TrackedStudy, status: Status) -> None:
        """Write the study's own run with its figures, its tables and its report."""
        import wandb

        name = self.config.wandb_run_name or study.name
        opened = self._open("study", name, "study", study.config, ())
        if study.note:
            opened.notes = study.note
        opened.summary.update({**study.metrics, **study.tags})
        figures = {n: path for n, path in study.files.items() if path.suffix == ".png"}
        if figures:
            opened.log({n: wandb.Image(str(path)) for n, path in figures.items()})
        if study.files:
            artefact = wandb.Artifact(_slug(study.name), type="study")
            for n, path in study.files.items():
                artefact.add_file(str(path), name=n)
            opened.log_artifact(artefact)
        opened.finish(exit_code=0 if status == "finished" else 1)

    def _open(
        self, own: str, name: str, kind: str, config: Mapping[str, Any], tags: Sequence[str]
    ) -> Any:
        import wandb

        return wandb.init(
            project=self.config.wandb_project,
            id=_slug(f"{self._study}-{own}"),
            name=name,
            group=self._study,
            job_type=kind,
            tags=[tag[:64] for tag in tags if tag],
            config=dict(config),
            mode=self.config.wandb_mode,
            dir=self.config.wandb_dir,
            resume="allow" if self.config.wandb_mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(
                console="off", silent=True, init_timeout=30, finish_timeout=60, disable_git=True
            ),
        )


def study_trackers(config: TrackingConfig) -> dict[str, StudyTracker]:
    """Return the trackers that a config turns on, by name.

    Raises
    ------
    FinscaleError
        If it turns none on.
    """
    found: dict[str, StudyTracker] = {}
    if config.mlflow_experiment:
        found["mlflow"] = MlflowStudy(config)
    if config.wandb_project:
        found["wandb"] = WandbStudy(config)
    if not found:
        raise FinscaleError(
            "no tracker is named.",
            hint="--mlflow-experiment NAME or --wandb-project NAME; `tracking:` in the study's "
            "file does the same",
        )
    return found


def _batches(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]", "-", text, flags=re.ASCII)[-64:]
