"""``finscale controls``: calibrate the instrument before it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import AsJson, Quiet, console, plain_table, print_json, progress_bar

if TYPE_CHECKING:
    from finscale.controls import ControlsReport

controls_app = typer.Typer(
    help="Judge worlds of known truth, and count the mistakes.", no_args_is_help=True
)


@controls_app.callback()
def _root() -> None:
    """Judge worlds of known truth, and count the mistakes."""


@controls_app.command()
def run(
    names: Annotated[
        list[str] | None, typer.Argument(help="Controls; a quick selection when absent.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All controls, 300 worlds each.")] = False,
    replicates: Annotated[int | None, typer.Option(min=1, help="Worlds of each control.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the suite.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the results as JSON here.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Write the figure here: png, svg or pdf.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run controls; exits with status 1 when an acceptance figure is missed.

    The quick selection takes under a minute, --full up to half an hour on two cores.
    """
    from finscale.controls import draw_figure, run_controls
    from finscale.controls.suite import FULL, QUICK, QUICK_CONTROLS
    from finscale.files import figure_format, null_for_nan, write_json

    if figure is not None:
        figure_format(figure)  # refused before anything is computed
    chosen = names or (None if full else list(QUICK_CONTROLS))
    worlds = replicates or (FULL if full else QUICK)
    terminal = console(quiet=quiet or as_json)
    with progress_bar(terminal) as bar:
        tasks = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        report = run_controls(
            chosen, num_replicates=worlds, workers=workers, seed=seed, progress=advance
        )
    if out is not None:
        write_json(out, null_for_nan(report.to_dict()))
    if figure is not None:
        draw_figure(report, figure)
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)
    raise typer.Exit(0 if report.passed else 1)


def _show(report: ControlsReport) -> None:
    # INDETERMINATE, in a column's width
    verdicts = {name: name for name in ("LAW", "INVERSE", "TURNS", "NO-LAW")}
    verdicts["open"] = "INDETERMINATE"
    if any(result.rates["refused"] for result in report.results):
        verdicts["refused"] = "refused"
    rows = []
    for result in report.results:
        exponent = ""
        if result.exponent is not None and result.truth is not None:
            exponent = f"{result.exponent:.3f} ({result.truth.exponent:.3f})"
        marks = []
        for check in result.checks:
            mark = "✓" if check.passed else "~" if check.excused else "✗"
            marks.append(f"{mark} {check.measure} {check.rate:.1%} {check.limits}")
        rates = (f"{result.rates[name]:.1%}" for name in verdicts.values())
        rows.append((result.name, *rates, exponent, "\n".join(marks)))
    columns = ("control", *verdicts, "exponent (true)", "acceptance")
    terminal = console()
    terminal.print(plain_table(columns, rows, left=("control", "acceptance")))
    checks = [check for result in report.results for check in result.checks]
    missed = sum(not check.passed for check in checks)
    verdict = "every figure met" if not missed else "FIGURES MISSED"
    if missed and report.passed:
        # so few worlds miss a bound by luck: said, and not called met
        noun = "figure" if missed == 1 else "figures"
        verdict = (
            f"{missed} of {len(checks)} {noun} missed (~), by no more than chance: --full tells"
        )
    terminal.print(f"{verdict} · {report.num_replicates} worlds a control · {report.seconds:.0f} s")
