"""Which device, which arithmetic, how many threads, how much memory."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from finscale.config import format_count
from finscale.errors import TrainingError

#: Below this many parameters a second thread costs more in synchronisation than it brings.
_ONE_THREAD_BELOW = 300_000

#: fp32 weight, gradient and AdamW's two moments; activations come on top.
_BYTES_PER_PARAMETER = 16

_CGROUP = Path("/sys/fs/cgroup")


def choose_device(wanted: str) -> str:
    """Return ``wanted``, or for ``auto`` the first of cuda, mps and cpu that is there.

    Raises
    ------
    TrainingError
        If the device asked for is not on this machine.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(device for device, there in present.items() if there)
    if not present[wanted]:
        raise TrainingError(
            f"training.device = {wanted}, but torch sees no {wanted} device here.",
            hint="training.device: auto takes what is there",
        )
    return wanted


def is_present(device: str) -> bool:
    """Tell whether torch can compute on ``device`` here; ``auto`` always finds one."""
    try:
        choose_device(device)
    except TrainingError:
        return False
    return True


@functools.cache
def supports(device: str, precision: str) -> bool:
    """Tell whether ``device`` can compute a training step in ``precision``; found by trying.

    bf16-mixed is tried on a linear layer, forward and backward under autocast, and on a CPU also
    through oneDNN, to which torch and finscale's kernels hand their products. A CPU with AVX-512
    but without bf16 units passes: oneDNN emulates them. One with AVX2 alone does not: torch would
    fall back to plain loops there, many times slower than fp32.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        A device that is present.
    precision : {"fp32", "bf16-mixed"}
        The arithmetic.
    """
    if precision == "fp32":
        return True
    try:
        x_BI = torch.ones(4, 16, device=device)
        weight_OI = torch.ones(8, 16, device=device, requires_grad=True)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = torch.nn.functional.linear(x_BI, weight_OI).float().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if device == "cpu" and torch._C._has_mkldnn:
            half_BI, half_OI = x_BI.bfloat16(), weight_OI.detach().bfloat16()
            torch.ops.mkldnn._linear_pointwise(half_BI, half_OI, None, "none", [], "")
    except (RuntimeError, AttributeError):
        return False
    return True


def require_precision(device: str, precision: str) -> None:
    """Refuse a precision that the device cannot compute, before anything is tried.

    Raises
    ------
    TrainingError
        With what is missing and the alternative.
    """
    if supports(device, precision):
        return
    if device == "cpu":
        raise TrainingError(
            f"training.precision = {precision}: this processor has no bf16 products (AVX-512 BF16 "
            "or AMX needed).",
            hint="use fp32, or a GPU",
        )
    raise TrainingError(
        f"training.precision = {precision}: {device} here has no bf16 products.",
        hint="use fp32",
    )


def has_bf16_units(device: str) -> bool:
    """Tell whether ``device`` multiplies bf16 in hardware, not by emulation."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    if device == "cpu":
        # torch has no public name for these two
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def choose_threads(wanted: int | str, *, num_parameters: int) -> int:
    """Return the number of CPU threads for a model of ``num_parameters``."""
    if isinstance(wanted, int):
        return wanted
    return 1 if num_parameters < _ONE_THREAD_BELOW else available_threads()


def available_threads() -> int:
    """Return the CPUs that this process may use: affinity, cgroup quota and OMP_NUM_THREADS."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _cgroup_cpus()
    if quota is not None:
        count = min(count, max(1, int(quota)))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(count, int(asked)) if asked.isdigit() and int(asked) > 0 else count


def processes_here(num_devices: int) -> int:
    """Return how many of the processes that train one model are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", num_devices))


@contextlib.contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads inside the block: the order of sums depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def synchronise(device: torch.device) -> None:
    """Wait for what was asked of the device."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def device_name(device: str) -> str:
    """Return a device's name with what its speed depends on, for reports."""
    if device == "cuda":
        return f"cuda {torch.cuda.get_device_name()}"
    total_gib = round(total_memory(device) / 2**30)
    return f"{device} {_processor()} × {available_threads()}, {total_gib} GiB"


def total_memory(device: str) -> int:
    """Return the device's memory in bytes; on a CPU, a cgroup's limit counts."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    return min(int(psutil.virtual_memory().total), _cgroup_memory()[0] or 2**63)


def free_memory(device: str) -> int:
    """Return what can be taken without swapping, in bytes."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    limit, used = _cgroup_memory()
    return free if limit is None else min(free, max(limit - used, 0))


def require_compiler(device: str) -> None:
    """Refuse ``compile`` on a CPU without the C++ compiler that torch calls for it.

    Raises
    ------
    TrainingError
        With the compiler that is missing.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device == "cpu" and shutil.which(compiler) is None:
        raise TrainingError(
            f"training.compile needs the C++ compiler {compiler}, which is not installed.",
            hint="install it, name another one in CXX, or leave training.compile off",
        )


def require_memory(num_parameters: int, device: str, needed: int | None = None) -> None:
    """Refuse at once a model that cannot be trained in the device's memory.

    Parameters
    ----------
    num_parameters : int
        What is to be trained.
    device : {"cpu", "cuda", "mps"}
        Where.
    needed : int, optional
        Bytes at the peak of a step; weights, gradients and optimiser alone when absent.

    Raises
    ------
    TrainingError
        With the memory that it would need.
    """
    needed = needed or _BYTES_PER_PARAMETER * num_parameters
    there = total_memory(device)
    if needed > there:
        raise TrainingError(
            f"{format_count(num_parameters)} parameters need at least {needed / 2**30:.1f} GiB to "
            f"train ({_BYTES_PER_PARAMETER} bytes each for weight, gradient and two moments, and "
            f"the activations); {device} has {there / 2**30:.1f} GiB.",
            hint="a smaller budget, or a machine with more memory",
        )


def _cgroup_memory() -> tuple[int | None, int]:
    """Return this container's memory limit and use in bytes (cgroup v2, then v1)."""
    for limit_file, used_file in (
        (_CGROUP / "memory.max", _CGROUP / "memory.current"),
        (_CGROUP / "memory/memory.limit_in_bytes", _CGROUP / "memory/memory.usage_in_bytes"),
    ):
        try:
            limit, used = limit_file.read_text().strip(), int(used_file.read_text())
        except (OSError, ValueError):
            continue
        # v1 writes "no limit" as a number near 2**63
        if limit != "max" and int(limit) < 2**60:
            return int(limit), used
    return None, 0


def _cgroup_cpus() -> float | None:
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
