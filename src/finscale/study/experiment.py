"""One experiment: from bars to a run folder.

``finscale train``, a study and a notebook all come through :func:`run_experiment`, so a run has the
same bits wherever it was started.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.files import atomic_path, file_digests, write_json
from finscale.runs import Run, RunStore, environment, exclusive, partial_folder, publish
from finscale.study.preparation import Prepared, interface, prepare

if TYPE_CHECKING:
    import polars as pl

    from finscale.data import DataStore
    from finscale.training import Callback, FitResult, Trainer


def run_experiment(
    config: ExperimentConfig,
    *,
    runs: RunStore | None = None,
    data: DataStore | None = None,
    callbacks: Sequence[Callback] = (),
    announce: Callable[[Prepared], None] | None = None,
) -> Run:
    """Train (or fit a baseline), predict validation and test, and write the run folder.

    A run that is in the store already is returned as it is; a run that was killed goes on from its
    last resume point and ends with the same bits as an undisturbed one.

    Parameters
    ----------
    config : ExperimentConfig
        Which run.
    runs : RunStore, optional
        Where run folders lie; ``runs/`` when absent.
    data : DataStore, optional
        Where data lie; ``config.data.root`` when absent.
    callbacks : sequence of Callback
        Progress bars, thermal guard, trackers.
    announce : callable, optional
        Told what is about to happen, before it happens.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    FinscaleError
        With one sentence, if the data, the budget or the training is at fault.
    """
    store = runs or RunStore()
    prepared = prepare(config, data)
    if announce is not None:
        announce(prepared)
    with exclusive(store.folder, prepared.run_id):
        if store.is_whole(prepared.run_id):
            return store[prepared.run_id]
        store.discard(prepared.run_id)
        partial = partial_folder(store.folder, prepared.run_id)
        partial.mkdir(parents=True, exist_ok=True)
        if isinstance(prepared.config.model, BaselineConfig):
            _fit_baseline(prepared, partial)
        else:
            _train(prepared, partial, callbacks)
        publish(partial, store.folder / prepared.run_id)
    return store[prepared.run_id]


def _fit_baseline(prepared: Prepared, folder: Path) -> None:
    from finscale.data import label
    from finscale.models import make_baseline

    started = time.perf_counter()
    model, dataset, split = prepared.config.model, prepared.dataset, prepared.split
    assert isinstance(model, BaselineConfig)
    options: dict[str, Any] = dict(model.options)
    baseline = make_baseline(
        model.name,
        task=prepared.config.task,
        context_length=dataset.context_length,
        features=dataset.features,
        seed=prepared.config.seed,
        label=label,
        **options,
    )
    baseline.fit(dataset.frame, split.train, dataset.targets(split.train))
    _write_predictions(prepared, folder, lambda ends: baseline.predict(dataset.frame, ends))
    _write_info(prepared, folder, facts(prepared), training={}, started=started)


def _train(prepared: Prepared, folder: Path, callbacks: Sequence[Callback]) -> None:
    import polars as pl

    from finscale.training import ThermalCallback, TrackingCallback, TrackingManager

    started = time.perf_counter()
    config, known = prepared.config, facts(prepared)
    with TrackingManager(config.tracking) as tracking:
        tracking.start(run_name=prepared.run_id, config=known)
        watchers = [*callbacks, TrackingCallback(tracking)]
        if config.training.thermal.enabled:
            watchers.append(ThermalCallback(config.training.thermal))
        trainer = make_trainer(prepared, folder=folder / "resume", callbacks=watchers)
        result = trainer.fit()
        with atomic_path(folder / "metrics.parquet") as path:
            pl.DataFrame(result.history).write_parquet(path)
        _write_predictions(prepared, folder, trainer.predict)
        _write_weights(prepared, folder, trainer)
        training = _training_facts(prepared, result)
        tracking.log_config({"training_result": training})
    _write_info(prepared, folder, known, training=training, started=started)


def make_trainer(
    prepared: Prepared, *, folder: Path | None = None, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """Return the trainer of a prepared run, its weights drawn from the run's seed."""
    import torch

    from finscale.models import build_model
    from finscale.training import Trainer, require_memory

    config = prepared.config
    assert prepared.counts is not None
    # before the weights take any: 2B would need 32 GB for themselves and AdamW
    require_memory(prepared.counts.total, config.training.device)
    torch.manual_seed(config.seed)
    model = build_model(config.network, **interface(config, prepared.dataset))
    return Trainer(
        model,
        prepared.dataset,
        prepared.split,
        config.training,
        task=config.task,
        seed=config.seed,
        callbacks=callbacks,
        folder=folder,
    )


def _write_predictions(
    prepared: Prepared, folder: Path, predict: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Write every held-out window's prediction: n evaluated = n expected."""
    import polars as pl

    parts = {"validation": prepared.split.validation, "test": prepared.split.test}
    table = pl.concat(
        _prediction_table(prepared, name, ends, predict(ends)) for name, ends in parts.items()
    )
    expected = sum(len(ends) for ends in parts.values())
    assert len(table) == expected, f"{len(table)} windows evaluated, {expected} expected"
    with atomic_path(folder / "predictions.parquet") as path:
        table.write_parquet(path)


def _prediction_table(
    prepared: Prepared, split: str, ends: np.ndarray, output: np.ndarray
) -> pl.DataFrame:
    import polars as pl

    dataset = prepared.dataset
    levels = _quantile_levels(prepared.config) if output.ndim == 2 else ()
    # several quantiles a window: the one nearest the median is the prediction, all are kept
    point = output[:, int(np.abs(np.array(levels) - 0.5).argmin())] if levels else output
    return pl.DataFrame(
        {
            "date": dataset.frame["date"].gather(ends),
            "symbol": dataset.frame["symbol"].gather(ends),
            "fold": pl.repeat(prepared.split.fold, len(ends), dtype=pl.Int32, eager=True),
            "split": pl.repeat(split, len(ends), dtype=pl.String, eager=True),
            "target": pl.Series(dataset.targets(ends), dtype=pl.Float32),
            "logit": pl.Series(point, dtype=pl.Float64),
            **{f"quantile_{level:g}": output[:, i] for i, level in enumerate(levels)},
        }
    )


def _quantile_levels(config: ExperimentConfig) -> tuple[float, ...]:
    from finscale.training import LOSSES

    settings = {**LOSSES["quantile"].options, **config.training.loss_options}
    return tuple(settings["quantiles"])


def _write_weights(prepared: Prepared, folder: Path, trainer: Trainer) -> None:
    import torch

    from finscale.training import save_tensors

    scale = torch.from_numpy(prepared.dataset.scale_F)
    save_tensors(folder / "model.safetensors", {**trainer.model.state_dict(), "input_scale": scale})


def _training_facts(prepared: Prepared, result: FitResult) -> dict[str, Any]:
    """Return what training did, in counts that a scaling law can use."""
    return {
        "best_epoch": result.best_epoch,
        "best_validation_loss": result.best_validation_loss,
        "epochs": len(result.history),
        "steps": result.steps,
        "samples": result.samples,
        "stopped": result.stopped,
        # a backward pass costs twice a forward pass
        "flops": 3 * prepared.flops_per_sample * result.samples,
    }


def facts(prepared: Prepared) -> dict[str, Any]:
    """Return all that is known of a run before it starts: for ``run.json`` and the trackers."""
    dataset, split = prepared.dataset, prepared.split
    return {
        "id": prepared.run_id,
        "config": prepared.config.model_dump(mode="json"),
        "config_hash": prepared.config.hash(),
        "data": [entry.model_dump(mode="json") for entry in dataset.entries],
        "windows": {
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "purged": split.num_purged,
            "embargoed": split.num_embargoed,
            # the share of yes, or the mean return
            "train_mean": dataset.base_rate(split.train),
        },
        "parameters": asdict(prepared.counts) if prepared.counts else {},
        "flops_per_sample": prepared.flops_per_sample,
        "seed": prepared.config.seed,
        "device": prepared.config.training.device,
        "environment": environment(),
    }


def _write_info(
    prepared: Prepared,
    folder: Path,
    known: dict[str, Any],
    *,
    training: dict[str, Any],
    started: float,
) -> None:
    outcome = {
        "status": "complete",
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 3),
        "training": training,
        # how often the sealed windows were read to make this run: once, when all was decided
        "test_reads": 1,
        # what each file was when the run was finished: a damaged one is noticed and made again
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": file_digests(path).sha256}
            for path in sorted(folder.iterdir())
            if path.is_file() and path.suffix in (".parquet", ".safetensors")
        },
    }
    write_json(folder / "run.json", {**known, **outcome})
