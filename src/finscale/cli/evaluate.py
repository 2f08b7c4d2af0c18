"""``finscale evaluate``: what a run's predictions are worth."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.evaluate_many import IN_FULL, judgement_row, print_comparison, print_rows
from finscale.cli.evaluate_tables import print_judgement
from finscale.cli.options import (
    RUNS,
    AsJson,
    ClusterAddress,
    DataRoot,
    ExecutorName,
    Quiet,
    RunsFolder,
    console,
    print_json_text,
    progress_bar,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor


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
    executor: ExecutorName = "local",
    address: ClusterAddress = "",
    runs_folder: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge runs from their predictions; two or more are compared.

    Up to three runs are shown in full, more as one line a run, the best first. Up to ten are
    compared in pairs; of more, each is compared with the best, and the model confidence set is of
    all. Runs that differ only in their walk-forward fold are judged as one. Baselines that the run
    folder lacks are fitted; nothing else is trained.
    """
    from finscale.judging.pool import judging_pool

    # first, so that other processes import what they need while this one does
    pool: Executor | None = None
    if executor == "local" and not address:
        pool = judging_pool(len(set(runs)))
    else:
        from finscale.study.execution.executors import make_pool

        with console(quiet=quiet or as_json, stderr=True).status(f"starting {executor}"):
            pool = make_pool(executor, address=address)

    from rich.progress import TextColumn

    from finscale.data import DataStore
    from finscale.errors import ConfigError
    from finscale.evaluation.backtest import Costs
    from finscale.evaluation.operating import OperatingRule
    from finscale.judging import judge as room
    from finscale.judging.bench import Bench
    from finscale.judging.tables import Options
    from finscale.judging.writing import write_comparison, write_judgement
    from finscale.runs import RunStore
    from finscale.training.allocator import keep_freed_memory

    keep_freed_memory()
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
    models = room.join_folds(store.find_all(dict.fromkeys(runs)))
    bench = Bench(store, data, options)
    in_full, contents, terminal = len(models) <= IN_FULL, list[str](), console()
    rows: list[tuple[float, list[str]]] = []
    figures = TextColumn("{task.completed:.0f} of {task.total:.0f} runs")
    with ExitStack() as stack:
        if pool is not None:
            # interrupted, or one model refused: what is queued is not worth waiting for
            stack.callback(pool.shutdown, cancel_futures=True)
        bar = stack.enter_context(
            progress_bar(console(quiet=quiet or as_json, stderr=True), figures, width=24)
        )
        task = bar.add_task("reading", total=len(models))
        for judgement in room.judge_all(
            models, bench, progress=lambda step: bar.update(task, description=step), pool=pool
        ):
            path = write_judgement(judgement, out)
            bar.advance(task)
            if as_json:
                contents.append(path.read_text(encoding="utf-8"))
            elif in_full:
                print_judgement(judgement, terminal, quiet=quiet)
                if not quiet:
                    terminal.print(f"written   {path}\n", soft_wrap=True)
            else:
                rows.append(judgement_row(judgement))
        bar.update(task, description="comparison")
        comparison = room.judge_pairs(models, bench) if len(models) > 1 else None
    if comparison is not None:
        path = write_comparison(models, comparison, out)
    if as_json:
        # the documents as they were written: to encode them again takes longer than to judge
        pairs = "null" if comparison is None else path.read_text(encoding="utf-8")
        print_json_text(f'{{"runs": [{",".join(contents)}], "comparison": {pairs}}}')
        return
    if comparison is not None:
        titles = {room.model_id(one): room.model_title(one) for one in models}
        if not in_full:
            print_rows(judgement, rows, comparison, terminal)
        print_comparison(titles, comparison, terminal, brief=not in_full)
        if not quiet:
            where = "" if in_full else f"{out}/RUN/evaluation.json of each run, "
            terminal.print(f"written   {where}{path}", soft_wrap=True)
