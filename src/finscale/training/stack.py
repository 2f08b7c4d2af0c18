"""Models of one architecture as one: weights, buffers and AdamW's moments stacked, a step for all.

What differs between the members (weights, data order, masks, learning rate, weight decay, norm of
the gradient) has a first dimension of R; the program is that of one model under ``vmap``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from finscale.training.replica_draws import Drawing, ReplicaDraws

if TYPE_CHECKING:
    from finscale.training.trainer import Trainer


class _Encoding(nn.Module):
    """What a training calls of a model, as the ``forward`` that ``functional_call`` knows."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the model's output for prepared windows."""
        output: Tensor = getattr(self.model, "encode", self.model)(*inputs)
        return output


@dataclass
class _Group:
    """Stacked parameters with one learning-rate factor and one ε."""

    params: list[Tensor]
    firsts: list[Tensor]
    seconds: list[Tensor]
    lr_factor: float
    decay_R: Tensor
    eps: float


class Stack:
    """Trainings that are at the same step, as one program.

    Parameters
    ----------
    trainers : sequence of Trainer
        Set up, alike but for seed, learning rate and weight decay. Their own models and optimisers
        stay as they are until :meth:`write_back`.
    drawing : sequence of callable
        For each member the block in which torch's global generator is its own.
    """

    def __init__(self, trainers: Sequence[Trainer], drawing: Sequence[Drawing]) -> None:
        self.trainers = tuple(trainers)
        self._lead = trainers[0]
        self._drawing = drawing
        models = [_Encoding(trainer.model.train()) for trainer in trainers]
        self._params, self._buffers = stack_module_state(list[nn.Module](models))
        self._program = copy.deepcopy(models[0]).to("meta")
        self._num_updates = self._lead.num_steps
        self._rates_SR = torch.tensor(
            [trainer.rates for trainer in trainers], device=self._lead.device
        ).T.contiguous()
        self._groups = self._grouped()
        # each training's losses are a row
        losses_RS = torch.stack([trainer.state.losses_S for trainer in trainers])
        for trainer, losses_S in zip(trainers, losses_RS, strict=True):
            trainer.state.losses_S = losses_S
        self._losses_RS = losses_RS

    def _grouped(self) -> list[_Group]:
        """Return the parameters by group, with the moments that the optimisers hold."""
        moments = {name: self._moments_of(name, stacked) for name, stacked in self._params.items()}
        names = {id(p): f"model.{name}" for name, p in self._lead.model.named_parameters()}
        optimizers = [trainer.state.optimizer for trainer in self.trainers]
        groups = []
        for number, group in enumerate(self._lead.state.optimizer.param_groups):
            members = [names[id(parameter)] for parameter in group["params"]]
            decays = [one.param_groups[number]["weight_decay"] for one in optimizers]
            groups.append(
                _Group(
                    [self._params[name] for name in members],
                    [moments[name][0] for name in members],
                    [moments[name][1] for name in members],
                    group["lr_factor"],
                    torch.tensor(decays, device=self._lead.device),
                    group["eps"],
                )
            )
        self._moments = moments
        return groups

    def _moments_of(self, name: str, stacked: Tensor) -> tuple[Tensor, Tensor]:
        """Return both moments of a stacked parameter; zero before the first step."""
        if not self._num_updates:
            return torch.zeros_like(stacked), torch.zeros_like(stacked)
        states = [
            trainer.state.optimizer.state[_parameter(trainer, name)] for trainer in self.trainers
        ]
        first, second = (
            torch.stack([state[key] for state in states]) for key in ("exp_avg", "exp_avg_sq")
        )
        return first, second

    def step(self, ends: Sequence[Tensor]) -> None:
        """Take one step of each training on the windows that end at its ``ends``, all as many."""
        lead, config = self._lead, self._lead.config
        ends_RN = torch.stack(list(ends))
        position = lead.state.step
        # 1. gradients: a member's loss reaches its own weights alone, so one sum serves all
        for micro_RB in torch.split(ends_RN, int(config.batch_size), dim=1):
            share = micro_RB.shape[1] / ends_RN.shape[1]
            loss_R = self._losses(micro_RB) * share
            loss_R.sum().backward()  # type: ignore[no-untyped-call]
            self._losses_RS[:, position] += loss_R.detach()
        grads = {name: one.grad for name, one in self._params.items() if one.grad is not None}
        # 2. their norms
        if config.clip_norm is not None:
            clip_each_(list(grads.values()), config.clip_norm)
        # 3. the updates
        self._num_updates += 1
        rate_R = self._rates_SR[lead.num_steps]
        with torch.no_grad():
            for group in self._groups:
                used = [i for i, one in enumerate(group.params) if one.grad is not None]
                adamw_(
                    [group.params[i] for i in used],
                    [group.firsts[i] for i in used],
                    [group.seconds[i] for i in used],
                    step=self._num_updates,
                    rate_R=rate_R * group.lr_factor,
                    decay_R=group.decay_R,
                    betas=config.betas,
                    eps=group.eps,
                )
        for stacked in self._params.values():
            stacked.grad = None
        for trainer in self.trainers:
            trainer.state.step += 1

    def _losses(self, ends_RB: Tensor) -> Tensor:
        """Return each training's loss on its micro-batch, ``[R]``."""
        lead, flat = self._lead, ends_RB.flatten()
        inputs = [one.view(*ends_RB.shape, *one.shape[1:]) for one in lead.inputs.of(flat)]
        target_RB = lead.targets(flat).view(ends_RB.shape)

        def loss(
            params: dict[str, Tensor],
            buffers: dict[str, Tensor],
            target_B: Tensor,
            *inputs: Tensor,
        ) -> Tensor:
            with lead.autocast():
                output = functional_call(self._program, (params, buffers), inputs)
            return lead.loss(output.float(), target_B)

        with ReplicaDraws(self._drawing):
            losses_R: Tensor = vmap(loss, randomness="error")(
                self._params, self._buffers, target_RB, *inputs
            )
        return losses_R

    @torch.no_grad()
    def write_back(self) -> None:
        """Give each training's own model and optimiser what its row holds."""
        for row, trainer in enumerate(self.trainers):
            for name, buffer in trainer.model.named_buffers():
                buffer.copy_(self._buffers[f"model.{name}"][row])
            for name, parameter in trainer.model.named_parameters():
                first, second = self._moments[f"model.{name}"]
                parameter.copy_(self._params[f"model.{name}"][row])
                trainer.state.optimizer.state[parameter] = {
                    "step": torch.full((), float(self._num_updates), device=parameter.device),
                    "exp_avg": first[row].clone(),
                    "exp_avg_sq": second[row].clone(),
                }


def _parameter(trainer: Trainer, name: str) -> nn.Parameter:
    return trainer.model.get_parameter(name.removeprefix("model."))


def clip_each_(grads: Sequence[Tensor], max_norm: float) -> None:
    """Scale each member's gradients down to a norm, as ``clip_grad_norm_`` does for one model.

    Parameters
    ----------
    grads : sequence of Tensor
        ``[R, ...]``.
    max_norm : float
        Largest norm over all of a member's gradients.
    """
    norms_PR = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads])
    factor_R = (max_norm / (torch.linalg.vector_norm(norms_PR, dim=0) + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(_over(factor_R, grad))


def adamw_(
    params: list[Tensor],
    firsts: list[Tensor],
    seconds: list[Tensor],
    *,
    step: int,
    rate_R: Tensor,
    decay_R: Tensor,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """Take one AdamW step of R models whose learning rates and weight decays differ.

    ``torch.optim`` has one rate for a tensor, so this is its formula with rate and decay ``[R]``.

    Parameters
    ----------
    params, firsts, seconds : list of Tensor
        ``[R, ...]``: parameters with their gradients, and both moments; changed in place.
    step : int
        Number of this step, from 1.
    rate_R, decay_R : Tensor
        Learning rate and weight decay of each model.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled weight decay regularization", algorithm 2.
    """
    if not params:
        return
    grads = [one.grad for one in params if one.grad is not None]
    beta1, beta2 = betas
    torch._foreach_lerp_(firsts, grads, 1 - beta1)
    torch._foreach_mul_(seconds, beta2)
    torch._foreach_addcmul_(seconds, grads, grads, 1 - beta2)
    roots = torch._foreach_sqrt(seconds)
    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))
    torch._foreach_add_(roots, eps)
    moves = torch._foreach_div(firsts, roots)
    kept_R, size_R = 1 - rate_R * decay_R, -rate_R / (1 - beta1**step)
    for one, move in zip(params, moves, strict=True):
        one.mul_(_over(kept_R, one)).addcmul_(move, _over(size_R, one))


def _over(value_R: Tensor, like: Tensor) -> Tensor:
    """Return one value a model, to be broadcast over a stacked tensor."""
    return value_R.view(-1, *[1] * (like.ndim - 1))
