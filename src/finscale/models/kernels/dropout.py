"""Dropout that costs little on a CPU, where drawing the mask otherwise rules small models."""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

#: Who draws inside :func:`drawing_from`: one generator for each model of a stack.
_generators: Sequence[torch.Generator] = ()


@contextlib.contextmanager
def drawing_from(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Let dropout draw from these generators inside the block, one for each model of a stack.

    The rows of what is dropped are those of the first model, then of the second, and so on. A model
    alone and the same model in a stack draw the same masks. What is compiled for a graphics card
    draws from torch's global generator all the same.
    """
    global _generators
    before, _generators = _generators, tuple(generators)
    try:
        yield
    finally:
        _generators = before


def generators() -> Sequence[torch.Generator]:
    """Return who draws here: none is torch's global generator."""
    return _generators


def dropout(x: Tensor, probability: float | Sequence[float], training: bool) -> Tensor:
    """Zero each number with a probability while training, and scale up the rest.

    One random byte decides per number, eight of them to a draw of the generator: on a CPU about
    four times as fast as ``torch.nn.functional.dropout``. The probability is rounded to 1/256, at
    most to 255/256, and the scale is that of the rounded one, so that the expectation stays exact.

    Parameters
    ----------
    x : Tensor
        Its first dimension counts the windows, model by model where a stack is trained.
    probability : float or sequence of float
        One for each model of a stack, where they differ.
    training : bool
        Outside training x is returned as it is.
    """
    if not training or probability == 0.0:
        return x
    if isinstance(probability, float) and torch.compiler.is_compiling() and x.device.type == "cpu":
        from finscale.models.kernels.compiled import dropout_mask

        mask: Tensor = dropout_mask(x.detach(), probability)
        return x * mask
    if isinstance(probability, float) and (
        torch.compiler.is_compiling() or (x.device.type != "cpu" and not _generators)
    ):
        return F.dropout(x, probability)
    drawers = _generators or (None,)
    num_models = len(drawers)
    each = [probability] * num_models if isinstance(probability, float) else probability
    x_RN = x.reshape(num_models, -1)
    mask_RN = torch.empty_like(x_RN)
    for mask_N, one, generator in zip(mask_RN, each, drawers, strict=True):
        if one == 0.0:
            # alone it would draw nothing
            mask_N.fill_(1.0)
        else:
            fill_mask(mask_N, one, generator)
    return (x_RN * mask_RN).view(x.shape)


def fill_mask(mask_N: Tensor, probability: float, generator: torch.Generator | None) -> None:
    """Write what dropout multiplies with into ``mask_N``: zeros and the scale of the rest."""
    threshold = _threshold(probability)
    draws_K = torch.empty((len(mask_N) + 7) // 8, dtype=torch.int64, device=mask_N.device)
    draws_K.random_(-(2**63), None, generator=generator)
    kept_N = draws_K.view(torch.uint8)[: len(mask_N)].ge_(threshold)
    scale = 256 / (256 - threshold)
    if mask_N.dtype == torch.bfloat16:
        # written as bits: integers take a fifth of the time of arithmetic in bf16
        mask_N.view(torch.int16).copy_(kept_N).mul_(_bits(scale))
    else:
        mask_N.copy_(kept_N).mul_(scale)


@functools.cache
def _bits(scale: float) -> int:
    """Return the bits of a number in bf16, the upper half of fp32's, read as an integer."""
    (bits,) = struct.unpack("<I", struct.pack("<f", scale))
    # to the nearest, halves to the even one
    return int(bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def _threshold(probability: float) -> int:
    """Return the bytes out of 256 that drop a number: never none, never all of them."""
    return min(255, max(1, round(256 * probability))) if probability else 0
