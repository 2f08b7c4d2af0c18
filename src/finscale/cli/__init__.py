"""The terminal: verbs only. Parse, call, print."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a FinscaleError becomes one sentence and exit status 1."""
    from finscale.cli.app import app
    from finscale.errors import FinscaleError

    try:
        app()
    except FinscaleError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on from the last resume point\n")
        raise SystemExit(130) from None
