"""``finscale features``: what is declared, building datasets, proving that nothing looks ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import AsJson, DataRoot, Quiet, console, plain_table, print_json, say

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.data.bars import Bars

features_app = typer.Typer(help="List, build and prove features.", no_args_is_help=True)

Tier = Annotated[str, typer.Option(help="Feature tier.")]


#: What JSON tells of a feature.
_FACTS = ("name", "inputs", "parameters", "sessions", "lookback", "recursive", "seen", "source")


@features_app.command("list")
def list_features(tier: Tier = "a20", as_json: AsJson = False) -> None:
    """List a tier's features: inputs, parameters, rows before the first value, source."""
    from finscale.features import tier_features

    features = tier_features(tier)
    if as_json:
        facts = ({name: getattr(feature, name) for name in _FACTS} for feature in features)
        print_json([{**row, "parameters": dict(row["parameters"])} for row in facts])
        return
    columns = ("feature", "inputs", "parameters", "lookback", "seen as", "source")
    rows = (
        (f.name, " ".join(f.inputs), f.describe_parameters(), str(f.lookback), f.seen, f.source)
        for f in features
    )
    out = console()
    table = plain_table(
        columns,
        rows,
        left={*columns} - {"lookback"},
        whole=("feature", "inputs"),
        drop=("source", "seen as", "inputs"),
    )
    out.print(table)
    out.print(
        f"{len(features)} features; with open, high, low, close and volume "
        f"{len(features) + 5} channels. Lookback counts the rows before the first value."
    )


@features_app.command("build")
def build(
    symbols: Annotated[list[str], typer.Argument(help="Symbols whose bars are registered.")],
    tier: Tier = "a20",
    timescale: Annotated[str, typer.Option(help="daily, 2d, 3d, 5d, weekly, 2wk, monthly.")] = (
        "daily"
    ),
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute a tier and register features and dataset; bundled symbols need no download."""
    from finscale.data import DataStore
    from finscale.features import build_datasets

    store = DataStore(data_root or "data")
    for symbol in symbols:
        if (bars := _bundled(store, symbol)) is not None:
            store.add_bars(bars)
    entries = build_datasets(store, symbols, tier=tier, timescale=timescale)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries:
        about = (
            f"{entry.key}  {entry.rows:,} rows  {entry.first_date} … {entry.last_date}  "
            f"prices {entry.adjustment}  md5 {entry.md5[:8]}\n  "
        )
        say(f"{'' if quiet else about}{store.processed.folder / entry.path}")


@features_app.command("prove")
def prove(
    tier: Tier = "a20",
    symbol: Annotated[str, typer.Option(help="Whose bars to prove on.")] = "SP500",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random cuts and the noise.")] = 0,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Change all bars after t and compare every value up to t; exit 1 if one moves."""
    from dataclasses import asdict

    from finscale.data import DataStore
    from finscale.features import prove_all, relative_features, tier_features

    store = DataStore(data_root or "data")
    bars = (_bundled(store, symbol) or store.bars(symbol)).adjusted()
    out = console(quiet=quiet or as_json)
    features = (*tier_features(tier), *relative_features(tier))
    reports = prove_all({feature.name: feature for feature in features}, bars, seed=seed)
    for report in reports:
        out.print(f"{'✓' if report.causal else '✗'} {report.describe()}", soft_wrap=True)
    caught = [report for report in reports if not report.causal]
    if as_json:
        print_json([asdict(report) | {"causal": report.causal} for report in reports])
    else:
        proven = len(reports) - len(caught)
        summary = f"{proven} of {len(reports)} features proven causal on {symbol.upper()}"
        console().print(f"{summary}, {bars.height:,} bars")
    if caught:
        raise typer.Exit(1)


def _bundled(store: DataStore, symbol: str) -> Bars | None:
    """Return the bars that come with the package, if the store has none of the symbol."""
    from finscale.data import SOURCES, fetch_bars

    if symbol.upper() not in SOURCES["bundled"].symbols or store.has_bars(symbol):
        return None
    bars: Bars = fetch_bars("bundled", symbol)
    return bars
