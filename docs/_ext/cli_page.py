"""The command line as Markdown, by typer's generator."""

from __future__ import annotations

import re
from typing import Any

#: Commands of a group, as the generator lists them; their help is cut there.
_LISTED = re.compile(r"^\* `([a-z-]+)`: .*\.\.\.$", re.MULTILINE)


def markdown() -> str:
    """Return every verb with its arguments, options and help, below headings of level 2."""
    import typer
    from typer.cli import get_docs_for_click

    from finscale.cli.app import app

    root: Any = typer.main.get_command(app)
    text = get_docs_for_click(obj=root, ctx=typer.Context(root), name="finscale")
    # the page has its own title, and the root's paragraphs stand under it
    text = text.removeprefix("# `finscale`\n\n")
    return _LISTED.sub(lambda match: _whole(root, text, match), text)


def _whole(root: Any, text: str, match: re.Match[str]) -> str:
    """Return a list entry with the whole first sentence of the command's help."""
    heads = re.findall(r"^#+ `finscale ?([a-z -]*)`$", text[: match.start()], re.MULTILINE)
    command = root
    for name in [*(heads[-1].split() if heads else ()), match[1]]:
        command = command.commands[name]
    first = (command.help or "").split("\n\n")[0]
    return f"* `{match[1]}`: {' '.join(first.split())}"
