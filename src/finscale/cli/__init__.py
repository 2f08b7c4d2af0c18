"""The terminal: verbs only. Parse, call, print."""

from __future__ import annotations

import os
import sys
from typing import Any


def main() -> None:
    """Run the command line; a FinscaleError becomes one sentence and exit status 1."""
    from finscale.cli.app import app
    from finscale.errors import FinscaleError
    from finscale.spinning import limited_spinning

    _show_warnings_as_sentences()
    # OpenMP reads it when torch is loaded
    os.environ.update(limited_spinning(os.environ))
    try:
        app()
    except FinscaleError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_status) from None


def _show_warnings_as_sentences() -> None:
    """Print ours as one line, and leave other libraries' as they are."""
    import warnings

    from finscale.errors import FinscaleWarning

    shown, usual = set(), warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if not issubclass(category, FinscaleWarning):
            usual(message, category, *place, **options)
        elif str(message) not in shown:
            shown.add(str(message))
            sys.stderr.write(f"warning: {message}\n")

    warnings.showwarning = show
