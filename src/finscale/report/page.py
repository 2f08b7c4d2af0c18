"""Lay out the report: the first screen, then a section for each question."""

from __future__ import annotations

from finscale.report.decision import decide, situation
from finscale.report.parts import Page
from finscale.report.sections import sections
from finscale.report.top import capital, keys, setting, warnings
from finscale.study.axes import AXES
from finscale.study.family_words import answer, sentence
from finscale.study.findings.findings import Findings

#: What each verdict means to someone with ten seconds.
IN_PLAIN_WORDS = {
    "LAW": "Size pays, and by how much can be predicted.",
    "TURNS": "Size pays up to a point, and hurts beyond it.",
    "INVERSE": "Size hurts: the larger, the worse.",
    "NO-LAW": "Size makes no difference worth having.",
    "INDETERMINATE": "This study cannot tell whether size pays.",
    "": "The study is not finished.",
    "too small": "This study is too small to tell whether size pays.",
}
#: Colour role of each verdict.
TONES = {"LAW": "good", "TURNS": "warn", "INVERSE": "bad", "NO-LAW": "null"}


def make_page(findings: Findings, plan: str) -> Page:
    """Lay out a report.

    Parameters
    ----------
    findings : Findings
        What is shown.
    plan : str
        The resolved study file, as it was fixed before the first run.
    """
    name, plain, said = _said(findings)
    return Page(
        study=findings.study.name,
        hash=findings.study.hash(),
        question=findings.study.question or f"What does more {AXES[findings.axis].title} bring?",
        setting=setting(findings),
        verdict=name or "NO VERDICT",
        tone=TONES.get(name, "null"),
        plain=plain,
        sentence=said,
        decision=decide(situation(findings)),
        keys=tuple(keys(findings)),
        warnings=tuple(warnings(findings)),
        sections=tuple(sections(findings, plan)),
    )


def _said(findings: Findings) -> tuple[str, str, str]:
    """Return the verdict in a word, in plain words, and in a sentence that a paper could quote."""
    found, verdict = findings.families, findings.verdict
    beyond = findings.beyond.headline if verdict and findings.beyond else ""
    if found is not None:
        names = {one.verdict.name if one.verdict else "" for one in found.families}
        name = names.pop() if len(names) == 1 else "MIXED"
        whose = f" {found[found.lead].title}: {beyond[:1].lower()}{beyond[1:]}." if beyond else ""
        return name, answer(found) + whose, sentence(found)
    name = verdict.name if verdict else ""
    said = verdict.sentence.removeprefix(f"{name}: ") if verdict else findings.no_verdict
    plain = IN_PLAIN_WORDS[name or ("" if findings.missing else "too small")]
    plain = f"{plain} {beyond}." if beyond else plain
    return name, plain, capital(said)
