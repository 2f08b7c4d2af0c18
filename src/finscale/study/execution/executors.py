"""Which executors there are, by name: a registry that is open to plug-ins.

A plug-in adds its own with ``EXECUTORS.add("slurm", make)``, where ``make`` takes
:class:`ExecutorOptions` and returns anything with the method of
:class:`~finscale.study.execution.local.Executor`; ``finscale study run FILE --executor slurm`` then
computes a study there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
