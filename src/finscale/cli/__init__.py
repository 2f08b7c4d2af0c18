"""The terminal: verbs only. Parse, call, print."""

from __future__ import annotations

import os
import sys
from typing import Any


def main() -> None:
    """Run the command line; a FinscaleError becomes one sentence and exit status 1."""
    from finscale.cli.streams import prepare_streams

    prepare_streams()
    from finscale.cli.app import app
    from finscale.cli.streams import (
        SIGPIPE_STATUS,
        check_output,
        drop_output,
        say_error,
    )
    from finscale.errors import FinscaleError
    from finscale.spinning import limited_spinning

    _show_warnings_as_sentences()
    # finscale.runs.reads records a reading of the test part under this name; so do the processes
    # that a verb starts
    groups = {group.name for group in app.registered_groups}
    words = sys.argv[1 : 3 if sys.argv[1:2] and sys.argv[1] in groups else 2]
    os.environ["FINSCALE_PROGRAM"] = " ".join(["finscale", *words])
    # OpenMP reads it when torch is loaded
    os.environ.update(limited_spinning(os.environ))
    try:
        check_output()
        try:
            app()
        finally:
            sys.stdout.flush()
    except FinscaleError as error:
        say_error(error)
        drop_output()
        raise SystemExit(error.exit_status) from None
    except BrokenPipeError:  # `| head` has seen enough
        drop_output()
        raise SystemExit(SIGPIPE_STATUS) from None
    except EOFError:
        question = "there is a question, and standard input has ended."
        say_error(FinscaleError(question, hint="an option answers it: see --help"))
        raise SystemExit(1) from None
    except OSError as error:
        say_error(FinscaleError(_in_words(error)))
        raise SystemExit(1) from None


def _in_words(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}." if error.filename else f"{reason}."


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
