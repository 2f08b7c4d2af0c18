"""What a finished run leaves in its folder: predictions, weights, and ``run.json``."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config.losses import quantile_levels
from finscale.errors import FinscaleError
from finscale.experiment.preparation import Prepared
from finscale.files import atomic_path, file_digests, write_json
from finscale.hidden import hide_secrets
from finscale.runs import Run, environment
from finscale.runs.reads import TRAINING, note_reading

if TYPE_CHECKING:
    import polars as pl

    from finscale.training import FitResult, Trainer


def write_predictions(
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


def own_test_loss(run: Run) -> float | None:
    """Return the mean test loss of a run that has just been made; None where it has none.

    Training has predicted these windows and is on record for it: this is no other reading.
    """
    import polars as pl

    from finscale.evaluation.predictions import Predictions
    from finscale.evaluation.targets import target_of

    config = run.config
    target = target_of(config)
    try:
        rows = pl.read_parquet(run.folder / "predictions.parquet", glob=False)
        table = target.complete(rows, config)
        fold, mean = config.split.fold, run.info["windows"]["train_mean"]
        loss = float(Predictions(table, target, train_means={fold: mean}).losses_N.mean())
    except FinscaleError:
        return None
    return loss if math.isfinite(loss) else None


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


def write_weights(prepared: Prepared, folder: Path, trainer: Trainer) -> None:
    """Write the best weights, and beside them what their inputs are.

    That is the scale of the channels, the range of the relative columns on the rows that training
    saw, and the names of both: a run can then be used where its data are not.
    """
    import torch

    from finscale.data.spread import channel_ranges, rows_seen
    from finscale.training import save_tensors

    dataset = prepared.dataset
    seen_R = rows_seen(prepared.split.train, dataset.context_length, dataset.date_R.size)
    low_K, high_K = channel_ranges(dataset.relative_RK, seen_R)
    inputs = {
        "input_scale": torch.from_numpy(dataset.scale_F),
        "input_low": torch.from_numpy(low_K),
        "input_high": torch.from_numpy(high_K),
    }
    # one entry: safetensors writes several in any order, and the same run has the same bytes
    names = json.dumps({"channels": dataset.features, "relative": dataset.relative})
    tensors = {**trainer.weights(), **inputs}
    save_tensors(folder / "model.safetensors", tensors, {"inputs": names})


def training_facts(prepared: Prepared, result: FitResult) -> dict[str, Any]:
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
        "config": _without_secrets(prepared.config.model_dump(mode="json")),
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


def _without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Hide credentials in the address of a tracker: a run folder is passed on."""
    return {**config, "tracking": hide_secrets(config["tracking"])}


def write_info(
    prepared: Prepared,
    folder: Path,
    known: dict[str, Any],
    *,
    training: dict[str, Any],
    seconds: float,
    test_reads: int,
) -> None:
    """Write ``run.json``: what was known before, and what came of it."""
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
