"""What is held of a form's parameters: numbers and ties, as they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from finscale.errors import FinscaleError
from finscale.scaling.forms.base import Array, Form

#: ``0.34``, ``beta``, ``-c0``, ``2*beta``.
_TIE = re.compile(r"\s*(-?)\s*(?:([0-9.]+(?:[eE][-+]?\d+)?)\s*[*·]\s*)?([^\s*·\d.-][^\s*·]*)\s*")


@dataclass(frozen=True)
class Held:
    """What is held of a form: numbers and ties, by places in theta; and the places left free."""

    numbers: dict[int, float]
    ties: dict[int, tuple[int, float]]
    free: list[int]

    def complete(self, theta: Array, num: int) -> Array:
        """Return all parameters, in the order of the whole form, from the free ones."""
        out = np.empty((*theta.shape[:-1], num))
        out[..., self.free] = theta
        for at, number in self.numbers.items():
            out[..., at] = number
        for at, (other, factor) in self.ties.items():
            out[..., at] = factor * out[..., other]
        return out


def read_held(form: Form, values: Mapping[str, float | str]) -> Held:
    """Return what is held of a form; see ``fixed``."""
    numbers: dict[int, float] = {}
    ties: dict[int, tuple[int, float]] = {}
    for name, value in values.items():
        at, read = form.index(name), _read(form, name, value)
        if isinstance(read, float):
            numbers[at] = read
        else:
            ties[at] = read
    # a tie to a parameter that is itself held is followed to its end
    for at in list(ties):
        other, factor, seen = *ties[at], {at}
        while other in ties and other not in seen:
            seen.add(other)
            other, factor = ties[other][0], factor * ties[other][1]
        if other in seen:
            raise FinscaleError(
                f"{form.names[at]} is tied to itself ({_pairs(values)}).",
                hint="leave the parameter that the others follow free, or give it a number",
            )
        if (at < len(form.linear)) != (other < len(form.linear)):
            raise FinscaleError(
                f"{form.names[at]} and {form.names[other]} of {form.name} are not of one kind: one "
                "multiplies a power, the other is inside it.",
                hint=f"tie exponents to exponents: {form.equation}",
            )
        if other in numbers:
            numbers[at] = factor * numbers[other]
            del ties[at]
        else:
            ties[at] = other, factor
    free = [at for at in range(form.num_parameters) if at not in numbers and at not in ties]
    if not free:
        raise FinscaleError(
            f"every parameter of {form.name} is held, and nothing is left to fit.",
            hint="leave one free",
        )
    return Held(numbers, ties, free)


def _pairs(values: Mapping[str, float | str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _read(form: Form, name: str, value: float | str) -> float | tuple[int, float]:
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        if not np.isfinite(number):
            raise FinscaleError(f"{name} = {value} is not a number.", hint=f"say {name}=0.34")
        return number
    found = _TIE.fullmatch(str(value))
    if found is None:
        raise FinscaleError(
            f"{name} = {value!r} is neither a number nor a parameter of {form.name}.",
            hint=f"say {name}=0.34 or {name}=2*{form.names[-1]}; it has {', '.join(form.names)}",
        )
    sign, factor, other = found.groups()
    return form.index(other), (-1.0 if sign else 1.0) * float(factor or 1.0)
