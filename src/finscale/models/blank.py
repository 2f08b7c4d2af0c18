"""Models that have shapes and no numbers: for counting what one would cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def without_numbers() -> Iterator[None]:
    """Let models that are built in the block take no memory and draw no weights.

    They live on torch's meta device. Drawing and rescaling there would change nothing and is left
    out: torch imports its compiler and a computer algebra first, which takes a second or two.

    Examples
    --------
    >>> with without_numbers():
    ...     layer = nn.Linear(1_000_000, 1_000_000)
    >>> layer.weight.device.type, layer.weight.numel()
    ('meta', 1000000000000)
    """
    with torch.device("meta"), _NothingDrawn():
        yield


#: Methods that change a tensor's numbers and nothing else.
_IN_PLACE = {
    getattr(torch.Tensor, f"{name}_")
    for name in ("add", "copy", "div", "fill", "mul", "normal", "sub", "uniform", "zero")
}


class _NothingDrawn(TorchFunctionMode):
    """Returns from ``torch.nn.init`` and from changes in place with the tensor as it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _IN_PLACE or getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
