"""A model's way forward and back, written down kernel by kernel.

Half of a small model's time is not arithmetic: modules, autograd's graph, new memory, and the views
between two kernels. Models of one architecture call the same kernels on tensors of the same shapes.
So one way through is written down below autograd, where nothing but kernels is left, for
``finscale.training.playing`` to call them again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from finscale.models.kernels.dropout import drawing_from

aten = torch.ops.aten
#: Kernels that make memory and write nothing.
_EMPTY = (aten.empty.memory_format, aten.empty_like.default, aten.new_empty.default)


class RecordingError(Exception):
    """A number left the tensors: what follows from it would be the same for every batch."""


class Place:
    """Where a tensor lies in its memory."""

    def __init__(self, tensor: Tensor) -> None:
        # held, so that no other memory gets the same number
        self.tensor = tensor
        self.memory: int = tensor.untyped_storage()._cdata

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from other places in the same memory."""
        mine = self.tensor
        return mine.dtype, mine.shape, mine.stride(), mine.storage_offset()

    def on(self, whole: Tensor) -> Tensor:
        """Return the same place in another memory, of which ``whole`` is all."""
        mine = self.tensor
        whole = whole if whole.dtype == mine.dtype else whole.view(mine.dtype)
        start = whole.storage_offset() + mine.storage_offset()
        return whole.as_strided(mine.shape, mine.stride(), start)


class Call:
    """One kernel's call, with places for tensors."""

    def __init__(self, kernel: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        self.kernel, self.arguments, self.options = kernel, arguments, options
        self.results: list[Place] = []

    @property
    def memories(self) -> set[int]:
        """What the call reads and writes."""
        return {place.memory for place in (*self.reads(), *self.results)}

    def reads(self) -> Iterator[Place]:
        """Yield the tensors among the arguments."""
        return _places_in([self.arguments, *self.options.values()])

    def writes(self) -> bool:
        """Tell whether it does more than make memory or look at memory in another shape."""
        if self.kernel._schema.is_mutable:
            return True
        read = {place.memory for place in self.reads()}
        return self.kernel not in _EMPTY and any(one.memory not in read for one in self.results)


def _places_in(value: Any) -> Iterator[Place]:
    if isinstance(value, Place):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _places_in(one)


class _Writer(TorchDispatchMode):
    """Writes down every kernel that is called inside the block."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler first, which takes a second
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the kernel, and write the call down."""
        kwargs = kwargs or {}
        call = Call(func, _placed(args), {name: _placed(one) for name, one in kwargs.items()})
        result = func(*args, **kwargs)
        results = result if isinstance(result, tuple | list) else (result,)
        if not all(isinstance(one, Tensor) for one in results):
            raise RecordingError(f"{func} returns what only Python sees")
        call.results = [Place(one) for one in results]
        if call.writes():
            self.calls.append(call)
        return result


def _placed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Place(value)
    return [_placed(one) for one in value] if isinstance(value, list | tuple) else value


class _Given(torch.autograd.Function):
    """A loss with a given gradient: to hand that to autograd imports sympy, a quarter second."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, grad: Tensor) -> Tensor:
        ctx.grad = grad
        return output.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.grad, None


class Recording:
    """What a model calls in training on a batch; nothing happens to the model itself.

    Parameters
    ----------
    model : nn.Module
        Draws with ``finscale.models.kernels.dropout`` alone.
    inputs : sequence of Tensor
        Of its ``encode``, a batch.
    autocast : context manager
        The block in which the model computes.

    Raises
    ------
    RecordingError
        If Python looks at a number on the way.

    Attributes
    ----------
    forward, backward : list of Call
        From inputs to output, and from the gradient there to those of the parameters.
    inputs, parameters, grads : list of Place
        ``grads`` in the order of ``parameters``.
    output, grad : Place
        The model's output, and the gradient there.
    """

    def __init__(
        self, model: nn.Module, inputs: Sequence[Tensor], autocast: AbstractContextManager[Any]
    ) -> None:
        # a copy has no memory that products would write gradients into
        model = copy.deepcopy(model)
        parameters = list(model.parameters())
        forward, backward = _Writer(), _Writer()
        with drawing_from([torch.Generator()]), torch.enable_grad():
            with forward, autocast:
                output = model.encode(*inputs)  # type: ignore[operator]
            grad = torch.ones_like(output)
            end = _Given.apply(output, grad)  # type: ignore[no-untyped-call]
            with backward:
                grads = torch.autograd.grad(end, parameters)
        self.inputs, self.parameters = _placed(inputs), _placed(parameters)
        self.output, self.grad, self.grads = Place(output), Place(grad), _placed(grads)
        self.forward, self.backward = forward.calls, backward.calls
        self._leave_out_what_nobody_reads()

    def _leave_out_what_nobody_reads(self) -> None:
        needed = {self.output.memory, *(one.memory for one in self.grads)}
        for calls in (self.backward, self.forward):
            for call in reversed(list(calls)):
                draws = call.kernel.overloadpacket is aten.random_
                if draws or needed.intersection(one.memory for one in call.results):
                    needed |= call.memories
                else:
                    calls.remove(call)
