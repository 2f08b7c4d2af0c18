"""A model that several processes hold: whole in each of them (DDP), or a share in each (FSDP2)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.nn.parallel import DistributedDataParallel

from finscale.config import TrainingConfig
from finscale.models.blocks import blocks_of
from finscale.models.recompute import recomputed
from finscale.training.distributed import Ranks
from finscale.training.distributed_draws import share_draws
from finscale.training.distributed_weights import take_shards

#: What a training calls of a model.
Encode = Callable[..., Tensor]


def encoder_of(model: nn.Module) -> Encode:
    """Return what a training calls: ``encode`` on prepared windows, or the model itself."""
    found: Encode = getattr(model, "encode", model)
    return found


def spread(
    model: nn.Module,
    ranks: Ranks,
    config: TrainingConfig,
    example: Callable[[], tuple[Tensor, ...]],
) -> Encode:
    """Let several processes hold a model, in place, and return what a training calls then.

    The model keeps its names and its parameters; with FSDP these become shares.

    Parameters
    ----------
    model : nn.Module
        On its device; with FSDP its parameters may be on the meta device, see
        :mod:`finscale.training.distributed_weights`.
    ranks : Ranks
        Two or more.
    config : TrainingConfig
        Placed.
    example : callable
        Gives what ``encode`` takes, of one window.

    Raises
    ------
    TrainingError
        If a layer cannot be shared out, see :func:`.distributed_draws.share_draws`.
    """
    share_draws(model, ranks)
    if config.strategy == "fsdp":
        return _sharded(model, ranks, config)
    encoding = _Encoding(model)
    unused = _leaves_out(model, example())
    with warnings.catch_warnings():
        # torch 2.13 has another name for it, 2.11 has not; buffers are the same everywhere
        warnings.filterwarnings("ignore", message="`broadcast_buffers`", category=FutureWarning)
        return DistributedDataParallel(
            encoding,
            broadcast_buffers=False,
            find_unused_parameters=unused,
            # gradients live in the buckets in which they are averaged, not beside them
            gradient_as_bucket_view=True,
        )


def sync_gradients(encode: Encode, wanted: bool) -> None:
    """Say whether the next backward pass averages gradients over the processes, as the last does.

    A share of an FSDP model always does: kept whole until the last, they would take a model's size.
    """
    if isinstance(encode, DistributedDataParallel):
        encode.require_backward_grad_sync = wanted


class _Encoding(nn.Module):
    """``encode`` as the ``forward`` that DDP watches."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return encoder_of(self.model)(*inputs)


def _leaves_out(model: nn.Module, example: tuple[Tensor, ...]) -> bool:
    """Tell whether a pass leaves a parameter unused; DDP would wait for its gradient."""
    learning = model.training
    with torch.random.fork_rng(devices=[]):
        output = encoder_of(model.eval())(*example)
        grads = torch.autograd.grad(
            output.float().sum(), list(model.parameters()), allow_unused=True
        )
    model.train(learning)
    return any(grad is None for grad in grads)


def _sharded(model: nn.Module, ranks: Ranks, config: TrainingConfig) -> Encode:
    # it returns a view, of which nobody changes anything in place
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module", category=UserWarning)
    mesh = init_device_mesh(str(config.device), (ranks.size,))
    # blocks in bf16; around them, and in sums over processes, fp32 as autocast has it
    half = config.precision == "bf16-mixed"
    blocks = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if half else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    around = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    take = take_shards(model)
    for block in blocks_of(model):
        if next(block.children(), None) is not None:
            kind: Any = type(block)
            block.__class__ = _recomputing(kind)
        if config.compile:
            block.compile()
        for norm in _norms_of(block) if half else ():
            # autocast leaves them in fp32; they are small and stay whole
            fully_shard(norm, mesh=mesh, mp_policy=around, reshard_after_forward=False)
        fully_shard(block, mesh=mesh, mp_policy=blocks)
    fully_shard(model, mesh=mesh, mp_policy=around)
    take(torch.device(config.device))
    if hasattr(model, "encode"):
        register_fsdp_forward_method(model, "encode")
    return encoder_of(model)


def _norms_of(block: nn.Module) -> list[nn.Module]:
    kinds = nn.LayerNorm | nn.RMSNorm | nn.GroupNorm
    norms = [one for one in block.modules() if one is not block and isinstance(one, kinds)]
    return [norm for norm in norms if next(norm.parameters(), None) is not None]


@functools.cache
def _recomputing(kind: Any) -> Any:
    """Return a block's class that keeps its inputs alone for the way back."""

    def forward(self: Any, *inputs: Any) -> Any:
        plain = functools.partial(kind.forward, self)
        return recomputed(plain, *inputs) if torch.is_grad_enabled() else plain(*inputs)

    return type(kind.__name__, (kind,), {"forward": forward, "recomputes": True})
