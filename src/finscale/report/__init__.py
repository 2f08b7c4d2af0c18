"""Figures and reports: what a person looks at."""

from finscale.report.write import draw_study, write_findings, write_report

__all__ = ["draw_study", "write_findings", "write_report"]
