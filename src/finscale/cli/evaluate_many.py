"""How ``finscale evaluate`` shows many judgements, a line each, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finscale.cli.evaluate_cells import estimate_cells, number_cell, p_value_cell, print_table
from finscale.cli.evaluate_tables import yardstick
from finscale.config.titles import title

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.evaluation.comparison import Comparison
    from finscale.judging.judge import Judgement


#: Models that are shown on pages of their own; more get a line each.
IN_FULL = 3
_LEVEL = 0.05


def judgement_row(judgement: Judgement) -> tuple[float, list[str]]:
    """Return a model's loss, and its line of the table of many: see :func:`print_rows`."""
    evaluation, target = judgement.evaluation, judgement.evaluation.target
    loss = evaluation.metric(target.first).value
    row = [judgement.id[:8], judgement.title, number_cell(loss)]
    row.append(number_cell(evaluation.metric(target.second).value, 3))
    over = yardstick(judgement)
    if over:
        row += estimate_cells(vars(evaluation.metric("skill", over=over)), sign=True)
    (first, *_) = judgement.backtest.to_dicts()
    return loss, [*row, number_cell(first["sharpe"], 2)]


def print_rows(
    judgement: Judgement,
    rows: Sequence[tuple[float, Sequence[str]]],
    comparison: Comparison,
    terminal: Console,
) -> None:
    """Print one line a model, the best first.

    ``judgement``: of any of them, as they answer one question. ``rows``: what
    :func:`judgement_row` returned of each. ``comparison`` marks those equal to the best.
    """
    words, over = judgement.evaluation.target.words, yardstick(judgement)
    columns = ["run", "model", words.first, words.second]
    columns += ["skill", "interval"] if over else []
    columns += ["Sharpe"]
    members = set() if comparison.confidence is None else set(comparison.confidence.members)
    short = {name[:8] for name in members}
    # whatever the order in which they were named; what is undefined comes last
    ranked = sorted(rows, key=lambda row: (math.isnan(row[0]), row[0]))
    marked = [[*cells, "✓" if cells[0] in short else ""] for _, cells in ranked]
    skill = f"skill: over {title(over)}. " if over else ""
    legend = "Sharpe: of long or flat at the operating point. set: in the model confidence set."
    print_table(terminal, [*columns, "set"], marked, skill + legend)


def print_comparison(
    titles: Mapping[str, str], comparison: Comparison, terminal: Console, *, brief: bool = False
) -> None:
    """Print the tests of pairs, and what can be said of all models together.

    ``titles``: id of each model → its title. ``brief``: the models have been listed, and of pairs
    with the best only their number is said.
    """
    short = {name: name[:8] for name in titles}
    if not brief:
        for name, words in titles.items():
            terminal.print(f"{short[name]}  {words}")
        terminal.print()
    if comparison.best is None:
        print_table(
            terminal,
            ["pair", "score", "test", "difference", "interval", "p", "Holm", "BH"],
            [_pair_row(line, short) for line in comparison.pairs.to_dicts()],
            "difference: the first less the second. Holm, BH: p corrected for the number of pairs, "
            "so that none of what is found is false (Holm), or little of it (Benjamini and "
            "Hochberg).",
        )
    else:
        worse = comparison.pairs.filter(test="diebold_mariano")["holm"] < _LEVEL
        terminal.print(
            f"Of {len(titles)} models each is compared with the best, {short[comparison.best]}, and"
            f" not all pairs: {worse.sum()} are worse by Diebold–Mariano with Holm's correction."
        )
    if comparison.confidence is not None:
        members = ", ".join(short[name] for name in comparison.confidence.members)
        terminal.print(
            f"Cannot be told from the best (model confidence set, "
            f"{100 * (1 - comparison.confidence.size):.0f} %): {members}"
        )
    for name, found in comparison.superior.items():
        better = ", ".join(short[model] for model in found.better) or "none"
        terminal.print(
            f"Better than {title(name)}, given {len(titles)} tried: {better} "
            f"(StepM at {100 * found.size:.0f} %; SPA p {p_value_cell(found.p_value)})"
        )
    if comparison.superior:
        terminal.print(
            "[dim]StepM: which models beat it, corrected for how many were tried. SPA p: of the "
            "test that none of them does.[/dim]"
        )


_TESTS = {
    "diebold_mariano": "Diebold–Mariano",
    "delong": "DeLong",
    "bootstrap": "block bootstrap",
}


def _pair_row(line: dict[str, Any], short: dict[str, str]) -> list[str]:
    return [
        f"{short[line['first']]} − {short[line['second']]}",
        line["score"],
        _TESTS[line["test"]],
        *estimate_cells(line, sign=True),
        *(p_value_cell(line[name]) for name in ("p_value", "holm", "benjamini_hochberg")),
    ]
