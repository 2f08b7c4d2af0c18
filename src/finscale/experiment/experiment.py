"""One experiment: from bars to a run folder.

``finscale train``, a study and a notebook all come through :func:`run_experiment`, so a run has the
same bits wherever it was started.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.calling import spoken
from finscale.config import BaselineConfig, ExperimentConfig
from finscale.errors import FinscaleError, TrainingError, TrainingPaused
from finscale.experiment.baseline_fit import fitted_baseline
from finscale.experiment.place import note_placement, place
from finscale.experiment.preparation import Prepared, prepare
from finscale.experiment.programs import program_of
from finscale.experiment.together import begin, end, follow, lead
from finscale.experiment.trainers import make_trainer
from finscale.experiment.writing import (
    facts,
    own_test_loss,
    training_facts,
    write_info,
    write_predictions,
    write_weights,
)
from finscale.files import atomic_path
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore, exclusive, partial_folder

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.training import Callback, FitResult, Trainer
    from finscale.training.distributed import Ranks


#: A network's run, its unfinished folder and its callbacks.
_Network = tuple["Prepared", Path, "Sequence[Callback]"]
#: Parameters from which on the memory that a training leaves is given back at once.
_WORTH_RELEASING = 5_000_000


@spoken('run_experiment(ExperimentConfig.from_file("threshold_1pct"))')
def run_experiment(
    config: ExperimentConfig,
    *,
    runs: RunStore | None = None,
    data: DataStore | None = None,
    callbacks: Sequence[Callback] = (),
    announce: Callable[[Prepared], None] | None = None,
    ranks: Ranks | None = None,
) -> Run:
    """Train (or fit a baseline), predict validation and test, and write the run folder.

    A run that is in the store already is returned as it is; a run that was killed goes on from its
    last resume point and ends with the same bits as an undisturbed one.

    Parameters
    ----------
    config : ExperimentConfig
        Which run.
    runs : RunStore, optional
        Where runs lie, in a folder or at an address; ``runs/`` when absent.
    data : DataStore, optional
        Where data lie; ``config.data.root`` when absent.
    callbacks : sequence of Callback
        Progress bars, thermal guard, trackers.
    announce : callable, optional
        Told what is about to happen, before it happens.
    ranks : Ranks, optional
        The processes that make the run together; each calls this, and the first one writes.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    FinscaleError
        With one sentence, if the data, the budget or the training is at fault.
    """
    if ranks is not None and not ranks.leads:
        return follow(config, ranks, runs=runs, data=data)
    (outcome,) = run_experiments(
        [config],
        runs=runs,
        data=data,
        callbacks=lambda _: callbacks,
        announce=lambda prepared: announce(prepared[0]) if announce else None,
        ranks=ranks,
    )
    if isinstance(outcome, FinscaleError):
        raise outcome
    if ranks is not None:
        end(ranks)
    return outcome


def run_experiments(
    configs: Sequence[ExperimentConfig],
    *,
    runs: RunStore | None = None,
    data: DataStore | None = None,
    callbacks: Callable[[int], Sequence[Callback]] = lambda place: (),
    announce: Callable[[Sequence[Prepared]], None] = lambda prepared: None,
    done: Callable[[int, Run | FinscaleError], None] = lambda place, outcome: None,
    ranks: Ranks | None = None,
) -> list[Run | FinscaleError]:
    """Make several runs; networks that differ by seed or rates alone train as one program.

    Each comes to what it does alone, up to rounding and dropout's masks
    (:mod:`finscale.training.ensemble`).

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
    ranks : Ranks, optional
        As for :func:`run_experiment`; with one config alone.

    Returns
    -------
    list of Run or FinscaleError
        A run that failed while others went on stands as its error.
    """
    load_plugins()
    store = runs or RunStore()
    prepared = [_placed(prepare(config, data), store, ranks) for config in configs]
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
            if store.is_whole(one.run_id) or store.recover(one.run_id, own_test_loss):
                note(place, store[one.run_id])
                continue
            if store.remote is not None and not missing:
                store.remote.require_writable()
            store.discard(one.run_id)
            missing[place] = partial_folder(store.folder, one.run_id)
            missing[place].mkdir(parents=True, exist_ok=True)

        def publish_run(place: int, error: FinscaleError | None) -> None:
            run_id = prepared[place].run_id
            try:
                if error is None:
                    store.publish(run_id, missing[place], own_test_loss)
            except FinscaleError as kept:
                error = kept
            note(place, error or store[run_id])

        programs: dict[str, dict[int, _Network]] = {}
        for place, folder in missing.items():
            one = prepared[place]
            if isinstance(one.config.model, BaselineConfig):
                _fit_baseline(one, folder)
                publish_run(place, None)
            else:
                name = program_of(one) or f"alone {place}"
                programs.setdefault(name, {})[place] = one, folder, callbacks(place)
        for networks in programs.values():
            _train(networks, publish_run, ranks)
    return [outcomes[place] for place in range(len(prepared))]


def _placed(prepared: Prepared, store: RunStore, ranks: Ranks | None) -> Prepared:
    """Place a run on this machine; a finished one keeps the placement that it had."""
    if store.is_whole(prepared.run_id):
        return replace(prepared, config=store[prepared.run_id].config)
    if ranks is None:
        return place(prepared)
    return lead(prepared, ranks)


def _fit_baseline(prepared: Prepared, folder: Path) -> None:
    started = time.perf_counter()
    dataset, split = prepared.dataset, prepared.split
    baseline = fitted_baseline(prepared.config, dataset, split)
    reads = 0

    def predict(ends: np.ndarray) -> np.ndarray:
        nonlocal reads
        reads += bool(np.isin(ends, split.test).any())
        return baseline.predict(dataset.frame, ends)

    write_predictions(prepared, folder, predict)
    seconds = time.perf_counter() - started
    write_info(prepared, folder, facts(prepared), training={}, seconds=seconds, test_reads=reads)


def _train(
    networks: Mapping[int, _Network],
    done: Callable[[int, FinscaleError | None], None],
    ranks: Ranks | None = None,
) -> None:
    """Train networks as one program, write what each came to, and tell ``done`` of each."""
    from finscale.training import ThermalCallback, TrackingCallback, TrackingManager

    started = time.perf_counter()
    if len(networks) > 1:
        networks = {
            place: (_plain(prepared), folder, callbacks)
            for place, (prepared, folder, callbacks) in networks.items()
        }
    with contextlib.ExitStack() as stack:
        trainers: dict[int, tuple[Trainer, TrackingManager]] = {}
        earlier: dict[int, list[dict[str, Any]]] = {}
        for place, (prepared, folder, callbacks) in networks.items():
            config = prepared.config
            tracking = stack.enter_context(TrackingManager(config.tracking))
            tracking.start(run_name=prepared.run_id, config=facts(prepared))
            watchers = [*callbacks, TrackingCallback(tracking)]
            # one thermometer will do for all
            if config.training.thermal.enabled and not trainers:
                watchers.append(ThermalCallback(config.training.thermal))
            *earlier[place], _ = note_placement(folder / "resume", config)
            if ranks is not None:
                begin(prepared, folder / "resume", ranks)
            trainer = make_trainer(
                prepared, folder=folder / "resume", callbacks=watchers, ranks=ranks
            )
            trainers[place] = trainer, tracking
        results = _fit([trainer for trainer, _ in trainers.values()])
        trained = time.perf_counter() - started
        for result, (place, (trainer, tracking)) in zip(results, trainers.items(), strict=True):
            if isinstance(result, FinscaleError):
                tracking.finish("failed")
                done(place, result)
                continue
            prepared, folder, _ = networks[place]
            began = time.perf_counter()
            training = _write_training(prepared, folder, trainer, result)
            tracking.log_config({"training_result": training})
            # a program's time is shared by its runs
            seconds = trained / len(trainers) + time.perf_counter() - began
            known = {**facts(prepared), "earlier_placements": earlier[place]}
            write_info(
                prepared,
                folder,
                known,
                training=training,
                seconds=seconds,
                test_reads=trainer.test_reads,
            )
            done(place, None)
    _leave_memory([prepared for prepared, _, _ in networks.values()])


def _plain(prepared: Prepared) -> Prepared:
    """Return the run with torch's own kernels: finscale's compute one model at a time."""
    training = prepared.config.training.model_copy(update={"kernels": "torch"})
    return replace(prepared, config=prepared.config.model_copy(update={"training": training}))


def _fit(trainers: Sequence[Trainer]) -> Sequence[FitResult | TrainingError]:
    if len(trainers) > 1:
        from finscale.training.ensemble import fit_ensemble

        return fit_ensemble(trainers)
    try:
        return [trainers[0].fit()]
    except TrainingPaused:
        raise
    except TrainingError as error:
        return [error]


def _leave_memory(networks: Sequence[Prepared]) -> None:
    """Give memory back after large models: a worker's next run may be of another shape."""
    from finscale.training.allocator import release_freed_memory

    counts = [one.counts.total for one in networks if one.counts is not None]
    if sum(counts) >= _WORTH_RELEASING:
        release_freed_memory()


def _write_training(
    prepared: Prepared, folder: Path, trainer: Trainer, result: FitResult
) -> dict[str, Any]:
    """Write a training's metrics, predictions and weights; return its facts."""
    import polars as pl

    with atomic_path(folder / "metrics.parquet") as path:
        pl.DataFrame(result.history).write_parquet(path)
    write_predictions(prepared, folder, trainer.predict)
    write_weights(prepared, folder, trainer)
    return training_facts(prepared, result)
