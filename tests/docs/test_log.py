"""The lab notebook: an index with a line for every entry, entries of one form, 100 columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FILES = sorted((DOCS / "log").glob("*.md"))


def _entries(path: Path) -> dict[str, str]:
    """Return the text of each entry by its title."""
    parts = re.split(r"^### (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("path", [DOCS / "LOG.md", *FILES], ids=lambda path: path.name)
def test_lines_have_100_columns_at_most(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100] == []
    assert len(lines) <= 600


def test_the_index_lists_every_entry_once():
    index = (DOCS / "LOG.md").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^\[(\d+)\]: log/(\S+)#", index, re.MULTILINE))
    listed = [
        (targets[number], title)
        for title, number in re.findall(r"^- \[(.+)\]\[(\d+)\]$", index, re.MULTILINE)
    ]
    assert sorted(listed) == sorted(
        (path.name, title) for path in FILES for title in _entries(path)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_entry_asks_tries_and_answers(path):
    for title, text in _entries(path).items():
        assert text.lstrip().startswith("**Question.**"), title
        assert "**Tried" in text, title
        assert "result.**" in text or "**Result.**" in text, title
