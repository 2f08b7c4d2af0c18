"""The one object that trains and is checkpointed, so that resuming cannot forget a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finscale.training.checkpoint import Point, load_tensors, save_tensors
from finscale.training.distributed import ALONE, Ranks

#: Above this size the best weights wait in a file instead of in memory.
_KEEP_IN_MEMORY = 256 * 2**20

#: One epoch's figures: see ``FitResult.history``.
EpochRecord = dict[str, float | int | bool]


@dataclass(frozen=True)
class FitResult:
    """What a training came to."""

    best_epoch: int
    """Epoch (from 1) with the lowest validation loss; the model has its weights. 0: no epoch
    improved on the fitted linear path that the network started from."""
    best_validation_loss: float
    history: list[EpochRecord]
    """One record per epoch: epoch, train_loss, validation_loss, best, learning_rate, seconds,
    samples_per_second. All but the last two are the same bits whenever the run is repeated."""
    stopped: str
    """Why training ended, as a clause: "validation has not improved for 5 epochs"."""
    steps: int
    """Optimiser steps taken."""
    samples: int
    """Windows seen, repeats counted."""


@dataclass
class TrainState:
    """Everything that a training is at one moment, between two optimiser steps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    losses_S: Tensor
    """Training loss of each step of the current epoch, on the device; zero where still to come."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best epoch; empty while there is none, or when they wait in ``best_file``."""
    # from here on plain facts: what JSON can hold
    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    """Optimiser steps taken in the current epoch."""
    seconds: float = 0.0
    """Time spent in the steps of the current epoch."""
    best_epoch: int = 0
    """Counted from 1; 0 while there is none, or while the start is the best."""
    best_loss: float | None = None
    """Validation loss of the best epoch."""
    best_file: str = ""
    """File in the resume folder that holds the best weights of a large model."""
    best_sha256: str = ""
    """Digest of ``best_file``."""
    waited: int = 0
    """Epochs since the best one."""
    history: list[EpochRecord] = field(default_factory=list)
    """One record per completed epoch."""
    stopped: str = ""
    """Why training has ended; empty while it has not."""

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor of the state under a flat name."""
        return {
            **_prefixed("model", self.model.state_dict()),
            **_prefixed("optimizer", _optimizer_tensors(self.optimizer)),
            **_prefixed("best", self.best_weights),
            **_prefixed("rng", rng_states(self.losses_S.device)),
            "losses": self.losses_S,
        }

    def files(self) -> dict[str, str]:
        """Return the files beside a resume point that it refers to, with their SHA-256."""
        return {self.best_file: self.best_sha256} if self.best_file else {}

    def facts(self) -> dict[str, Any]:
        """Return every plain field of the state, the optimiser's groups and the device."""
        groups = self.optimizer.state_dict()["param_groups"]
        kept = {name: getattr(self, name) for name in _FACTS}
        return {"optimizer": groups, "device": self.losses_S.device.type, **kept}

    def load(self, point: Point, *, seed: int) -> None:
        """Become the state that ``point`` holds, random generators included.

        Tensors go to the device of this state, wherever they were written. A generator of another
        device says nothing about this one: here all are seeded anew, by seed, epoch and step.
        """
        tensors = point.tensors
        device = self.losses_S.device
        self.model.load_state_dict(_without("model", tensors))
        _load_optimizer(self.optimizer, _without("optimizer", tensors), point.facts["optimizer"])
        self.losses_S = tensors["losses"].to(device, copy=True)
        self.best_weights = {
            name: tensor.to(device, copy=True) for name, tensor in _without("best", tensors).items()
        }
        for name in _FACTS:
            setattr(self, name, point.facts[name])
        if point.facts["device"] == device.type:
            set_rng_states(_without("rng", tensors))
        else:
            words = np.random.SeedSequence([seed, self.epoch, self.step]).generate_state(2)
            torch.manual_seed(int(words[0]) << 32 | int(words[1]))

    def keep_best(self, folder: Path | None, ranks: Ranks = ALONE) -> None:
        """Set the present weights aside as the best so far."""
        weights = self.model.state_dict()
        num_bytes = sum(tensor.nbytes for tensor in weights.values())
        if folder is not None and num_bytes > _KEEP_IN_MEMORY:
            self.best_file = f"best-{self.best_epoch}.safetensors"
            path = folder / self.best_file
            if ranks.together:
                from finscale.training.distributed_state import save_best

                self.best_sha256 = save_best(path, weights, ranks)
            else:
                self.best_sha256 = save_tensors(path, weights)
            self.best_weights = {}
            return
        # never both: the file of an earlier epoch would be taken for the best one
        self.best_file = self.best_sha256 = ""
        if self.best_weights:
            for name, tensor in weights.items():
                self.best_weights[name].copy_(tensor)
        else:
            self.best_weights = {name: tensor.clone() for name, tensor in weights.items()}

    def restore_best(self, folder: Path | None, ranks: Ranks = ALONE) -> None:
        """Give the model the weights of the best epoch."""
        if self.best_file and ranks.together:
            from finscale.training.distributed_state import load_best

            assert folder is not None
            best = load_best(folder / self.best_file, self.model.state_dict())
            self.model.load_state_dict(best)
        elif self.best_file:
            assert folder is not None
            self.model.load_state_dict(load_tensors(folder / self.best_file))
        else:
            self.model.load_state_dict(self.best_weights)


_FACTS = tuple(f.name for f in fields(TrainState))[4:]

#: Settings of an optimiser's group that say how it computes here, not what.
_PLACEMENT = ("fused", "foreach", "capturable")


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the tensors of an optimiser's ``state_dict`` as ``<parameter>.<name>``."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{key}.{name}": t for key, one in state.items() for name, t in one.items()}


def _load_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    groups: Sequence[Mapping[str, Any]],
) -> None:
    """Give an optimiser back what its ``state_dict`` held."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = tensor
    own = optimizer.state_dict()["param_groups"]
    merged = [
        {**kept, **{name: here[name] for name in _PLACEMENT}, "betas": tuple(kept["betas"])}
        for kept, here in zip(groups, own, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": merged})


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def rng_states(device: torch.device) -> dict[str, Tensor]:
    """Return where torch's global generators stand: the CPU's, and the device's own."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_rng_states(states: Mapping[str, Tensor]) -> None:
    """Put torch's global generators where they stood."""
    setters = {
        "cpu": torch.set_rng_state,
        "cuda": torch.cuda.set_rng_state,
        "mps": torch.mps.set_rng_state,
    }
    for device, state in states.items():
        setters[device](state)
