"""A study's report on disk: HTML, Markdown, figures and tables, each file whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from finscale.files import write_bytes
from finscale.report import static
from finscale.report.figures.architectures import architectures
from finscale.report.figures.scaling import scaling
from finscale.report.html import render_html
from finscale.report.latex import latex_table
from finscale.report.markdown import render_markdown
from finscale.report.page import make_page
from finscale.report.paper import write_paper
from finscale.report.table import csv
from finscale.study.findings import find
from finscale.study.findings.findings import Findings
from finscale.study.study import Study
from finscale.study.telling import Tell, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def write_report(
    study: Study, folder: Path | None = None, *, paper: bool = False, tell: Tell = silent
) -> Path:
    """Write the report of a study's finished runs.

    Parameters
    ----------
    study : Study
        With at least one finished network.
    folder : Path, optional
        Where ``report.html``, ``report.md``, ``figures/`` and ``tables/`` go; the study's own
        folder when absent.
    paper : bool
        Whether ``paper/`` is written too: figures as PDF, a methods text, BibTeX.
    tell : callable
        Told what is being made, the how-manieth it is and of how many.

    Returns
    -------
    Path
        The HTML file.

    Raises
    ------
    FinscaleError
        If nothing is finished yet, or the folder cannot be written.
    """
    tell("scores and intervals of every run", 0, 0)
    return write_findings(find(study, tell), folder or study.folder, paper=paper, tell=tell)


def draw_study(study: Study) -> Canvas:
    """Return the figure of a study's finished runs: losses against size, the law, the baselines.

    Raises
    ------
    FinscaleError
        If nothing is finished yet.
    """
    findings = find(study)
    return static.drawn(architectures(findings) or scaling(findings))


def write_findings(
    findings: Findings, folder: Path, *, paper: bool = False, tell: Tell = silent
) -> Path:
    """Write the report of given findings; see :func:`write_report`."""
    plan = yaml.safe_dump(findings.study.resolved(), sort_keys=False, allow_unicode=True)
    page = make_page(findings, plan)
    for number, figure in enumerate(page.figures, 1):
        tell(f"figure {figure.name}", number, len(page.figures))
        static.save(figure, folder / "figures")
    for table in page.tables:
        write_bytes(folder / "tables" / f"{table.name}.csv", csv(table).encode())
        write_bytes(folder / "tables" / f"{table.name}.tex", latex_table(table).encode())
    if paper:
        write_paper(findings, page, folder / "paper", tell)
    tell("the page", 0, 0)
    write_bytes(folder / "report.md", render_markdown(page).encode())
    write_bytes(folder / "report.html", render_html(page).encode())
    return folder / "report.html"
