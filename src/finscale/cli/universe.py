"""``finscale universe``: who belonged to a market, and when."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.data_summary import Root, read_date
from finscale.cli.options import AsJson, console, plain_table, print_json, say
from finscale.errors import ConfigError

if TYPE_CHECKING:
    from finscale.config.universes import Universe

universe_app = typer.Typer(help="Who belonged to a market, and when.", no_args_is_help=True)
#: Members of a day that are listed; all are in the JSON.
_SHOWN = 12
_LABEL = 11


@universe_app.command("list")
def list_universes(data_root: Root = Path("data"), as_json: AsJson = False) -> None:
    """List the universes that have a name: those of the data folder and those that ship along."""
    from finscale.config.universes import known_universes, read_universe

    found = [read_universe(str(path)) for path in known_universes(data_root).values()]
    if as_json:
        print_json([_facts(universe) for universe in found])
        return
    columns = ("name", "symbols", "memberships", "survivors", "about")
    rows = [
        (
            universe.name,
            f"{len(universe.symbols):,}",
            f"{len(universe.members):,}",
            {True: "all", False: "no", None: "not said"}[universe.survivors],
            universe.about or universe.place,
        )
        for universe in found
    ]
    console().print(plain_table(columns, rows, left={"name", "survivors", "about"}))
    say("a run takes one with --set data.universe=NAME; finscale universe import adds one")


@universe_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A universe's name, or its file.")],
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="List the members of this day.")
    ] = None,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show a universe: how many members when, groups, survivorship; or the members of a day."""
    from finscale.config.universes import read_universe
    from finscale.data.store import DataStore

    universe = read_universe(name, data_root)
    day = read_date(on) if on is not None else None
    store = DataStore(data_root)
    here = [symbol for symbol in universe.symbols if store.has_bars(symbol)]
    if as_json:
        facts = {**_facts(universe), "with_bars": len(here)}
        members = [_member(m) for m in universe.members if day is None or m.first <= day <= m.last]
        print_json({**facts, **({"on": str(day)} if day else {}), "members": members})
        return
    for label, text in _lines(universe, len(here), day):
        say(f"{label:<{_LABEL}}{text}")


@universe_app.command("import")
def import_universe(
    source: Annotated[
        str,
        typer.Argument(
            help="A CSV, parquet or YAML file with symbol, from, to, group, calendar; or an index "
            "whose history the extra universes has: sp500, nasdaq100, dow30, csi300, csi500."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; the file's or index' own name.")
    ] = None,
    survivors: Annotated[
        bool | None,
        typer.Option(
            "--survivors/--no-survivors",
            help="Whether all members are known to have lived to the end.",
        ),
    ] = None,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Keep a universe under a name in the data folder: a file's, or an index' history."""
    from finscale.config.universes import read_universe
    from finscale.data.calendar import check_calendar
    from finscale.files import write_bytes

    content, notes = _content(source)
    if survivors is not None:
        content["survivors"] = survivors
    for calendar in {member.get("calendar", "") for member in content["members"]} - {""}:
        check_calendar(calendar)
    called = name or Path(source).stem
    if not called.replace("_", "").replace("-", "").isalnum():
        raise ConfigError(f"{called!r} is no name.", hint="--name with letters, digits, _ and -")
    path = Path(data_root) / "universes" / f"{called}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": called, **content}, indent=0, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())  # JSON is YAML
    universe = read_universe(str(path))
    if as_json:
        print_json({**_facts(universe), "notes": notes})
        return
    for label, words in _lines(universe, None, None):
        say(f"{label:<{_LABEL}}{words}")
    for note in notes:
        say(f"{'note':<{_LABEL}}{note}")
    say(f"{'written':<{_LABEL}}{path} · --set data.universe={called} takes it")


def _content(source: str) -> tuple[dict[str, Any], list[str]]:
    """Return a universe as its file says it, and what had to be decided."""
    if Path(source).suffix:
        from finscale.config.universes import read_universe

        read = read_universe(source)
        about = {"about": read.about, "source": read.source, "survivors": read.survivors}
        return {**about, "members": [_member(member) for member in read.members]}, list(read.notes)
    from finscale.data.index_members import index_universe

    return index_universe(source)


def _member(member: Any) -> dict[str, str]:
    row = {"symbol": member.symbol, "group": member.group, "calendar": member.calendar}
    if member.first != dt.date.min:
        row["from"] = str(member.first)
    if member.last != dt.date.max:
        row["to"] = str(member.last)
    return {key: value for key, value in row.items() if value}


def _facts(universe: Universe) -> dict[str, Any]:
    return {
        "name": universe.name,
        "about": universe.about,
        "source": universe.source,
        "symbols": len(universe.symbols),
        "memberships": len(universe.members),
        "groups": len({group for group in (universe.groups or {}).values() if group}),
        "survivors": universe.survivors,
        "survivorship": universe.survivorship(),
        "digest": universe.digest,
        "file": universe.place,
    }


def _symbols(number: int) -> str:
    return f"{number:,} symbol" + "s" * (number != 1)


def _ends(number: int) -> str:
    return (
        "one membership ends, on " if number == 1 else f"{number:,} memberships end, the last on "
    )


def _lines(universe: Universe, num_here: int | None, day: dt.date | None) -> list[tuple[str, str]]:
    """Return what is said of a universe: counts, not lists."""
    members = universe.members
    lines = [(universe.name, universe.about or universe.place)]
    again = len(members) - len(universe.symbols)
    lines.append(
        ("members", _symbols(len(universe.symbols)) + (f", {again:,} came back" * bool(again)))
    )
    starts = [m.first for m in members if m.first != dt.date.min]
    ends = [m.last for m in members if m.last != dt.date.max]
    if starts or ends:
        left = f"{_ends(len(ends))}{max(ends)}" if ends else "none ends"
        came = f"the first dated one begins {min(starts)}; " if starts else ""
        lines.append(("when", came + left))
    if universe.groups:
        names = sorted({group for group in universe.groups.values() if group})
        shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
        lines.append(("groups", f"{len(names):,}: {shown}"))
    if num_here is not None:
        source = f"; the others come from {universe.source}" if universe.source else ""
        lines.append(("bars", f"of {_symbols(num_here)} here{source}"))
    if said := universe.survivorship():
        lines.append(("careful", said))
    lines += [("note", note) for note in universe.notes]
    if day is not None:
        found = universe.on(day)
        more = f" … {len(found) - _SHOWN:,} more (--json)" if len(found) > _SHOWN else ""
        lines.append(
            (
                str(day),
                f"{len(found):,} member{'s' * (len(found) != 1)}: {' '.join(found[:_SHOWN])}{more}",
            )
        )
    lines.append(("digest", universe.digest))
    return lines
