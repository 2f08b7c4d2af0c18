"""Many trainings of one architecture as one program: seeds, learning rates and weight decays.

A small model leaves a GPU idle, whose kernels cost the same for one as for many. So the members'
weights are stacked and the model runs once under ``vmap`` (:mod:`finscale.training.stack`). Each
member keeps its own data order, dropout masks, early stopping, callbacks and resume points, in the
ordinary format: it ends as it would alone, up to rounding, and may be resumed alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from finscale.errors import TrainingError
from finscale.training.allocator import keep_freed_memory
from finscale.training.devices import use_threads
from finscale.training.environment import on_signal, own_random_state
from finscale.training.fit import CHECK_EVERY, setup
from finscale.training.identity import training_identity
from finscale.training.stack import Stack
from finscale.training.state import FitResult, rng_states, set_rng_states

if TYPE_CHECKING:
    from finscale.training.inputs import Inputs
    from finscale.training.trainer import Trainer


class _Member:
    """One training of an ensemble, with its place in torch's generators and its outcome."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.outcome: FitResult | TrainingError | None = None
        self._states: dict[str, Tensor] = {}

    @property
    def position(self) -> tuple[int, int]:
        """Epochs completed, and steps of the current one."""
        return self.trainer.state.epoch, self.trainer.state.step

    def setup(self, inputs: Inputs | None) -> None:
        """Set the training up, or read its resume point, as it does alone."""
        setup(self.trainer, inputs)
        self._states = rng_states(self.trainer.device)

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Let the device's global generator be this member's inside the block."""
        kind = self.trainer.device.type
        set_rng_states({kind: self._states[kind]})
        yield
        self._states[kind] = rng_states(self.trainer.device)[kind]

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something with all generators as this member's; an error there is its outcome."""
        set_rng_states(self._states)
        try:
            action()
        except TrainingError as error:
            self.outcome = error


def fit_ensemble(trainers: Sequence[Trainer]) -> list[FitResult | TrainingError]:
    """Train every trainer to its end as one program, and load its best weights.

    Parameters
    ----------
    trainers : sequence of Trainer
        On the same windows, alike but for seed, learning rate and weight decay.

    Returns
    -------
    list of FitResult or TrainingError
        One for each trainer: one whose loss is not finite leaves the others to go on.

    Raises
    ------
    TrainingPaused
        If one was asked to pause: all write a resume point.
    TrainingError
        If the trainings cannot be one program, or a folder is in use or damaged.
    """
    reason = why_not_together(trainers)
    if reason:
        raise TrainingError(f"These trainings cannot be one program: {reason}.")
    members = [_Member(trainer) for trainer in trainers]
    with _environment(trainers):
        inputs: Inputs | None = None
        for member in members:
            member.setup(inputs)
            inputs = member.trainer.inputs
        try:
            for trainer in trainers:
                for callback in trainer.callbacks:
                    callback.on_fit_start(trainer)
            _run(members)
        finally:
            for member in members:
                result = member.outcome if isinstance(member.outcome, FitResult) else None
                for callback in member.trainer.callbacks:
                    callback.on_fit_end(member.trainer, result)
    return [member.outcome for member in members if member.outcome is not None]


@contextlib.contextmanager
def _environment(trainers: Sequence[Trainer]) -> Iterator[None]:
    """Threads, random state, signals and folders are these trainings' own while they last."""

    def pause(name: str) -> None:
        trainers[0].request_pause(f"{name} was received")

    keep_freed_memory()
    with contextlib.ExitStack() as stack:
        stack.enter_context(use_threads(int(trainers[0].config.threads)))
        stack.enter_context(own_random_state(trainers[0].device))
        stack.enter_context(on_signal(pause))
        for trainer in trainers:
            stack.enter_context(trainer.exclusive())
        yield


def _run(members: Sequence[_Member]) -> None:
    """Train until every member has its outcome."""
    stack: Stack | None = None
    while True:
        for member in members:
            if member.outcome is None and member.trainer.state.stopped:
                member.outcome = member.trainer.finish()
        live = [member for member in members if member.outcome is None]
        if not live:
            return
        # after a kill some may be further than others: those behind catch up first
        at = min(member.position for member in live)
        group = [member for member in live if member.position == at]
        trainers = tuple(member.trainer for member in group)
        if stack is None or stack.trainers != trainers:
            stack = Stack(trainers, [member.drawing for member in group])
        _epoch(group, stack, live)


def _epoch(group: Sequence[_Member], stack: Stack, live: Sequence[_Member]) -> None:
    """Take the group's remaining steps of the current epoch; then each validates and records it."""
    lead = group[0].trainer
    batches = [member.trainer.begin_epoch() for member in group]
    started = time.perf_counter() - len(group) * lead.state.seconds
    while lead.state.step < len(batches[0]) and any(one.outcome is None for one in group):
        stack.step([own[lead.state.step] for own in batches])
        for member in group:
            for callback in member.trainer.step_callbacks:
                callback.on_step_end(member.trainer)
        if lead.state.step == len(batches[0]) or lead.state.step % CHECK_EVERY == 0:
            for member in _alive(group):
                member.attempt(member.trainer.check_losses)
        seconds = (time.perf_counter() - started) / len(group)
        for member in group:
            member.trainer.state.seconds = seconds
        started += _save_if_due(group, stack)
        _pause_if_asked(live, stack)
    stack.write_back()
    for member in _alive(group):
        member.attempt(member.trainer.close_epoch)
    _pause_if_asked(live, None)


def _alive(members: Sequence[_Member]) -> list[_Member]:
    return [one for one in members if one.outcome is None]


def _save_if_due(group: Sequence[_Member], stack: Stack) -> float:
    """Write the resume points that are due; return the seconds that it took."""
    started = time.perf_counter()
    due = [one for one in _alive(group) if one.trainer.is_due() and not one.trainer.pause_reason]
    if due:
        stack.write_back()
    for member in due:
        member.attempt(member.trainer.save)
    return time.perf_counter() - started


def _pause_if_asked(members: Sequence[_Member], stack: Stack | None) -> None:
    """If one of them is to pause, all are: save each, then raise."""
    going_on = [one for one in _alive(members) if not one.trainer.state.stopped]
    reason = next((one.trainer.pause_reason for one in members if one.trainer.pause_reason), "")
    if not reason or not going_on:
        return
    if stack is not None:
        stack.write_back()
    for member in going_on:
        member.trainer.request_pause(reason)
        member.attempt(member.trainer.save)
    for member in going_on:
        if isinstance(member.outcome, TrainingError):
            raise member.outcome
    going_on[0].trainer.raise_paused()


def why_not_together(trainers: Sequence[Trainer]) -> str:
    """Return why these trainings cannot be one program, as a clause; empty where they can."""
    first = trainers[0]
    if any(trainer.config.compile for trainer in trainers):
        return "one is to be compiled"
    if any(trainer.config.kernels == "fast" for trainer in trainers):
        return "finscale's CPU kernels compute one model at a time"
    if any(getattr(m, "checkpointing", False) for t in trainers for m in t.model.modules()):
        return "activation checkpointing repeats no replica's masks"
    if any(isinstance(m, nn.RNNBase) for t in trainers for m in t.model.modules()):
        return "torch cannot stack recurrent layers"
    if len({trainer.device for trainer in trainers}) > 1:
        return "they are on different devices"
    identities = [_shared(trainer) for trainer in trainers]
    for identity in identities[1:]:
        for name, value in identity.items():
            if value != identities[0][name]:
                return f"they differ in {name}"
    for trainer in trainers[1:]:
        if not _same_rows(trainer, first):
            return "their rows differ"
    return ""


def _shared(trainer: Trainer) -> dict[str, object]:
    """Return what all members must have in common."""
    identity = training_identity(
        trainer.model, trainer.dataset, trainer.split, trainer.config, trainer.task, 0
    )
    del identity["training"]
    settings = trainer.config.part("science", per_replica=False)
    return {**identity, **{f"training.{name}": value for name, value in settings.items()}}


def _same_rows(one: Trainer, other: Trainer) -> bool:
    rows, others = one.dataset.rows_RF, other.dataset.rows_RF
    scaled_alike = np.array_equal(one.dataset.scale_F, other.dataset.scale_F)
    return scaled_alike and (rows is others or torch.equal(rows, others))
