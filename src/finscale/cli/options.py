"""Options that several verbs share; tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

ConfigFile = Annotated[
    Path, typer.Argument(help="A YAML file, such as configs/daily/threshold_1pct.yaml.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change one setting of the file: --set training.lr=3e-4. May be repeated.",
    ),
]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder that holds raw/ and processed/.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the same facts as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result.")]

RUNS = Path("runs")


def print_json(content: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Return the terminal: 100 columns where the width is not known, silent when quiet."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 100
    return Console(width=width, quiet=quiet, stderr=stderr, highlight=False)
