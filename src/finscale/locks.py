"""Locks between processes; they belong to a process and vanish with it, also when it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from finscale.errors import FinscaleError


@contextmanager
def hold(lock: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing and stays.

    It stays because removing it would let two processes hold "the" lock on different inodes.

    Parameters
    ----------
    lock : Path
        The file; its folder exists.
    timeout : float
        Seconds to wait for another process; for ever if negative.

    Raises
    ------
    filelock.Timeout
        If another process holds it for that long.
    FinscaleError
        If the file cannot be opened: it belongs to another user, or the folder is read-only.
    """
    held = FileLock(lock, timeout=timeout)
    try:
        held.acquire()
    except Timeout:
        raise
    except OSError as error:
        raise FinscaleError(
            f"the lock {lock} cannot be opened: {error.strerror or error}.", hint=_way_out(lock)
        ) from error
    try:
        yield
    finally:
        held.release()


def _way_out(lock: Path) -> str:
    try:
        owner = lock.stat().st_uid
    except OSError:
        return "choose a folder that you can write to"
    if owner == os.geteuid():
        return f"make it writable (chmod u+rw {lock}), or choose another folder"
    return (
        f"it belongs to another user (uid {owner}), who can `chmod a+rw` it; or choose a folder "
        "of your own"
    )
