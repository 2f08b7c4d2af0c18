"""A recorded model, played for every model of its kind: the same kernels, and next to nothing else.

Memory is laid out once, with every view that a kernel reads; what is left of a training step is a
straight list of calls. They are those of a model alone, in the same order, on the same numbers: the
same bits come out. And what one model makes stays in a core's own cache until it is read.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from finscale.models.replicas import LINE_BYTES
from finscale.training.recording import Call, Place, Recording, RecordingError

aten = torch.ops.aten
#: The same kernels by the way on which Python calls them twice as fast.
_QUICK: dict[Any, Any] = {
    aten.add.out: torch.add,
    aten.addmm.out: torch.addmm,
    aten.ge.Scalar_out: torch.ge,
    aten.mm.out: torch.mm,
    aten.mul.out: torch.mul,
    aten.sum.IntList_out: torch.sum,
    aten.copy_.default: Tensor.copy_,
    aten.mul_.Tensor: Tensor.mul_,
}
#: Yields the model's output, is sent the gradient there, yields the parameters' gradients.
Play = Generator[Any, Tensor, None]


def can_play(model: nn.Module) -> bool:
    """Tell whether a model can be played: one that draws the same masks twice cannot."""
    return not any(getattr(module, "checkpointing", False) for module in model.modules())


def dropout_rates(model: nn.Module) -> tuple[Any, ...]:
    """Return what models of one architecture may differ in: each needs a player of its own."""
    return tuple(getattr(module, "dropout", None) for module in model.modules())


def player_of(
    model: nn.Module, inputs: Sequence[Tensor], autocast: AbstractContextManager[Any]
) -> Player | None:
    """Record a model on a batch and return its player; None if other bits come out of that.

    Some kernel of another torch might round otherwise into given memory, or its model might look
    at numbers on the way. Parameters are those of :class:`finscale.training.recording.Recording`.
    """
    try:
        recording = Recording(model, inputs, autocast)
    except RecordingError:
        return None
    player = Player(recording)
    return player if player.repeats(recording) else None


class Player:
    """Plays a recording for any model of the same architecture and dropout, one at a time.

    Examples
    --------
    >>> from contextlib import nullcontext
    >>> from finscale.models import PatchTST
    >>> model = PatchTST(num_features=5, context_length=32, depth=1, width=8, heads=2, ff_width=9,
    ...                  dropout=0.0)
    >>> inputs = model.prepare(torch.randn(4, 32, 5))
    >>> player = Player(Recording(model, inputs, nullcontext()))
    >>> play = player.play(inputs, player.views(model), torch.Generator())
    >>> bool(torch.equal(next(play), model.encode(*inputs)))
    True
    >>> grads = play.send(torch.ones(4))
    >>> [grad.shape for grad in grads] == [p.shape for p in model.parameters()]
    True
    """

    def __init__(self, recording: Recording) -> None:
        script = _Script(recording)
        self._own = script.own
        self._play: Any = script.compiled()

    def views(self, model: nn.Module) -> tuple[Tensor, ...]:
        """Return the views of a model's parameters that are read, as long as they lie there."""
        return self._views_of([parameter.detach() for parameter in model.parameters()])

    def _views_of(self, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(place.on(parameters[number]) for number, place in self._own.values())

    def repeats(self, recording: Recording) -> bool:
        """Tell whether every bit that was recorded comes out again."""
        views = self._views_of([one.tensor.detach() for one in recording.parameters])
        with torch.inference_mode():
            inputs = [one.tensor for one in recording.inputs]
            play: Play = self._play(inputs, views, torch.Generator())
            same = torch.equal(next(play), recording.output.tensor)
            grads = play.send(recording.grad.tensor)
        return same and all(map(torch.equal, grads, (one.tensor for one in recording.grads)))

    def play(
        self, inputs: Sequence[Tensor], views: tuple[Tensor, ...], generator: torch.Generator
    ) -> Play:
        """Play one model; what is yielded is good until the next is played."""
        play: Play = self._play(inputs, views, generator)
        return play


class _Script:
    """Writes a recording as a function's text: Python runs nothing faster."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._inputs = {place.memory: k for k, place in enumerate(recording.inputs)}
        self._parameters = {place.memory: k for k, place in enumerate(recording.parameters)}
        self._layout = _Layout(_last_reads(recording))
        self._names: dict[Any, str] = {}
        self._num_names = 0
        #: Results that a kernel puts into memory of its own choice.
        self._loose: dict[int, str] = {}
        self._values: dict[str, Any] = {}
        self._lines: list[str] = []
        self.own: dict[str, tuple[int, Place]] = {}

    def compiled(self) -> Any:
        """Return the function."""
        recording = self._recording
        number = 0
        for calls in (recording.forward, recording.backward):
            for call in calls:
                self._layout.go_on_to(number)
                self._call(call)
                number += 1
            if calls is recording.forward:
                self._lines.append(f"sent = yield {self._name(recording.output)}")
                self._lines.append(f"{self._name(recording.grad)}.copy_(sent)")
        self._lines.append(f"yield [{', '.join(self._name(one) for one in recording.grads)}]")
        views = f"({''.join(f'{name}, ' for name in self.own)}) = views"
        text = "\n    ".join(["def play(inputs, views, generator):", views, *self._lines])
        # as dataclasses do: nothing in the text comes from outside
        exec(text, self._values)
        return self._values["play"]

    def _call(self, call: Call) -> None:
        arguments = [self._text(one) for one in call.arguments]
        options = {name: self._text(one) for name, one in call.options.items()}
        kernel, results = call.kernel, call.results
        out = _out_variant(kernel)
        if kernel._schema.is_mutable:
            self._lines.append(self._called(kernel, arguments, options))
        elif kernel is aten.clone.default:
            self._lines.append(f"{self._name(results[0])}.copy_({arguments[0]})")
        elif kernel is aten.new_zeros.default:
            self._lines.append(f"{self._name(results[0])}.zero_()")
        elif out is not None:
            into = zip(_outs(out), (self._name(one) for one in results), strict=True)
            self._lines.append(self._called(out, arguments, options | dict(into)))
        else:
            names = [self._new_name() for _ in results]
            for name, place in zip(names, results, strict=True):
                self._loose[place.memory] = self._names[place.memory, place.key] = name
            targets = names[0] if len(names) == 1 else f"({', '.join(names)})"
            self._lines.append(f"{targets} = {self._called(kernel, arguments, options)}")

    def _called(self, kernel: Any, arguments: list[str], options: dict[str, str]) -> str:
        parts = [*arguments, *(f"{name}={value}" for name, value in options.items())]
        return f"{self._value(_QUICK.get(kernel, kernel))}({', '.join(parts)})"

    def _text(self, value: Any) -> str:
        if isinstance(value, Place):
            return self._name(value)
        if isinstance(value, list):
            return f"[{', '.join(self._text(one) for one in value)}]"
        if isinstance(value, torch.Generator):
            return "generator"
        plain = value is None or isinstance(value, bool | int | str)
        return repr(value) if plain else self._value(value)

    def _name(self, place: Place) -> str:
        """Return the name of a tensor in the text; one in passing memory is made there."""
        memory = place.memory
        outside = memory in self._inputs or memory in self._parameters or memory in self._loose
        where = memory if outside else self._layout.buffer_of(place)
        key = (where, place.key)
        if key not in self._names:
            self._names[key] = name = self._new_name()
            if memory in self._parameters:
                self.own[name] = self._parameters[memory], place
            elif outside:
                whole = self._loose.get(memory) or f"inputs[{self._inputs[memory]}]"
                self._lines.append(f"{name} = {self._value(place)}.on({whole})")
            else:
                self._values[name] = place.on(self._layout.buffers[where])
        return self._names[key]

    def _new_name(self) -> str:
        self._num_names += 1
        return f"t{self._num_names}"

    def _value(self, value: Any) -> str:
        name = f"value_{id(value)}"
        self._values[name] = value
        return name


def _last_reads(recording: Recording) -> dict[int, int]:
    """Return the number of the last call that touches each memory."""
    calls = [*recording.forward, *recording.backward]
    last: dict[int, int] = {}
    for number, call in enumerate(calls):
        last |= dict.fromkeys(call.memories, number)
    last[recording.output.memory] = max(last[recording.output.memory], len(recording.forward))
    return last | {place.memory: len(calls) for place in (recording.grad, *recording.grads)}


class _Layout:
    """Buffers for the memories of a recording: one that is no longer read makes room."""

    def __init__(self, last: dict[int, int]) -> None:
        self.buffers: list[Tensor] = []
        self._last = last
        self._free: list[int] = []
        self._taken: dict[int, int] = {}

    def go_on_to(self, number: int) -> None:
        """Free what was last touched before a call."""
        for memory in [one for one in self._taken if self._last[one] < number]:
            self._free.append(self._taken.pop(memory))

    def buffer_of(self, place: Place) -> int:
        """Return the number of the buffer in which a tensor lies, from now on."""
        if place.memory not in self._taken:
            self._taken[place.memory] = self._take(place.tensor.untyped_storage().nbytes())
        return self._taken[place.memory]

    def _take(self, size: int) -> int:
        # the last one freed is the likeliest to be in the cache still
        for number in reversed(self._free):
            if size <= len(self.buffers[number]) <= 2 * size + LINE_BYTES:
                self._free.remove(number)
                return number
        lines = -(-max(size, 1) // LINE_BYTES)
        self.buffers.append(torch.empty(lines * LINE_BYTES, dtype=torch.uint8))
        return len(self.buffers) - 1


def _outs(kernel: Any) -> list[str]:
    return [one.name for one in kernel._schema.arguments if one.is_out]


def _out_variant(kernel: Any) -> Any:
    """Return the same kernel writing into given memory; None if it only copies there."""
    inputs = [one.name for one in kernel._schema.arguments]
    for name in kernel.overloadpacket.overloads():
        other = getattr(kernel.overloadpacket, name)
        others = [one.name for one in other._schema.arguments if not one.is_out]
        fits = others == inputs and len(_outs(other)) == len(kernel._schema.returns)
        if fits and torch.Tag.generated not in other.tags:
            return other
    return None
