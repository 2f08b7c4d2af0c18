"""Dropout that costs little on a CPU, where drawing the mask otherwise rules small models."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero each number with a probability while training, and scale up the rest.

    On a CPU one random byte decides per number, eight of them to a draw of the generator: about
    four times as fast as ``torch.nn.functional.dropout``. The probability is rounded to 1/256 there
    and the scale is that of the rounded one, so that the expectation stays exact.
    """
    if not training or probability == 0.0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, probability)
    threshold = max(1, round(256 * probability))
    draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    bytes_ = draws.view(torch.uint8)[: x.numel()].view(x.shape)
    return x * (bytes_ >= threshold).to(x.dtype).mul_(256 / (256 - threshold))
