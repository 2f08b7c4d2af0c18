"""``finscale evaluate``: what a run's predictions are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finscale.cli.evaluate_tables import print_comparison, print_judgement
from finscale.cli.options import RUNS, AsJson, DataRoot, Quiet, RunsFolder, console, print_json


def evaluate(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="First digits of run ids, or folders.")
    ],
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline", help="Report the skill over this baseline, or all. May be repeated."
        ),
    ] = None,
    threshold: Annotated[
        str,
        typer.Option(help="Operating point on validation: precision=0.4, recall=0.5 or top=10%."),
    ] = "recall=0.5",
    entry: Annotated[str, typer.Option(help="Backtest: trade at the close or next open.")] = (
        "close"
    ),
    cost: Annotated[
        float | None, typer.Option(help="Backtest: one-way cost in basis points, all included.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Of every bootstrap.")] = 1000,
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json of each run.")] = Path(
        "evaluations"
    ),
    runs_folder: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge runs from their predictions; two or more are compared in pairs.

    Runs that differ only in their walk-forward fold are judged as one. Baselines that the run
    folder lacks are fitted; nothing else is trained.
    """
    from finscale.data import DataStore
    from finscale.errors import ConfigError
    from finscale.evaluation.backtest import Costs
    from finscale.evaluation.operating import OperatingRule
    from finscale.runs import RunStore
    from finscale.study import evaluate as room
    from finscale.study.judging import Options

    if entry not in ("close", "open"):
        raise ConfigError(f"--entry {entry} is neither close nor open.")
    options = Options(
        baselines=None if baseline is None else tuple(baseline),
        rule=OperatingRule.parse(threshold),
        entry="open" if entry == "open" else "close",
        costs=Costs() if cost is None else Costs(cost, 0.0, 0.0),
        num_replicates=replicates,
    )
    store = RunStore(runs_folder)
    data = DataStore(data_root) if data_root else None
    judged = room.candidates([store.find(prefix) for prefix in dict.fromkeys(runs)])
    contents: list[dict[str, Any]] = []
    terminal = console()
    with console(quiet=quiet or as_json, stderr=True).status("reading") as status:
        for candidate in judged:
            judgement = room.judge(
                candidate,
                store,
                data=data,
                options=options,
                progress=lambda step: status.update(step),
            )
            path = room.write_judgement(judgement, out)
            contents.append(judgement.to_json())
            if not as_json:
                print_judgement(judgement, terminal, quiet=quiet)
            if not (as_json or quiet):
                terminal.print(f"written   {path}\n", soft_wrap=True)
        comparison = (
            room.judge_pairs(judged, store, data=data, options=options) if len(judged) > 1 else None
        )
    if comparison is not None:
        path = room.write_comparison(judged, comparison, out)
        if not as_json:
            print_comparison(judged, comparison, terminal)
        if not (as_json or quiet):
            terminal.print(f"written   {path}", soft_wrap=True)
    if as_json:
        from finscale.files import read_json

        pairs = None if comparison is None else read_json(path)
        print_json({"runs": contents, "comparison": pairs})
