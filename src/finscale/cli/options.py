"""Options that several verbs share; tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finscale.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn
    from rich.table import Table

ConfigFile = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A training's YAML file, such as configs/daily/threshold_1pct.yaml, or the name of a "
        "recipe that comes with finscale: threshold_1pct.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change one setting of the file: --set training.lr=3e-4. May be repeated.",
    ),
]
RunsFolder = Annotated[
    Path,
    typer.Option(
        "--runs",
        file_okay=False,
        help="Folder that holds the runs, or an address: s3://bucket/runs.",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", file_okay=False, help="Folder that holds raw/ and processed/."),
]
ExecutorName = Annotated[
    str,
    typer.Option("--executor", help="Where to compute: local, ray, or one of a plug-in."),
]
ClusterAddress = Annotated[
    str,
    typer.Option(
        "--address",
        help="Of the Ray cluster: auto or HOST:PORT; without it Ray is started on this machine.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the same facts as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result.")]

RUNS = Path("runs")
#: Columns and settings of a table of runs. Fewer bootstrap replicates leave none beyond an end of a
#: 95 % interval: 1 / 2.5 % = 40.
Losses = Annotated[str, typer.Option("--y", help="Column of losses.")]
Signed = Annotated[
    bool, typer.Option("--signed", help="Losses are differences and may be negative.")
]
Ahead = Annotated[int, typer.Option("--horizon", min=1, help="Bars that a label looks ahead.")]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        help="Leave out runs, and count them: `diverged` (far worse than the other seeds of their "
        "size), `outlying` (far off on either side), or one run as SIZE:SEED.",
    ),
]
OverSeeds = Annotated[
    Literal["mean", "median"],
    typer.Option("--seeds", help="What a size counts with: over its seeds."),
]
Held = Annotated[
    list[str] | None,
    typer.Option(
        "--fix",
        metavar="NAME=VALUE",
        help="Hold a parameter: --fix E=0, --fix alpha=0.34, --fix alpha=beta, "
        "--fix beta=2*alpha. May be repeated.",
    ),
]
Replicates = Annotated[int, typer.Option("--replicates", min=40, help="Bootstrap replicates.")]


def between(
    least: float, most: float = math.inf, *, infinite: bool = False
) -> Callable[[float | None], float | None]:
    """Return a callback that refuses a number outside an open interval, and ``inf`` unless told."""

    def check(value: float | None) -> float | None:
        if value is None or least < value < most or (infinite and value == math.inf):
            return value
        if value == math.inf == most:
            raise typer.BadParameter("inf should be a finite number")
        end = "" if most == math.inf else f" and below {most:g}"
        raise typer.BadParameter(f"{value:g} is not above {least:g}{end}")

    return check


def count(text: str) -> float:
    """Return a size as it is typed: ``60000``, ``60k``, ``1e9``."""
    from finscale.scaling.counts import size_number

    try:
        return size_number(str(text))
    except ValueError as error:
        raise typer.BadParameter(f"{error}") from None


#: The same range as for a study's own level.
Level = Annotated[float, typer.Option(callback=between(0, 0.5), help="Significance level.")]


def each_once(names: list[str] | None) -> list[str] | None:
    """Refuse a repeated option that names the same twice."""
    for name in names or []:
        if (names or []).count(name) > 1:
            raise typer.BadParameter(f"{name} is named twice")
    return names


def print_json(content: Any) -> None:
    """Print one JSON document on standard output; null for a number that is not finite."""
    from finscale.files import null_for_nan

    print_json_text(
        json.dumps(
            null_for_nan(content), indent=2, ensure_ascii=False, allow_nan=False, default=str
        )
    )


def print_json_text(text: str) -> None:
    """Print JSON; a terminal that cannot show a sign gets its escape, which means the same."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # outside of strings JSON is ASCII, so whatever is not stands in a string
        text = "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)
    sys.stdout.write(text + "\n")


def quoted(text: object) -> str:
    """Quote text so that YAML reads it as text: ``ON`` and ``600519`` are symbols."""
    return json.dumps(str(text), ensure_ascii=False)


def with_options(settings: Iterable[str] | None, **options: tuple[str, object]) -> list[str]:
    """Return the settings of ``--set`` and those that have an option of their own.

    Parameters
    ----------
    settings : iterable of str, optional
        ``name=value``, as typed.
    **options
        The option's name → the setting's dotted name and the value; None where it was not given.

    Raises
    ------
    ConfigError
        If both say the same setting.

    Examples
    --------
    >>> with_options(["training.lr=1e-3"], seed=("seed", 7), symbol=("data.symbols", None))
    ['training.lr=1e-3', 'seed=7']
    """
    changes = list(settings or [])
    typed = {setting.partition("=")[0].strip() for setting in changes}
    for option, (name, value) in options.items():
        if value is None:
            continue
        if name in typed:
            flag = option.replace("_", "-")
            raise ConfigError(f"--{flag} and --set {name} are the same setting.", hint="give one")
        changes.append(f"{name}={quoted(value) if isinstance(value, str | Path) else value}")
    return changes


def console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Return the terminal, silent when quiet.

    Where there is none, it has as many columns as ``COLUMNS`` says, or 100.
    """
    from finscale.cli.terminal import Terminal

    stated = os.environ.get("COLUMNS", "")
    columns = int(stated) if stated.isdecimal() else 0
    width = None if sys.stdout.isatty() else columns or 100
    return Terminal(width=width, quiet=quiet, stderr=stderr, highlight=False)


def say(text: str, terminal: Console | None = None) -> None:
    """Print text as it is: brackets are no markup, and a long line is broken between words alone.

    Where there is no terminal, as in a file or a pipe, lines stay whole.
    """
    terminal = terminal or console()
    if terminal.is_terminal:
        text = "\n".join(wrapped(line, terminal.width) for line in text.split("\n"))
    terminal.print(text, markup=False, soft_wrap=True)


def wrapped(line: str, width: int) -> str:
    """Return a line broken between words; what follows a name is indented as far as it stands.

    Examples
    --------
    >>> print(wrapped("control   labels shuffled within quarters", 30))
    control   labels shuffled
              within quarters
    """
    import re
    import textwrap

    if len(line) <= width:
        return line
    head = re.match(r" *(\S+  +)?", line)
    indent = len(head.group()) if head else 0
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (indent if indent < width // 2 else 2),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def progress_bar(
    terminal: Console, *figures: ProgressColumn, width: int = 40, disable: bool = False
) -> Progress:
    """Return bars that vanish when done: what is done, the bar, ``figures``, the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(width), *figures, TimeRemainingColumn())
    return Progress(*columns, console=terminal, transient=True, disable=disable)


def plain_table(
    columns: Iterable[str],
    rows: Iterable[Iterable[str]],
    *,
    left: Collection[str],
    whole: Collection[str] = (),
    padding: tuple[int, int] | tuple[int, int, int, int] = (0, 1),
    drop: Sequence[str] = (),
    width: int | None = None,
) -> Table:
    """Return a table without lines, and no wider than the terminal.

    Columns are aligned to the right unless named in ``left``; those in ``whole`` are never broken,
    and no word of the others is. Where they need more than ``width`` columns (the terminal's when
    None), whole columns are left out, and named below: first those of ``drop``, in that order,
    then the rightmost. The first stays.
    """
    from rich.table import Table

    names, lines = list(columns), [list(row) for row in rows]
    # rich takes all but the last two numbers from the left: (vertical, right) or (t, r, b, l)
    beside = padding[1] + (padding[3] if len(padding) == 4 else padding[1])
    least = {
        name: max(_least(row[place], whole=name in whole) for row in (names, *lines))
        for place, name in enumerate(names)
    }
    room = (console().width if width is None else width) + beside
    gone: list[str] = []
    order = [*(name for name in drop if name in names[1:]), *reversed(names[1:])]
    for name in dict.fromkeys(order):
        if sum(least[one] + beside for one in names if one not in gone) <= room:
            break
        gone.append(name)
    kept = [place for place, name in enumerate(names) if name not in gone]
    widths = _widths([least[names[place]] for place in kept], names, lines, kept, room, beside)
    caption = f"left out for want of width: {', '.join(n for n in names if n in gone)}"
    table = Table(
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=padding,
        caption=caption if gone else None,
        caption_justify="left",
    )
    for place, own in zip(kept, widths, strict=True):
        name = names[place]
        justify: Literal["left", "right"] = "left" if name in left else "right"
        table.add_column(name, justify=justify, no_wrap=name in whole, width=own)
    for line in lines:
        table.add_row(*(line[place] for place in kept))
    return table


def _widths(
    least: Sequence[int],
    names: Sequence[str],
    lines: Sequence[Sequence[str]],
    kept: Sequence[int],
    room: int,
    beside: int,
) -> list[int]:
    """Return the width of each column: as much as it could use, where there is room for that.

    Left alone, rich takes from the widest column first, and breaks its words.
    """
    wanted = [max(_least(row[place], whole=True) for row in (names, *lines)) for place in kept]
    widths = list(least)
    spare = room - sum(widths) - beside * len(widths)
    while spare > 0 and widths != wanted:
        # the narrowest of those that could use more
        narrow = min(
            (at for at, width in enumerate(widths) if width < wanted[at]), key=widths.__getitem__
        )
        widths[narrow] += 1
        spare -= 1
    return widths


def _least(cell: str, *, whole: bool) -> int:
    """Return the columns that a cell needs so that no word of it, or no line, is broken."""
    from rich.cells import cell_len
    from rich.text import Text

    plain = Text.from_markup(cell).plain if "[" in cell else cell
    parts = plain.splitlines() if whole else plain.split()
    return max(map(cell_len, parts), default=0)
