"""What this processor and this build of torch can do, found out before it is tried."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Processor:
    """The facts that kernels are chosen by."""

    vectors: str
    """What torch computes with: AVX512, AVX2, DEFAULT, NEON …"""
    amd_family: int
    """AMD's family number: 25 is Zen 3 and 4, 26 is Zen 5; 0 for other makers."""
    onednn_fp32: bool
    """Whether oneDNN's product is there and computes in fp32."""

    @property
    def onednn_wins(self) -> bool:
        """Whether oneDNN's fp32 product ``x · weightᵀ`` is faster than MKL's.

        MKL leaves AVX-512 idle on AMD processors; of those only Zen 4 and later have it.
        """
        return self.onednn_fp32 and self.amd_family >= 25 and self.vectors == "AVX512"

    @property
    def onednn_wins_weight_gradients(self) -> bool:
        """Whether oneDNN is faster for a weight's gradient too, a sum over many rows.

        On Zen 5 it is; Zen 4 computes AVX-512 in halves and loses there by half
        (docs/performance.md).
        """
        return self.onednn_wins and self.amd_family >= 26


@functools.cache
def this_processor() -> Processor:
    """Return the facts about the processor that this process runs on."""
    return Processor(
        vectors=torch.backends.cpu.get_cpu_capability(),
        amd_family=_amd_family(_cpuinfo()),
        onednn_fp32=_multiplies(),
    )


def _amd_family(cpuinfo: str) -> int:
    """Read AMD's family number from what Linux shows, 0 where there is none."""
    family = re.search(r"^cpu family\s*:\s*(\d+)", cpuinfo, re.MULTILINE)
    return int(family[1]) if "AuthenticAMD" in cpuinfo and family is not None else 0


def _multiplies() -> bool:
    """Tell whether oneDNN multiplies here: it is tried, flags may lie."""
    if not torch._C._has_mkldnn:
        return False
    numbers = torch.ones(16, 16)
    try:
        product = torch.ops.mkldnn._linear_pointwise(numbers, numbers, None, "none", [], "")
    except (RuntimeError, AttributeError):
        return False
    return bool((product == 16).all())


def _cpuinfo() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            return file.read(4096)
    except OSError:
        return ""  # macOS, Windows
