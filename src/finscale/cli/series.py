"""``finscale series``: bring series in, list them, say when their values become known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.data_summary import Root, line
from finscale.cli.options import AsJson, console, plain_table, print_json, say

if TYPE_CHECKING:
    from finscale.data.manifest import ManifestEntry
    from finscale.data.series import Series

series_app = typer.Typer(
    help="Bring macro and other series in, and say when their values become known.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="Of the series, as FRED calls it: CPIAUCSL.")]
#: Values that `show` prints, the newest.
_SHOWN = 6
_DATA = Path("data")


@series_app.command("import")
def import_series(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Excel, parquet …")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the series; the file says when absent.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="Of the values, where there are several.")
    ] = None,
    released: Annotated[
        str | None, typer.Option("--released", help="Column of release dates or moments.")
    ] = None,
    lag: Annotated[
        int | None,
        typer.Option("--lag", help="Days from a period's end to its release, over any rule."),
    ] = None,
    hour: Annotated[str | None, typer.Option("--hour", help="Of releases: 08:30.")] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Of releases; America/New_York when absent.")
    ] = None,
    frequency: Annotated[
        str | None, typer.Option("--frequency", help="daily, weekly, monthly or quarterly.")
    ] = None,
    transform: Annotated[
        str | None, typer.Option("--transform", help="Changes are of the: log, or a difference.")
    ] = None,
    date_format: Annotated[
        str | None,
        typer.Option("--date-format", help="Of periods, where it is not plain: %d/%m/%Y."),
    ] = None,
    final: Annotated[
        bool | None, typer.Option("--final/--revised", help="Whether values are never revised.")
    ] = None,
    data_root: Root = _DATA,
    as_json: AsJson = False,
) -> None:
    """Read a series' file and register it: FRED's CSV, ALFRED's vintages, Google Trends, a table.

    Each value is known from its release on: by the series' declared rule (finscale series rules),
    by a column of the file's, or by --lag.
    """
    from finscale.data.series import add_series
    from finscale.data.series_files import SeriesWishes, read_series_file
    from finscale.data.store import DataStore

    wishes = SeriesWishes(
        name=name,
        column=column,
        released=released,
        lag=lag,
        hour=hour,
        zone=zone,
        frequency=_one_of(frequency, "frequency"),
        transform=_one_of(transform, "transform"),
        date_format=date_format,
        is_final=final,
    )
    series, store = read_series_file(file, wishes), DataStore(data_root)
    _print(series, add_series(store, series), as_json=as_json, last=0)


@series_app.command("fetch")
def fetch(
    names: Annotated[list[str], typer.Argument(help="Such as CPIAUCSL T10Y2Y.")],
    url: Annotated[
        str | None,
        typer.Option("--url", envvar="FINSCALE_FRED_URL", help="Another address than FRED's."),
    ] = None,
    data_root: Root = _DATA,
    as_json: AsJson = False,
) -> None:
    """Fetch series from FRED, revised ones with every vintage (needs FRED_API_KEY, extra fred)."""
    from finscale.data.series import add_series
    from finscale.data.series_fred import fetch_series
    from finscale.data.store import DataStore

    store, found = DataStore(data_root), []
    for name in names:
        with console(quiet=as_json, stderr=True).status(f"fetching {name}"):
            series = fetch_series(name, url=url)
        entry = add_series(store, series)
        found.append(_facts(series, entry))
        if not as_json:
            _print(series, entry, as_json=False, last=0)
    if as_json:
        print_json(found)


@series_app.command("list")
def list_series(data_root: Root = _DATA, as_json: AsJson = False) -> None:
    """List the series that are registered."""
    from finscale.data.series import series_entries
    from finscale.data.store import DataStore

    entries = series_entries(DataStore(data_root))
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    if not entries:
        say(f"no series in {data_root / 'raw'}; finscale series import FILE brings one in")
        return
    columns = ("series", "version", "frequency", "values", "first", "last", "values are", "source")
    rows = (
        (
            *(e.symbol, e.version, e.timescale, f"{e.rows:,}"),
            *(str(e.first_date), str(e.last_date), e.adjustment, e.source),
        )
        for e in entries
    )
    left = {*columns} - {"values"}
    console().print(plain_table(columns, rows, left=left, whole=("series", "first", "last")))


@series_app.command("show")
def show(
    name: Name,
    last: Annotated[int, typer.Option("--last", min=1, help="How many releases.")] = _SHOWN,
    data_root: Root = _DATA,
    as_json: AsJson = False,
) -> None:
    """Show a series: where it comes from, when its values became known, the newest of them."""
    from finscale.data.series import read_series, series_entry
    from finscale.data.store import DataStore

    store = DataStore(data_root)
    entry = series_entry(store, name)
    _print(read_series(store, entry.symbol), entry, as_json=as_json, last=last)


@series_app.command("rules")
def rules(as_json: AsJson = False) -> None:
    """List the series whose releases are declared: the rule, and whether values are revised."""
    from dataclasses import asdict

    from finscale.data.releases import RELEASE_RULES

    known = list(RELEASE_RULES.values())
    if as_json:
        print_json(
            [asdict(rule) | {"late": {str(k): v for k, v in rule.late.items()}} for rule in known]
        )
        return
    columns = ("series", "what", "known", "revised", "as published", "source")
    rows = (
        (
            *(rule.name, rule.title, rule.describe()),
            *("yes" if rule.is_revised else "no", rule.words, rule.source),
        )
        for rule in known
    )
    out = console()
    drop = ("source", "as published")
    out.print(plain_table(columns, rows, left=columns, whole=("series",), drop=drop))
    say("Any other series needs its own column of releases (--released) or --lag DAYS.")


def _one_of(value: str | None, name: str) -> Any:
    """Return an option's word, or refuse one that is none of its own."""
    from typing import get_args

    from finscale.data.releases import Frequency, Transform

    known = get_args({"frequency": Frequency, "transform": Transform}[name])
    if value is not None and value not in known:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(known)}", param_hint=f"--{name}")
    return value


def _facts(series: Series, entry: ManifestEntry) -> dict[str, Any]:
    return {
        **entry.model_dump(mode="json"),
        "periods": series.periods,
        "as_published": series.is_as_published,
        "vintages": series.is_vintage,
        "release": series.release,
        "transform": series.transform,
        "provenance": series.provenance,
    }


def _print(series: Series, entry: ManifestEntry, *, as_json: bool, last: int) -> None:
    """Print what is known of a series, and its newest releases where some are asked for."""
    newest = series.frame.tail(last) if last else series.frame.clear()
    if as_json:
        print_json(_facts(series, entry) | ({"newest": newest.to_dicts()} if last else {}))
        return
    first, until = series.span
    line(
        series.name,
        f"{series.periods:,} {series.frequency} values · {first} – {until} · {series.source} · "
        f"{entry.version} md5 {entry.md5[:8]}",
    )
    line("known", f"from {series.release} on")
    marks = {True: "as published", False: "as revised later: a row sees figures of after its day"}
    vintages = f", {len(series):,} with every vintage" if series.is_vintage else ""
    line("values", marks[series.is_as_published] + vintages)
    if not series.is_as_published:
        line("", f"finscale series fetch {series.name} brings vintages, where FRED has them")
    for label, value in series.provenance.items():
        if label != "file sha256":
            line(label, value)
    for row in newest.iter_rows(named=True):
        line(
            str(row["period"]),
            f"{row['value']:>14,.6g}  known {row['released']:%Y-%m-%d %H:%M} UTC",
        )
