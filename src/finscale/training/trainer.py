"""One training: what it is made of, how it is judged, kept and resumed; the loop is in fit.py."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from finscale.calling import spoken
from finscale.config import TaskConfig, TrainingConfig
from finscale.errors import DivergedError, TrainingError
from finscale.models.kernels.accelerate import accelerate
from finscale.training.callbacks import Callback, overrides_step
from finscale.training.checkpoint import CheckpointFolder
from finscale.training.devices import require_compiler, use_threads
from finscale.training.distributed import ALONE, Ranks
from finscale.training.holding import hold
from finscale.training.identity import training_identity
from finscale.training.inputs import Inputs
from finscale.training.losses import LossFunction, loss_name, make_loss
from finscale.training.resolve import resolve_for_model
from finscale.training.resumable import ResumableTraining
from finscale.training.schedule import learning_rates, order
from finscale.training.state import FitResult

if TYPE_CHECKING:
    from finscale.data import FinancialDataset, Split


class Trainer(ResumableTraining):
    """Trains a model on the windows of a dataset, resumable to the bit.

    Parameters
    ----------
    model : nn.Module
        x [B, L, F] → logits [B] (classification) or predictions [B] or [B, Q] (regression).
    dataset : FinancialDataset
        Where windows are gathered from, already scaled.
    split : Split
        Decision rows of train and validation windows; its test rows are never read.
    config : TrainingConfig
        Settings that are still ``auto`` are resolved for this model.
    task : TaskConfig
        Classification or regression.
    seed : int
        Seed of the data order and of dropout. The weights are drawn by who builds the model.
    callbacks : sequence of Callback
        Told about every step and epoch.
    folder : path, optional
        Where resume points are kept. A training that finds its own there goes on from it; without
        a folder nothing is written.
    ranks : Ranks
        The processes that train this model together; each makes its own trainer.

    Examples
    --------
    >>> trainer = Trainer(model, dataset, split, config, task=task)  # doctest: +SKIP
    >>> result = trainer.fit()  # doctest: +SKIP
    >>> logit = trainer.predict(split.test)  # doctest: +SKIP
    """

    @spoken("Trainer(model, dataset, split, TrainingConfig(), task=dataset.task)")
    def __init__(
        self,
        model: nn.Module,
        dataset: FinancialDataset,
        split: Split,
        config: TrainingConfig,
        *,
        task: TaskConfig,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = resolve_for_model(config, model, dataset, split, num_devices=ranks.size)
        self.device = torch.device(self.config.device)
        self.ranks = ranks
        self.dataset = dataset.to(self.device)
        self.split = split
        #: How often test windows were predicted; once, when all is decided, unless a callback did.
        self.test_reads = 0
        self.task = task
        self.seed = seed
        self.callbacks = tuple(callbacks)
        self.folder = folder
        self.inputs: Inputs
        self._checkpoints = (
            CheckpointFolder(
                folder, training_identity(model, self.dataset, split, self.config, task, seed)
            )
            if folder
            else None
        )
        if self.config.kernels == "fast":
            accelerate(model)
        self.model, self._encode = hold(model, self.dataset, split, self.config, ranks)
        self.pause_reason = self._stop = ""

    @property
    def shares_model(self) -> bool:
        """Whether each of several processes holds a share of the model."""
        return self.ranks.together and self.config.strategy == "fsdp"

    @property
    def num_windows(self) -> int:
        """Training windows, each seen once an epoch."""
        return len(self.split.train)

    @property
    def windows_per_step(self) -> int:
        """Windows whose gradients make one optimiser step."""
        return int(self.config.batch_size) * self.config.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps an epoch; the last one takes the windows that remain."""
        return math.ceil(self.num_windows / self.windows_per_step)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of all epochs, if training does not stop early."""
        return int(self.config.epochs) * self.steps_per_epoch

    @property
    def num_steps(self) -> int:
        """Optimiser steps taken so far."""
        return self.state.epoch * self.steps_per_epoch + self.state.step

    @property
    def num_samples(self) -> int:
        """Windows seen so far, repeats counted."""
        seen = min(self.state.step * self.windows_per_step, self.num_windows)
        return self.state.epoch * self.num_windows + seen

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.rates[self.num_steps]

    def fit(self) -> FitResult:
        """Train to the end, from the start or from the last resume point; see :func:`.fit.fit`."""
        from finscale.training.fit import fit

        return fit(self)

    def prepare(self, inputs: Inputs | None = None) -> None:
        """Make what the loop reads: the loss, the schedule, the windows, the compiled model.

        Parameters
        ----------
        inputs : Inputs, optional
            The prepared windows of another training on the same ones; made here when absent.

        Raises
        ------
        TrainingError
            If there is nothing to train or to validate on, or no compiler where one is needed.
        """
        config = self.config
        self.pause_reason = self._stop = ""
        if not len(self.split.train) or not len(self.split.validation):
            raise TrainingError(
                f"The split has {len(self.split.train)} training and "
                f"{len(self.split.validation)} validation windows; both are needed.",
                hint="move split.train_end or split.validation_end, or use more data",
            )
        name = loss_name(config.loss, self.task.kind)
        self.loss: LossFunction = make_loss(name, self.task.kind, config.loss_options)
        self.rates = learning_rates(config, self.total_steps)
        self._ends_N = torch.from_numpy(self.split.train).to(self.device)
        if config.compile:
            require_compiler(self.device.type)
        # only whole batches are compiled: their shape never changes; blocks of a shared model have
        # been, each for itself
        wholly = config.compile and not self.shares_model
        self._compiled = torch.compile(self._encode) if wholly else self._encode
        self.step_callbacks = [c for c in self.callbacks if overrides_step(c)]
        windows = np.r_[self.split.train, self.split.validation]
        self.inputs = inputs or Inputs(self.model, self.dataset, windows)
        self._num_checked = 0

    def begin_epoch(self) -> Sequence[Tensor]:
        """Make the model ready to learn; return the rows of each step of the current epoch."""
        self.model.train()
        self._batches = torch.split(self._epoch_order(self.state.epoch), self.windows_per_step)
        self._num_checked = self.state.step
        return self._batches

    def loss_on(self, ends_B: Tensor) -> Tensor:
        """Return the mean training loss on the windows that end at rows ``ends_B``.

        Each process computes its part of them; the loss is that of all.
        """
        encode = self._compiled if len(ends_B) == self.config.batch_size else self._encode
        own = self.ranks.take(len(ends_B))
        with self.autocast():
            output = encode(*self.inputs.of(ends_B[own]))
        joined = self.ranks.joined(output.float(), len(ends_B))
        return self.loss(joined, self.targets(ends_B))

    def targets(self, ends_B: Tensor) -> Tensor:
        """Return what is to be predicted for the windows that end at rows ``ends_B``."""
        target_B: Tensor = self.dataset.target_R.index_select(0, ends_B)
        return target_B

    def validate(self) -> float:
        """Return the mean loss over all validation windows."""
        total = torch.zeros((), device=self.device)
        validation = self._outputs(
            self.split.validation, lambda ends_B: self._encode(*self.inputs.of(ends_B))
        )
        for output, ends_B in validation:
            total += self.loss(output, self.targets(ends_B)) * len(ends_B)
        return total.item() / len(self.split.validation)

    def predict(self, ends: np.ndarray) -> np.ndarray:
        """Return the model's output for the windows that end at rows ``ends``.

        Returns
        -------
        ndarray of float64
            Logits [N]; for regression predictions [N] or [N, Q].
        """
        with use_threads(int(self.config.threads)):
            fresh = Inputs(self.model, self.dataset, ends[:0])
            windows = self._outputs(ends, lambda ends_B: self._encode(*fresh.of(ends_B)))
            return torch.cat([output for output, _ in windows]).cpu().double().numpy()

    def weights(self) -> dict[str, Tensor]:
        """Return the weights and buffers whole; every process has to ask, the first one gets."""
        state: dict[str, Tensor] = self.model.state_dict()
        if not self.ranks.together:
            return state
        from finscale.training.distributed_state import whole_tensors

        return whole_tensors(state, self.ranks)

    def close_epoch(self) -> None:
        """Validate, record the epoch, keep the weights if they are the best, decide on the end."""
        state = self.state
        train_loss = self._mean_train_loss()
        learning_rate = self.rates[self.num_steps - 1]
        validation_loss = self.ranks.told(self.validate())
        if not math.isfinite(validation_loss):
            raise self._not_finite(f"The validation loss is {validation_loss}")
        is_best = state.best_loss is None or validation_loss < state.best_loss
        state.epoch += 1
        state.waited = 0 if is_best else state.waited + 1
        if is_best:
            state.best_epoch, state.best_loss = state.epoch, validation_loss
            state.keep_best(self.folder, self.ranks)
        state.history.append(
            {
                "epoch": state.epoch,
                "train_loss": train_loss,
                "validation_loss": validation_loss,
                "best": is_best,
                "learning_rate": learning_rate,
                "seconds": state.seconds,
                "samples_per_second": self.num_windows / max(state.seconds, 1e-9),
            }
        )
        state.step, state.seconds = 0, 0.0
        state.losses_S.zero_()
        for callback in self.callbacks:
            callback.on_epoch_end(self, state.history[-1])
        # callbacks watch the first process alone
        state.stopped = self.ranks.told(self._why_stop())
        due = self._agree(epoch_end=True)
        if state.stopped or due:
            self.save()

    def _why_stop(self) -> str:
        state, patience = self.state, self.config.patience
        if self._stop:
            return self._stop
        if state.epoch == self.config.epochs:
            return f"all {state.epoch} epochs are done"
        if patience is not None and state.waited >= patience:
            return f"validation has not improved for {patience} epochs"
        return ""

    def finish(self) -> FitResult:
        """Load the best weights and tell what the training came to."""
        state = self.state
        state.restore_best(self.folder, self.ranks)
        assert state.best_loss is not None
        return FitResult(
            best_epoch=state.best_epoch,
            best_validation_loss=state.best_loss,
            history=list(state.history),
            stopped=state.stopped,
            steps=self.num_steps,
            samples=self.num_samples,
        )

    def _epoch_order(self, epoch: int) -> Tensor:
        """Return the training rows in the order of this epoch: a function of seed and epoch."""
        return self._ends_N[order(self.num_windows, self.seed, epoch).to(self.device)]

    def _outputs(
        self, ends: np.ndarray, model: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield outputs and the rows that they are for, batch by batch, without learning."""
        self.test_reads += bool(np.isin(ends, self.split.test).any())
        self.model.eval()
        # what FSDP gathers here it trains with later, which inference tensors forbid
        with torch.no_grad() if self.ranks.together else torch.inference_mode():
            ends_N = torch.from_numpy(ends).to(self.device)
            for ends_B in torch.split(ends_N, self.config.evaluation_batch_size):
                own = self.ranks.take(len(ends_B))
                with self.autocast():
                    output = model(ends_B[own])
                yield self.ranks.joined(output.float(), len(ends_B)), ends_B

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the block in which the model computes in the config's precision."""
        if self.config.precision == "bf16-mixed":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _mean_train_loss(self) -> float:
        """Return the mean over the epoch's windows: the last step may have had fewer."""
        counts_S = [len(ends_B) for ends_B in self._batches]
        return float(np.average(self.state.losses_S.cpu().numpy().astype(float), weights=counts_S))

    def check_losses(self) -> None:
        """Look at the losses since the last look; name the first that is not finite."""
        first, self._num_checked = self._num_checked, self.state.step
        fresh_S = self.state.losses_S[first : self.state.step].cpu()
        bad_S = (~fresh_S.isfinite()).nonzero()
        if len(bad_S):
            step = first + int(bad_S[0])
            dates = np.sort(self.dataset.date_R[self._batches[step].cpu().numpy()])
            raise self._not_finite(
                f"The loss is {fresh_S[bad_S[0]].item()} at step {step + 1} of epoch "
                f"{self.state.epoch + 1}, whose {len(dates)} windows were decided from "
                f"{dates[0]} to {dates[-1]}"
            )

    def _not_finite(self, what: str) -> TrainingError:
        newest = self._checkpoints.newest() if self._checkpoints else "none (no folder was given)"
        return DivergedError(
            f"{what}. Last good resume point: {newest}.",
            hint="lower training.learning_rate, set training.clip_norm, or look at the data there",
        )

    def sync_gradients(self, wanted: bool) -> None:
        """Say whether the next backward pass averages gradients over the processes."""
        if self.ranks.together:
            from finscale.training.distributed_wrap import sync_gradients

            sync_gradients(self._encode, wanted)
