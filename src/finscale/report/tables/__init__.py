"""The report's tables, from a study's findings."""

from finscale.report.tables.judged import controls, reliability, scores, trading
from finscale.report.tables.provenance import certificate, data, environment, windows
from finscale.report.tables.runs import runs
from finscale.report.tables.sizes import baselines, groups, reach, seeds, sizes

__all__ = [
    "baselines",
    "certificate",
    "controls",
    "data",
    "environment",
    "groups",
    "reach",
    "reliability",
    "runs",
    "scores",
    "seeds",
    "sizes",
    "trading",
    "windows",
]
