"""Random operations inside ``vmap``: each replica draws what it would draw alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Makes a block in which torch's global generator is that of one replica.
Drawing = Callable[[], AbstractContextManager[None]]
_Call = Callable[..., Tensor]


class ReplicaDraws(TorchFunctionMode):
    """Inside the block, dropout under ``vmap`` draws each replica's mask from its own generator.

    Each replica makes the very call that its model makes alone, so masks and bits are the same on
    any device. Attention without dropout is one call over the windows of all replicas, for which
    torch has no rule of its own on a CPU.

    Parameters
    ----------
    drawing : sequence of callable
        For each replica the block in which it draws.
    """

    def __init__(self, drawing: Sequence[Drawing]) -> None:
        super().__init__()
        self._drawing = drawing

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func``, one replica at a time where it draws."""
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or p == 0.0:
            return F.dropout(input, p, training, inplace)
        return self._each(lambda x: F.dropout(x, p), input)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        **options: Any,
    ) -> Tensor:
        if attn_mask is not None:

            def masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
                return F.scaled_dot_product_attention(q, k, v, mask, dropout_p, **options)

            return self._each(masked, query, key, value, attn_mask)

        def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(q, k, v, None, dropout_p, **options)

        apply = self._each if dropout_p else self._all
        return apply(plain, query, key, value)

    def _each(self, call: _Call, *tensors: Tensor) -> Tensor:
        """Call once for each replica, with its generator."""

        def stacked(*parts: Tensor) -> Tensor:
            results = []
            for drawing, *own in zip(self._drawing, *parts, strict=True):
                with drawing():
                    results.append(call(*own))
            return torch.stack(results)

        return _under_vmap(stacked, tensors)

    def _all(self, call: _Call, *tensors: Tensor) -> Tensor:
        """Call once for all replicas, side by side in the first dimension."""

        def folded(*parts: Tensor) -> Tensor:
            result = call(*(part.flatten(0, 1) for part in parts))
            return result.view(*parts[0].shape[:2], *result.shape[1:])

        return _under_vmap(folded, tensors)


def _under_vmap(rule: _Call, tensors: Sequence[Tensor]) -> Tensor:
    result: Tensor = _Rule.apply(rule, *tensors)  # type: ignore[no-untyped-call]
    return result


class _Rule(torch.autograd.Function):
    """Gives ``vmap`` a rule: it gets tensors ``[R, ...]``, and autograd records what it does."""

    @staticmethod
    def forward(rule: _Call, *tensors: Tensor) -> Tensor:
        raise AssertionError("a tensor inside vmap that belongs to no replica")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept: the rule's own operations are differentiated."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], rule: _Call, *tensors: Tensor
    ) -> tuple[Tensor, int]:
        """Return the rule's result, replicas in front."""
        parts = [
            one.expand(info.batch_size, *one.shape) if dim is None else one.movedim(dim, 0)
            for one, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        return rule(*parts), 0
