"""The parts of a report: the numbers of its first screen, its sections, the page."""

from __future__ import annotations

from dataclasses import dataclass

from finscale.report.figure import Figure
from finscale.report.table import Table


@dataclass(frozen=True)
class Key:
    """A number that matters, in the first screen."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class ReportSection:
    """One question, its answer, its figure and its tables.

    Parameters
    ----------
    name : str
        Of its anchor.
    title : str
        The question, or what the section holds.
    paragraphs : tuple of str
        The answer first.
    figure : Figure, optional
    tables : tuple of Table
    folded : bool
        Whether tables wait behind a line that opens them.
    code : tuple of (str, str)
        (what it is, text): commands, the study file.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    figure: Figure | None = None
    tables: tuple[Table, ...] = ()
    folded: bool = False
    code: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """Everything that a reader sees, in order."""

    study: str
    hash: str
    question: str
    setting: str
    verdict: str
    tone: str
    plain: str
    sentence: str
    decision: tuple[str, ...]
    keys: tuple[Key, ...]
    warnings: tuple[str, ...]
    sections: tuple[ReportSection, ...]

    @property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        return [section.figure for section in self.sections if section.figure is not None]

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]
