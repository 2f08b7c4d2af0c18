"""The built site works from disk: nothing is fetched, nothing is broken. `make docs` builds it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

SITE = Path(__file__).parents[2] / "docs/_build/html"


@pytest.fixture(scope="module")
def pages():
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: make docs")
    return {path: path.read_text(encoding="utf-8") for path in SITE.rglob("*.html")}


def test_no_page_fetches_anything(pages):
    fetched = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"' >]+"
        r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*\bhref=[\"']?(?:https?:)?//[^\"' >]+"
    )
    for path, text in pages.items():
        assert not fetched.search(text), path
    for style in SITE.glob("_static/**/*.css"):
        content = style.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", content), style


def test_links_and_pictures_lead_to_files(pages):
    for path, text in pages.items():
        for link in re.findall(r"<(?:a|img)\b[^>]*\b(?:href|src)=\"([^\"#?]+)", text):
            if not link.startswith(("http", "mailto:", "data:", "javascript:")):
                assert (path.parent / unquote(link)).exists(), f"{path.name}: {link}"


def test_nothing_of_the_machine_is_on_a_page(pages):
    for path, text in pages.items():
        for place in ("/work/", "/tmp/", "/root/", "site-packages"):
            assert place not in text, f"{path.name}: {place}"


def test_the_pages_that_the_program_and_the_tasks_name_are_there(pages):
    for name in ("reference/config", "reference/cli", "tutorial/first-study", "tutorial/your-data"):
        assert SITE / f"{name}.html" in pages
    for name in ("evaluation", "leakage", "scaling-laws", "controls", "performance", "LOG"):
        assert SITE / f"{name}.html" in pages


def test_every_example_was_run_and_drawn(pages):
    examples = sorted((SITE / "auto_examples").glob("plot_*.html"))
    assert len(examples) == len(list((SITE.parents[1] / "gallery").glob("plot_*.py")))
    for path in examples:
        assert "<img" in pages[path].partition("<article")[2], path.name
