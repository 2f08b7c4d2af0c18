"""Whole fits on the same windows: finscale's, ``transformers.Trainer``'s, ``NeuralForecast.fit``'s.

Each returns the wall seconds of the fit and those of its optimiser steps and of its validation, as
the library's own callbacks see them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finscale.experiment.preparation import Prepared
from finscale.models.patchtst.sizes import PatchTSTSizes


@dataclass(frozen=True)
class Windows:
    """What all contenders fit: the last training windows of a run and its first of validation."""

    prepared: Prepared
    architecture: PatchTSTSizes
    num_train: int
    num_validation: int
    epochs: int

    @property
    def train(self) -> np.ndarray:
        """Rows that training windows end at."""
        return self.prepared.split.train[-self.num_train :]

    @property
    def validation(self) -> np.ndarray:
        """Rows that validation windows end at."""
        return self.prepared.split.validation[: self.num_validation]

    @property
    def batch_size(self) -> int:
        """Windows of a step."""
        return int(self.prepared.config.training.batch_size)

    @property
    def learning_rate(self) -> float:
        """Peak rate."""
        return float(self.prepared.config.training.learning_rate)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps an epoch."""
        return -(-self.num_train // self.batch_size)


class Clock:
    """Adds up the seconds between starts and stops."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Count no further."""
        self.seconds += time.perf_counter() - self._since


def finscale(w: Windows, precision: str) -> dict[str, float]:
    """Fit as ``run_experiment`` does; the precision stands in the run's own config."""
    from fit_common import Parts, progress_bar

    from finscale.experiment.trainers import make_trainer
    from finscale.training import ThermalCallback, Trainer, fit

    parts = Parts()
    split = replace(w.prepared.split, train=w.train, validation=w.validation)
    prepared = replace(w.prepared, split=split)
    with (
        tempfile.TemporaryDirectory() as folder,
        parts.watching(fit, "step", "steps"),
        parts.watching(Trainer, "validate", "validation"),
    ):
        started = time.perf_counter()
        thermal = ThermalCallback(prepared.config.training.thermal)
        trainer = make_trainer(prepared, folder=Path(folder), callbacks=[progress_bar(), thermal])
        result = trainer.fit()
        seconds = time.perf_counter() - started
    assert result.steps == w.epochs * w.steps_per_epoch
    return {"seconds": seconds, **parts.seconds}


def transformers(w: Windows, precision: str) -> dict[str, float]:
    """Fit ``PatchTSTForClassification`` with two classes by ``transformers.Trainer``."""
    from peers import patchtst_config
    from transformers import (
        PatchTSTForClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    steps = Clock()

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            steps.start()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            steps.stop()

    validation = Clock()

    class Timed(Trainer):  # type: ignore[misc]
        def evaluate(self, *args: Any, **kwargs: Any) -> Any:
            validation.start()
            found = super().evaluate(*args, **kwargs)
            validation.stop()
            return found

    dataset = w.prepared.dataset
    parts = [_examples(*dataset.batch(torch.from_numpy(ends))) for ends in (w.train, w.validation)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        trainer = Timed(
            PatchTSTForClassification(patchtst_config(w.architecture, num_targets=2)),
            TrainingArguments(
                folder,
                num_train_epochs=w.epochs,
                per_device_train_batch_size=w.batch_size,
                per_device_eval_batch_size=512,
                learning_rate=w.learning_rate,
                weight_decay=0.05,
                bf16=precision == "bf16",
                use_cpu=True,
                eval_strategy="epoch",
                save_strategy="epoch",
                logging_strategy="epoch",
                save_total_limit=2,
                load_best_model_at_end=True,
                label_names=["target_values"],
                disable_tqdm=True,
                report_to="none",
            ),
            train_dataset=parts[0],
            eval_dataset=parts[1],
            callbacks=[Watch()],
        )
        # what stands on standard output is the answer
        trainer.pop_callback(PrinterCallback)
        trainer.train()
        seconds = time.perf_counter() - started
    assert trainer.state.global_step == w.epochs * w.steps_per_epoch
    return {"seconds": seconds, "steps": steps.seconds, "validation": validation.seconds}


def _examples(x_BLF: torch.Tensor, target_B: torch.Tensor) -> Sequence[dict[str, torch.Tensor]]:
    return [
        {"past_values": x_LF, "target_values": target}
        for x_LF, target in zip(x_BLF, target_B.long(), strict=True)
    ]


def neuralforecast(w: Windows, precision: str) -> dict[str, float]:
    """Fit one-step forecasts of each channel by ``NeuralForecast.fit``.

    A step draws as many windows of single channels as a batch has channels.
    """
    import logging

    import polars as pl
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import PatchTST
    from pytorch_lightning.callbacks import Callback

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    steps, validation = Clock(), Clock()

    class Watch(Callback):  # type: ignore[misc]
        def on_train_batch_start(self, *_: Any) -> None:
            steps.start()

        def on_train_batch_end(self, *_: Any) -> None:
            steps.stop()

        def on_validation_start(self, *_: Any) -> None:
            validation.start()

        def on_validation_end(self, *_: Any) -> None:
            validation.stop()

    a = w.architecture
    frame = _series(w)
    started = time.perf_counter()
    model = PatchTST(
        h=1,
        input_size=a.context_length,
        encoder_layers=a.depth,
        n_heads=a.heads,
        hidden_size=a.width,
        linear_hidden_size=a.ff_width,
        dropout=a.dropout,
        fc_dropout=0.0,
        attn_dropout=a.attention_dropout,
        patch_len=a.patch_length,
        stride=a.stride,
        res_attention=False,
        loss=MSE(),
        max_steps=w.epochs * w.steps_per_epoch,
        val_check_steps=w.steps_per_epoch,
        learning_rate=w.learning_rate,
        batch_size=a.num_features,
        windows_batch_size=w.batch_size * a.num_features,
        inference_windows_batch_size=512 * a.num_features,
        optimizer=torch.optim.AdamW,
        optimizer_kwargs={"weight_decay": 0.05, "fused": True},
        accelerator="cpu",
        precision="32-true" if precision == "fp32" else "bf16-mixed",
        callbacks=[Watch()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    forecaster = NeuralForecast([model], freq=1)
    forecaster.fit(pl.from_dict(frame), val_size=w.num_validation)
    return {
        "seconds": time.perf_counter() - started,
        "steps": steps.seconds,
        "validation": validation.seconds,
    }


def _series(w: Windows) -> dict[str, Any]:
    """Return the channels one below the other: rows for the training windows, then validation's.

    A window of a forecaster is followed by the row that it forecasts.
    """
    rows_RF = w.prepared.dataset.rows_RF.numpy()
    last, length = int(w.train[-1]), w.architecture.context_length
    before = np.arange(last + 2 - w.num_train - length, last + 2)
    chosen_RF = np.concatenate([rows_RF[before], rows_RF[w.validation]])
    num_rows, num_features = chosen_RF.shape
    return {
        "unique_id": np.repeat(np.arange(num_features), num_rows),
        "ds": np.tile(np.arange(num_rows), num_features),
        "y": chosen_RF.T.reshape(-1),
    }


FITS: dict[str, Callable[[Windows, str], dict[str, float]]] = {
    "finscale": finscale,
    "transformers": transformers,
    "neuralforecast": neuralforecast,
}
