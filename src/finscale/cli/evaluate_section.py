"""How ``finscale evaluate`` shows what forecasts of a panel tell of a day's symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finscale.cli.evaluate_cells import estimate_cells, number_cell, p_value_cell, print_table
from finscale.config.titles import title

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.judging.judge import Judgement

#: Symbols that are shown at either end; of more, counts are told.
_SHOWN = 3
_TITLES = {
    "rank_ic": "rank IC of the day",
    "slope": "Fama–MacBeth slope, bp over H",
    "spread": "highest less lowest fifth, bp a session",
}
_DIGITS = {"rank_ic": 4}


def print_section(judgement: Judgement, terminal: Console) -> None:
    """Print the tables of a panel; nothing of one symbol."""
    for line in judgement.effective.to_dicts():
        terminal.print(effective_words(line))
    if not judgement.section.is_empty():
        _print_scores(judgement, terminal)
    if not judgement.symbols.is_empty():
        _print_symbols(judgement, terminal)


def effective_words(line: dict[str, Any]) -> str:
    """Return for how many symbols a panel's labels count."""
    return (
        f"labels    {line['symbols']:,.0f} symbols a day count for {line['effective']:,.1f}: "
        f"labels of one day correlate {line['correlation']:.2f}"
    )


def _print_scores(judgement: Judgement, terminal: Console) -> None:
    rows = []
    for line in judgement.section.to_dicts():
        name = line["score"]
        title = _TITLES.get(name, f"fifth {name[-1]} of forecasts, bp a session")
        digits = _DIGITS.get(name, 2)
        rows.append(
            [
                title,
                *estimate_cells(line, digits=digits, sign=True),
                number_cell(line["t"], 1),
                p_value_cell(line["p_value"]),
                number_cell(line["per_day"], 3),
            ]
        )
    print_table(
        terminal,
        ["across the section", "mean", "interval", "t", "p", "mean/day's s.d."],
        rows,
        f"On {judgement.section['days'][0]:,} days. t: knows that neighbouring days share "
        f"{judgement.config.task.horizon - 1} sessions and that forecasts last. Of the rank IC, "
        "mean/day's s.d. is the ICIR. Fifths: return beyond the mean symbol, before costs; after "
        "costs they are in the backtest (fifths).",
    )


def _print_symbols(judgement: Judgement, terminal: Console) -> None:
    import polars as pl

    table, over = judgement.symbols, title(judgement.symbols_over)
    symbols = table.filter(kind="symbol").sort("gain", descending=True)
    if over:
        better = symbols.filter(pl.col("gain_low") > 0).height
        worse = symbols.filter(pl.col("gain_high") < 0).height
        terminal.print(
            f"symbols   {symbols.height:,}: gain over {over} is positive on "
            f"{symbols.filter(pl.col('gain') > 0).height:,}, seen on {better:,}, a loss is seen on "
            f"{worse:,} ({0.025 * symbols.height:.1f} of either would be by chance)"
        )
    shown = symbols
    if symbols.height > 2 * _SHOWN + 1:
        shown = pl.concat([symbols.head(_SHOWN), symbols.tail(_SHOWN)])
    rows = [
        [
            line["name"],
            f"{line['rows']:,}",
            number_cell(line["loss"]),
            *(estimate_cells(line, "gain", sign=True) if over else []),
        ]
        for line in [*table.filter(kind="group").to_dicts(), *shown.to_dicts()]
    ]
    columns = ["group or symbol", "windows", judgement.evaluation.target.words.first]
    print_table(terminal, [*columns, *([f"gain over {over}", "interval"] if over else [])], rows)
