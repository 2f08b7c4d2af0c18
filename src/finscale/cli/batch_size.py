"""``finscale find-batch-size``: the batch that trains fastest on this machine, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import (
    AsJson,
    DataRoot,
    Quiet,
    Settings,
    console,
    print_json,
    say,
    with_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.training.batch_size import BatchSizeReport, Probe


def find_batch_size(
    config: Annotated[
        str, typer.Argument(help="The recipe whose data and shapes count.")
    ] = "threshold_1pct",
    budget: Annotated[
        str | None, typer.Option(help="Parameter count: 250k, 2M, 20M or any number.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Another symbol, such as SPY.")] = None,
    settings: Settings = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    write: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write the answer into this config, as training.batch_size."
        ),
    ] = None,
) -> None:
    """Measure batch sizes from 8 upwards, each in its own process, and print the best.

    The answer enters a run only where it stands in the run's config: --write puts it there.
    """
    from finscale.cli.fitting import load_fitting
    from finscale.config.editing import write_setting
    from finscale.experiment import prepare
    from finscale.experiment.place import place
    from finscale.training import find_batch_size as find

    changes = with_options(
        settings,
        budget=("model.budget", budget),
        symbol=("data.symbols", symbol),
        data_root=("data.root", data_root),
    )
    experiment, note = load_fitting(Path(config), changes)
    prepared = place(prepare(experiment))
    terminal = console(quiet=quiet or as_json)
    if note:
        say(note, terminal)
    terminal.print(f"{'batch':>8} {'samples/s':>12} {'peak':>10}", highlight=False)
    report = find(
        prepared.config.network,
        training=prepared.config.training,
        task=prepared.config.task,
        num_features=prepared.num_features,
        context_length=prepared.config.data.context_length,
        num_windows=len(prepared.split.train),
        watch=lambda probe: _print_probe(probe, terminal),
    )
    if write is not None:
        write_setting(write, "training", "batch_size", report.batch_size)
    if as_json:
        print_json(report.to_dict())
    elif quiet:
        console().print(report.batch_size)
    else:
        _print_report(report, write, terminal)


def _print_probe(probe: Probe, terminal: Console) -> None:
    # three significant digits, or all of a number that has more before the point
    rate = probe.samples_per_second
    speed = "–" if not rate else f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    peak = f"{probe.peak_bytes / 2**30:.2f} GiB" if probe.peak_bytes else "–"
    terminal.print(f"{probe.batch_size:>8} {speed:>12} {peak:>10}  {probe.note}".rstrip())


def _print_report(report: BatchSizeReport, written: Path | None, terminal: Console) -> None:
    terminal.print(
        f"batch {report.batch_size}: the smallest within 5 % of the best speed that fits in "
        f"{report.allowed_bytes / 2**30:.1f} GiB (15 % stay free) and in "
        f"{report.num_windows:,} training windows",
        soft_wrap=True,
    )
    if written is None:
        how = "a run takes it with --set, or from its config: --write CONFIG puts it there"
    else:
        how = f"written to {written}: training.batch_size: {report.batch_size}"
    terminal.print(how)
