"""One run by several processes: the first one leads and writes, the others follow.

What the leader does that needs all of them, its followers do at the same moment: every step, every
validation, every resume point, both predictions, and the gathering of the weights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.errors import TrainingError
from finscale.experiment.place import place
from finscale.experiment.preparation import Prepared, prepare
from finscale.experiment.trainers import make_trainer
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.training.distributed import Ranks

#: What the leader tells its followers: the training that begins, or that there is none, and that
#: the run is written.
_TRAINS, _DONE = "trains", "done"


def lead(prepared: Prepared, ranks: Ranks) -> Prepared:
    """Return a run placed on this and its followers' devices.

    Raises
    ------
    TrainingError
        If it is a baseline, or does not fit.
    """
    if isinstance(prepared.config.model, BaselineConfig):
        raise TrainingError(
            "A baseline is fitted by one process.", hint="training.devices: 1, without torchrun"
        )
    return place(prepared, num_devices=ranks.size)


def begin(prepared: Prepared, folder: Path, ranks: Ranks) -> None:
    """Tell the followers that a placed run's training begins, its resume points in a folder."""
    about = {"folder": str(folder), "strategy": prepared.config.training.strategy}
    ranks.say(_TRAINS, json.dumps(about))


def end(ranks: Ranks) -> None:
    """Tell the followers that the run is written, or was there already."""
    # who has trained has heard of it
    ranks.say(_TRAINS, json.dumps(None))
    ranks.say(_DONE)


def follow(
    config: ExperimentConfig,
    ranks: Ranks,
    *,
    runs: RunStore | None = None,
    data: DataStore | None = None,
) -> Run:
    """Take part in the run that the first process leads; return it when it is written.

    Raises
    ------
    FinscaleError
        As the leader does.
    """
    load_plugins()
    store = runs or RunStore()
    training = json.loads(ranks.hear(_TRAINS))
    # data that were not there are there by now
    prepared = prepare(config, data)
    if training is not None:
        # decided once: memory may differ from machine to machine
        _take_part(prepared, training["strategy"], Path(training["folder"]), ranks)
    ranks.hear(_DONE)
    return store[prepared.run_id]


def _take_part(prepared: Prepared, strategy: str, folder: Path, ranks: Ranks) -> None:
    training = prepared.config.training.model_copy(update={"strategy": strategy})
    config = prepared.config.model_copy(update={"training": training})
    placed = place(replace(prepared, config=config), num_devices=ranks.size)
    trainer = make_trainer(placed, folder=folder, ranks=ranks)
    trainer.fit()
    for ends in (placed.split.validation, placed.split.test):
        trainer.predict(ends)
    trainer.weights()
