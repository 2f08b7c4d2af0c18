"""The loop: one training, or many of one architecture step by step together.

A training alone is a stack of one. In a larger stack each training keeps its own data order, masks,
learning rate, early stopping, checkpoints and callbacks; only a step's program is shared. On a CPU
it it is a list of kernels that is played for one model after the other
(:mod:`finscale.training.playing`), elsewhere batched products (:mod:`finscale.models.replicas`);
on a CPU its outcome has the same bits as alone. So a stack may be made of whatever is left to do:
trainings leave it when they stop, and those that were killed at different steps catch up first.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from finscale.errors import TrainingError
from finscale.models.kernels.dropout import drawing_from
from finscale.models.replicas import Replicas
from finscale.training.allocator import keep_freed_memory
from finscale.training.devices import use_threads
from finscale.training.environment import on_signal, own_random_state
from finscale.training.flat import FlatParameters
from finscale.training.optimizer import update
from finscale.training.playing import Player, can_play, dropout_rates, player_of
from finscale.training.state import FitResult
from finscale.training.together import why_not_together

if TYPE_CHECKING:
    from finscale.training.trainer import Trainer

#: Steps between two looks at whether losses are finite; each look waits for the device.
CHECK_EVERY = 50
#: Batches of such multiples keep every model's share of a tensor on whole cache lines, where
#: products round as they do alone.
_WHOLE_LINES = 32


def fit_together(trainers: Sequence[Trainer]) -> list[FitResult | TrainingError]:
    """Train every trainer to its end, and load its best weights.

    Returns
    -------
    list of FitResult or TrainingError
        One for each trainer: a training whose loss is not finite leaves the others to go on.

    Raises
    ------
    TrainingPaused
        If one was asked to pause: all write a resume point.
    TrainingError
        If the trainers cannot be stacked, or a folder is in use or damaged.
    """
    reason = why_not_together(trainers)
    if reason:
        raise TrainingError(f"These trainings cannot be stacked: {reason}.")
    outcomes: dict[Trainer, FitResult | TrainingError] = {}
    with _environment(trainers):
        for trainer in trainers:
            trainer.setup(trainers[0])
        try:
            for trainer in trainers:
                for callback in trainer.callbacks:
                    callback.on_fit_start(trainer)
            _run(trainers, outcomes)
        finally:
            for trainer in trainers:
                ended = outcomes.get(trainer)
                for callback in trainer.callbacks:
                    callback.on_fit_end(trainer, ended if isinstance(ended, FitResult) else None)
    return [outcomes[trainer] for trainer in trainers]


@contextlib.contextmanager
def _environment(trainers: Sequence[Trainer]) -> Iterator[None]:
    """Threads, random state, signals and folders are these trainings' own while they last."""

    def pause(name: str) -> None:
        for trainer in trainers:
            trainer.request_pause(f"{name} was received")

    keep_freed_memory()
    with contextlib.ExitStack() as stack:
        stack.enter_context(use_threads(int(trainers[0].config.threads)))
        stack.enter_context(own_random_state(trainers[0].device))
        stack.enter_context(on_signal(pause))
        for trainer in trainers:
            stack.enter_context(trainer.exclusive())
        yield


def _run(trainers: Sequence[Trainer], outcomes: dict[Trainer, FitResult | TrainingError]) -> None:
    """Train until every trainer has its outcome."""
    stack: Stack | None = None
    while True:
        for trainer in trainers:
            if trainer not in outcomes and trainer.state.stopped:
                outcomes[trainer] = trainer.finish()
        live = [trainer for trainer in trainers if trainer not in outcomes]
        if not live:
            return
        # after a kill some may be further than others
        at = min(trainer.position for trainer in live)
        group = tuple(trainer for trainer in live if trainer.position == at)
        if stack is None or stack.trainers != group:
            stack = Stack(group)
        outcomes |= stack.train_epoch()
        for trainer in group:
            if trainer not in outcomes:
                error = _refusal(trainer.close_epoch)
                if error is not None:
                    outcomes[trainer] = error
        _pause_if_asked([trainer for trainer in live if trainer not in outcomes], outcomes)


def _pause_if_asked(
    trainers: Sequence[Trainer], failed: dict[Trainer, FitResult | TrainingError]
) -> None:
    """If one of them is to pause, all do: save each, then raise."""
    reason = next((trainer.pause_reason for trainer in trainers if trainer.pause_reason), "")
    going_on = [trainer for trainer in trainers if not trainer.state.stopped]
    if not reason or not going_on:
        return
    for trainer in going_on:
        trainer.request_pause(reason)
        error = _refusal(trainer.save)
        if error is not None:
            failed[trainer] = error
            if len(going_on) == 1:
                raise error
    going_on[0].raise_if_paused()


def _refusal(action: Callable[[], None]) -> TrainingError | None:
    """Return why a training cannot go on, if the action finds that out."""
    try:
        action()
    except TrainingError as error:
        return error
    return None


class Stack:
    """Trainings that take their steps together, all at the same step.

    Parameters
    ----------
    trainers : tuple of Trainer
        Set up; :func:`why_not_together` says nothing against them.
    """

    def __init__(self, trainers: tuple[Trainer, ...]) -> None:
        self.trainers = trainers
        self._lead = trainers[0]
        flat = self._lead.state.optimizer.flat
        if len(trainers) > 1 or len(flat.values_RP) > 1:
            models = [trainer.model for trainer in trainers]
            flat = FlatParameters(models, direct=self._lead.writes_directly)
            for row, trainer in enumerate(trainers):
                trainer.state.optimizer.move(flat, row)
        self._flat = flat
        # rows of a buffer are not dense, which torch says once; they are what makes one row flat
        warnings.filterwarnings("ignore", message="grad and param do not obey")
        together = len(trainers) > 1
        self._is_played = together and self._lead.writes_directly and can_play(self._lead.model)
        self._players: list[tuple[Player, tuple[Tensor, ...]]] = []
        self._replicas = self._side_by_side() if together and not self._is_played else None

    def _side_by_side(self) -> Replicas:
        models = [trainer.model for trainer in self.trainers]
        return Replicas(models, self._flat.stacked).train()

    def train_epoch(self) -> dict[Trainer, FitResult | TrainingError]:
        """Take the remaining steps of the current epoch; return who failed.

        Raises
        ------
        TrainingPaused
            If one was asked to pause; all have written a resume point.
        """
        lead, size = self._lead, len(self.trainers)
        for trainer in self.trainers:
            trainer.begin_epoch()
        failed: dict[Trainer, FitResult | TrainingError] = {}
        started = time.perf_counter() - size * lead.state.seconds
        checked = lead.state.step
        while lead.state.step < lead.steps_per_epoch and len(failed) < size:
            self.train_step([trainer.batches[trainer.state.step] for trainer in self.trainers])
            for trainer in self.trainers:
                for callback in trainer.step_callbacks:
                    callback.on_step_end(trainer)
            is_last = lead.state.step == lead.steps_per_epoch
            if is_last or lead.state.step - checked >= CHECK_EVERY:
                self._note_failures(failed)
                checked = lead.state.step
            # a stack's time is shared by its trainings
            seconds = (time.perf_counter() - started) / size
            for trainer in self.trainers:
                trainer.state.seconds = seconds
            started += self._save_if_due(failed)
        return failed

    def train_step(self, ends: Sequence[Tensor]) -> None:
        """Take one optimiser step of each training on the windows that end at its ``ends``."""
        batch_size = int(self._lead.config.batch_size)
        for micros in zip(*(torch.split(ends_B, batch_size) for ends_B in ends), strict=True):
            share = len(micros[0]) / len(ends[0])
            if len(micros[0]) == batch_size and self._record(micros[0]):
                losses = self._play(micros, share)
            else:
                losses = self._losses(micros)
                torch.autograd.backward([loss * share for loss in losses])
            for trainer, loss in zip(self.trainers, losses, strict=True):
                trainer.state.losses_S[trainer.state.step] += loss.detach() * share
        self._flat.complete()
        for trainer in self.trainers:
            trainer.clip()
            trainer.state.optimizer.learning_rate = trainer.rate
        update(trainer.state.optimizer for trainer in self.trainers)
        self._flat.forget()
        for trainer in self.trainers:
            trainer.state.step += 1

    def _play(self, ends: Sequence[Tensor], share: float) -> list[Tensor]:
        """Return each training's loss on a whole batch, its gradients added to this step's."""
        return [
            self._play_one(row, trainer, ends_B, share)
            for row, (trainer, ends_B) in enumerate(zip(self.trainers, ends, strict=True))
        ]

    def _record(self, ends_B: Tensor) -> bool:
        """Tell whether models are played; the first batch is recorded for all that drop alike."""
        if not self._is_played or self._players:
            return self._is_played
        players: dict[tuple[Any, ...], Player] = {}
        for trainer in self.trainers:
            rates = dropout_rates(trainer.model)
            if rates not in players:
                inputs = self._lead.inputs.of(ends_B)
                player = player_of(trainer.model, inputs, trainer.autocast())
                if player is None:
                    self._players, self._is_played = [], False
                    self._replicas = self._side_by_side()
                    return False
                players[rates] = player
            self._players.append((players[rates], players[rates].views(trainer.model)))
        return True

    def _play_one(self, row: int, trainer: Trainer, ends_B: Tensor, share: float) -> Tensor:
        player, views = self._players[row]
        with torch.inference_mode():
            inputs = self._lead.inputs.of(ends_B)
            play = player.play(inputs, views, trainer.state.generator)
            output = next(play)
        output = output.clone().requires_grad_()
        loss = trainer.loss_of(output, ends_B)
        torch.autograd.backward(loss * share)
        with torch.inference_mode():
            self._flat.take(row, play.send(output.grad))
        return loss.detach()

    def _losses(self, ends: Sequence[Tensor]) -> list[Tensor]:
        """Return each training's loss on its micro-batch."""
        num_windows, lead = len(ends[0]), self._lead
        if self._replicas is None or num_windows % _WHOLE_LINES:
            return [
                trainer.loss_on(ends_B) for trainer, ends_B in zip(self.trainers, ends, strict=True)
            ]
        inputs = lead.inputs.of(torch.cat(list(ends)))
        generators = [trainer.state.generator for trainer in self.trainers]
        with drawing_from(generators), lead.autocast():
            output = self._replicas.encode(*inputs)
        return [
            trainer.loss_of(part, ends_B)
            for trainer, part, ends_B in zip(
                self.trainers, torch.split(output, num_windows), ends, strict=True
            )
        ]

    def _note_failures(self, failed: dict[Trainer, FitResult | TrainingError]) -> None:
        """Look at the losses; add the trainings with one that is not finite."""
        for trainer in self.trainers:
            error = None if trainer in failed else _refusal(trainer.check_losses)
            if error is not None:
                failed[trainer] = error

    def _save_if_due(self, failed: dict[Trainer, FitResult | TrainingError]) -> float:
        """Write the resume points that are due; return the seconds that it took."""
        started = time.perf_counter()
        for trainer in self.trainers:
            if trainer not in failed and not trainer.pause_reason and trainer.is_due():
                error = _refusal(trainer.save)
                if error is not None:
                    failed[trainer] = error
        _pause_if_asked([one for one in self.trainers if one not in failed], failed)
        return time.perf_counter() - started
