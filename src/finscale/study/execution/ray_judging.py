"""Runs judged on Ray: their folders, their baselines' and the data travel once a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig, content_hash
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.runs import Run, RunStore
from finscale.study.execution.node_data import DataParts, clear_old, data_folder, node_cache
from finscale.study.execution.parcels import digest, pack, receive

if TYPE_CHECKING:
    from finscale.judging.tables import Options
    from finscale.study.execution.ray_cluster import RayCluster

#: SHA-256 of a run's folder, and Ray's reference to its parcel.
_Sent = tuple[str, Any]
#: Judging changes nothing: Ray itself queues it again when a node is lost.
_RETRIES = 20


class RayPool(Executor):
    """A pool, as ``judging.judge.judge_all`` takes one, whose processes are Ray's.

    Parameters
    ----------
    cluster : RayCluster
    close : callable
        Leaves the cluster when the pool is shut down.
    """

    def __init__(self, cluster: RayCluster, close: Callable[[], None]) -> None:
        self._cluster, self._ray, self._close = cluster, cluster.ray, close
        self._judge = self._ray.remote(max_retries=_RETRIES)(_judge).options(
            num_cpus=1, runtime_env=cluster.runtime_env(1)
        )
        self._runs: dict[Path, _Sent] = {}
        self._data: dict[str, Any] = {}
        self._files: dict[str, Any] = {}
        self._queued: list[Any] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Queue ``judge_elsewhere`` with its arguments; see there."""
        runs, store, data, how, num_runs = args
        root = data or runs[0].config.data.root
        reference = self._judge.remote(
            {run.id: self._put_run(run.folder) for run in runs},
            {run.id: self._put_run(run.folder) for run in _baselines(runs, store, root, how)},
            self._put_data(runs[0].config, root),
            how,
            num_runs,
        )
        self._queued.append(reference)
        return _Awaited(self._ray, reference)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what is queued is given up."""
        with suppress(self._ray.exceptions.RayError):
            for reference in self._queued if cancel_futures else ():
                self._ray.cancel(reference)
        self._close()

    def _put_run(self, folder: Path) -> _Sent:
        if folder not in self._runs:
            parcel = pack(folder)
            self._runs[folder] = digest(parcel), self._ray.put(parcel)
        return self._runs[folder]

    def _put_data(self, config: ExperimentConfig, root: Path) -> Any:
        placed = config.data.model_copy(update={"root": root})
        key = placed.model_dump_json()
        if key not in self._data:
            parts = DataParts.of(config.model_copy(update={"data": placed}))
            for path, sha256 in parts.files.items():
                if sha256 not in self._files:
                    self._files[sha256] = self._ray.put((Path(root) / path).read_bytes())
            files = {sha256: self._files[sha256] for sha256 in parts.files.values()}
            self._data[key] = self._ray.put({"parts": parts.to_dict(), "files": files})
        return self._data[key]


class _Awaited(Future[Any]):
    """The judgement of one model, asked for when it is wanted."""

    def __init__(self, ray: Any, reference: Any) -> None:
        super().__init__()
        self._ray, self._reference = ray, reference

    def result(self, timeout: float | None = None) -> Any:
        """Return the judgement.

        Raises
        ------
        FinscaleError
            If the model cannot be judged.
        concurrent.futures.BrokenExecutor
            If Ray could not compute it.
        """
        try:
            fault, judgement = self._ray.get(self._reference, timeout=timeout)
        except self._ray.exceptions.RayError as error:
            raise BrokenExecutor(str(error)) from error
        if fault is not None:
            message, hint = fault
            raise FinscaleError(message, hint=hint)
        return judgement


def _baselines(runs: Iterable[Run], store: Path, root: Path, options: Options) -> list[Run]:
    """Return the runs of a model's baselines, which have been fitted."""
    from finscale.judging.scoring import baseline_run

    data = DataStore(root)
    return [
        baseline_run(run, name, RunStore(store), data=data)
        for run in runs
        for name in options.baseline_names
    ]


def _judge(
    runs: dict[str, _Sent],
    baselines: dict[str, _Sent],
    data: dict[str, Any],
    options: Options,
    num_runs: int,
) -> tuple[tuple[str, str] | None, Any]:
    """Judge a model in a worker process of Ray; return what is at fault, and the judgement."""
    import ray

    from finscale.judging.judge import judge_elsewhere

    try:
        cache = node_cache()
        clear_old(cache / "judged")
        own, others = (_received(sent, cache / "judged") for sent in (runs, baselines))
        root = data_folder(
            data["parts"], cache, lambda sha256: bytes(ray.get(data["files"][sha256]))
        )
        judged = tuple(own[run_id] for run_id in runs)
        return None, judge_elsewhere(judged, others.folder, root, options, num_runs)
    except FinscaleError as error:
        return (error.message, error.hint), None


def _received(sent: dict[str, _Sent], folder: Path) -> RunStore:
    """Return a store of these runs on this node.

    It is named by their content: a run of the same science computed elsewhere may have other bits.
    """
    import ray

    content = {run_id: sha256 for run_id, (sha256, _) in sent.items()}
    store = RunStore(folder / content_hash(content)[:16])
    for run_id, (_, reference) in sent.items():
        if not store.is_whole(run_id):
            receive(ray.get(reference), store.folder, run_id)
    return store
