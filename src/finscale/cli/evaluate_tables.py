"""How ``finscale evaluate`` shows one judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finscale.cli.evaluate_cells import (
    estimate_cells,
    number_cell,
    p_value_cell,
    print_table,
)
from finscale.cli.evaluate_section import print_section
from finscale.config.titles import title

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.evaluation.evaluation import Evaluation
    from finscale.evaluation.scores import Score
    from finscale.judging.claims import Claims
    from finscale.judging.judge import Judgement

#: A p-value at or above this one does not say what an interval of 95 % does.
_DOUBT = 0.05


def print_judgement(judgement: Judgement, terminal: Console, *, quiet: bool) -> None:
    """Print every table of one model; only scores and skill when quiet."""
    evaluation = judgement.evaluation
    if not quiet:
        _print_head(judgement, terminal)
    _print_scores(evaluation, terminal)
    _print_skill(judgement, terminal)
    if quiet:
        return
    print_section(judgement, terminal)
    _print_groups(judgement, terminal)
    if judgement.evaluation.target.is_event:
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
    from finscale.config.universes import symbols_in_words

    evaluation, task = judgement.evaluation, judgement.config.task
    terminal.print(f"[bold]run       {judgement.id}[/bold] · {judgement.title}")
    terminal.print(
        f"task      {task.name}, H = {task.horizon} · {symbols_in_words(judgement.config.data)} "
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

    titles: dict[str, Score[Any]] = {**OPERATING, **evaluation.target.scores}
    rows = [
        [
            titles[line["score"]].title,
            *estimate_cells(line),
            {"lower": "↓", "higher": "↑", "": ""}[titles[line["score"]].better],
        ]
        for line in evaluation.table("all").filter(over="").to_dicts()
    ]
    print_table(
        terminal, ["score", "test", f"{evaluation.level * 100:.0f} % interval", "better"], rows
    )
    if evaluation.thresholds:
        points = ", ".join(f"p ≥ {number_cell(p, 3)}" for p in evaluation.thresholds.values())
        terminal.print(f"flagged at {points}: {evaluation.rule} on validation\n")
    if evaluation.collapsed:
        terminal.print(
            "[bold]COLLAPSED[/bold]: predictions hug one number; their spread is below 2 % of the "
            "outcome's.\n"
        )


def _print_skill(judgement: Judgement, terminal: Console) -> None:
    if judgement.baselines.is_empty():
        return
    target, claims = judgement.evaluation.target, judgement.claims
    rows = [
        [
            title(line["name"]) + (" (failed)" if line["name"] in claims.failed else ""),
            number_cell(line[target.first]),
            number_cell(line[target.second], 3),
            *estimate_cells(line, "skill", sign=True),
            p_value_cell(line["p_value"]),
            number_cell(line["smallest"]),
        ]
        for line in judgement.baselines.to_dicts()
    ]
    print_table(
        terminal,
        ["baseline", *target.words.its, "skill over it", "interval", "DM p", "could see"],
        rows,
        "skill: the baseline's loss less the model's; its interval decides what is said below. DM "
        "p: of Diebold and Mariano's test that both lose the same, a second opinion. could see: "
        "the smallest skill that this test would find four times in five.",
    )
    for line in judgement.baselines.to_dicts():
        terminal.print(_conclusion(line, claims, target.words.change))
    terminal.print()


def _conclusion(line: dict[str, Any], claims: Claims, unit: str) -> str:
    """Return what may be said of a baseline; the interval decides, and a doubt about it is said."""
    said = claims.sentence(line["name"], f"{line['smallest']:.2g} {unit}")
    decided = claims.standing(line["name"]) in ("seen", "worse")
    if decided and line["p_value"] >= _DOUBT:
        said += (
            f" By its interval; Diebold and Mariano's test alone would leave it open "
            f"(p = {p_value_cell(line['p_value'])})."
        )
    return said


def _print_groups(judgement: Judgement, terminal: Console) -> None:
    """Print the headline scores of every fold, year and volatility tercile."""
    evaluation, over = judgement.evaluation, yardstick(judgement)
    target, words = evaluation.target, evaluation.target.words
    groups = evaluation.scores.filter(evaluation.scores["group"] != "all")
    scores, rows = (target.first, target.second), []
    for group, label in groups.select("group", "label").unique(maintain_order=True).rows():
        first, second = (evaluation.metric(s, group=group, label=label) for s in scores)
        row = [
            f"{group} {label}",
            number_cell(first.value),
            *estimate_cells(vars(second), digits=3),
        ]
        if over:
            skill = evaluation.metric("skill", over=over, group=group, label=label)
            row += estimate_cells(vars(skill), sign=True)
        rows.append(row)
    if rows:
        columns = ["", words.first, words.second, "interval"]
        skill_columns = [f"skill over {title(over)}", "interval"] if over else []
        print_table(terminal, [*columns, *skill_columns], rows)


def _print_sweep(evaluation: Evaluation, terminal: Console) -> None:
    rows = []
    for part in evaluation.sweep.partition_by("threshold", maintain_order=True):
        by_score = {line["score"]: line for line in part.to_dicts()}
        row = [f"p ≥ {part['threshold'][0]:.3f}", number_cell(by_score["flagged"]["value"], 3)]
        for name in ("precision", "recall", "lift"):
            row += estimate_cells(by_score[name], digits=2)
        rows.append(row)
    print_table(
        terminal,
        ["threshold", "flagged", "precision", "interval", "recall", "interval", "lift", "interval"],
        rows,
    )


def _print_calibration(judgement: Judgement, terminal: Console) -> None:
    rows = [
        [
            line["method"],
            *_gain_cells(line, "gain", 4, itself=line["method"] == "none"),
            *estimate_cells(line, "ece", 3),
            number_cell(line["ece_expected"], 3),
            p_value_cell(line["p_value"]),
        ]
        for line in judgement.calibration.to_dicts()
    ]
    if rows:
        columns = ["calibration", "gain (nats)", "interval", "adaptive ECE", "interval"]
        print_table(
            terminal,
            [*columns, "by chance", "p"],
            rows,
            "Fitted on validation. adaptive ECE: mean distance between forecast and frequency in "
            "bins of equally many forecasts. by chance: what a calibrated model would show here; "
            "p: how often it would show as much.",
        )


def _print_coverage(judgement: Judgement, terminal: Console) -> None:
    rows = [
        [line["year"], f"{line['rows']:,}", *estimate_cells(line, digits=3)]
        for line in judgement.coverage.to_dicts()
    ]
    what = judgement.evaluation.target.words.region
    nominal = judgement.coverage["nominal"][0]
    columns = [f"adaptive {what} at {nominal * 100:.0f} %", "windows", "covered", "interval"]
    legend = f"Conformal {what} that follow their own errors day by day; covered: hold the outcome."
    print_table(terminal, columns, rows, legend)


def _print_power(judgement: Judgement, terminal: Console) -> None:
    digits = {"auc": 3, "log_loss_gain": 5, "sharpe": 2}
    rows = [
        [f"{line['days']:,} days", *(number_cell(line[name], digits[name]) for name in digits)]
        for line in judgement.power.to_dicts()
    ]
    columns = ["80 % power at", "AUC", "gain over base rate (nats)", "Sharpe"]
    legend = "What a model must reach to be told from chance four times in five."
    print_table(terminal, columns, rows, legend)


def _print_backtest(judgement: Judgement, terminal: Console) -> None:
    lines = judgement.backtest.to_dicts()
    rows = [
        [
            title(line["name"]),
            number_cell(100 * line["cagr"], 1),
            *estimate_cells(line, "sharpe", 2),
            number_cell(line["deflated"], 2),
            number_cell(100 * line["max_drawdown"], 1),
            number_cell(100 * line["hit_rate"], 0),
            number_cell(line["exposure"], 2),
            number_cell(line["turnover"], 1),
            number_cell(line["break_even"], 0),
        ]
        for line in lines
    ]
    columns = ["backtest", "CAGR %", "Sharpe", "interval", "DSR", "worst %", "hits %", "held"]
    print_table(
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
        row = [title(line["name"])]
        for key, other in benchmarks.items():
            row += _gain_cells(line, key, 2, itself=row[0] == other)
        rows.append(row)
    columns = [column for other in benchmarks.values() for column in (other, "interval")]
    print_table(terminal, ["Sharpe less that of", *columns], rows)


def _gain_cells(line: dict[str, Any], name: str, digits: int, *, itself: bool) -> list[str]:
    """Return a difference and its interval; a dash for what is compared with itself."""
    return ["–", ""] if itself else estimate_cells(line, name, digits, sign=True)


def yardstick(judgement: Judgement) -> str:
    """Return the baseline that skill is shown over where there is room for one: volatility.

    One that failed is no yardstick.
    """
    names = [name for name in judgement.claims.gains if name not in judgement.claims.failed]
    return "volatility" if "volatility" in names else (names[0] if names else "")
