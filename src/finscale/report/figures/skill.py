"""Skill over baselines: by size, by year and by volatility."""

from __future__ import annotations

from typing import Any

import polars as pl

from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.titles import title
from finscale.evaluation.bootstrap import Metric
from finscale.judging.decision import the
from finscale.report.figure import Figure, FigureAxis, FigureBand, FigurePanel, Mark, Points, Rule
from finscale.report.figures.common import run_marks, seed_hover, size_axis, sized
from finscale.report.numbers import interval, number, percent
from finscale.study.findings.findings import Findings

#: Baselines that years and regimes are held against, where the study has them.
_MAIN = ("base_rate", "volatility", LINEAR_BASELINE)
#: Test days below which a year's skill is not drawn: its interval would flatten the others.
FEWEST_DAYS = 20
_NO_SKILL = Rule("no skill", 0.0, "null", "dot")


def skill(findings: Findings) -> Figure | None:
    """Draw the skill of each size over each baseline."""
    overs = [b.name for b in findings.baselines]
    if not overs:
        return None
    return Figure(
        "skill",
        "Does the network know more than plain models do?",
        " ".join(_sentence(findings, over) for over in overs),
        f"Skill above zero: less loss than the baseline on the same days. Bars: "
        f"{percent(1 - findings.study.level)} intervals, luck of days and of seeds."
        f"{_grey(findings)}",
        tuple(_by_size(findings, over) for over in overs),
    )


def _grey(findings: Findings) -> str:
    """Explain the grey band, which only a study of losses has: skill is a loss."""
    if findings.study.outcome != "loss":
        return ""
    sesoi = f"{number(findings.study.sesoi)} {findings.loss.unit}"
    return f" Grey: gains within ± the smallest effect of interest, {sesoi}."


def _sentence(findings: Findings, over: str) -> str:
    metric = findings.skill(over)
    if metric is None:
        return ""
    claims, unit = findings.claims, findings.loss.unit
    standing = claims.standing(over)
    if standing in ("failed", "unfounded", "moved"):
        return claims.sentence(over)
    seen = {"seen": "is seen", "worse": "is negative"}.get(standing, "is not seen")
    worse = f" The network is worse than {the(over)}." if standing == "worse" else ""
    return f"Skill over {title(over)} {seen}: {interval(metric, sign=True)} {unit}.{worse}"


def _by_size(findings: Findings, over: str) -> FigurePanel:
    # of a second axis, the chosen series' size
    sizes = findings.chosen.sizes.items()
    level = (pl.col(name) == size for name, size in sizes if name != findings.axis)
    rows = findings.skills.filter(pl.col("over") == over, *level).sort(findings.axis)
    seeds, column, unit = findings.seeds, f"skill_{over}", findings.loss.unit
    x, axis = rows[findings.axis].to_list(), size_axis(findings)

    def hover(row: dict[str, Any]) -> str:
        return f"skill {number(row[column], sign=True)} {unit}\n{seed_hover(findings, row)}"

    marks: list[Mark] = []
    # only a loss has a smallest effect of interest in the unit of skill
    if findings.study.outcome == "loss" and axis.limits is not None:
        sesoi, name = findings.study.sesoi, "within ± the smallest effect of interest"
        marks.append(FigureBand(name, axis.limits, [-sesoi] * 2, [sesoi] * 2, "null"))
    marks.append(_NO_SKILL)
    if column in seeds.columns and len(findings.chosen.sizes) == 1:
        known, name = seeds.drop_nulls(column), "one seed"
        dots = run_marks(Points, name, known, "size", column, "model", hover, size=7, faint=True)
        marks.append(dots)
    marks.append(_estimates(rows, x, [sized(findings, value) for value in x], unit))
    return _panel(findings, over, axis, *marks)


def _panel(findings: Findings, over: str, x: FigureAxis, *marks: Mark) -> FigurePanel:
    y = FigureAxis(f"skill ({findings.loss.unit} per decision)")
    failed = ", which failed" if over in findings.claims.failed else ""
    return FigurePanel(f"over the {title(over)} baseline{failed}", x, y, marks)


def years(findings: Findings) -> Figure | None:
    """Draw the skill of the chosen size in each test year."""
    return _grouped(
        findings,
        "years",
        "year",
        "Is the skill there in every year?",
        "test year",
        f"Mean over the seeds of the size with the least validation loss, "
        f"{sized(findings, findings.chosen.sizes[findings.axis])}. "
        f"Bars: {percent(1 - findings.study.level)} intervals, luck of days.{_short(findings)}",
    )


def _short(findings: Findings) -> str:
    """Say which years are left out for having next to no test days."""
    few = findings.groups.filter(pl.col("group") == "year", pl.col("days") < FEWEST_DAYS)
    labels = few["label"].unique(maintain_order=True).to_list()
    if not labels:
        return ""
    return f" Left out for fewer than {FEWEST_DAYS} test days: {', '.join(labels)}."


def regimes(findings: Findings) -> Figure | None:
    """Draw the skill of the chosen size in each volatility tercile."""
    return _grouped(
        findings,
        "regimes",
        "volatility",
        "Is the skill there in calm and in turbulent markets?",
        "volatility known at the decision, in thirds of the test days",
        "Each third holds as many test days. A model that only times volatility has no skill over "
        "the volatility baseline in any of them.",
    )


def _grouped(
    findings: Findings, name: str, group: str, question: str, x_title: str, caption: str
) -> Figure | None:
    rows = findings.groups.filter(pl.col("group") == group, pl.col("days") >= FEWEST_DAYS)
    overs = [over for over in _MAIN if over in rows["over"].unique().to_list()]
    if not overs or rows["label"].n_unique() < 2:
        return None
    panels = tuple(
        _by_label(findings, rows.filter(pl.col("over") == over), over, x_title) for over in overs
    )
    answer = " ".join(
        _count(rows.filter(pl.col("over") == over), over, group)
        for over in overs
        if over not in findings.claims.failed
    )
    return Figure(name, question, answer, caption, panels)


def _count(rows: pl.DataFrame, over: str, group: str) -> str:
    seen = rows.filter(pl.col("low") > 0).height
    worse = rows.filter(pl.col("high") < 0).height
    noun = "years" if group == "year" else "thirds"
    text = f"Skill over {title(over)} is seen in {seen} of {rows.height} {noun}"
    return f"{text}, and is negative in {worse}." if worse else f"{text}."


def _by_label(findings: Findings, rows: pl.DataFrame, over: str, x_title: str) -> FigurePanel:
    labels = rows["label"].to_list()
    hover = [f"{label}: {days:,} days" for label, days in rows.select("label", "days").iter_rows()]
    estimates = _estimates(rows, labels, hover, findings.loss.unit)
    return _panel(findings, over, FigureAxis(x_title, kind="category"), _NO_SKILL, estimates)


def _estimates(
    rows: pl.DataFrame, x: list[float] | list[str], what: list[str], unit: str
) -> Points:
    low, value, high = (rows[name].to_list() for name in ("low", "value", "high"))
    hover = [
        f"{text}\nskill {interval(Metric(v, a, b), sign=True)} {unit}"
        for text, v, a, b in zip(what, value, low, high, strict=True)
    ]
    return Points("mean over seeds", x, value, "ink", hover=hover, low=low, high=high, size=10)
