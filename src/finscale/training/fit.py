"""The training loop, to be read from top to bottom: fit → setup → epoch → step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from finscale.training.allocator import give_back_large_blocks, keep_freed_memory
from finscale.training.devices import use_threads
from finscale.training.environment import on_signal, own_random_state
from finscale.training.optimizer import make_optimizer, set_learning_rate
from finscale.training.state import FitResult, TrainState

if TYPE_CHECKING:
    from finscale.training.inputs import Inputs
    from finscale.training.trainer import Trainer

#: Steps between two looks at whether losses are finite; each look waits for the device.
CHECK_EVERY = 50


def fit(trainer: Trainer) -> FitResult:
    """Train to the end, from the start or from the last resume point, and load the best weights.

    Raises
    ------
    TrainingError
        If a loss is not finite (with the step and the dates of its batch), the folder holds a
        different training, or all its resume points are damaged.
    TrainingPaused
        If Ctrl-C, heat or a callback stopped it; calling ``fit`` again goes on.
    """
    result: FitResult | None = None
    with _environment(trainer):
        setup(trainer)
        try:
            for callback in trainer.callbacks:
                callback.on_fit_start(trainer)
            while not trainer.state.stopped:
                epoch(trainer)
            result = trainer.finish()
        finally:
            for callback in trainer.callbacks:
                callback.on_fit_end(trainer, result)
    return result


@contextlib.contextmanager
def _environment(trainer: Trainer) -> Iterator[None]:
    """Threads, random state, signals and the folder are this training's own while it lasts."""
    if trainer.shares_model:
        give_back_large_blocks()
    else:
        keep_freed_memory()
    with (
        use_threads(int(trainer.config.threads)),
        own_random_state(trainer.device),
        on_signal(lambda name: trainer.request_pause(f"{name} was received")),
        trainer.exclusive(),
    ):
        yield


def setup(trainer: Trainer, inputs: Inputs | None = None) -> None:
    """Make loss, schedule, optimiser and state; read the state back if there is a resume point.

    Dropout draws from torch's global generators, which are seeded here and are part of the state.
    ``inputs`` are the prepared windows of another training on the same ones.
    """
    trainer.prepare(inputs)
    torch.manual_seed(trainer.seed)
    trainer.state = TrainState(
        model=trainer.model,
        optimizer=make_optimizer(trainer.model, trainer.config),
        losses_S=torch.zeros(trainer.steps_per_epoch, device=trainer.device),
    )
    trainer.resume()
    if trainer.state.best_loss is None and getattr(trainer.model, "starts_fitted", False):
        _judge_start(trainer)


def _judge_start(trainer: Trainer) -> None:
    """Let a model that starts from a fitted answer be its own first candidate, epoch 0.

    Early stopping then returns to that answer where no epoch improves on it.
    """
    trainer.state.best_loss = trainer.ranks.told(trainer.validate())
    trainer.state.keep_best(trainer.folder, trainer.ranks)


def epoch(trainer: Trainer) -> None:
    """Take the remaining steps of the current epoch, then validate and record it.

    Raises
    ------
    TrainingPaused
        After a step whose callbacks, or a signal, asked for a pause.
    """
    state = trainer.state
    batches = trainer.begin_epoch()
    started = time.perf_counter() - state.seconds
    while state.step < len(batches):
        step(trainer, batches[state.step])
        for callback in trainer.step_callbacks:
            callback.on_step_end(trainer)
        if state.step == len(batches) or state.step % CHECK_EVERY == 0:
            trainer.check_losses()
        state.seconds = time.perf_counter() - started
        started += trainer.save_if_due()
        trainer.pause_if_asked()
    trainer.close_epoch()
    trainer.pause_if_asked()


def step(trainer: Trainer, ends_B: Tensor) -> None:
    """Take one optimiser step on the windows that end at rows ``ends_B``."""
    state, config = trainer.state, trainer.config
    # 1. gradients: the mean over all windows, one micro-batch at a time
    micro_batches = torch.split(ends_B, int(config.batch_size))
    for number, micro_B in enumerate(micro_batches, start=1):
        trainer.sync_gradients(number == len(micro_batches))
        share = len(micro_B) / len(ends_B)
        loss = trainer.loss_on(micro_B) * share
        loss.backward()  # type: ignore[no-untyped-call]
        state.losses_S[state.step] += loss.detach()
    # 2. their norm
    if config.clip_norm is not None:
        clip_grad_norm_(trainer.model.parameters(), config.clip_norm)
    # 3. the update, at the schedule's rate
    set_learning_rate(state.optimizer, trainer.rate)
    state.optimizer.step()
    state.optimizer.zero_grad()
    state.step += 1
