"""Writes the pages that are made from the code, before Sphinx reads its sources.

==================================== ==================================================
``reference/_generated/cli.md``      every verb with its options, by typer's own generator
``reference/_generated/config.md``   every setting, from the classes and their docstrings
``reference/_generated/features.md`` every declared feature
``reference/_generated/words.md``    the words of the report
``reference/_generated/rooms.md``    every room with what lives there
``reference/api/generated/*.rst``    the public names of each room
``tutorial/notebook.md``             the notebook with its outputs
==================================== ==================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import api_pages
import cli_page
import features_page
import notebook_page
import settings_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages now: ``source-read`` and autosummary come later and find them."""
    reference = Path(app.srcdir) / "reference"
    write(reference / "_generated" / "cli.md", cli_page.markdown())
    write(reference / "_generated" / "config.md", settings_page.markdown())
    write(reference / "_generated" / "features.md", features_page.markdown())
    write(reference / "_generated" / "words.md", words())
    write(reference / "_generated" / "rooms.md", api_pages.summaries())
    tutorial = Path(app.srcdir) / "tutorial"
    notebook = Path(app.srcdir).parent / "examples" / "first_study.ipynb"
    write(tutorial / "notebook.md", notebook_page.markdown(notebook, tutorial / "_notebook"))
    for name, text in api_pages.pages().items():
        write(reference / "api" / "generated" / f"{name}.rst", text)
    app.connect("autodoc-process-signature", api_pages.short_signature)
    return {"parallel_read_safe": True}


def write(path: Path, text: str) -> None:
    """Write a page only if it is another: Sphinx reads again what is newer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def words() -> str:
    """Return the report's glossary as a definition list."""
    from finscale.report.words import GLOSSARY

    terms = sorted(GLOSSARY.items(), key=lambda item: item[0].lower())
    return "\n\n".join(f"{term}\n: {meaning}" for term, meaning in terms) + "\n"
