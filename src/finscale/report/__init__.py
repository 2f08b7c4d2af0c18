"""Figures and reports: what a person looks at."""

from finscale.report.loss_by_size import draw_loss_by_size
from finscale.report.write import write_findings, write_report

__all__ = ["draw_loss_by_size", "write_findings", "write_report"]
