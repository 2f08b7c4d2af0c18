"""Figures and reports: what a person looks at."""

from finscale.report.write import write_findings, write_report

__all__ = ["write_findings", "write_report"]
