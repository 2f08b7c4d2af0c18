"""An IsoFLOP analysis in words and in JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config.quantities import format_count
from finscale.files import null_for_nan
from finscale.scaling.law_text import interval, number

if TYPE_CHECKING:
    from finscale.scaling.isoflop_result import Growth, IsoFlop

_WIDTH = 100
_LABEL = 12


def row(label: str, text: str) -> list[str]:
    """Return a label and its text, wrapped at 100 columns."""
    wrapped = textwrap.wrap(text, _WIDTH - _LABEL - 1) or [""]
    return [f"{label if not i else '':<{_LABEL}} {part}".rstrip() for i, part in enumerate(wrapped)]


def count(value: float) -> str:
    """Return a size as people write it; compute and what is beyond 999T in powers of ten."""
    return format_count(value) if 1000 <= value < 9.995e14 else f"{value:.3g}"


def summary(found: IsoFlop) -> str:
    """Return what ``IsoFlop.summary`` says."""
    (size, data), measure = found.table.axes, found.table.measure
    used = found.num_runs - sum(num for num, _ in found.dropped)
    tried = f"runs within {found.tolerance:g} % of one compute; parabola in ln {size} on "
    tried += "all sizes" if np.isinf(found.window) else f"± {found.window:g} × around its bottom"
    lines = [
        *row("compute", found.compute.words),
        *row("runs", f"{found.num_runs}, {used} of them at {len(found.levels)} levels"),
        *row("levels", f"{tried}; {found.table.measure.fitted} by {found.loss}"),
    ]
    for num, why in found.dropped:
        lines += row("dropped", f"{num} run{'s' if num > 1 else ''} {why}")
    level = f"{found.level:.0%}"
    if found.levels:
        best = f"best {size}"[:18]
        lines += [
            "",
            f"{'':<{_LABEL}} {'compute':>9} {best:>18}   {level + ' interval':<20} "
            f"{'best ' + data:>14} {measure.title[:9]:>9} {'runs used':>10}",
        ]
        for one in found.levels:
            ends = " ".join(count(end) for end in one.interval)
            told = f"[{ends.replace(' ', ', ')}]" if np.isfinite(one.interval).all() else "–"
            lines.append(
                f"{'':<{_LABEL}} {one.compute:>9.3g} {count(one.size):>18}   {told:<20} "
                f"{count(one.data):>14} {number(measure.shown(one.loss)):>9} "
                f"{f'{one.num_inside} of {one.num_runs}':>10}"
            )
        lines.append("")
    if found.reason:
        lines += row("result", f"no exponent: {found.reason}")
    else:
        for name, axis, growth in (("a", size, found.size), ("b", data, found.data)):
            scale = np.exp(growth.log_scale)
            told = f"{growth.exponent:.3f} {interval(growth.interval)}"
            lines += row(
                name, f"{told}   best {axis} = {scale:.3g} · compute^{growth.exponent:.3f}"
            )
        lines += row("bootstrap", f"{len(found.size.exponents_R):,} redraws of {found.scheme}")
    for note in found.notes:
        lines += row("note", note)
    return "\n".join(lines)


def sentence(found: IsoFlop) -> str:
    """Return what ``IsoFlop.sentence`` says."""
    size, _ = found.table.axes
    if found.reason:
        return f"No exponent: {found.reason}."
    told = f"{found.exponent:.3f} {interval(found.interval)}"
    return f"Best {size} ∝ compute^{told}, by the bottoms at {len(found.levels)} levels of compute."


def splits(found: IsoFlop, computes: Sequence[float]) -> list[dict[str, Any]]:
    """Return what ``IsoFlop.splits`` says."""
    largest = max((one.compute for one in found.levels), default=float("nan"))
    told = []
    for compute, *ends in zip(
        computes, *found.optimum(computes), *found.optimal_data(computes), strict=True
    ):
        size, low, high, data, data_low, data_high = map(float, ends)
        told.append(
            {
                "compute": compute,
                "size": size,
                "size_interval": [low, high],
                "data": data,
                "data_interval": [data_low, data_high],
                "beyond": max(1.0, compute / largest),
            }
        )
    return [null_for_nan(one) for one in told]


def splits_text(found: IsoFlop, computes: Sequence[float]) -> str:
    """Return what ``IsoFlop.splits_text`` says."""
    if found.reason:
        return f"No split can be told: {found.reason}."
    size, data = found.table.axes
    lines = []
    for one in splits(found, computes):
        parts = []
        for axis, key in ((size, "size"), (data, "data")):
            ends = one[f"{key}_interval"]
            known = None not in ends
            told = f" [{count(ends[0])}, {count(ends[1])}]" if known else ""
            parts.append(f"{axis} {count(one[key])}{told}")
        far = f"; {extrapolated(one['beyond'])}" if one["beyond"] > 1 else ""
        lines += row(f"at {one['compute']:.3g}", f"{', '.join(parts)}{far}")
    return "\n".join(lines)


def extrapolated(factor: float) -> str:
    """Return in words how far beyond the data a number lies."""
    word = "an extrapolation" if factor <= 10 else "a far extrapolation"
    return f"{word}, {factor:.3g} × beyond the largest fitted"


def as_dict(found: IsoFlop) -> dict[str, Any]:
    """Return what ``IsoFlop.to_dict`` says."""
    told = ("loss", "num_runs", "notes", "scheme", "tolerance", "window", "level", "reason")
    content: dict[str, Any] = {
        "axes": list(found.table.axes),
        "compute": found.compute.words,
        "fitted": found.table.measure.fitted,
        **{name: getattr(found, name) for name in told},
        "dropped": [{"runs": num, "reason": why} for num, why in found.dropped],
        "levels": [vars(one) for one in found.levels],
        "size": _growth(found.size),
        "data": _growth(found.data),
    }
    return {name: null_for_nan(value) for name, value in content.items()}


def _growth(growth: Growth) -> dict[str, Any]:
    known = np.isfinite(growth.interval).all()
    return {
        "exponent": growth.exponent,
        "interval": growth.interval if known else None,
        "scale": float(np.exp(growth.log_scale)),
    }
