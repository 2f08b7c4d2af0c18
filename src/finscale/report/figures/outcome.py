"""The outcome's axis in figures of size: its title, its range, and the baselines on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.titles import title
from finscale.report.figure import Rule, spread
from finscale.report.figures.common import baseline_roles, padded
from finscale.report.numbers import fixed
from finscale.study.findings.findings import BaselineFinding, Findings

#: A baseline further away than this share of the runs' range is named at the edge instead. The
#: linear model is what networks have to beat: for it the curve may shrink to two fifths.
_NEAR, _NEAR_LINEAR = 0.6, 1.5
#: Height of a line of text, as a share of the panel's.
_LINE = 0.055


def value_title(findings: Findings) -> str:
    """Return the title of the outcome's axis."""
    what, unit = findings.outcome.axis, findings.measure.unit
    less = " less the base rate's" if findings.is_relative else ""
    return f"{what}{less} ({unit} per decision)" if unit else what + less


def with_baselines(findings: Findings, values: Sequence[float]) -> tuple[float, float]:
    """Return a range round values that takes in baselines which do not flatten the curve.

    It has room for the names of the others, which would hide what lies at the edge.
    """
    low, high = min(values), max(values)
    near = []
    for baseline in _held_against(findings):
        far = (_NEAR_LINEAR if baseline.name == LINEAR_BASELINE else _NEAR) * (high - low)
        if low - far <= baseline.value.value <= high + far:
            near.append(baseline.value.value)
    low, high = padded(min([low, *near]), max([high, *near]))
    line = _LINE * (high - low)
    num_below = len(far_baselines(findings, below=low))
    num_above = len(far_baselines(findings, above=high))
    return low - num_below * line, high + num_above * line


def baseline_rules(
    findings: Findings, limits: tuple[float, float], *, at_lines: bool
) -> list[Rule]:
    """Return a line for each baseline within the limits.

    ``at_lines``: each is named at its right end, where nothing else is drawn; otherwise the legend
    names it.
    """
    roles, (low, high) = baseline_roles(findings), limits
    near = [b for b in _held_against(findings) if low <= b.value.value <= high]
    if not at_lines:
        return [Rule(_named(findings, b), b.value.value, roles[b.name]) for b in near]
    line = _LINE * (high - low)
    num_below = len(far_baselines(findings, below=low))
    num_above = len(far_baselines(findings, above=high))
    room = low + num_below * line, high - num_above * line
    # just above its line
    middles = spread([b.value.value + line / 2 for b in near], line, room)
    return [
        Rule(
            "",
            b.value.value,
            roles[b.name],
            label=_brief(findings, b),
            label_y=y,
        )
        for b, y in zip(near, middles, strict=True)
    ]


def far_baselines(
    findings: Findings, *, above: float = np.inf, below: float = -np.inf, brief: bool = False
) -> tuple[str, ...]:
    """Return in words the baselines above the panel, or below it; ``brief`` where it is narrow."""
    return tuple(
        _brief(findings, b) if brief else f"{_named(findings, b)}, off the scale"
        for b in _held_against(findings)
        if b.value.value > above or b.value.value < below
    )


def _named(findings: Findings, baseline: BaselineFinding) -> str:
    return f"{title(baseline.name)} baseline{_mark(findings, baseline)} " + _valued(
        findings, baseline
    )


def _brief(findings: Findings, baseline: BaselineFinding) -> str:
    return f"{title(baseline.name)}{_mark(findings, baseline)} {_valued(findings, baseline)}"


def _mark(findings: Findings, baseline: BaselineFinding) -> str:
    whose = f", {baseline.of}" if baseline.of else ""
    return f"{whose} (failed)" if baseline.name in findings.claims.failed else whose


def _valued(findings: Findings, baseline: BaselineFinding) -> str:
    return fixed(baseline.value.value, findings.measure.digits)


def _held_against(findings: Findings) -> tuple[BaselineFinding, ...]:
    """Return the baselines on the figure's scale; differences leave none but their zero."""
    return () if findings.is_relative else findings.baselines
