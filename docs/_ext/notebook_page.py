"""The notebook as a page: its cells and the outputs that are committed with it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def markdown(notebook: Path, pictures: Path) -> str:
    """Return the page, and write its pictures beside it.

    Parameters
    ----------
    notebook : Path
        With outputs: ``scripts/execute_notebook.py`` writes them.
    pictures : Path
        Folder for the figures, next to the page.
    """
    import nbformat

    read = nbformat.read(notebook, as_version=4)
    parts = [
        part for number, cell in enumerate(read.cells) for part in _cell(cell, number, pictures)
    ]
    link = f"{{download}}`{notebook.name} <../../examples/{notebook.name}>`"
    parts.insert(1, f"This page shows {link} with what its cells printed.")
    return "\n\n".join(parts) + "\n"


def _cell(cell: Mapping[str, Any], number: int, pictures: Path) -> Iterator[str]:
    if cell["cell_type"] == "markdown":
        yield cell["source"]
        return
    yield f"```python\n{cell['source']}\n```"
    for place, output in enumerate(cell["outputs"]):
        if "text" in output:
            yield _said(output["text"])
            continue
        data = output.get("data", {})
        if "image/png" in data:
            path = pictures / f"figure-{number}-{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(data["image/png"]))
            yield f"![what this cell drew]({pictures.name}/{path.name})"
        elif "text/plain" in data:
            yield _said(data["text/plain"])


def _said(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"
