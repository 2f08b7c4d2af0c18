"""Figures and reports: what a person looks at."""

from finscale.report.loss_by_size import draw_loss_by_size

__all__ = ["draw_loss_by_size"]
