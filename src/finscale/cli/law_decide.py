"""`finscale law decide`: LAW, TURNS, INVERSE, NO-LAW or INDETERMINATE, from any table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    Ahead,
    AsJson,
    Drop,
    Level,
    Losses,
    OverSeeds,
    Quiet,
    Signed,
    between,
    console,
    print_json,
    say,
)
from finscale.cli.table_options import reads_table
from finscale.errors import FinscaleError

if TYPE_CHECKING:
    from finscale.scaling.table import LawTable
    from finscale.scaling.verdict import Verdict


@reads_table
def decide(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON, parquet or Excel, exports of trackers: sizes, losses, seeds, days."
        ),
    ],
    sesoi: Annotated[
        float,
        typer.Option(
            callback=between(0), help="Smallest effect of interest, stated before the runs."
        ),
    ],
    axis: Annotated[str, typer.Option("--x", help="Column of sizes.")] = "parameters",
    y: Losses = "loss",
    level: Level = 0.05,
    horizon: Ahead = 1,
    signed: Signed = False,
    shared_days: Annotated[
        bool,
        typer.Option(
            "--shared-days/--no-shared-days",
            help="Without losses by day: whether runs of one size may share luck of the test days. "
            "Say no only where each run was tested on data of its own, or on so many that their "
            "luck is none.",
        ),
    ] = True,
    by: Annotated[
        str | None,
        typer.Option(help="Column that tells several curves apart: judge each and compare them."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="With --by: write a figure of the curves: png, svg or pdf.")
    ] = None,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Decide what can be claimed from a table of runs, or what would settle an open question."""
    from finscale.scaling.digits import number
    from finscale.scaling.dropping import drops_unfinished
    from finscale.scaling.outliers import outlying_ways
    from finscale.scaling.sentences import interval, p_text
    from finscale.scaling.table import read_table
    from finscale.scaling.verdict import decide as judge

    def judged(read: LawTable, drop: Sequence[str] = ()) -> Verdict:
        return judge(
            read,
            sesoi=sesoi,
            axis=axis,
            shared_days=shared_days,
            level=level,
            horizon=horizon,
            drop=drop,
            seeds=seeds,
        )

    if by is not None:
        from finscale.cli.law_curves import decide_curves

        decide_curves(
            table,
            by,
            judged,
            axis=axis,
            y=y,
            level=level,
            horizon=horizon,
            signed=signed,
            plot=plot,
            as_json=as_json,
            quiet=quiet,
            # rules leave runs out as each curve is read
            columns={**columns, "drop": drop or (), "seeds": seeds},
        )
        return
    if plot is not None:
        raise FinscaleError(
            "--plot draws the curves of --by.", hint="for one curve: finscale law fit … --plot"
        )
    unfinished = drops_unfinished(drop or ())
    read = read_table(table, x=axis, y=y, signed=signed, unfinished=unfinished, **columns)
    verdict = judged(read, drop or ())
    if as_json:
        print_json({**verdict.to_dict(), "notes": list(read.notes)})
        return
    terminal = console()
    terminal.print(verdict.sentence)
    if quiet:
        return
    law, constant = verdict.held_out
    terminal.print(
        f"falls {p_text(verdict.p_improves)} · rises {p_text(verdict.p_worsens)} · "
        f"turns {p_text(verdict.p_turns)} · within ±{number(sesoi)} {p_text(verdict.p_equivalent)}"
    )
    terminal.print(
        f"whole gain {read.measure.amount(interval(verdict.gain))} · next tenfold "
        f"{interval(verdict.next_tenfold)} · largest size missed by {number(law)} "
        f"(constant: {number(constant)})"
    )
    if verdict.outlying:
        ways = outlying_ways(verdict.outlying)
        terminal.print(f"runs that stand apart count here; by a rule stated beforehand, {ways}")
    if verdict.up_to_best is not None:
        terminal.print(f"up to there  {verdict.up_to_best.sentence}")
    for note in read.notes:
        say(f"note         {note}", terminal)
