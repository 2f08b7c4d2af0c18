"""Several processes behind one verb: one of them speaks, and the end of one is the end of all."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from finscale.errors import FinscaleError, FinscaleWarning, TrainingError

if TYPE_CHECKING:
    from finscale.training.distributed import Ranks

#: Seconds between two looks at whether the starting process is there.
_LOOK_EVERY = 1.0
#: Tells the processes that were started here from those of torchrun: who starts them speaks of
#: their end.
_STARTED = "FINSCALE_STARTED_HERE"


def start_devices(devices: int) -> None:
    """Start this command in several processes, unless they are started, and end as they do."""
    from finscale.training.distributed import several_started

    if devices == 1 or several_started() > 1:
        return
    from finscale.training.distributed_launch import launch, own_command

    os.environ[_STARTED] = "1"
    status = launch(own_command(), devices, again=shlex.join(["finscale", *sys.argv[1:]]))
    raise typer.Exit(status)


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks | None]:
    """Be one of the processes that torchrun has started; None where there is one alone.

    Raises
    ------
    TrainingError
        If another process is lost.
    """
    from finscale.training.distributed import is_lost_peer, joined_ranks, several_started

    size = several_started()
    if size == 1:
        yield None
        return
    _end_with_parent()
    with joined_ranks(_device(device)) as ranks:
        try:
            if not ranks.leads:
                warnings.simplefilter("ignore", FinscaleWarning)
            yield ranks
        except FinscaleError as error:
            if ranks.speaks_first():
                raise
            _leave(error.exit_status)
        except RuntimeError as error:
            # whoever starts the processes here sees which one is lost
            if not is_lost_peer(error):
                raise
            if os.environ.get(_STARTED) or not ranks.speaks_first():
                _leave(1)
            command = f"torchrun --nproc-per-node {size} -m finscale"
            raise TrainingError(
                f"A process of the {size} that train this model is lost: killed, or ended by an "
                "error of its own; all have stopped.",
                hint="the same command goes on from the last resume point: "
                f"{command} {shlex.join(sys.argv[1:])}",
            ) from None


def _device(asked: str) -> str:
    from finscale.training.devices import choose_device

    return choose_device(asked)


def _leave(status: int) -> None:
    """End at once and in silence: the others may be gone, and nobody waits for a farewell."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_with_parent() -> None:
    """End when the starting process does, however it ends: no process is left behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
