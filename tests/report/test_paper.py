"""What a paper takes from a study, what ×10 means in its report, and who stands in its tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from finscale.report import write_findings
from finscale.report.figure import Points
from finscale.report.figures.scaling import scaling
from finscale.report.figures.training import learning
from finscale.report.html import render_html
from finscale.report.page import make_page
from finscale.report.paper import bibliography, methods
from finscale.study.findings import Findings


def test_a_paper_has_figures_methods_and_every_reference_that_it_cites(
    findings: Findings, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    write_findings(findings, tmp_path, paper=True, tell=lambda *what: told.append(what))
    figures = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    printed = list((tmp_path / "paper/figures").glob("*.pdf"))
    assert {path.stem for path in printed} == figures
    assert all(path.read_bytes().startswith(b"%PDF") for path in printed)
    text = (tmp_path / "paper/methods.md").read_text()
    keys = set(re.findall(r"\[@(\w+)\]", text))
    entries = set(
        re.findall(r"^@\w+\{(\w+),", (tmp_path / "paper/references.bib").read_text(), re.M)
    )
    assert keys == entries >= {"finscale", "study", "nie2023"}
    tex = (tmp_path / "paper/methods.tex").read_text()
    assert set(re.findall(r"\\citep\{(\w+)\}", tex)) == keys
    assert "[@" not in tex
    assert findings.study.hash() in text
    # what is made is told, and how much of it is left
    assert ("figure scaling", 1, len(figures)) in told
    assert (f"PDF of {printed[0].stem}" in {what for what, _, _ in told}) is True


def test_what_is_not_cited_is_no_reference(findings: Findings) -> None:
    paragraphs = [one for one in methods(findings) if "politis" not in one]
    assert "politis1994" not in bibliography(findings, paragraphs)
    assert "politis1994" in bibliography(findings, methods(findings))


def test_ten_times_is_one_number_on_the_card_and_in_the_figure(findings: Findings) -> None:
    verdict, curve = findings.verdict, findings.curve
    assert verdict is not None
    assert curve is not None
    (mark,) = (
        one
        for one in scaling(findings).panels[0].marks
        if isinstance(one, Points) and one.name.startswith("×10")
    )
    saved = verdict.next_tenfold
    # the dot ends the carried-on curve, and its bar is the verdict's interval
    assert mark.y[0] == pytest.approx(curve.value[-1])
    arms = mark.y[0] - mark.low[0], mark.high[0] - mark.y[0]
    assert arms == pytest.approx((saved.high - saved.value, saved.value - saved.low))
    at_last = np.interp(curve.size_G[-1], curve.x, curve.value)
    assert at_last - mark.y[0] == pytest.approx(saved.value, abs=2e-3)


def test_a_dot_of_several_folds_leads_to_all_of_them(findings: Findings) -> None:
    page = make_page(findings, "")
    table = next(one for one in page.tables if one.name == "seeds")
    runs = [row[-1].split() for row in table.rows]
    assert {len(one) for one in runs} == {len(findings.study.run_folds)}
    html = render_html(page)
    for run in (run for row in runs for run in row):
        assert f'<a href="#run-{run}">{run}</a>' in html


def test_validation_curves_of_several_folds_are_drawn_about_their_folds_mean(
    regression: Findings,
) -> None:
    figure = learning(regression)
    assert figure is not None
    _, panel = figure.panels
    assert "mean of each fold subtracted" in panel.y.title
    rows = regression.learning
    below = [y for mark in panel.marks if not isinstance(mark, Points) for y in mark.y]  # type: ignore[union-attr]
    assert len(below) == rows.height
    assert sum(below) == pytest.approx(0, abs=1e-9)


def test_months_are_tinted_by_what_they_made(findings: Findings) -> None:
    table = next(one for one in make_page(findings, "").tables if one.name == "monthly")
    tints = [tint for row in table.tints for tint in row if tint is not None]
    assert max(map(abs, tints)) == pytest.approx(1)
    assert "data-tint" in render_html(make_page(findings, ""))
