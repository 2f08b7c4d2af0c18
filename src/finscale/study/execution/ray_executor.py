"""Runs as tasks of Ray: one study file, one command, on a laptop or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from finscale.errors import FinscaleError
from finscale.study.execution.local import Event, Job

if TYPE_CHECKING:
    from finscale.study.execution.ray_cluster import RayCluster
    from finscale.study.execution.ray_judging import RayPool


class RayExecutor:
    """Computes a study's runs on Ray, each as a task with the cores, GPU share and memory it needs.

    A run that a lost node was computing is queued again and goes on from the last resume point that
    reached the study; that uses up none of its attempts. Finished runs come back whole, through the
    run store where nodes see it, and through Ray's object store where they do not.

    Parameters
    ----------
    address : str
        ``auto`` or ``host:port``. When empty, the environment's
        ``RAY_ADDRESS``, and where that is not set an instance is started on this machine. A process
        that is connected already stays so.
    workers : int, optional
        Runs at a time; as many as fit when absent.
    attempts : int, default 2
        How often a run is tried before it counts as failed; a killed worker uses up one.
    shared : bool, optional
        Whether nodes see the run store's folder at the same path; each finds out when None.
    resume_seconds : float, default 60
        Between two sendings of resume points from a node that does not see the run store.
    store_bytes : int
        Object store of an instance that is started here.
    ship_code : bool, optional
        Send finscale's code to the nodes; when None, if there are nodes on other machines.

    Raises
    ------
    FinscaleError
        If there are no workers, which would wait for ever, or no attempts.

    Examples
    --------
    >>> with RayExecutor("auto") as ray:  # doctest: +SKIP
    ...     study.run(executor=ray)
    """

    def __init__(
        self,
        address: str = "",
        *,
        workers: int | None = None,
        attempts: int = 2,
        shared: bool | None = None,
        resume_seconds: float = 60.0,
        store_bytes: int | None = None,
        ship_code: bool | None = None,
    ) -> None:
        for name, count in (("workers", workers), ("attempts", attempts)):
            if count is not None and count < 1:
                raise FinscaleError(f"{name} = {count}: runs need at least 1.")
        self.address, self.workers, self.attempts = address, workers, attempts
        self.shared, self.resume_seconds = shared, resume_seconds
        self._store_bytes, self._ship_code = store_bytes, ship_code
        self._connection: RayCluster | None = None
        self._gpu_memory: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; an instance that was started here ends."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def cluster(self) -> RayCluster:
        """The connection, made when it is first needed."""
        from finscale.study.execution.ray_cluster import STORE_BYTES, RayCluster

        if self._connection is None:
            self._connection = RayCluster(
                self.address,
                store_bytes=self._store_bytes or STORE_BYTES,
                ship_code=self._ship_code,
            )
        return self._connection

    @property
    def cores(self) -> int:
        """Cores of all nodes."""
        return max(int(self.cluster.total("CPU")), 1)

    @property
    def slots(self) -> int:
        """Programs at a time: of all nodes together, if ``workers`` does not say fewer."""
        return min(self.workers or self.cores, self.cores)

    def choose_device(self, wanted: str) -> str:
        """Return where a run with this ``training.device`` trains: on a GPU if there is one."""
        if wanted == "auto":
            return "cuda" if self.cluster.total("GPU") else "cpu"
        return wanted

    def free_memory(self, device: str) -> int:
        """Return the bytes of one GPU of the cluster; 0 where that is not known."""
        if device != "cuda" or not self.cluster.total("GPU"):
            return 0
        if self._gpu_memory is None:
            self._gpu_memory = self.cluster.gpu_memory()
        return self._gpu_memory

    def pool(self) -> RayPool:
        """Return a pool of the cluster's processes, which judges runs; it ends the executor."""
        from finscale.study.execution.ray_judging import RayPool

        return RayPool(self.cluster, self.close)

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        """Compute every job; a failed one yields ``failed`` and the rest goes on.

        Raises
        ------
        FinscaleError
            If the cluster is lost, or its workers cannot be set up.
        """
        from finscale.study.execution.ray_tasks import RayTasks

        if not jobs:
            return
        tasks = RayTasks(self, jobs, Path(runs).absolute())
        try:
            yield from tasks.events()
        finally:
            tasks.stop(time.monotonic())
