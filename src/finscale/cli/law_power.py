"""`finscale law power`: what a study could find, before it runs."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from finscale.cli.options import AsJson, Level, console, plain_table, print_json


def power(
    days: Annotated[int, typer.Option(min=1, help="Independent decision days of the test set.")],
    base_rate: Annotated[float, typer.Option(help="Share of days on which the event happens.")],
    sizes: Annotated[
        str, typer.Option(help="Sizes along the axis, with commas: 10k,100k,1M,10M.")
    ] = "10k,30k,100k,300k,1M,3M,10M",
    seeds: Annotated[int, typer.Option(help="Runs of each size.")] = 5,
    correlation: Annotated[
        float, typer.Option(help="Correlation of the scores (log odds) of two sizes.")
    ] = 0.9,
    auc: Annotated[float, typer.Option(help="AUC that the models are expected to reach.")] = 0.6,
    noise: Annotated[
        float, typer.Option(help="Standard deviation over seeds of a run's mean loss, nats.")
    ] = 0.001,
    symbols: Annotated[
        int, typer.Option(min=1, help="Symbols that each day decides on: a panel.")
    ] = 1,
    label_correlation: Annotated[
        float,
        typer.Option(min=0, max=1, help="Correlation of two symbols' labels of one day."),
    ] = 1.0,
    exponent: Annotated[float, typer.Option(help="Exponent of the law looked for.")] = 0.3,
    sesoi: Annotated[float, typer.Option(help="Smallest effect of interest, nats.")] = 0.005,
    level: Level = 0.05,
    replicates: Annotated[int, typer.Option(min=1, help="Studies simulated for each gain.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show how probable each verdict is, and the smallest gain that the study would see.

    A panel counts for N/(1+(N−1)ρ) symbols a day, ρ the correlation of the day's labels: near 0
    where the task compares the symbols of a day (outperform), .3 where it asks for a rise.
    """
    from finscale.evaluation.score_power import effective_days
    from finscale.scaling.verdict_power import StudyDesign, study_power

    counted = effective_days(days, num_symbols=symbols, correlation=label_correlation)
    design = StudyDesign(
        sizes=_sizes(sizes),
        num_seeds=seeds,
        num_days=round(counted),
        base_rate=base_rate,
        correlation=correlation,
        auc=auc,
        seed_noise=noise / math.sqrt(counted / days),
        exponent=exponent,
        sesoi=sesoi,
        level=level,
    )
    found = study_power(design, num_replicates=replicates, seed=seed)
    if as_json:
        print_json({**found.to_dict(), "effective_symbols": counted / days})
        return
    from finscale.scaling.decision import VERDICTS
    from finscale.scaling.digits import number

    rows = (
        (number(row.gain), *(f"{row.rates[name]:.0%}" for name in VERDICTS), f"{row.sees_fall:.0%}")
        for row in found.rows
    )
    table = plain_table(("true gain", *VERDICTS, "sees a fall"), rows, left=())
    terminal = console()
    terminal.print(table)
    if symbols > 1:
        terminal.print(
            f"{symbols} symbols, {counted / days:.1f} effective: N/(1+(N−1)ρ); the luck of seeds "
            "shrinks with them."
        )
    law = (
        f"and a law, exponent and all, of {number(found.smallest_law)} nats"
        if math.isfinite(found.smallest_law)
        else f"but would establish no law of exponent {exponent:g}, however large its gain"
    )
    terminal.print(
        f"With 80 % power this study sees a fall of {number(found.smallest_fall)} nats from "
        f"smallest to largest size, {law}. Smallest effect of interest: {number(sesoi)}."
    )


def _sizes(text: str) -> tuple[float, ...]:
    from finscale.errors import FinscaleError
    from finscale.scaling.counts import size_number

    try:
        return tuple(size_number(part) for part in text.split(","))
    except ValueError as error:
        raise FinscaleError(f"--sizes {text}: {error}.") from None
