"""``finscale predict``: what a run, or all runs of a size, say of the newest bars."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Quiet,
    RunsFolder,
    between,
    console,
    plain_table,
    print_json,
    say,
)
from finscale.errors import ConfigError, FinscaleError, did_you_mean, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.experiment.forecasting import Forecasts
    from finscale.experiment.new_bars import NewBars
    from finscale.experiment.trained_run import TrainedRun

#: Runs that the head of the table names.
_NAMED = 3


def predict(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|STUDY",
            help="First digits of a run's id, or its folder; or the name, folder or file of a "
            "study.",
        ),
    ],
    symbol: Annotated[
        str | None, typer.Option(help="Whose bars; the run's own symbols when absent.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Bars of a file, read as `finscale data import` reads it.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest rows.")] = 5,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Of a study: which size, such as 2M. Repeated for a second axis."),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Of a study that compares several: which one.")
    ] = None,
    every_fold: Annotated[
        bool,
        typer.Option(
            "--every-fold", help="Of a study: the runs of all folds, not of the latest alone."
        ),
    ] = False,
    calibration: Annotated[
        str,
        typer.Option(
            help="Map of logits fitted on validation: platt, temperature, beta, isotonic or none."
        ),
    ] = "platt",
    confidence: Annotated[
        float, typer.Option(callback=between(0, 1), help="Of sets and intervals.")
    ] = 0.9,
    adjustment: Annotated[
        str | None,
        typer.Option(help="Of --file: what has been done to its prices, where it does not tell."),
    ] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Of --file: its exchange's calendar, such as XNYS or none.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the rows as well: a .csv, .parquet or .json file.")
    ] = None,
    runs: RunsFolder = RUNS,
    studies: Annotated[
        Path, typer.Option("--studies", file_okay=False, help="Folder that holds the studies.")
    ] = Path("studies"),
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict on bars whose label nobody knows yet, the newest one included.

    Features are built and scaled as in training. Of several runs the calibrated probabilities are
    averaged. Nothing is trained, and the test part is not read.
    """
    from finscale.evaluation.calibrators import CALIBRATORS
    from finscale.experiment.forecasting import forecast
    from finscale.experiment.new_bars import new_bars_of

    if calibration not in ("none", *CALIBRATORS):  # refused before anything is read
        hint = did_you_mean(calibration, ("none", *CALIBRATORS))
        raise ConfigError(f"{calibration!r} is not a calibration method.", hint=hint)
    if out is not None and out.suffix not in _WRITERS:
        raise ConfigError(f"--out {out}: rows are written as .csv, .parquet or .json.")
    options = {"adjustment": adjustment, "calendar": calendar}
    options = {name: value for name, value in options.items() if value is not None}
    if options and file is None:
        raise ConfigError(f"--{next(iter(options))} belongs to --file, and there is none.")
    chosen = _runs_of(name, runs, studies, data_root, size or [], architecture, every_fold)
    bars = new_bars_of(chosen[0], chosen[0].data, symbol=symbol or "", file=file, **options)
    found = forecast(chosen, bars, last=last, calibration=calibration, confidence=confidence)
    if out is not None:
        _write(found, out)
    if as_json:
        print_json(found.to_dict())
        return
    _print(found, chosen, bars, console(), quiet=quiet)
    if out is not None and not quiet:
        say(f"written   {out}")


def _runs_of(
    name: str,
    runs: Path,
    studies: Path,
    data_root: Path | None,
    sizes: list[str],
    architecture: str | None,
    every_fold: bool,
) -> list[TrainedRun]:
    """Return the run that is named, or the runs of a study's size."""
    from finscale.experiment import load_run
    from finscale.runs import RunStore
    from finscale.study.chosen_runs import runs_at_size, study_folder, study_names

    store = RunStore(runs)
    folder = study_folder(name, studies)
    asked = [
        option
        for option, given in (
            ("--size", sizes),
            ("--architecture", architecture),
            ("--every-fold", every_fold),
        )
        if given
    ]
    if folder is not None:
        found = runs_at_size(
            folder, store, sizes=sizes, architecture=architecture or "", every_fold=every_fold
        )
        return [load_run(run, data_root=data_root) for run in found]
    known = study_names(studies)
    try:
        run = load_run(name, runs=store, data_root=data_root)
    except FinscaleError:
        if re.fullmatch(r"[0-9a-f]{1,16}", name) and not asked:
            raise
        near = nearest(name, known)
        hint = f"Did you mean {near}?" if near else f"Studies: {', '.join(known) or 'none'}."
        raise FinscaleError(
            f"{name} is no study in {studies} and no run in {store.place}.",
            hint=f"{hint} `finscale runs list` shows runs",
        ) from None
    if asked:
        raise ConfigError(
            f"{name} is a run, and {asked[0]} belongs to a study.",
            hint="name a study: " + (", ".join(known) or f"there is none in {studies}"),
        )
    return [run]


def _write_json(found: Forecasts, path: Path) -> None:
    from finscale.files import null_for_nan, write_json

    write_json(path, null_for_nan(found.to_dict()))


_WRITERS: dict[str, Any] = {
    ".csv": lambda found, path: found.table.write_csv(path),
    ".parquet": lambda found, path: found.table.write_parquet(path),
    ".json": _write_json,
}


def _write(found: Forecasts, path: Path) -> None:
    from finscale.files import atomic_path

    with atomic_path(path) as temporary:
        _WRITERS[path.suffix](found, temporary)


def _print(
    found: Forecasts,
    runs: list[TrainedRun],
    bars: list[NewBars],
    terminal: Console,
    *,
    quiet: bool,
) -> None:
    """Print who says what of which days, and what to be careful of."""
    if not quiet:
        _line(terminal, "runs" if len(runs) > 1 else "run", _run_words(runs))
        _line(terminal, "trained", _training_words(runs[-1]))
        _line(terminal, "forecast", found.question)
        for one in found.facts["data"]:
            _line(terminal, "data", _data_words(one))
        _line(terminal, "newest", found.label)
        terminal.print()
    columns, rows = _cells(found, several=len(bars) > 1)
    terminal.print(
        plain_table(columns, rows, left=("date", "symbol", "set", "part"), whole=columns)
    )
    if quiet:
        return
    terminal.print()
    say(_legend(found), terminal)
    for warning in found.warnings:
        _line(terminal, "careful", warning)


def _line(terminal: Console, name: str, text: str) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 0))
    grid.add_column(width=10, style="bold")
    grid.add_column()
    grid.add_row(Text(name), Text(text))
    terminal.print(Padding(grid, 0))


def _run_words(runs: list[TrainedRun]) -> str:
    from finscale.config import BaselineConfig, format_count
    from finscale.config.universes import symbols_in_words
    from finscale.models import ARCHITECTURES

    first, model = runs[0], runs[0].config.model
    data = first.config.data
    if isinstance(model, BaselineConfig):
        title = f"baseline {model.name}, fitted again"
    else:
        count = format_count(first.info["parameters"]["total"])
        title = f"{ARCHITECTURES[model.kind].title} {count}"
    about = f"{title} · {symbols_in_words(data)} {data.tier}"
    if len(runs) == 1:
        return f"{first.id} · {about} · seed {first.config.seed}"
    folds = sorted({run.config.split.fold for run in runs})
    seeds = len({run.config.seed for run in runs})
    named = ", ".join(run.id[:8] for run in runs[:_NAMED])
    more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
    fold = f"fold {folds[0]}" if len(folds) == 1 else f"folds {folds[0]}–{folds[-1]}"
    return f"mean of {len(runs)} ({seeds} seeds, {fold}): {named}{more} · {about}"


def _training_words(run: TrainedRun) -> str:
    """Return the datasets behind a run with their digests, and where its validation lies."""
    entries = run.info["data"]
    named = ", ".join(
        f"{entry['id']}@{entry['version']} md5 {entry['md5'][:8]}" for entry in entries[:_NAMED]
    )
    more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
    days = run.decisions("validation")["date"].sort()
    return f"on {named}{more} · validation {days[0]} … {days[-1]}"


def _data_words(facts: dict[str, Any]) -> str:
    where = facts.get("id") or facts.get("file") or facts["source"]
    digest = facts.get("md5") or facts.get("sha256") or ""
    return (
        f"{facts['symbol']} · {facts['bars']:,} bars to {facts['last_date']} · {where} · "
        f"{'md5' if facts.get('md5') else 'sha256'} {digest[:8]}"
    )


def _cells(found: Forecasts, *, several: bool) -> tuple[list[str], list[list[str]]]:
    table = found.table
    columns, rows = ["date", *(["symbol"] if several else [])], []
    is_event = "probability" in table.columns
    columns += ["probability"] if is_event else ["value %", "low %", "high %"]
    columns += ["set"] if "set" in table.columns else []
    has_runs = [name for name in table.columns if name.startswith("run_")]
    columns += ["over runs"] if has_runs else []
    columns += ["part", "beyond"]
    for row in table.to_dicts():
        cells = [str(row["date"]), *([row["symbol"]] if several else [])]
        if is_event:
            cells.append(_probability(row["probability"]))
            cells += [row["set"]] if "set" in row else []
        else:
            cells += [_percent(row.get(name)) for name in ("value", "low", "high")]
        if has_runs:
            own = [row[name] for name in has_runs]
            shown = _probability if is_event else _percent
            cells.append(f"{shown(min(own))} … {shown(max(own))}")
        rows.append([*cells, row["part"], "–" if row["beyond"] is None else str(row["beyond"])])
    return columns, rows


def _probability(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.2f}".replace("-", "−")


def _legend(found: Forecasts) -> str:
    share = f"{100 * found.facts['confidence']:g} %"
    calibration = found.facts["calibration"]
    if "probability" in found.table.columns:
        how = (
            "not calibrated"
            if calibration["method"] == "none"
            else f"calibrated ({calibration['method']}) on {calibration['rows']:,} validation rows"
        )
        first = f"probability: {how}\nset: what cannot be excluded at {share}"
        if "set" in found.table.columns and (found.table["set"] == "none").any():
            first += "; none: validation had next to no day like it"
    else:
        first = f"value: log return in per cent\nlow, high: conformal interval at {share}"
    return (
        f"{first}\npart: what the run did with that day\n"
        "beyond: columns outside the range of training"
    )
