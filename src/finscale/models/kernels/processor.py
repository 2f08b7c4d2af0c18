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
    is_zen5: bool
    """Whether it is an AMD processor whose AVX-512 is as wide as its registers: Zen 5 and later.
    MKL leaves it idle on any AMD processor; Zen 4 computes it in halves and loses nothing."""
    onednn_fp32: bool
    """Whether oneDNN's product is there and computes in fp32."""

    @property
    def onednn_wins_in_fp32(self) -> bool:
        """Whether oneDNN's fp32 product is the faster one: where it alone uses AVX-512."""
        return self.onednn_fp32 and self.is_zen5 and self.vectors == "AVX512"


@functools.cache
def this_processor() -> Processor:
    """Return the facts about the processor that this process runs on."""
    return Processor(
        vectors=torch.backends.cpu.get_cpu_capability(),
        is_zen5=_is_zen5(_cpuinfo()),
        onednn_fp32=_multiplies(),
    )


def _is_zen5(cpuinfo: str) -> bool:
    """Tell by the family that Linux shows: 25 is Zen 3 and 4, 26 is Zen 5."""
    family = re.search(r"^cpu family\s*:\s*(\d+)", cpuinfo, re.MULTILINE)
    return "AuthenticAMD" in cpuinfo and family is not None and int(family[1]) >= 26


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
