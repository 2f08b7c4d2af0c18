"""A connection to Ray: a cluster that is there, or an instance on this machine that ends with it.

Ray's usage statistics and dashboard are off, and so is the forwarding of its logs.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from finscale.errors import FinscaleError, missing_extra
from finscale.plugins import VARIABLE as PLUGINS
from finscale.spinning import limited_spinning
from finscale.study.execution.node_data import VARIABLE as NODE_CACHE
from finscale.study.execution.node_work import Order, RunOutcome, compute
from finscale.study.execution.ray_inbox import Inbox, Message

#: Of an instance that is started here; what does not fit is spilled to disk.
STORE_BYTES = 256 * 2**20

#: Queued beyond what fits, so that nodes never wait for the study, and an autoscaler sees a queue.
_FEWEST_QUEUED = 256


#: How long one asking for messages lasts.
_TAKE_SECONDS = 60.0
#: How long what nodes have is taken to be what they had.
_NODES_SECONDS = 1.0
#: How long a cluster may take to accept a connection.
_ANSWER_SECONDS = 10.0


def _ray() -> Any:
    # before the import: Ray reads them then
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise missing_extra("ray", "cluster") from None
    return ray


class RayCluster:
    """A connection, and what this process needs of Ray.

    Parameters
    ----------
    address : str
        ``auto`` or ``host:port``; the environment's ``RAY_ADDRESS`` when
        empty, and an instance on this machine where that is not set.
    store_bytes : int
        Its object store.
    ship_code : bool, optional
        Send finscale's code to the nodes; when None, if there are nodes on other machines.

    Raises
    ------
    FinscaleError
        If Ray is not installed, or nothing answers at the address.
    """

    def __init__(
        self,
        address: str = "",
        *,
        store_bytes: int = STORE_BYTES,
        ship_code: bool | None = None,
    ) -> None:
        self.ray = ray = _ray()
        address = address or os.environ.get("RAY_ADDRESS", "")
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
        self._is_mine = not ray.is_initialized()
        #: Whether the instance was started here, and has the nodes that it will ever have.
        self.is_local = self._is_mine and not address
        if self._is_mine:
            started = {"address": address} if address else _local(store_bytes)
            self._connect({**started, **quiet}, address, ships_code=bool(ship_code))
        self._ships_code = self._is_remote() if ship_code is None else ship_code
        if self._is_mine and self._ships_code and not ship_code:
            # now that nodes elsewhere are known; once for the connection, not with every task
            ray.shutdown()
            self._connect({"address": address, **quiet}, address, ships_code=True)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        # beside the study: it must not be lost with a node
        self.inbox = (
            ray.remote(Inbox)
            .options(
                num_cpus=0,
                scheduling_strategy=here,
                max_restarts=-1,
                runtime_env=self.runtime_env(1),
            )
            .remote()
        )
        self._nodes: list[dict[str, float]] = []
        self._asked = -_NODES_SECONDS
        self._taking: Any = None
        self._numbers = itertools.count()
        # a task that is lost is queued again by who knows its resume points
        self._compute = ray.remote(max_retries=0)(_compute)

    def _connect(self, how: dict[str, Any], address: str, *, ships_code: bool) -> None:
        code = {"runtime_env": {"py_modules": list(_shipped_code())}} if ships_code else {}
        try:
            _require_answer(address)
            self.ray.init(**how, **code)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"at {address}" if address else "on this machine"
            raise FinscaleError(
                f"no Ray cluster answers {where}: {str(error).strip().splitlines()[0]}",
                hint="`ray start --head` starts one, `ray status` tells whether it is there; "
                "without --address Ray is started on this machine",
            ) from error

    def close(self) -> None:
        """Leave the cluster; an instance that was started here ends."""
        if self.ray.is_initialized():
            self.ray.kill(self.inbox)
            if self._is_mine:
                self.ray.shutdown()

    def nodes(self) -> list[dict[str, float]]:
        """Return the resources of each node that is alive, as they were a second ago at most."""
        now = time.monotonic()
        if now - self._asked > _NODES_SECONDS:
            alive = (node for node in self.ray.nodes() if node["Alive"])
            self._nodes, self._asked = [dict(node["Resources"]) for node in alive], now
        return self._nodes

    def total(self, resource: str) -> float:
        """Return how much of ``CPU``, ``GPU`` or ``memory`` all nodes have."""
        return sum(node.get(resource, 0.0) for node in self.nodes())

    def largest(self, resource: str) -> float:
        """Return how much of it one node has at most."""
        return max((node.get(resource, 0.0) for node in self.nodes()), default=0.0)

    @property
    def window(self) -> int:
        """How many tasks are queued at Ray at most."""
        return max(_FEWEST_QUEUED, 2 * int(self.total("CPU")))

    def gpu_memory(self) -> int:
        """Return the bytes of a GPU of the cluster, asked of one; 0 where torch sees none."""
        probe = self.ray.remote(_gpu_memory).options(
            num_cpus=0, num_gpus=0.01, runtime_env=self.runtime_env(1)
        )
        return int(self.ray.get(probe.remote()))

    def next_number(self) -> int:
        """Return a number that no task of this connection has had."""
        return next(self._numbers)

    def messages(self, seconds: float, pending: Sequence[Any]) -> list[Message]:
        """Return what nodes have said, waiting for it, or for one of the pending references."""
        if self._taking is None:
            self._taking = self.inbox.take.remote(_TAKE_SECONDS)
        waited = [self._taking, *pending]
        self.ray.wait(waited, num_returns=1, timeout=seconds)
        if not self.ray.wait([self._taking], timeout=0)[0]:
            return []
        taking, self._taking = self._taking, None
        try:
            return list(self.ray.get(taking))
        except self.ray.exceptions.RayActorError:
            return []  # started anew; what it held is lost with it

    def submit(self, number: int, order: Order, data: Any, **options: Any) -> Any:
        """Queue an order; return the reference of its outcomes."""
        threads = options.pop("threads")
        task = self._compute.options(runtime_env=self.runtime_env(threads), **options)
        return task.remote(number, order, data, self.inbox)

    def runtime_env(self, threads: int) -> dict[str, Any]:
        """Return the environment of a worker process: this code, and so many threads.

        Where all nodes are on this machine, workers import what this process does; elsewhere the
        package's files and the plugins that ``FINSCALE_PLUGINS`` names travel through Ray.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("FINSCALE_") and name != NODE_CACHE
        }
        variables = {**kept, **limited_spinning(os.environ), "OMP_NUM_THREADS": str(threads)}
        if self._ships_code:
            # of a connection that is not ours the code travels with each task
            code = {} if self._is_mine else {"py_modules": list(_shipped_code())}
            return {"env_vars": variables, **code}
        return {"env_vars": {**variables, "PYTHONPATH": os.pathsep.join(_own_path())}}

    def _is_remote(self) -> bool:
        """Tell whether a node lies on another machine than this process."""
        here = self.ray.util.get_node_ip_address()
        return any(n["NodeManagerAddress"] != here for n in self.ray.nodes() if n["Alive"])


def _require_answer(address: str) -> None:
    """Ask for a connection at ``host:port``: Ray itself waits for minutes where nobody answers."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()


def _local(store_bytes: int) -> dict[str, Any]:
    cores = os.cpu_count() or 1
    return {"address": "local", "num_cpus": cores, "object_store_memory": store_bytes}


def _own_path() -> list[str]:
    """Return where this process imports from, beside what is installed in its environment."""
    installed = (sys.prefix, sys.base_prefix)
    own = [path for path in sys.path if path and not path.startswith(installed)]
    return list(dict.fromkeys([str(Path.cwd()), *own]))


def _shipped_code() -> Iterator[str]:
    """Yield the folders and files of finscale and of the plugins that a variable names."""
    yield str(Path(__file__).parents[2])
    for module in filter(None, map(str.strip, os.environ.get(PLUGINS, "").split(","))):
        spec = find_spec(module.partition(".")[0])
        if spec is not None and spec.origin:
            origin = Path(spec.origin)
            yield str(origin.parent if origin.name == "__init__.py" else origin)


def _gpu_memory() -> int:
    import torch

    return int(torch.cuda.mem_get_info()[1]) if torch.cuda.is_available() else 0


def _compute(
    number: int, order: Order, data: dict[str, Any], inbox: Any
) -> tuple[int, list[RunOutcome]]:
    """Compute an order in a worker process of Ray; ``data``: see ``Shipping.data``.

    Returns how many messages were said, so that all are heard, and the outcomes.
    """
    import ray

    last: list[Any] = []
    num_said = 0

    def say(kind: str, place: int, facts: dict[str, Any], parcel: dict[str, Any]) -> None:
        nonlocal num_said
        num_said += 1
        last[:] = [inbox.put.remote((number, kind, place, facts, parcel))]
        if parcel:  # one at a time, and from then on it outlives this node
            ray.get(last, timeout=60)

    def fetch(sha256: str) -> bytes:
        return bytes(ray.get(data["files"][sha256]))

    outcomes = compute(order, data["parts"], say, fetch)
    return num_said, outcomes
