"""Multi-head self-attention over the tokens of a window."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from finscale.models.patchtst.sizes import AttentionName


class SelfAttention(nn.Module):
    """Self-attention over ``T`` tokens.

    Parameters
    ----------
    width, heads : int
        Model dimension and number of heads.
    scale : float, optional
        Factor of q·k; 1/√E, with E numbers in a head, when absent.
    dropout : float
        Dropout on the attention weights.
    method : {"auto", "fused", "explicit"}
        torch's fused kernel, or products and a softmax; auto is fused wherever no weights are
        dropped.
    residual : bool
        Add the previous layer's scores to this layer's; always explicit, a fused kernel shows none.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        scale: float | None = None,
        dropout: float = 0.0,
        method: AttentionName = "auto",
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = 1 / math.sqrt(width // heads) if scale is None else scale
        self.method = method
        self.residual = residual
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x_BTD: Tensor, scores_BHTT: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attended tokens ``[B, T, D]`` and, with ``residual``, this layer's scores."""
        num_batch, num_tokens, _ = x_BTD.shape
        qkv_BT3HE = self.qkv(x_BTD).view(num_batch, num_tokens, 3, self.heads, -1)
        y_BTD, scores_BHTT = self.attend(qkv_BT3HE, scores_BHTT)
        return self.out(y_BTD), scores_BHTT

    def attend(
        self, qkv_BT3HE: Tensor, previous_BHTT: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return softmax(scale·q·kᵀ)·v of each window and head, ``[B, T, H·E]``, and the scores."""
        if self.residual or self.method == "explicit" or self.drops:
            return self.explicit(qkv_BT3HE, previous_BHTT)
        return self.fused(qkv_BT3HE), None

    def fused(self, qkv_BT3HE: Tensor) -> Tensor:
        """Attend by torch's kernel, which never holds the weights of all tokens at once."""
        q_BHTE, k_BHTE, v_BHTE = qkv_BT3HE.permute(2, 0, 3, 1, 4).unbind(0)
        rate = self.dropout.p if self.training else 0.0
        y_BHTE = F.scaled_dot_product_attention(
            q_BHTE, k_BHTE, v_BHTE, dropout_p=rate, scale=self.scale
        )
        return y_BHTE.transpose(1, 2).flatten(2)

    def explicit(
        self, qkv_BT3HE: Tensor, previous_BHTT: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Attend by two products and a softmax between them."""
        # one copy lays all three out by heads: the batched products would else copy each
        q_BHTE, k_BHTE, v_BHTE = qkv_BT3HE.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        scores_BHTT = torch.matmul(q_BHTE, k_BHTE.mT) * self.scale
        if previous_BHTT is not None:
            scores_BHTT = scores_BHTT + previous_BHTT
        weights_BHTT = self.dropout(scores_BHTT.softmax(-1))
        y_BTD = torch.matmul(weights_BHTT, v_BHTE).transpose(1, 2).flatten(2)
        return y_BTD, scores_BHTT if self.residual else None

    @property
    def drops(self) -> bool:
        """Whether weights are dropped here and now, outside a fused kernel."""
        return self.training and self.dropout.p > 0 and self.method != "fused"
