"""Tables of what size brings: sizes, seeds, baselines, what could have been seen, groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import polars as pl

from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.redraws import REDRAWS
from finscale.config.titles import title
from finscale.evaluation.bootstrap import Metric
from finscale.report.figures.common import heading
from finscale.report.numbers import fixed, interval, number
from finscale.report.table import Column, Row, Table, count, estimate, make_table, text
from finscale.scaling.measure import Measure
from finscale.study.axes import AXES
from finscale.study.beyond import BeyondLinear
from finscale.study.findings.findings import Findings
from finscale.study.holdings import table as holdings_table


def sizes(findings: Findings) -> Table:
    """List outcome and skill of each size."""
    measure = findings.measure
    axis, beyond = findings.axis, findings.beyond if len(findings.study.axes) == 1 else None
    # in a study of losses the gain on the linear model is the skill over it
    told = {LINEAR_BASELINE} if beyond and findings.study.outcome == "loss" else set()
    overs = [b.name for b in findings.baselines if b.name not in told]
    means = findings.seeds.group_by("size", maintain_order=True).agg(
        pl.col("label").first(),
        pl.len().alias("seeds"),
        pl.col("value").mean(),
        pl.col("value").min().alias("lowest_seed"),
        pl.col("value").max().alias("highest_seed"),
    )
    for over in overs:
        skill = (
            findings.skills.filter(pl.col("over") == over)
            .group_by(axis)
            .agg(pl.col("value", "low", "high").mean())
        )
        names = {name: f"{over}_{name}" for name in ("value", "low", "high")}
        means = means.join(skill.rename({axis: "size", **names}), on="size", how="left")
    columns = (
        Column(AXES[axis].title, lambda row: findings.words(row["size"])),
        count("seeds", "seeds"),
        Column(
            f"{heading(measure)}, lowest to highest seed",
            lambda row: interval(
                Metric(row["value"], row["lowest_seed"], row["highest_seed"]), digits=measure.digits
            ),
        ),
        *(
            estimate(f"skill over {_marked(findings, o)}", f"{o}_value", sign=True, prefix=f"{o}_")
            for o in overs
        ),
        *([Column(f"beyond the linear model{_unit(measure)}", _beyond(beyond))] if beyond else ()),
    )
    return Table("sizes", "Every size", means.sort("size"), columns)


def together(findings: Findings) -> tuple[Table, ...]:
    """List the outcome at every size of one axis and of the other, where a study has two."""
    found = findings.interaction
    if found is None:
        return ()
    first, second = found.axes
    measure = findings.measure
    columns = [text(AXES[first].title, first)]
    for name in found.table.columns[1:]:
        columns.append(Column(name, _cell(name, measure)))
    title = f"{heading(measure)} by {AXES[first].title} and {AXES[second].title}"
    plain = make_table("together", title, found.table.to_dicts(), tuple(columns))
    rows = found.law_rows()
    if not rows:
        return (plain,)
    estimates = (
        text("parameter", "name"),
        text("what it is", "meaning"),
        Column("value", lambda row: number(row["value"])),
        Column("interval", lambda row: f"[{number(row['low'])}, {number(row['high'])}]"),
    )
    return plain, make_table("product", "The law with a product of both terms", rows, estimates)


def _cell(name: str, measure: Measure) -> Callable[[Row], str]:
    return lambda row: fixed(row[name], measure.digits)


def held(findings: Findings) -> tuple[Table, ...]:
    """List what each tier holds on training rows, where a study is about tiers."""
    if findings.holdings is None:
        return ()
    measure = findings.measure
    rows = holdings_table(findings.holdings, findings.seeds).to_dicts()
    columns = (
        text("tier", "tier"),
        count("features", "num_features"),
        Column(
            "effective number, lowest to highest nesting",
            lambda row: interval(Metric(row["effective"], row["lowest"], row["highest"]), digits=1),
        ),
        Column("near copies (|ρ| > .995)", lambda row: fixed(row["num_near_copies"], 0)),
        Column("constant", lambda row: fixed(row["num_constant"], 0)),
        Column(heading(measure), lambda row: fixed(row["value"], measure.digits)),
    )
    title = "What each tier really holds, on training rows"
    return (make_table("holdings", title, rows, columns),)


def _unit(measure: Measure) -> str:
    return f", all sizes at once ({measure.unit or measure.title})"


def _beyond(beyond: BeyondLinear) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        gain = beyond.at(row["size"])
        if beyond.failed:
            return "failed"
        return "–" if gain is None else interval(gain, sign=True)

    return cell


def seeds(findings: Findings) -> Table:
    """List every dot of the scaling figure, each with links to its runs: one a fold."""
    measure = findings.measure
    folds = f", mean of {n} folds" if (n := len(findings.study.run_folds)) > 1 else ""
    columns = (
        text(AXES[findings.axis].title, "label"),
        *([text("at", "level")] if len(findings.study.axes) > 1 else []),
        *(count(one.noun, one.noun) for one in REDRAWS if one.noun in findings.seeds.columns),
        count("seed", "seed"),
        Column(f"{heading(measure)}{folds}", lambda row: fixed(row["value"], measure.digits)),
        Column(
            f"validation loss{folds}",
            lambda row: fixed(row["validation_loss"], findings.loss.digits),
        ),
        text("runs, one a fold" if folds else "run", "run_ids"),
    )
    return Table("seeds", "Every seed", findings.seeds, columns)


def baselines(findings: Findings) -> Table:
    """List the outcome of each baseline."""
    rows = [
        {"baseline": b.name, "run_ids": " ".join(b.run_ids or (b.run_id,)), **asdict(b.value)}
        for b in findings.baselines
    ]
    columns = (
        Column("baseline", lambda row: _marked(findings, row["baseline"]), numeric=False),
        estimate(heading(findings.measure), digits=findings.measure.digits),
        text("runs, one a fold" if len(findings.study.run_folds) > 1 else "run", "run_ids"),
    )
    return make_table("baselines", "Models without scale, on the same days", rows, columns)


def _marked(findings: Findings, baseline: str) -> str:
    return title(baseline) + (" (failed)" if baseline in findings.claims.failed else "")


def reach(findings: Findings) -> Table:
    """Compare what the study could have detected with what it measured."""
    rows = []
    for reach in findings.reaches:
        row = {"effect": reach.what, "smallest": reach.smallest, "unit": reach.unit}
        rows.append({**row, "null": reach.null, **asdict(reach.measured)})
    columns = (
        text("effect", "effect"),
        Column("minimum detectable effect", lambda row: _with_unit(number(row["smallest"]), row)),
        Column(
            "measured",
            lambda row: _with_unit(interval(Metric(row["value"], row["low"], row["high"])), row),
        ),
        Column("seen?", _seen, numeric=False),
    )
    return make_table("reach", "What this study could have seen, and what it saw", rows, columns)


def _with_unit(number_text: str, row: Row) -> str:
    return f"{number_text} {row['unit']}".rstrip()


def _seen(row: Row) -> str:
    if row["low"] > row["null"]:
        return "yes"
    return "no: it is worse" if row["high"] < row["null"] else "no"


def groups(findings: Findings, group: str) -> Table:
    """List skill by year or by volatility tercile."""
    heading = "year" if group == "year" else "volatility"
    rows = findings.groups.filter(pl.col("group") == group).drop("group")
    columns = (
        text(heading, "label"),
        Column("over", lambda row: title(row["over"]), numeric=False),
        count("days", "days"),
        estimate(f"skill ({findings.loss.unit})", sign=True),
    )
    return Table(f"skill_by_{heading}", f"Skill by {heading}", rows, columns)
