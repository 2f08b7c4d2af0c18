"""The processes that train one model together: which one this is, and what they tell each other.

A step's windows are the same whatever the number of processes. Each process computes its part of
every micro-batch; the outputs are gathered, so that each knows the loss over all windows, whichever
loss it is, and its gradients are those of its own windows.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore

from finscale.errors import TrainingError

_Any = TypeVar("_Any")
#: How long a process waits for the others inside a step, a validation or a resume point.
_PATIENCE = dt.timedelta(hours=1)
#: How long it waits for the first one to prepare data or to write the run.
_LONG = dt.timedelta(days=30)


@dataclass(frozen=True)
class Part:
    """The windows of a batch that one process computes."""

    start: int
    stop: int
    total: int
    """Windows of the batch."""
    counts: bool = True
    """False for a process without windows of its own: it computes one, which counts nothing."""

    @property
    def rows(self) -> slice:
        """Its windows within the batch."""
        return slice(self.start, self.stop)

    @property
    def num_counted(self) -> int:
        """How many outputs it contributes."""
        return self.stop - self.start if self.counts else 0


class Ranks:
    """One of ``size`` processes that train a model together.

    Parameters
    ----------
    rank : int
        Which one; the first, 0, writes and decides.
    size : int
        How many there are.
    store : dist.Store, optional
        What they leave messages in; outlives each of them.
    """

    def __init__(self, rank: int = 0, size: int = 1, store: Any = None) -> None:
        self.rank = rank
        self.size = size
        self._store = store
        #: Set for each micro-batch; dropout draws for all its windows and takes these.
        self.part = Part(0, 0, 0)

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and decides."""
        return self.rank == 0

    @property
    def together(self) -> bool:
        """Whether there are several."""
        return self.size > 1

    def part_of(self, total: int, rank: int | None = None) -> Part:
        """Return which of ``total`` windows a process computes: neighbours, as many as the others.

        Examples
        --------
        >>> ranks = Ranks(size=2)
        >>> [ranks.part_of(5, rank).rows for rank in (0, 1)]
        [slice(0, 3, None), slice(3, 5, None)]
        """
        rank = self.rank if rank is None else rank
        each, more = divmod(total, self.size)
        start = rank * each + min(rank, more)
        stop = start + each + (rank < more)
        return Part(start, stop, total) if stop > start else Part(0, 1, total, counts=False)

    def take(self, total: int) -> slice:
        """Return this process's rows of the next batch, and remember them for its dropout masks."""
        self.part = self.part_of(total)
        return self.part.rows

    def joined(self, own: Tensor, total: int) -> Tensor:
        """Return the outputs ``[total, ...]`` of all processes, each from its part.

        Gradients flow into the own part alone, times the number of processes: what averages
        gradients over them divides by it.
        """
        if not self.together:
            return own
        result: Tensor = _Joined.apply(own, self, total)  # type: ignore[no-untyped-call]
        return result

    def told(self, what: _Any) -> _Any:
        """Return what the first process says; the others' argument is not looked at."""
        if not self.together:
            return what
        said = [what]
        dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
        return said[0]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether a process has it up."""
        if not self.together:
            return flags
        raised = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(raised, op=dist.ReduceOp.MAX)
        return tuple(bool(one) for one in raised)

    def gathered(self, what: _Any) -> list[_Any]:
        """Return what each process says, in order."""
        if not self.together:
            return [what]
        said: list[Any] = [None] * self.size
        dist.all_gather_object(said, what)
        return said

    def wait_for_all(self) -> None:
        """Return when every process has come here."""
        self.gathered(None)

    def say(self, key: str, value: str = "") -> None:
        """Leave a message under ``key`` for the others, who may come for it at any time."""
        if self._store is not None:
            self._store.set(key, value)

    def hear(self, key: str) -> str:
        """Return the message under ``key``, however long it takes until it is there."""
        self._store.wait([key], _LONG)
        return str(self._store.get(key).decode())

    def speaks_first(self) -> bool:
        """Tell whether no other process has told the user of an end yet."""
        if self._store is None:
            return True
        try:
            return bool(self._store.add("ended", 1) == 1)
        except RuntimeError:  # whoever held the store has ended, and says so itself
            return False


#: The one process of an ordinary training.
ALONE = Ranks()


class _Joined(torch.autograd.Function):
    """Outputs of all processes from the own ones."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks, total: int) -> Tensor:
        parts = [ranks.part_of(total, rank) for rank in range(ranks.size)]
        most = max(part.num_counted for part in parts)
        counted = parts[ranks.rank].num_counted
        padded = own.new_zeros(most, *own.shape[1:])
        padded[:counted] = own[:counted]
        pieces = [torch.empty_like(padded) for _ in parts]
        dist.all_gather(pieces, padded)
        ctx.part, ctx.size, ctx.shape = parts[ranks.rank], ranks.size, own.shape
        found = [one[: part.num_counted] for one, part in zip(pieces, parts, strict=True)]
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_own = grads[0].new_zeros(ctx.shape)
        if ctx.part.counts:
            grad_own.copy_(grads[0][ctx.part.rows]).mul_(ctx.size)
        return grad_own, None, None


def several_started() -> int:
    """Return how many processes torchrun has started, of which this is one; 1 where none.

    Examples
    --------
    >>> several_started()
    1
    """
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return int(os.environ["WORLD_SIZE"]) if all(os.environ.get(name) for name in names) else 1


def own_rank() -> int:
    """Return which of the started processes this is; 0 where it is alone."""
    return int(os.environ["RANK"]) if several_started() > 1 else 0


@contextlib.contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started; alone where there are none.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        Where each computes: CPUs talk by gloo, GPUs by NCCL.

    Raises
    ------
    TrainingError
        If this machine has fewer GPUs than processes, or its device cannot work with others.
    """
    if several_started() == 1:
        yield ALONE
        return
    if device == "mps":
        raise TrainingError("mps trains in one process.", hint="--set training.device=cpu")
    _one_machine()
    if device == "cuda":
        local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= there:
            wanted = os.environ.get("LOCAL_WORLD_SIZE", str(local + 1))
            raise TrainingError(
                f"{wanted} processes were started here, and this machine has {there} GPUs.",
                hint=f"--devices {there}",
            )
        torch.cuda.set_device(local)
    meeting = dist.rendezvous("env://", timeout=_PATIENCE)  # type: ignore[attr-defined]
    store, rank, size = next(meeting)
    store = PrefixStore("finscale", store)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    yield Ranks(rank, size, PrefixStore("words", store))
    # after an error the others may be gone: whoever ends then takes no leave
    dist.destroy_process_group()


def _one_machine() -> None:
    """Let processes of one machine talk inside it: its own name may not be known to it."""
    import psutil

    alone = os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]
    loops = [name for name in psutil.net_if_addrs() if name in ("lo", "lo0")]
    if alone and loops:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loops[0])


def is_lost_peer(error: BaseException) -> bool:
    """Tell whether an error says that another process is not there any more."""
    if not isinstance(error, RuntimeError):
        return False
    signs = ("gloo", "NCCL", "closed by peer", "reset by peer", "Broken pipe", "Socket")
    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in signs)
