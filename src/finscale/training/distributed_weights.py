"""A sharded model's first weights: those of one process, without ever holding the whole model.

The model is built as always, but each parameter is left on the meta device and this process keeps
its share of the numbers alone. Whatever the construction does to a parameter is done to the share:
a random draw is made whole, one parameter at a time, so that the generator moves as it does in one
process, and the share of it is kept.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from finscale.errors import FinscaleWarning
from finscale.training.allocator import give_back_large_blocks
from finscale.training.distributed import Ranks

#: Where a model keeps the shares until it is sharded.
_PLACE = "first_shares"
_aten = torch.ops.aten
#: What treats every number alike, so that it may be done to a share.
_ALIKE = frozenset(
    {
        _aten.fill_, _aten.zero_, _aten.mul_, _aten.div_, _aten.add_, _aten.sub_, _aten.clamp_,
        _aten.erfinv_, _aten.neg_,
    }
)  # fmt: skip


class CannotShare(Exception):  # noqa: N818 (never reaches a user)
    """A construction that reads or writes parts of a parameter."""


def build_sharded(build: Callable[[], nn.Module], ranks: Ranks) -> nn.Module:
    """Return a model whose parameters are on the meta device, and its shares of them beside it.

    Parameters
    ----------
    build : callable
        Builds the model on a CPU, drawing from torch's global generator.
    ranks : Ranks
        Who takes which share.

    Raises
    ------
    CannotShare
        If the construction does something else than draw, fill and scale whole parameters.
    """
    shares = _Shares(ranks)
    with shares, _on_meta(shares):
        model = build()
    model.__dict__[_PLACE] = {
        name: shares.of(parameter) for name, parameter in model.named_parameters()
    }
    return model


def build_shared(build: Callable[[], nn.Module], ranks: Ranks, *, seed: int) -> nn.Module:
    """Return a model in shares, or whole, with a warning, where its construction forbids shares."""
    give_back_large_blocks()
    torch.manual_seed(seed)
    try:
        return build_sharded(build, ranks)
    except CannotShare as reason:
        if ranks.leads:
            warnings.warn(
                f"this architecture's first weights cannot be drawn in shares ({reason}): each "
                "process draws the whole model in its main memory first",
                FinscaleWarning,
                stacklevel=2,
            )
    torch.manual_seed(seed)
    return build()


def take_shards(model: nn.Module) -> Callable[[torch.device], None]:
    """Return what gives a model its numbers once it is sharded; nothing where it has them."""
    first: dict[str, Tensor] = model.__dict__.pop(_PLACE, {})

    @torch.no_grad()
    def take(device: torch.device) -> None:
        if not first:
            return

        def there(tensor: Tensor) -> Tensor:
            meta = tensor.device.type == "meta"
            return torch.empty_like(tensor, device=device) if meta else tensor.to(device)

        model._apply(there)  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters():
            share: Any = parameter  # a DTensor by now
            share.to_local().copy_(first.pop(name))

    return take


class _Shares(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Repeats on this process's shares what is done to parameters on the meta device."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ranks = ranks
        #: Storage of the meta parameter → the share, and the parameter, which keeps the storage.
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._drawn = torch.empty(0)

    def keep(self, real: Tensor, meta: Tensor) -> None:
        """Take the share of a parameter's first numbers."""
        self._kept[_storage(meta)] = (self._share(real).clone(), meta)

    def of(self, meta: Tensor) -> Tensor:
        """Return the share of a parameter."""
        return self._kept[_storage(meta)][0]

    def _share(self, whole: Tensor) -> Tensor:
        # as FSDP cuts: in equal pieces along the first dimension, the last ones short or empty
        pieces = torch.chunk(whole, self._ranks.size, dim=0)
        return pieces[self._ranks.rank] if self._ranks.rank < len(pieces) else whole[:0]

    def _room(self, like: Tensor) -> Tensor:
        """Return room for one whole parameter, always the same: freed blocks would leave holes."""
        if self._drawn.numel() < like.numel() or self._drawn.dtype != like.dtype:
            self._drawn = torch.empty(like.numel(), dtype=like.dtype)
        return self._drawn[: like.numel()].view(like.shape)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not (args and isinstance(args[0], Tensor) and args[0].device.type == "meta"):
            return result
        share, parameter = self._kept.get(_storage(args[0]), (None, None))
        if share is None or parameter is None or not func._schema.is_mutable:
            return result
        if args[0].shape != parameter.shape or args[0].stride() != parameter.stride():
            raise CannotShare(func)
        self._repeat(func, parameter, share, args[1:], kwargs)
        return result

    def _repeat(
        self, func: Any, parameter: Tensor, share: Tensor, rest: tuple[Any, ...], kwargs: Any
    ) -> None:
        if torch.Tag.nondeterministic_seeded in func.tags:
            whole = self._room(parameter)
            func(whole, *rest, **kwargs)
            share.copy_(self._share(whole))
        elif func.overloadpacket is _aten.copy_:
            share.copy_(self._share(rest[0].expand(parameter.shape)))
        elif func.overloadpacket in _ALIKE and not any(
            isinstance(one, Tensor) and one.ndim for one in rest
        ):
            func(share, *rest, **kwargs)
        else:
            raise CannotShare(func)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@contextlib.contextmanager
def _on_meta(shares: _Shares) -> Iterator[None]:
    """Leave every parameter that is registered on the meta device, its share with ``shares``."""
    register = nn.Module.register_parameter

    def on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and parameter.device.type != "meta":
            real = parameter.detach()
            meta = torch.empty_like(real, device="meta")
            shares.keep(real, meta)
            parameter = nn.Parameter(meta, requires_grad=parameter.requires_grad)
        register(module, name, parameter)

    # every module of the construction registers through this one method
    setattr(nn.Module, "register_parameter", on_meta)  # noqa: B010
    try:
        yield
    finally:
        setattr(nn.Module, "register_parameter", register)  # noqa: B010
