"""A linear function of the last row beside a network, which then learns what that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class LinearPath(nn.Module):
    """``output = linear(standardised relative columns of the last row) + network(window)``.

    With the linear part fitted and the network's output layer at zero, training starts from the
    best linear answer. A part that is not trained is held in buffers: it is no parameter.

    Parameters
    ----------
    network : nn.Module
        Reads windows ``[B, L, F]``; writes ``[B]`` or ``[B, Q]``.
    num_columns : int
        K, relative columns of a row.
    num_outputs : int
        Q.
    trains : bool
        Whether the linear part learns with the network.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(80 * 5, 1), nn.Flatten(0))
    >>> model = LinearPath(network, num_columns=3, num_outputs=1, trains=False)
    >>> model(torch.randn(2, 80, 5), torch.randn(2, 3)).shape
    torch.Size([2])
    """

    #: Tells whoever gathers inputs to hand over ``[B, K]`` beside the windows.
    reads_last_row = True

    mean_K: Tensor
    spread_K: Tensor
    limit: Tensor
    weight_QK: Tensor
    bias_Q: Tensor

    def __init__(
        self, network: nn.Module, *, num_columns: int, num_outputs: int, trains: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.trains = trains
        #: Whether the output before training is an answer of its own.
        self.starts_fitted = False
        self.register_buffer("mean_K", torch.zeros(num_columns))
        self.register_buffer("spread_K", torch.ones(num_columns))
        self.register_buffer("limit", torch.tensor(float("inf")))
        linear = {
            "weight_QK": torch.zeros(num_outputs, num_columns),
            "bias_Q": torch.zeros(num_outputs),
        }
        for name, tensor in linear.items():
            if trains:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)

    @torch.no_grad()
    def set_scale(self, mean_K: Tensor, spread_K: Tensor, limit: float) -> None:
        """Set how columns are standardised: mean, spread, and the most that a value counts."""
        self.mean_K.copy_(mean_K)
        self.spread_K.copy_(spread_K)
        self.limit.fill_(limit)

    @torch.no_grad()
    def set_weights(self, weight_QK: Tensor, bias_Q: Tensor) -> None:
        """Set the linear function, in standardised columns."""
        self.weight_QK.copy_(weight_QK)
        self.bias_Q.copy_(bias_Q)
        self.starts_fitted = True

    def forward(self, x_BLF: Tensor, last_BK: Tensor) -> Tensor:
        """Return the network's output plus the linear function of the last row."""
        return self.encode(*self.prepare(x_BLF, last_BK))

    def prepare(self, x_BLF: Tensor, last_BK: Tensor) -> tuple[Tensor, ...]:
        """Return what depends on no weight: the standardised columns, and what the network reads.

        What is not finite counts as average.
        """
        z_BK = (last_BK - self.mean_K) / self.spread_K
        z_BK = torch.where(last_BK.isfinite(), z_BK, 0.0)
        z_BK = torch.maximum(torch.minimum(z_BK, self.limit), -self.limit)
        prepare: Any = getattr(self.network, "prepare", None)
        return (z_BK, *((x_BLF,) if prepare is None else prepare(x_BLF)))

    def encode(self, z_BK: Tensor, *prepared: Tensor) -> Tensor:
        """Return the output for prepared inputs; see :meth:`forward`."""
        encode: Any = getattr(self.network, "encode", self.network)
        y: Tensor = encode(*prepared)
        # fp32 under autocast too: the linear answer must not be rounded to bf16's three digits
        with torch.autocast(z_BK.device.type, enabled=False):
            linear_BQ = torch.addmm(self.bias_Q, z_BK, self.weight_QK.T)
        return y.float() + (linear_BQ if y.ndim == 2 else linear_BQ.squeeze(1))


def zero_output(network: nn.Module, heads: Sequence[str]) -> None:
    """Set the last linear layer of the submodules that write the output to zero.

    The network then adds nothing at first, and only that layer learns in the first step. A network
    that has no such submodule stays as it is.
    """
    for name in heads:
        if not hasattr(network, name):
            continue
        layers = [one for one in network.get_submodule(name).modules() if _is_linear(one)]
        for parameter in layers[-1].parameters(recurse=False) if layers else ():
            nn.init.zeros_(parameter)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
