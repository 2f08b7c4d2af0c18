"""glibc's allocator told to keep what training frees, because the next step wants it back.

By default glibc gives every freed block above some megabytes back to the kernel, so that each step
faults its activations in again, page by page: a sixth of a step's time on large batches
(docs/performance.md). Kept blocks cost no memory beyond the step's own peak.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from typing import Any

# names and numbers of mallopt's parameters: malloc.h
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

#: Grow the heap by so much at once.
_PAD = 64 * 2**20
#: Blocks from this size on are the kernel's, where freed memory is to be given back.
_LARGE = 2**20
#: glibc's own threshold and pad.
_USUAL = 128 * 2**10
#: Never shrink the heap for less than this: the largest number that mallopt takes.
_KEEP = 2**31 - 1

#: What a person sets to be left alone: glibc's own settings, or another allocator.
_OWN_CHOICE = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES",
               "LD_PRELOAD")  # fmt: skip


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next training step.

    It lasts as long as the process. Nothing happens without glibc, or where the environment says
    how to allocate (``MALLOC_…_``, ``GLIBC_TUNABLES``, ``LD_PRELOAD``).

    Returns
    -------
    bool
        Whether glibc took the settings.
    """
    return _take((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEEP), (_M_TOP_PAD, _PAD))


def as_usual() -> bool:
    """Take back :func:`keep_freed_memory`, and give back what has been kept.

    For a process that trains for a moment and lives long, as one does that plans a study.

    Returns
    -------
    bool
        Whether glibc took the settings.
    """
    usual = ((_M_MMAP_MAX, 65_536), (_M_TRIM_THRESHOLD, _USUAL), (_M_TOP_PAD, _USUAL))
    return _take(*usual) and release_freed_memory()


def give_back_large_blocks() -> bool:
    """Let this process give every large block back to the kernel as soon as it is freed.

    For a model in shares, whose blocks are whole for a moment each, in turn: in glibc's heap the
    holes that they leave between what lasts came to as much memory as the whole model.

    Returns
    -------
    bool
        Whether glibc took the setting.
    """
    return _take((_M_MMAP_THRESHOLD, _LARGE))


def release_freed_memory() -> bool:
    """Give back what a training has left, before another one lays its memory out differently.

    Two trainings of 200M parameters in one process took 7.2 GB at their peak; with this between
    them they take 4.4, where the first alone takes 4.1.

    Returns
    -------
    bool
        Whether glibc was asked.
    """
    trim = _glibc("malloc_trim")
    if trim is None:
        return False
    # a model and what watches it hold each other
    gc.collect()
    trim(0)
    return True


def _take(*settings: tuple[int, int]) -> bool:
    """Hand settings to glibc; return whether it took them all."""
    mallopt = _glibc("mallopt")
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in settings)


def _glibc(name: str) -> Any:
    """Return a function of glibc; None elsewhere, and where a person has decided about memory."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    if any(os.environ.get(one) for one in _OWN_CHOICE):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
