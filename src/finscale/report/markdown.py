"""The report as Markdown, with the figures as images beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from finscale.report.parts import Page, ReportSection
from finscale.report.table import Table
from finscale.report.words import GLOSSARY, VERDICTS, used

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render_markdown(page: Page) -> str:
    """Return the page as Markdown: the same words and numbers, figures by their PNG files."""
    parts = [*_top(page)]
    for section in page.sections:
        parts += _section(section)
    parts += ["## What the words mean", _glossary(page)]
    return "\n\n".join(parts) + "\n"


def text(words: str) -> str:
    """Return words that Markdown shows as they are: ``<script>`` and ``a_b`` stay text."""
    return _SPECIAL.sub(r"\\\1", words)


def _top(page: Page) -> Iterator[str]:
    yield f"# {text(page.question)}"
    yield f"Study {text(page.study)}, pre-registered as `{page.hash[:16]}…`  \n{text(page.setting)}"
    yield f"**{page.verdict}. {text(page.plain)}** {text(page.sentence)}"
    for warning in page.warnings:
        yield f"> **{text(warning)}**"
    yield f"**What to do.** {text(' '.join(page.decision))}"
    lines = ["| | | |", "|---|---|---|"]
    lines += [f"| {text(k.label)} | **{text(k.value)}** | {text(k.note)} |" for k in page.keys]
    yield "\n".join(lines)


def _section(section: ReportSection) -> Iterator[str]:
    yield f"## {text(section.title)}"
    yield from map(text, section.paragraphs)
    figure = section.figure
    if figure is not None:
        yield f"![{text(figure.question)}](figures/{figure.name}.png)"
        yield f"*{text(figure.caption)}*"
    for table in section.tables:
        yield f"**{text(table.title)}**"
        yield markdown_table(table)
    for what, code in section.code:
        yield f"{text(what)}:"
        fence = "~~~" if "```" in code else "```"
        yield f"{fence}\n{code.rstrip()}\n{fence}"


def markdown_table(table: Table) -> str:
    """Return a table, numbers to the right."""
    heads = " | ".join(text(column.title) for column in table.columns)
    rule = "|".join("---:" if column.numeric else "---" for column in table.columns)
    rows = ("| " + " | ".join(map(text, row)) + " |" for row in table.rows)
    return "\n".join([f"| {heads} |", f"|{rule}|", *rows])


def _glossary(page: Page) -> str:
    texts = [page.sentence, *page.decision, *(key.label for key in page.keys)]
    for section in page.sections:
        texts += [section.title, *section.paragraphs]
        texts += [section.figure.caption] if section.figure else []
        texts += [column.title for table in section.tables for column in table.columns]
    meanings = {page.verdict: VERDICTS[page.verdict]}
    meanings |= {term: GLOSSARY[term] for term in used(texts)}
    return "\n".join(f"- **{text(term)}**: {text(meaning)}" for term, meaning in meanings.items())
