"""How ``finscale evaluate`` shows a judgement: tables of 100 columns."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from finscale.evaluation.comparison import Comparison
    from finscale.evaluation.evaluation import Evaluation
    from finscale.evaluation.scores import Score
    from finscale.study.evaluate import Candidate, Judgement


#: Models that are shown on pages of their own; more get a line each.
IN_FULL = 3
_LEVEL = 0.05


def _number(value: float | None, digits: int = 4, *, sign: bool = False) -> str:
    """Return a number as tables show it; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    shown = f"{value:{'+' if sign else ''}.{digits}f}"
    if not float(shown):
        return shown[shown[0] in "+-" :]  # nothing has no sign
    return shown.replace("-", "−")


def _interval(low: float | None, high: float | None, digits: int = 4, *, sign: bool = False) -> str:
    if low is None or high is None or math.isnan(low):
        return ""
    return f"[{_number(low, digits, sign=sign)}, {_number(high, digits, sign=sign)}]"


def _gain(line: dict[str, Any], name: str, digits: int, *, itself: bool) -> list[str]:
    """Return a difference and its interval; a dash for what is compared with itself."""
    if itself:
        return ["–", ""]
    value, low, high = (line[name + end] for end in ("", "_low", "_high"))
    return [_number(value, digits, sign=True), _interval(low, high, digits, sign=True)]


def _p_value(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"


def _table(
    terminal: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str = ""
) -> None:
    """Print a table without a frame: words left, figures right; then what its columns mean.

    On a narrow terminal cells go on in a second line: nothing is cut.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        words = all(row[number][:1].isalpha() for row in rows)
        side: Literal["left", "right"] = "left" if words or not number else "right"
        table.add_column(column, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*row)
    terminal.print(table)
    if legend:
        terminal.print(f"[dim]{legend}[/dim]")
    terminal.print()


def print_judgement(judgement: Judgement, terminal: Console, *, quiet: bool) -> None:
    """Print every table of one model; only scores and skill when quiet."""
    evaluation = judgement.evaluation
    if not quiet:
        _print_head(judgement, terminal)
    _print_scores(evaluation, terminal)
    _print_skill(judgement, terminal)
    if quiet:
        return
    _print_groups(judgement, terminal)
    if judgement.evaluation.kind == "classification":
        _print_sweep(evaluation, terminal)
        _print_calibration(judgement, terminal)
    if not judgement.coverage.is_empty():
        _print_coverage(judgement, terminal)
    if not judgement.power.is_empty():
        _print_power(judgement, terminal)
    _print_backtest(judgement, terminal)
    for note in judgement.notes:
        terminal.print(f"left out  {note}")


def _print_head(judgement: Judgement, terminal: Console) -> None:
    evaluation, task = judgement.evaluation, judgement.config.task
    terminal.print(f"[bold]run       {judgement.id}[/bold] · {judgement.title}")
    terminal.print(
        f"task      {task.name}, H = {task.horizon} · {' '.join(judgement.config.data.symbols)} "
        f"{judgement.config.data.tier} {judgement.config.data.timescale}"
    )
    terminal.print(
        f"test      {evaluation.first} … {evaluation.last} · {evaluation.num_rows:,} windows on "
        f"{evaluation.num_days:,} days"
    )
    terminal.print(
        f"interval  {evaluation.level * 100:.0f} %, {evaluation.num_replicates:,} replicates of "
        f"blocks of {evaluation.block_length:.1f} decision days\n"
    )


def _print_scores(evaluation: Evaluation, terminal: Console) -> None:
    from finscale.evaluation.operating import OPERATING
    from finscale.evaluation.scores import CLASSIFICATION, REGRESSION

    titles: dict[str, Score[Any]] = {**CLASSIFICATION, **OPERATING, **REGRESSION}
    rows = [
        [
            titles[line["score"]].title,
            _number(line["value"]),
            _interval(line["low"], line["high"]),
            {"lower": "↓", "higher": "↑", "": ""}[titles[line["score"]].better],
        ]
        for line in evaluation.table("all").filter(over="").to_dicts()
    ]
    _table(terminal, ["score", "test", f"{evaluation.level * 100:.0f} % interval", "better"], rows)
    if evaluation.thresholds:
        points = ", ".join(f"p ≥ {_number(p, 3)}" for p in evaluation.thresholds.values())
        terminal.print(f"flagged at {points}: {evaluation.rule} on validation\n")
    if evaluation.collapsed:
        terminal.print(
            "[bold]COLLAPSED[/bold]: predictions hug one number; their spread is below 2 % of the "
            "outcome's.\n"
        )


def _print_skill(judgement: Judgement, terminal: Console) -> None:
    if judgement.baselines.is_empty():
        return
    classified = judgement.evaluation.kind == "classification"
    loss, rank = ("log_loss", "auc") if classified else ("rmse", "rank_correlation")
    rows = [
        [
            line["name"].replace("_", " "),
            _number(line[loss]),
            _number(line[rank], 3),
            _number(line["skill"], sign=True),
            _interval(line["skill_low"], line["skill_high"], sign=True),
            _p_value(line["p_value"]),
            _number(line["smallest"]),
        ]
        for line in judgement.baselines.to_dicts()
    ]
    columns = ["baseline", "its loss" if classified else "its RMSE"]
    columns += ["its AUC" if classified else "its rank corr.", "skill over it"]
    _table(
        terminal,
        [*columns, "interval", "DM p", "could see"],
        rows,
        "skill: the baseline's loss less the model's. DM p: of Diebold and Mariano's test that "
        "both lose the same. could see: the smallest skill that this test would find four times in "
        "five.",
    )
    days = judgement.evaluation.num_days
    for line in judgement.baselines.to_dicts():
        terminal.print(_conclusion(line, days, "nats" if classified else "squared"))
    terminal.print()


def _conclusion(line: dict[str, Any], num_days: int, unit: str) -> str:
    name = line["name"].replace("_", " ")
    if line["skill_low"] > 0:
        return f"Skill over {name} is seen with {num_days:,} test days."
    if line["skill_high"] < 0:
        return f"Worse than {name}: the difference is seen with {num_days:,} test days."
    return (
        f"No skill over {name} is seen with {num_days:,} test days; they could show a gain of "
        f"{line['smallest']:.2g} {unit}."
    )


def _print_groups(judgement: Judgement, terminal: Console) -> None:
    """Print the headline scores of every fold, year and volatility tercile."""
    evaluation = judgement.evaluation
    classified = evaluation.kind == "classification"
    (loss, rank), over = _headline(evaluation), _yardstick(judgement)
    groups = evaluation.scores.filter(evaluation.scores["group"] != "all")
    rows = []
    for group, label in groups.select("group", "label").unique(maintain_order=True).rows():
        first, second = (evaluation.metric(s, group=group, label=label) for s in (loss, rank))
        row = [f"{group} {label}", _number(first.value), _number(second.value, 3)]
        row.append(_interval(second.low, second.high, 3))
        if over:
            skill = evaluation.metric("skill", over=over, group=group, label=label)
            row += [_number(skill.value, sign=True), _interval(skill.low, skill.high, sign=True)]
        rows.append(row)
    if rows:
        columns = ["", *(("log loss", "AUC") if classified else ("RMSE", "rank corr.")), "interval"]
        skill_columns = [f"skill over {over.replace('_', ' ')}", "interval"] if over else []
        _table(terminal, [*columns, *skill_columns], rows)


def _print_sweep(evaluation: Evaluation, terminal: Console) -> None:
    rows = []
    for part in evaluation.sweep.partition_by("threshold", maintain_order=True):
        by_score = {line["score"]: line for line in part.to_dicts()}
        row = [f"p ≥ {part['threshold'][0]:.3f}", _number(by_score["flagged"]["value"], 3)]
        for name in ("precision", "recall", "lift"):
            line = by_score[name]
            row += [_number(line["value"], 2), _interval(line["low"], line["high"], 2)]
        rows.append(row)
    _table(
        terminal,
        ["threshold", "flagged", "precision", "interval", "recall", "interval", "lift", "interval"],
        rows,
    )


def _print_calibration(judgement: Judgement, terminal: Console) -> None:
    rows = [
        [
            line["method"],
            *_gain(line, "gain", 4, itself=line["method"] == "none"),
            _number(line["ece"], 3),
            _interval(line["ece_low"], line["ece_high"], 3),
            _number(line["ece_expected"], 3),
            _p_value(line["p_value"]),
        ]
        for line in judgement.calibration.to_dicts()
    ]
    if rows:
        columns = ["calibration", "gain (nats)", "interval", "adaptive ECE", "interval"]
        _table(
            terminal,
            [*columns, "by chance", "p"],
            rows,
            "Fitted on validation. adaptive ECE: mean distance between forecast and frequency in "
            "bins of equally many forecasts. by chance: what a calibrated model would show here; "
            "p: how often it would show as much.",
        )


def _print_coverage(judgement: Judgement, terminal: Console) -> None:
    rows = [
        [
            line["year"],
            f"{line['rows']:,}",
            _number(line["value"], 3),
            _interval(line["low"], line["high"], 3),
        ]
        for line in judgement.coverage.to_dicts()
    ]
    what = "sets" if judgement.evaluation.kind == "classification" else "intervals"
    nominal = judgement.coverage["nominal"][0]
    columns = [f"adaptive {what} at {nominal * 100:.0f} %", "windows", "covered", "interval"]
    legend = f"Conformal {what} that follow their own errors day by day; covered: hold the outcome."
    _table(terminal, columns, rows, legend)


def _print_power(judgement: Judgement, terminal: Console) -> None:
    rows = [
        [
            f"{line['days']:,} days",
            _number(line["auc"], 3),
            _number(line["log_loss_gain"], 5),
            _number(line["sharpe"], 2),
        ]
        for line in judgement.power.to_dicts()
    ]
    columns = ["80 % power at", "AUC", "gain over base rate (nats)", "Sharpe"]
    legend = "What a model must reach to be told from chance four times in five."
    _table(terminal, columns, rows, legend)


def _print_backtest(judgement: Judgement, terminal: Console) -> None:
    lines = judgement.backtest.to_dicts()
    rows = [
        [
            line["name"].replace("_", " "),
            _number(100 * line["cagr"], 1),
            _number(line["sharpe"], 2),
            _interval(line["sharpe_low"], line["sharpe_high"], 2),
            _number(line["deflated"], 2),
            _number(100 * line["max_drawdown"], 1),
            _number(100 * line["hit_rate"], 0),
            _number(line["exposure"], 2),
            _number(line["turnover"], 1),
            _number(line["break_even"], 0),
        ]
        for line in lines
    ]
    columns = ["backtest", "CAGR %", "Sharpe", "interval", "DSR", "worst %", "hits %", "held"]
    _table(
        terminal,
        [*columns, "turns/y", "b.e. bp"],
        rows,
        "DSR: probability that the true Sharpe ratio is positive, given "
        f"{judgement.num_trials} trials (runs × strategies). worst: deepest fall from a peak. "
        "hits: days invested that ended with a gain. held: mean share of equity invested. "
        "turns/y: value traded over equity, a year. b.e.: one-way cost that leaves nothing.",
    )
    benchmarks = {"versus_hold": "buy and hold", "versus_timing": "volatility timing"}
    rows = []
    for line in lines:
        name = line["name"].replace("_", " ")
        gains = (_gain(line, key, 2, itself=name == other) for key, other in benchmarks.items())
        rows.append([name, *chain.from_iterable(gains)])
    columns = [column for other in benchmarks.values() for column in (other, "interval")]
    _table(terminal, ["Sharpe less that of", *columns], rows)


def judgement_row(judgement: Judgement) -> tuple[float, list[str]]:
    """Return a model's loss, and its line of the table of many: see :func:`print_rows`."""
    evaluation = judgement.evaluation
    first_score, rank = _headline(evaluation)
    loss = evaluation.metric(first_score).value
    row = [judgement.id[:8], judgement.title, _number(loss)]
    row.append(_number(evaluation.metric(rank).value, 3))
    over = _yardstick(judgement)
    if over:
        skill = evaluation.metric("skill", over=over)
        row += [_number(skill.value, sign=True), _interval(skill.low, skill.high, sign=True)]
    (first, *_) = judgement.backtest.to_dicts()
    return loss, [*row, _number(first["sharpe"], 2)]


def print_rows(
    judgement: Judgement,
    rows: Sequence[tuple[float, Sequence[str]]],
    comparison: Comparison,
    terminal: Console,
) -> None:
    """Print one line a model, the best first.

    Parameters
    ----------
    judgement : Judgement
        Of any of them: they answer one question.
    rows : sequence
        What :func:`judgement_row` returned of each.
    comparison : Comparison
        Marks the models that cannot be told from the best.
    terminal : Console
    """
    classified, over = judgement.evaluation.kind == "classification", _yardstick(judgement)
    columns = ["run", "model", *(("log loss", "AUC") if classified else ("RMSE", "rank corr."))]
    columns += ["skill", "interval"] if over else []
    columns += ["Sharpe"]
    members = set() if comparison.confidence is None else set(comparison.confidence.members)
    short = {name[:8] for name in members}
    # whatever the order in which they were named; what is undefined comes last
    ranked = sorted(rows, key=lambda row: (math.isnan(row[0]), row[0]))
    marked = [[*cells, "✓" if cells[0] in short else ""] for _, cells in ranked]
    skill = f"skill: over {over.replace('_', ' ')}. " if over else ""
    legend = "Sharpe: of long or flat at the operating point. set: in the model confidence set."
    _table(terminal, [*columns, "set"], marked, skill + legend)


def _headline(evaluation: Evaluation) -> tuple[str, str]:
    classified = evaluation.kind == "classification"
    return ("log_loss", "auc") if classified else ("rmse", "rank_correlation")


def _yardstick(judgement: Judgement) -> str:
    """Return the baseline that skill is shown over where there is room for one: volatility."""
    names = judgement.baselines["name"].to_list() if judgement.baselines.height else []
    return "volatility" if "volatility" in names else (names[0] if names else "")


def print_comparison(
    judged: Sequence[Candidate], comparison: Comparison, terminal: Console, *, brief: bool = False
) -> None:
    """Print the tests of pairs, and what can be said of all models together.

    ``brief``: the models have been listed, and of pairs with the best only their number is said.
    """
    short = {candidate.id: f"{candidate.id[:8]}" for candidate in judged}
    if not brief:
        for candidate in judged:
            terminal.print(f"{short[candidate.id]}  {candidate.title}")
        terminal.print()
    if comparison.best is None:
        _table(
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
            f"Of {len(judged)} models each is compared with the best, {short[comparison.best]}, and"
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
            f"Better than {name.replace('_', ' ')}, given {len(judged)} tried: {better} "
            f"(StepM at {100 * found.size:.0f} %; SPA p {_p_value(found.p_value)})"
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
        _number(line["value"], sign=True),
        _interval(line["low"], line["high"], sign=True),
        _p_value(line["p_value"]),
        _p_value(line["holm"]),
        _p_value(line["benjamini_hochberg"]),
    ]
