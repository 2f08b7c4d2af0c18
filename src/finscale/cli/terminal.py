"""The console that verbs print on."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console
from rich.text import Text

# whatever looks like markup and is not one of our styles: the [v2] of a folder's name
_NO_STYLE = re.compile(r"(?<!\\)\[(?!/?(?:bold|dim|red|green|yellow|bold red)\])(?=[a-z#/@])")


class Terminal(Console):
    """A rich console for which ``[bold]`` is markup and ``[v2]`` is text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render text, tables' cells included, with the few styles that finscale uses."""
        markup = options.get("markup")
        if markup or markup is None:
            text = _NO_STYLE.sub(r"\\[", text)
        return super().render_str(text, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to :func:`finscale.cli.main`: the reader has seen enough."""
        self.quiet = True
        raise
