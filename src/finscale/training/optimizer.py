"""AdamW over flat memory, with decay on matrices only."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from finscale.config import TrainingConfig
from finscale.training.flat import FlatParameters


class AdamW:
    """Decoupled weight decay and Adam for one row of flat parameters.

    The update is torch's fused kernel, called directly: ``torch.optim`` costs 2 s of imports, and
    its bookkeeping more time than a small model's update.

    Parameters
    ----------
    flat : FlatParameters
        Where the parameters lie.
    row : int
        Which model's.
    config : TrainingConfig
        Weight decay and betas.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled weight decay regularization".
    """

    #: Added to the root of the second moment: torch's default.
    epsilon = 1e-8

    def __init__(self, flat: FlatParameters, row: int, config: TrainingConfig) -> None:
        self.learning_rate = float(config.learning_rate)
        self.weight_decay, self.betas = config.weight_decay, config.betas
        values_P = flat.values_RP[row]
        self.first_P = torch.zeros_like(values_P)
        self.second_P = torch.zeros_like(values_P)
        # the kernel wants a counter for each of its tensors, on their device
        self.steps = torch.zeros((), device=values_P.device)
        self.move(flat, row)

    def move(self, flat: FlatParameters, row: int) -> None:
        """Go on with the same parameters at another place."""
        self.flat, self.row = flat, row
        numbers = (flat.values_RP[row], flat.grads_RP[row], self.first_P, self.second_P)
        #: Values, gradients and both moments of what decays, and of what does not.
        self.parts = tuple(zip(*(flat.parts(one_P) for one_P in numbers), strict=True))

    def state(self) -> dict[str, Tensor]:
        """Return what the optimiser remembers."""
        return {"first": self.first_P, "second": self.second_P, "steps": self.steps}

    def load(self, state: dict[str, Tensor]) -> None:
        """Remember what :meth:`state` returned once."""
        for name, own in self.state().items():
            own.copy_(state[name])

    @property
    def settings(self) -> tuple[float, float, float, float]:
        """Optimisers with equal settings can update in one call."""
        return (self.learning_rate, self.weight_decay, *self.betas)


def update(optimizers: Iterable[AdamW]) -> None:
    """Take one step of each optimiser; those with equal settings share the calls."""
    alike: dict[tuple[float, float, float, float], list[AdamW]] = {}
    for optimizer in optimizers:
        optimizer.steps += 1
        alike.setdefault(optimizer.settings, []).append(optimizer)
    for (rate, decay, beta1, beta2), group in alike.items():
        for part, weight_decay in enumerate((decay, 0.0)):
            values, grads, firsts, seconds = zip(*(one.parts[part] for one in group), strict=True)
            torch._fused_adamw_(
                values,
                grads,
                firsts,
                seconds,
                [],
                [one.steps for one in group],
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                weight_decay=weight_decay,
                eps=AdamW.epsilon,
                amsgrad=False,
                maximize=False,
            )
