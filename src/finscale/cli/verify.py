"""``finscale verify``: the environment is sound, every registered file is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finscale.cli.options import AsJson, console, print_json


def verify(
    data_root: Annotated[
        Path, typer.Option("--data-root", file_okay=False, help="Folder with raw/, processed/.")
    ] = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Check versions, device, threads, memory, disk and every manifest entry.

    Exits with status 1, naming each mismatch, when something is not as it should be.
    """
    from finscale.audit.verification import verify_environment, verify_manifests

    checks = [*verify_environment(), *verify_manifests(data_root)]
    wrong = [check for check in checks if not check.ok]
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        terminal = console()
        for check in checks:
            mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
            terminal.print(f"{mark} {check.subject:<28} {check.found}", soft_wrap=True)
        summary = (
            f"{len(wrong)} of {len(checks)} checks failed"
            if wrong
            else f"all {len(checks)} checks passed"
        )
        terminal.print(summary)
    raise typer.Exit(1 if wrong else 0)
