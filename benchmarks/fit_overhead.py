"""What a whole fit spends outside of its steps, and whole fits against the field's.

    python benchmarks/fit_overhead.py [--only shares,independent-55k,independent-2M] [--rounds 1]
                                      [--threads 2]

*Shares*: one ``run_experiment`` on the bundled S&P 500's windows as ``finscale train`` makes it,
with progress bar, thermal watch, trackers' callback and resume folder. The fit goes from data in
memory to the best weights loaded again: model and prepared windows made, every step, validation
after each epoch, resume points. Each second of it belongs to one part: *steps* (optimiser steps),
*validation* (its forward passes), *preparing*, *saving*, *callbacks*, *loop* (what is left). What
comes after the fit, predictions and the run folder, is told beside it. The first fit of a process
also imports and sets up libraries; the others are what a study's worker does.

*Whole fits*, channel-independent, against ``transformers.Trainer`` and ``NeuralForecast.fit`` on
the same rows: as many windows of 25 channels × 80 rows in training and in validation, two epochs,
batch 64, validation after each, AdamW. Ours and transformers' clip gradients, keep resume points
and load the best; neuralforecast's does not, and draws its windows anew for each step. Windows a
second are training windows over the wall time of the call. A study's fit takes fifty times the
steps, and spends less of its time outside of them.

Every contender lives in a process of its own with all cores and takes its turn; a short fit that
sets its libraries up comes first. Medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from fit_common import Parts, progress_bar
from machine import precisions, write_results
from workers import Worker, serve

RECIPE = Path(__file__).parents[1] / "configs/daily/threshold_1pct.yaml"
#: Parameters, and fits after the first: of 2M one takes most of a minute, and set-up little of it.
SIZES = {"10k": 3, "200k": 2, "2M": 0}
EPOCHS, BATCH = 2, 64
#: Budget, windows of training and of validation: a peer's step of 2M takes a second and a half.
CASES = {"independent-55k": ("55k", 512, 128), "independent-2M": ("2M", 192, 64)}
CONTENDERS = [
    (who, precision)
    for who in ("finscale", "transformers", "neuralforecast")
    for precision in precisions()
]


def watched() -> Parts:
    """Time the parts of every fit of this process."""
    from finscale.experiment import experiment
    from finscale.training import ProgressBar, ThermalCallback, TrackingCallback, Trainer, fit
    from finscale.training.state import TrainState

    parts = Parts()
    parts.watch(fit, "step", "steps")
    parts.watch(Trainer, "validate", "validation")
    parts.watch(fit, "setup", "preparing")
    parts.watch(experiment, "make_trainer", "preparing")
    for owner, name in (
        (Trainer, "save"),
        (TrainState, "keep_best"),
        (TrainState, "restore_best"),
    ):
        parts.watch(owner, name, "saving")
    for callback in (ProgressBar, ThermalCallback, TrackingCallback):
        for name in vars(callback).keys() & {
            "on_fit_start",
            "on_step_end",
            "on_epoch_end",
            "on_fit_end",
        }:
            parts.watch(callback, name, "callbacks")
    parts.watch(fit, "fit", "loop")
    parts.watch(experiment, "_write_training", "after the fit")
    parts.watch(experiment, "write_info", "after the fit")
    return parts


def serve_shares(budget: str) -> None:
    from finscale.config import ExperimentConfig, load_config
    from finscale.experiment import prepare, run_experiment
    from finscale.runs import RunStore

    config = load_config(ExperimentConfig, RECIPE, [f"model.budget={budget}"])
    prepare(config)
    parts = watched()

    def fit(_: str) -> dict[str, Any]:
        parts.seconds.clear()
        with tempfile.TemporaryDirectory() as folder:
            run = run_experiment(config, runs=RunStore(folder), callbacks=[progress_bar()])
            steps = run.info["training"]["steps"]
        return {"seconds": dict(parts.seconds), "steps": steps}

    serve({}, fit)


def shares() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {size: Worker(__file__, ["shares", size], stack, is_ours=True) for size in SIZES}
        fits = [
            {size: worker.ask("fit") for size, worker in workers.items() if turn <= SIZES[size]}
            for turn in range(max(SIZES.values()) + 1)
        ]
    for size in SIZES:
        first, *others = [_row(one[size]) for one in fits if size in one]
        others = others or [first]
        found[size] = {
            **{name: statistics.median(row[name] for row in others) for name in others[0]},
            "first fit of a process": first,
        }
    return found


def _row(fit: dict[str, Any]) -> dict[str, float]:
    seconds = dict(fit["seconds"])
    after = seconds.pop("after the fit")
    whole = sum(seconds.values())
    return {
        "seconds": whole,
        "steps taken": fit["steps"],
        **{part: value / whole for part, value in seconds.items()},
        "seconds after the fit": after,
    }


def print_shares(found: dict[str, Any]) -> None:
    for size, row in found.items():
        for title, one in ((size, row), ("first", row["first fit of a process"])):
            inside = one["steps"] + one["validation"]
            parts = ("steps", "validation", "preparing", "saving", "callbacks", "loop")
            words = "  ".join(f"{part} {one[part]:.1%}" for part in parts)
            print(
                f"{title:>6} {one['seconds']:6.2f} s, {one['steps taken']:.0f} steps:  {words}  "
                f"· steps + validation {inside:.1%}; {one['seconds after the fit']:.2f} s after",
                flush=True,
            )


def serve_whole(case: str, who: str, precision: str, threads: str) -> None:
    import torch
    from fit_peers import FITS, Windows

    from finscale.config import ExperimentConfig, load_config
    from finscale.experiment import prepare
    from finscale.experiment.preparation import interface
    from finscale.models.build import design
    from finscale.models.patchtst.entry import sizes_of

    torch.set_num_threads(int(threads))
    budget, num_train, num_validation = CASES[case]
    settings = [
        f"model.budget={budget}",
        "model.channels=independent",
        f"training.batch_size={BATCH}",
        f"training.epochs={EPOCHS}",
        f"training.threads={threads}",
        f"training.precision={'fp32' if precision == 'fp32' else 'bf16-mixed'}",
    ]
    prepared = prepare(load_config(ExperimentConfig, RECIPE, settings))
    made = design(prepared.config.network, **interface(prepared.config, prepared.dataset))
    windows = Windows(
        prepared, sizes_of(made.config, made.interface), num_train, num_validation, EPOCHS
    )
    fit: Callable[[Windows, str], dict[str, float]] = FITS[who]
    short = replace(windows, num_train=BATCH, num_validation=BATCH)
    serve({}, lambda asked: fit(short if asked == "warm up" else windows, precision))


def whole(case: str, num_rounds: int, threads: int) -> dict[str, Any]:
    with ExitStack() as stack:
        workers = {
            f"{who} {precision}": Worker(
                __file__,
                [case, who, precision, str(threads)],
                stack,
                is_ours=who == "finscale",
            )
            for who, precision in CONTENDERS
        }
        for worker in workers.values():
            worker.ask("warm up")
        fits = [
            {title: worker.ask("fit") for title, worker in workers.items()}
            for _ in range(num_rounds)
        ]
    _, num_train, _ = CASES[case]
    found: dict[str, Any] = {}
    for title in workers:
        rows = [one[title] for one in fits]
        seconds = statistics.median(row["seconds"] for row in rows)
        found[title] = {
            "windows/s": EPOCHS * num_train / seconds,
            **{
                part: statistics.median(row[part] / row["seconds"] for row in rows)
                for part in ("steps", "validation")
            },
        }
    return found


def print_whole(case: str, found: dict[str, Any]) -> None:
    _, num_train, num_validation = CASES[case]
    print(f"{case}: {EPOCHS} epochs of {num_train} windows, {num_validation} of validation")
    best = max(row["windows/s"] for title, row in found.items() if title.startswith("finscale"))
    for title, row in found.items():
        outside = 1 - row["steps"] - row["validation"]
        peer = not title.startswith("finscale")
        ratio = f"  finscale's best {best / row['windows/s']:.2f} ×" if peer else ""
        print(
            f"  {title:22} {row['windows/s']:8.1f} windows/s  steps {row['steps']:.1%}  "
            f"validation {row['validation']:.1%}  outside of both {outside:.1%}{ratio}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(("shares", *CASES)))
    parser.add_argument("--rounds", type=int, default=1, help="of whole fits")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, *words = arguments.worker
        serve_shares(*words) if kind == "shares" else serve_whole(kind, *words)
        return
    wanted = arguments.only.split(",")
    figures: dict[str, Any] = {}
    if "shares" in wanted:
        figures["shares of a fit"] = shares()
        print_shares(figures["shares of a fit"])
    for case in CASES.keys() & set(wanted):
        figures[case] = whole(case, arguments.rounds, arguments.threads)
        print_whole(case, figures[case])
    if set(wanted) == {"shares", *CASES}:
        write_results("fit_overhead", figures)


if __name__ == "__main__":
    main()
