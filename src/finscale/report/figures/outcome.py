"""The outcome's axis in figures of size: its title, its range, and the baselines on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finscale.report.figure import Rule
from finscale.report.figures.common import baseline_roles, padded, title
from finscale.report.numbers import fixed
from finscale.study.findings.findings import BaselineFinding, Findings

#: A baseline further away than this share of the runs' range is named at the edge instead.
_NEAR = 0.6


def value_title(findings: Findings) -> str:
    """Return the title of the outcome's axis."""
    what, unit = findings.outcome.axis, findings.measure.unit
    less = " less the base rate's" if findings.is_relative else ""
    return f"{what}{less} ({unit} per decision)" if unit else what + less


def with_baselines(findings: Findings, values: Sequence[float]) -> tuple[float, float]:
    """Return a range round values that takes in baselines which do not flatten the curve."""
    low, high = min(values), max(values)
    far = _NEAR * (high - low)
    near = [
        b.value.value for b in _held_against(findings) if low - far <= b.value.value <= high + far
    ]
    return padded(min([low, *near]), max([high, *near]))


def baseline_rules(findings: Findings, limits: tuple[float, float]) -> list[Rule]:
    """Return a line for each baseline within the limits."""
    roles, (low, high) = baseline_roles(findings), limits
    return [
        Rule(_named(findings, b), b.value.value, roles[b.name])
        for b in _held_against(findings)
        if low <= b.value.value <= high
    ]


def far_baselines(
    findings: Findings, *, above: float = np.inf, below: float = -np.inf, brief: bool = False
) -> tuple[str, ...]:
    """Return in words the baselines above the panel, or below it; ``brief`` where it is narrow."""
    return tuple(
        _named(findings, b).replace(" baseline", "")
        if brief
        else f"{_named(findings, b)}, off the scale"
        for b in _held_against(findings)
        if b.value.value > above or b.value.value < below
    )


def _named(findings: Findings, baseline: BaselineFinding) -> str:
    value = fixed(baseline.value.value, findings.measure.digits)
    return f"{title(baseline.name)} baseline {value}"


def _held_against(findings: Findings) -> tuple[BaselineFinding, ...]:
    """Return the baselines on the figure's scale; differences leave none but their zero."""
    return () if findings.is_relative else findings.baselines
