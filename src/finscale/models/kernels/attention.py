"""Self-attention on a CPU, each shape by what computes it fastest."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from torch import Tensor

from finscale.models.kernels.narrow_attention import narrow_attention
from finscale.models.patchtst.attention import SelfAttention
from finscale.models.patchtst.sizes import EXPLICIT_UP_TO

#: Up to this many multiply-adds a window and head, T²·E, the narrow way is faster than batched
#: products: 2.5 times at E = 4 and nine tokens, 1.5 at E = 8, slower from E = 16 on.
NARROW_UP_TO = 81 * 8


#: The ways that are no part of :class:`SelfAttention`'s own choice.
WAYS = frozenset({"narrow", "explicit"})


class CpuAttention(SelfAttention):
    """:class:`SelfAttention` by the way that is fastest for its shape; same weights, same names.

    What was asked for by name, what adds scores and what drops weights is left as it is.
    """

    #: Ways that may be taken; a benchmark leaves some out.
    ways: AbstractSet[str] = WAYS

    def attend(
        self, qkv_BT3HE: Tensor, previous_BHTT: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return softmax(scale·q·kᵀ)·v of each window and head, ``[B, T, H·E]``, and the scores."""
        if self.residual or self.drops or self.method in ("fused", "explicit"):
            return super().attend(qkv_BT3HE, previous_BHTT)
        _, num_tokens, _, _, size = qkv_BT3HE.shape
        way = attention_way(num_tokens, size, self.ways)
        if way == "narrow":
            return narrow_attention(qkv_BT3HE, self.scale), None
        return (
            self.explicit(qkv_BT3HE, None) if way == "explicit" else (self.fused(qkv_BT3HE), None)
        )


def attention_way(num_tokens: int, head_size: int, ways: AbstractSet[str] = WAYS) -> str:
    """Return how attention of a shape is computed: narrow, explicit or fused."""
    if "narrow" in ways and num_tokens * num_tokens * head_size <= NARROW_UP_TO:
        return "narrow"
    return "explicit" if "explicit" in ways and num_tokens <= EXPLICIT_UP_TO else "fused"
