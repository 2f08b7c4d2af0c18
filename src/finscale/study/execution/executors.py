"""Which executors there are, by name: a registry that is open to plug-ins.

A plug-in adds its own with ``EXECUTORS.add("slurm", make)``, where ``make`` takes
:class:`ExecutorOptions` and returns anything with the method of
:class:`~finscale.study.execution.local.Executor`; ``finscale study run FILE --executor slurm`` then
computes a study there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor as Pool
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from finscale.errors import FinscaleError
from finscale.registry import Registry
from finscale.study.execution.local import Executor, LocalExecutor


@dataclass(frozen=True)
class ExecutorOptions:
    """What a person says about where runs are computed."""

    workers: int | None = None
    """Runs at a time; as many as fit when None."""
    address: str = ""
    """Of a cluster; empty where none is named."""


#: Name → what makes the executor.
EXECUTORS: Registry[Callable[[ExecutorOptions], Executor]] = Registry("executor")


def make_executor(name: str, *, workers: int | None = None, address: str = "") -> Executor:
    """Return the executor of a name.

    Parameters
    ----------
    name : str
        ``local``, ``ray``, or one of a plug-in.
    workers : int, optional
        Runs at a time; as many as fit when absent.
    address : str
        Of a cluster: ``auto`` or ``host:port`` for Ray.

    Raises
    ------
    FinscaleError
        If there is no such executor, or it has no use for an address.

    Examples
    --------
    >>> make_executor("local", workers=2).workers
    2
    """
    return EXECUTORS[name](ExecutorOptions(workers, address))


@runtime_checkable
class OffersPool(Protocol):
    """An executor whose processes judge runs too, for ``finscale evaluate --executor``."""

    def pool(self) -> Pool:
        """Return a pool as ``finscale.judging.judge.judge_all`` takes it."""


def make_pool(name: str, *, address: str = "") -> Pool:
    """Return a pool of an executor's processes that judges runs.

    Raises
    ------
    FinscaleError
        If there is no such executor, or it does not judge.
    """
    engine = make_executor(name, address=address)
    if not isinstance(engine, OffersPool):
        raise FinscaleError(
            f"the executor {name!r} computes runs and does not judge them.",
            hint="--executor local or ray judges",
        )
    return engine.pool()


def _local(options: ExecutorOptions) -> Executor:
    if options.address:
        raise FinscaleError(
            f"the local executor has no address, and {options.address!r} was given.",
            hint="--executor ray computes on a cluster",
        )
    return LocalExecutor(options.workers)


def _ray(options: ExecutorOptions) -> Executor:
    from finscale.study.execution.ray_executor import RayExecutor

    return RayExecutor(options.address, workers=options.workers)


EXECUTORS.add("local", _local)
EXECUTORS.add("ray", _ray)
