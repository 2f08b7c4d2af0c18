"""Orders for the nodes of a cluster, from jobs: configs, data, resume points."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finscale.config import ExperimentConfig
from finscale.errors import FinscaleError
from finscale.runs import run_id
from finscale.study.execution.local import Job
from finscale.study.execution.node_data import DataParts
from finscale.study.execution.node_work import Order
from finscale.study.execution.parcels import Parcel, pack_resume


class Shipping:
    """Makes orders, and hands each data file to the cluster once.

    Parameters
    ----------
    runs : Path
        The run store.
    put : callable
        Content of a file, or a dict of references → the cluster's reference to it.
    shared, resume_seconds
        As ``RayExecutor`` takes them.
    """

    def __init__(
        self,
        runs: Path,
        put: Callable[[Any], Any],
        *,
        shared: bool | None,
        resume_seconds: float,
    ) -> None:
        self._runs, self._put = runs, put
        self._shared, self._resume_seconds = shared, resume_seconds
        self._parts: dict[str, DataParts] = {}
        self._files: dict[str, Any] = {}
        self._data: dict[str, Any] = {}
        self._token = f".shared-{secrets.token_hex(8)}"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Leave a mark in the run store by which nodes know whether they see it."""
        mark = self._runs / self._token
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            raise FinscaleError(
                f"{self._runs} cannot be written: {error.strerror or error}.",
                hint="choose another folder with --runs",
            ) from error
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def run_id(self, job: Job) -> str:
        """Return the id of a job's run, whose config is resolved."""
        return run_id(job.config, self._parts_of(job.config).digests)

    def order(self, jobs: Sequence[Job], device: str) -> Order:
        """Return the order for jobs that are one program, with the points that they go on from."""
        ids = [self.run_id(job) for job in jobs]
        points: dict[str, Parcel] = {one: pack_resume(self._runs, one) for one in ids}
        return Order(
            configs=[_placed(job.config, device).model_dump_json() for job in jobs],
            run_ids=ids,
            runs=str(self._runs),
            token=self._token,
            cwd=str(Path.cwd()),
            shared=self._shared,
            resume={one: parcel for one, parcel in points.items() if parcel},
            resume_seconds=self._resume_seconds,
            limits=jobs[0].limits,
        )

    def data(self, job: Job) -> Any:
        """Return the cluster's reference to what a job reads: its parts, and where each file is.

        Raises
        ------
        FinscaleError
            If a file cannot be read.
        """
        parts = self._parts_of(job.config)
        if parts.name not in self._data:
            files = {
                sha256: self._file(Path(parts.root) / path, sha256)
                for path, sha256 in parts.files.items()
            }
            self._data[parts.name] = self._put({"parts": parts.to_dict(), "files": files})
        return self._data[parts.name]

    def _file(self, path: Path, sha256: str) -> Any:
        if sha256 not in self._files:
            try:
                self._files[sha256] = self._put(path.read_bytes())
            except OSError as error:
                raise FinscaleError(
                    f"{path} cannot be read: {error.strerror or error}.",
                    hint="restore the file; `make verify` checks every file",
                ) from error
        return self._files[sha256]

    def _parts_of(self, config: ExperimentConfig) -> DataParts:
        key = config.data.model_dump_json()
        if key not in self._parts:
            self._parts[key] = DataParts.of(config)
        return self._parts[key]


def _placed(config: ExperimentConfig, device: str) -> ExperimentConfig:
    """Return the config with its device; a worker without a GPU's share must not look for one."""
    training = config.training.model_copy(update={"device": device})
    return config.model_copy(update={"training": training})
