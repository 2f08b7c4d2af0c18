"""One experiment: from bars to a run folder.

``finscale train``, a study and a notebook all come through :func:`run_experiment`, so a run has the
same bits wherever it was started.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.config.losses import quantile_levels
from finscale.errors import FinscaleError, TrainingError, TrainingPaused
from finscale.experiment.place import note_placement, place
from finscale.experiment.preparation import Prepared, prepare
from finscale.experiment.resolve import interface
from finscale.files import atomic_path, file_digests, write_json
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore, environment, exclusive, partial_folder, publish
from finscale.runs.reads import TRAINING, note_reading

if TYPE_CHECKING:
    import polars as pl

    from finscale.data import DataStore
    from finscale.training import Callback, FitResult, Trainer


#: Parameters from which on the memory that a training leaves is given back at once.
_WORTH_RELEASING = 5_000_000


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
    (outcome,) = run_experiments(
        [config],
        runs=runs,
        data=data,
        callbacks=lambda _: callbacks,
        announce=lambda prepared: announce(prepared[0]) if announce else None,
    )
    if isinstance(outcome, FinscaleError):
        raise outcome
    return outcome


def run_experiments(
    configs: Sequence[ExperimentConfig],
    *,
    runs: RunStore | None = None,
    data: DataStore | None = None,
    callbacks: Callable[[int], Sequence[Callback]] = lambda place: (),
    announce: Callable[[Sequence[Prepared]], None] = lambda prepared: None,
    done: Callable[[int, Run | FinscaleError], None] = lambda place, outcome: None,
) -> list[Run | FinscaleError]:
    """Make several runs, one after another.

    Parameters
    ----------
    configs : sequence of ExperimentConfig
        Which runs.
    runs, data
        As for :func:`run_experiment`.
    callbacks : callable
        Place in ``configs`` → callbacks of that run's training.
    announce : callable
        Told what is about to happen, before it happens.
    done : callable
        Told each place and its outcome as soon as it is there.

    Returns
    -------
    list of Run or FinscaleError
        A run that failed while others went on stands as its error.
    """
    load_plugins()
    store = runs or RunStore()
    prepared = [_placed(prepare(config, data), store) for config in configs]
    announce(prepared)
    outcomes: dict[int, Run | FinscaleError] = {}

    def note(place: int, outcome: Run | FinscaleError) -> None:
        outcomes[place] = outcome
        done(place, outcome)

    with contextlib.ExitStack() as locks:
        # in one order, so that two processes never wait for each other
        for run_id in sorted({one.run_id for one in prepared}):
            locks.enter_context(exclusive(store.folder, run_id))
        missing: dict[int, Path] = {}
        for place, one in enumerate(prepared):
            if store.is_whole(one.run_id):
                note(place, store[one.run_id])
                continue
            store.discard(one.run_id)
            missing[place] = partial_folder(store.folder, one.run_id)
            missing[place].mkdir(parents=True, exist_ok=True)

        def publish_run(place: int, error: FinscaleError | None) -> None:
            run_id = prepared[place].run_id
            if error is None:
                publish(missing[place], store.folder / run_id)
            note(place, error or store[run_id])

        for place, folder in missing.items():
            try:
                if isinstance(prepared[place].config.model, BaselineConfig):
                    _fit_baseline(prepared[place], folder)
                else:
                    _train(prepared[place], folder, callbacks(place))
            except TrainingPaused:
                raise
            except TrainingError as error:
                publish_run(place, error)
            else:
                publish_run(place, None)
    return [outcomes[place] for place in range(len(prepared))]


def _placed(prepared: Prepared, store: RunStore) -> Prepared:
    """Place a run on this machine; a finished one keeps the placement that it had."""
    if store.is_whole(prepared.run_id):
        return replace(prepared, config=store[prepared.run_id].config)
    return place(prepared)


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
    reads = 0

    def predict(ends: np.ndarray) -> np.ndarray:
        nonlocal reads
        reads += bool(np.isin(ends, split.test).any())
        return baseline.predict(dataset.frame, ends)

    _write_predictions(prepared, folder, predict)
    seconds = time.perf_counter() - started
    _write_info(prepared, folder, facts(prepared), training={}, seconds=seconds, test_reads=reads)


def _train(prepared: Prepared, folder: Path, callbacks: Sequence[Callback]) -> None:
    """Train a network and write what came of it into its folder."""
    from finscale.training import ThermalCallback, TrackingCallback, TrackingManager

    started = time.perf_counter()
    config = prepared.config
    with TrackingManager(config.tracking) as tracking:
        tracking.start(run_name=prepared.run_id, config=facts(prepared))
        watchers = [*callbacks, TrackingCallback(tracking)]
        if config.training.thermal.enabled:
            watchers.append(ThermalCallback(config.training.thermal))
        *earlier, _ = note_placement(folder / "resume", config)
        trainer = make_trainer(prepared, folder=folder / "resume", callbacks=watchers)
        try:
            result = trainer.fit()
        except TrainingPaused:
            raise
        except TrainingError:
            tracking.finish("failed")
            raise
        training = _write_training(prepared, folder, trainer, result)
        tracking.log_config({"training_result": training})
        seconds = time.perf_counter() - started
        _write_info(
            prepared,
            folder,
            {**facts(prepared), "earlier_placements": earlier},
            training=training,
            seconds=seconds,
            test_reads=trainer.test_reads,
        )
    _leave_memory(prepared)


def _leave_memory(prepared: Prepared) -> None:
    """Give memory back after a large model: a worker's next run may be of another shape."""
    from finscale.training.allocator import release_freed_memory

    if prepared.counts is not None and prepared.counts.total >= _WORTH_RELEASING:
        release_freed_memory()


def _write_training(
    prepared: Prepared, folder: Path, trainer: Trainer, result: FitResult
) -> dict[str, Any]:
    """Write a training's metrics, predictions and weights; return its facts."""
    import polars as pl

    with atomic_path(folder / "metrics.parquet") as path:
        pl.DataFrame(result.history).write_parquet(path)
    _write_predictions(prepared, folder, trainer.predict)
    _write_weights(prepared, folder, trainer)
    return _training_facts(prepared, result)


def make_trainer(
    prepared: Prepared, *, folder: Path | None = None, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """Return the trainer of a placed run, its weights drawn from the run's seed."""
    import torch

    from finscale.models import build_model
    from finscale.training import Trainer

    config = prepared.config
    torch.manual_seed(config.seed)
    dataset = prepared.dataset
    shape = interface(
        config, num_features=dataset.num_features, context_length=dataset.context_length
    )
    model = build_model(config.network, **shape)
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

    # the partial folder lies among the runs
    note_reading(folder.parent, prepared.run_id, TRAINING)
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
    levels = quantile_levels(prepared.config)
    if levels:
        output = output.reshape(len(ends), len(levels))
    # quantiles: the one nearest the median is the prediction, all are kept
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
        "placement": prepared.config.placement(),
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
        "environment": environment(),
    }


def _write_info(
    prepared: Prepared,
    folder: Path,
    known: dict[str, Any],
    *,
    training: dict[str, Any],
    seconds: float,
    test_reads: int,
) -> None:
    outcome = {
        "status": "complete",
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "training": training,
        # how often the sealed windows were predicted to make this run, counted where it happens
        "test_reads": test_reads,
        # what each file was when the run was finished: a damaged one is noticed and made again
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": file_digests(path).sha256}
            for path in sorted(folder.iterdir())
            if path.is_file() and path.suffix in (".parquet", ".safetensors")
        },
    }
    write_json(folder / "run.json", {**known, **outcome})
