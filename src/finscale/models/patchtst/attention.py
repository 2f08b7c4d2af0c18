"""Multi-head self-attention: a fused kernel for long sequences, an explicit product for short."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from finscale.models.kernels.dropout import dropout
from finscale.models.kernels.half_attention import HALF_BELOW, half_attention
from finscale.models.kernels.narrow_attention import narrow_attention
from finscale.models.kernels.products import Linear
from finscale.models.patchtst.sizes import AttentionName, attention_way


class SelfAttention(nn.Module):
    """Self-attention over ``T`` tokens.

    Parameters
    ----------
    width, heads : int
        Model dimension and number of heads.
    dropout : float
        Dropout on the attention weights.
    method : {"auto", "fused", "explicit", "narrow"}
        auto is ``architecture.attention_way``. What ``narrow_attention`` cannot do (dropout of its
        weights, other devices than a CPU, compiled code) is multiplied out instead, and so is
        whatever drops weights on a CPU.
    residual : bool
        Add the previous layer's scores to this layer's; always explicit.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        dropout: float = 0.0,
        method: AttentionName = "auto",
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.method = method
        self.residual = residual
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(
        self, x_BTD: Tensor, scores_BHTT: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attended tokens ``[B, T, D]`` and, with ``residual``, this layer's scores."""
        num_batch, num_tokens, width = x_BTD.shape
        qkv_BT3HE = self.qkv(x_BTD).view(num_batch, num_tokens, 3, self.heads, -1)
        way = self._way(qkv_BT3HE)
        if way in ("narrow", "half"):
            attend = narrow_attention if way == "narrow" else half_attention
            return self.out(attend(qkv_BT3HE, 1 / math.sqrt(qkv_BT3HE.shape[-1]))), None
        qkv_3BHTE = qkv_BT3HE.permute(2, 0, 3, 1, 4)
        if way == "explicit":
            # one copy lays all three out by heads: the batched products would else copy each
            q_BHTE, k_BHTE, v_BHTE = qkv_3BHTE.contiguous().unbind(0)
            y_BHTE, scores_BHTT = self._explicit(q_BHTE, k_BHTE, v_BHTE, scores_BHTT)
        else:
            q_BHTE, k_BHTE, v_BHTE = qkv_3BHTE.unbind(0)
            probability = self.dropout if self.training else 0.0
            y_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, dropout_p=probability)
        y_BTD = y_BHTE.transpose(1, 2).reshape(num_batch, num_tokens, width)
        return self.out(y_BTD), scores_BHTT

    def _way(self, qkv_BT3HE: Tensor) -> str:
        """Return how these tokens are attended to: narrow, half, explicit or fused."""
        if self.residual:
            return "explicit"
        num_tokens, size, device = qkv_BT3HE.shape[1], qkv_BT3HE.shape[-1], qkv_BT3HE.device.type
        way = attention_way(num_tokens, size, device) if self.method == "auto" else self.method
        drops = self.training and self.dropout
        if drops and device == "cpu":
            # the fused kernel's dropout draws from torch's global generator, not from the run's
            return "explicit"
        if drops or device != "cpu" or torch.compiler.is_compiling():
            return "explicit" if way == "narrow" else way
        is_half = qkv_BT3HE.dtype == torch.bfloat16
        return "half" if way == "explicit" and is_half and num_tokens < HALF_BELOW else way

    def _explicit(
        self, q_BHTE: Tensor, k_BHTE: Tensor, v_BHTE: Tensor, previous_BHTT: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        scale = 1 / math.sqrt(q_BHTE.shape[-1])
        if torch.compiler.is_compiling():
            # written so, the compiler does not take it for its fused kernel's pattern
            scores_BHTT = torch.matmul(q_BHTE * scale, k_BHTE.transpose(-2, -1))
        else:
            scores_BHTT = torch.matmul(q_BHTE, k_BHTE.transpose(-2, -1)) * scale
        if previous_BHTT is not None:
            scores_BHTT = scores_BHTT + previous_BHTT
        weights_BHTT = scores_BHTT.softmax(-1)
        weights_BHTT = dropout(weights_BHTT, self.dropout, self.training)
        return torch.matmul(weights_BHTT, v_BHTE), scores_BHTT if self.residual else None
