"""Attention, precision and compilation: chosen by a short measurement, once per device and shape.

A rule decides where nothing was measured: bf16 where the device has units for it, attention by its
shape, no compilation. Where precision or compile is ``auto`` and the training long enough to pay
for it, every alternative to the rule takes real steps beside it, in a process of its own; one that
is clearly faster displaces it. The choice stands in the resolved config, so a run's identity tells
how it was computed, and it is remembered, so that the next run of that shape is computed the same
way. A config that leaves neither open is computed by the rule wherever it runs: same bits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from finscale.config import NetworkConfig, TaskConfig, TrainingConfig
from finscale.errors import TrainingError
from finscale.models.build import NetworkDesign
from finscale.training.devices import choose_precision, has_bf16_units, require_compiler
from finscale.training.machine_memory import MachineMemory, shape_key

#: So much faster has another way to be before it displaces the rule: measurements are noisy.
HYSTERESIS = 1.15
#: A compiled step has to save its warm-up so many times.
_WARM_UP_PAID = 2
#: FLOPs that a training must need before its numerics are measured: about half a minute of a
#: processor's work, some seconds of a graphics card's.
_WORTH = {"cpu": 1e13}
_WORTH_ELSEWHERE = 1e15
_SECONDS_AT_MOST = 600.0

_MEMORY = MachineMemory("numerics.json")
_SETTINGS = ("precision", "attention", "compile")


@dataclass(frozen=True)
class Numerics:
    """How a shape is computed on this machine, and why."""

    precision: str | None
    """None where it was not open."""
    attention: str
    """``auto`` where the rule stands."""
    compile: bool
    reasons: tuple[str, ...]
    """A clause with its numbers for each setting that was open."""
    measured: str
    """The day."""

    def applied(
        self, training: TrainingConfig, network: NetworkConfig
    ) -> tuple[TrainingConfig, NetworkConfig]:
        """Return the configs with what was open in them filled in."""
        choices: dict[str, Any] = {}
        if training.precision == "auto":
            choices["precision"] = self.precision or choose_precision("auto", str(training.device))
        if training.compile == "auto":
            choices["compile"] = self.compile
        return training.model_copy(update=choices), network


@dataclass(frozen=True)
class Shape:
    """What is to be computed; all but the open settings is resolved."""

    network: NetworkConfig
    training: TrainingConfig
    task: TaskConfig
    made: NetworkDesign

    @property
    def open(self) -> dict[str, tuple[Any, ...]]:
        """Settings that are ``auto``, each with its ways, the rule's first; only real choices."""
        training, device = self.training, str(self.training.device)
        ways: dict[str, tuple[Any, ...]] = {}
        if training.precision == "auto" and has_bf16_units(device):
            ways["precision"] = (choose_precision("auto", device), "fp32")
        # on one thread a model is so small that trainings side by side beat compiled ones
        side_by_side = device == "cpu" and training.threads == 1
        if training.compile == "auto" and not side_by_side and _can_compile(device):
            ways["compile"] = (False, True)
        return {name: found for name, found in ways.items() if len(found) > 1}

    @property
    def key(self) -> str:
        """What the choice is remembered under."""
        training, a = self.training, self.made.interface
        # not its threads: a study chooses them afterwards
        settings = [training.batch_size, training.precision, sorted(self.open)]
        return shape_key(
            str(training.device), self.network, a.num_features, a.context_length, a.head, *settings
        )


def remembered_numerics(shape: Shape) -> Numerics | None:
    """Return the choice for this shape on this machine, if one was made."""
    entry = _MEMORY.get(shape.key)
    if entry is None:
        return None
    return Numerics(**{**entry, "reasons": tuple(entry["reasons"])})


def is_worth_measuring(shape: Shape, flops: float) -> bool:
    """Tell whether something is open, unknown, and the work of ``flops`` large enough to pay."""
    enough = flops >= _WORTH.get(str(shape.training.device), _WORTH_ELSEWHERE)
    return enough and bool(shape.open) and remembered_numerics(shape) is None


def measure_numerics(
    shape: Shape,
    *,
    num_steps: int,
    command: tuple[str, ...] = (sys.executable, "-W", "ignore", "-m", "finscale.training.racing"),
) -> Numerics | None:
    """Measure what is open, remember the choice and return it; None where it cannot be measured.

    Parameters
    ----------
    shape : Shape
        What is to be computed.
    num_steps : int
        Steps of the training: what a compilation has to pay for itself in.
    command : tuple of str
        What runs the measurement.
    """
    a = shape.made.interface
    request = {
        "network": shape.network.model_dump(mode="json"),
        "training": shape.training.model_dump(mode="json"),
        "task": shape.task.model_dump(mode="json"),
        "num_features": a.num_features,
        "context_length": a.context_length,
        "num_steps": num_steps,
        "ways": shape.open,
    }
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_SECONDS_AT_MOST,
            check=True,
        )
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        # too little memory, no compiler that works: the rule will do
        return None
    numerics = Numerics(**found, measured=time.strftime("%Y-%m-%d"))
    _MEMORY.put(shape.key, asdict(numerics))
    return Numerics(**{**asdict(numerics), "reasons": tuple(found["reasons"])})


def _can_compile(device: str) -> bool:
    try:
        require_compiler(device)
    except TrainingError:
        return False
    return True


@dataclass(frozen=True)
class Speed:
    """What racing one way came to."""

    step_seconds: float
    warm_up_seconds: float


def contest(
    ways: dict[str, tuple[Any, ...]],
    race: Callable[[dict[str, Any], dict[str, Any]], tuple[Speed, Speed]],
    *,
    num_steps: int,
    batch_size: int,
) -> dict[str, Any]:
    """Let the alternatives to the rule race it, one setting after the other.

    Parameters
    ----------
    ways : dict of str to tuple
        Setting → its ways, the rule's first.
    race : callable
        Two sets of settings → the speed of each, measured in turn.
    num_steps, batch_size : int
        Of the training to come.

    Returns
    -------
    dict of str to object
        precision, attention (``auto`` where the rule won), compile, reasons.
    """
    chosen = {name: ways.get(name, (None,))[0] for name in _SETTINGS}
    reasons = []
    for name in _SETTINGS:
        found = ways.get(name, ())
        best, told = chosen[name], []
        for other in found[1:]:
            own, rival = race(chosen, {**chosen, name: other})
            gain = own.step_seconds / rival.step_seconds
            clearly = gain >= HYSTERESIS
            paid = (own.step_seconds - rival.step_seconds) * num_steps
            extra = rival.warm_up_seconds - own.warm_up_seconds
            pays = name != "compile" or paid >= _WARM_UP_PAID * extra
            speeds = [batch_size / one.step_seconds for one in (own, rival)]
            words = [_word(name, value) for value in (chosen[name], other)]
            text = f"{words[1]} {speeds[1]:,.0f} windows/s, {words[0]} {speeds[0]:,.0f}"
            if name == "compile" and clearly and not pays:
                text += f"; its warm-up of {extra:.0f} s would not pay"
            told.append(text)
            if clearly and pays:
                best = chosen[name] = other
        if found:
            reasons.append(f"{name} {_word(name, best)} ({'; '.join(told)})")
    if "attention" in ways and chosen["attention"] == ways["attention"][0]:
        chosen["attention"] = "auto"
    return {
        "precision": chosen["precision"],
        "attention": chosen["attention"] or "auto",
        "compile": bool(chosen["compile"]),
        "reasons": reasons,
    }


def _word(name: str, value: Any) -> str:
    if name == "compile":
        return "compiled" if value else "uncompiled"
    return str(value)
