"""Tables of a comparison of architectures: each of them, their differences, every size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from finscale.evaluation.bootstrap import Metric
from finscale.report.figures.common import heading
from finscale.report.numbers import fixed, interval, number, percent
from finscale.report.table import Column, Row, Table, count, estimate, make_table, text
from finscale.scaling.measure import Measure
from finscale.study.family_results import FamilyComparison, FamilyResult


def tables(found: FamilyComparison, loss: Measure) -> tuple[Table, ...]:
    """Return every table of a comparison; ``loss`` is what validation measures."""
    return families(found, loss), differences(found), every_size(found, loss)


def families(found: FamilyComparison, loss: Measure) -> Table:
    """List each architecture: its verdict, its best size, and what size brings it."""
    measure, lined = found.measure, any(one.beyond_best for one in found.families)
    rows = []
    for one in found.families:
        gain = one.verdict.gain if one.verdict else None
        rows.append(
            {
                "family": one.name,
                "architecture": one.title,
                "verdict": one.verdict_name,
                "best": one.best.label,
                "validation_loss": one.best.validation_loss,
                **asdict(one.best.value),
                "gain": gain.value if gain else None,
                "gain_low": gain.low if gain else None,
                "gain_high": gain.high if gain else None,
                **(_beyond(one) if lined else {}),
                "sentence": one.verdict.sentence if one.verdict else one.no_verdict,
            }
        )
    columns = (
        text("architecture", "architecture"),
        text("verdict", "verdict"),
        text("best size, by validation", "best"),
        Column("validation loss", lambda row: fixed(row["validation_loss"], loss.digits)),
        estimate(f"{heading(measure)} there", digits=measure.digits),
        Column(
            f"{measure.gained}, smallest to largest size",
            lambda row: _gain(row, "gain"),
        ),
        *(
            [Column(_beyond_head(measure), lambda row: _gain(row, "beyond_linear"))]
            if lined
            else ()
        ),
    )
    return make_table("architectures", "Every architecture", rows, columns)


def _gain(row: Row, name: str) -> str:
    if row[name] is None:
        return "–"
    return interval(Metric(row[name], row[f"{name}_low"], row[f"{name}_high"]), sign=True)


def _beyond(one: FamilyResult) -> dict[str, float | None]:
    # nothing is said beyond a linear model that failed
    gain = None if one.beyond is not None and one.beyond.failed else one.beyond_best
    return {
        "beyond_linear": gain.value if gain else None,
        "beyond_linear_low": gain.low if gain else None,
        "beyond_linear_high": gain.high if gain else None,
    }


def _beyond_head(measure: Measure) -> str:
    return f"best size beyond the linear model ({measure.unit or measure.title})"


def differences(found: FamilyComparison) -> Table:
    """List by how much each architecture is better than each other, at each size."""
    unit = f" ({found.measure.unit})" if found.measure.unit else ""
    rows = [
        {
            **{key: value for key, value in asdict(one).items() if key != "gain"},
            **asdict(one.gain),
            "seen": one.is_seen,
        }
        for one in found.differences
    ]
    columns = (
        text("at", "at"),
        Column("first", lambda row: _named(row, "first"), numeric=False),
        Column("second", lambda row: _named(row, "second"), numeric=False),
        estimate(f"first is better by{unit}", sign=True),
        Column("p, of all together", lambda row: number(float(f"{row['p_value']:.2g}"))),
        Column("seen?", lambda row: _seen(row), numeric=False),
    )
    return make_table("architecture_differences", _title(found), rows, columns)


def _title(found: FamilyComparison) -> str:
    days, number_of = f"{found.num_days:,} test days", len(found.differences)
    return (
        f"Differences, paired by day over {days}; all {number_of} intervals hold at once with "
        f"{percent(1 - found.level)} confidence"
    )


def _named(row: Row, which: str) -> str:
    size = row[f"{which}_size"]
    return str(row[which]) if size == row["at"] else f"{row[which]}, {size}"


def _seen(row: Row) -> str:
    if not row["seen"]:
        return "no"
    return f"{row['first'] if row['value'] > 0 else row['second']} is better"


def every_size(found: FamilyComparison, loss: Measure) -> Table:
    """List the outcome of each architecture at each size."""
    rows = [
        {"family": one.name, "architecture": one.title, **_flat(asdict(size))}
        for one in found.families
        for size in one.sizes
    ]
    columns = (
        text("architecture", "architecture"),
        text("size", "label"),
        count("parameters built", "parameters"),
        count("seeds", "num_seeds"),
        estimate(heading(found.measure), digits=found.measure.digits),
        Column("validation loss", lambda row: fixed(row["validation_loss"], loss.digits)),
    )
    return make_table("architecture_sizes", "Every architecture at every size", rows, columns)


def _flat(size: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in size.items() if key != "value"}, **size["value"]}
