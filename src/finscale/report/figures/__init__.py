"""The report's figures, in its order: each answers the question in its title."""

from __future__ import annotations

from collections.abc import Callable

from finscale.registry import Registry
from finscale.report.figure import Figure
from finscale.report.figures.architectures import architectures
from finscale.report.figures.economic import economic
from finscale.report.figures.prediction import calibration, precision_recall, spread
from finscale.report.figures.scaling import scaling
from finscale.report.figures.skill import regimes, skill, years
from finscale.report.figures.trading import tearsheet, trading
from finscale.report.figures.training import learning
from finscale.study.findings.findings import Findings

#: Findings to figure; None where the study has nothing to draw.
FIGURES: Registry[Callable[[Findings], Figure | None]] = Registry("figure")
_MAKERS = (
    architectures,
    scaling,
    skill,
    years,
    economic,
    regimes,
    calibration,
    precision_recall,
    learning,
    spread,
    trading,
    tearsheet,
)
for _make in _MAKERS:
    FIGURES.add(_make.__name__, _make)


def figures(findings: Findings) -> dict[str, Figure]:
    """Return every figure that the findings fill, by name."""
    drawn = {name: make(findings) for name, make in FIGURES.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}
