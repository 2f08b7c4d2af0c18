"""``finscale features``: what is declared, building datasets, proving that nothing looks ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import AsJson, DataRoot, Quiet, console, plain_table, print_json

if TYPE_CHECKING:
    import polars as pl

    from finscale.data import DataStore
    from finscale.features import Feature

features_app = typer.Typer(help="List, build and prove features.", no_args_is_help=True)

Tier = Annotated[str, typer.Option(help="Feature tier.")]


def _row(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "inputs": list(feature.inputs),
        "parameters": dict(feature.parameters),
        "sessions": feature.sessions,
        "lookback": feature.lookback,
        "recursive": feature.recursive,
        "source": feature.source,
    }


@features_app.command("list")
def list_features(tier: Tier = "a20", as_json: AsJson = False) -> None:
    """List a tier's features: inputs, parameters, rows before the first value, source."""
    from finscale.features import tier_features

    features = tier_features(tier)
    if as_json:
        print_json([_row(feature) for feature in features])
        return
    columns = ("feature", "inputs", "parameters", "lookback", "source")
    rows = (
        (f.name, " ".join(f.inputs), f.describe_parameters(), str(f.lookback), f.source)
        for f in features
    )
    table = plain_table(columns, rows, left={*columns} - {"lookback"})
    out = console()
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
    from finscale.features import build_datasets

    store = _store(data_root)
    for symbol in symbols:
        _ensure_bars(store, symbol)
    entries = build_datasets(store, symbols, tier=tier, timescale=timescale)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries:
        path = store.processed.folder / entry.path
        if quiet:
            typer.echo(path)
        else:
            console().print(
                f"{entry.key}  {entry.rows:,} rows  {entry.first_date} … {entry.last_date}  "
                f"prices {entry.adjustment}  md5 {entry.md5[:8]}\n  {path}",
                soft_wrap=True,
            )


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

    from finscale.features import prove_all, tier_features

    bars = _adjusted_bars(_store(data_root), symbol)
    out = console(quiet=quiet or as_json)
    reports = prove_all({f.name: f for f in tier_features(tier)}, bars, seed=seed)
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


def _store(root: Path | None) -> DataStore:
    from finscale.data import DataStore

    return DataStore(root) if root else DataStore()


def _ensure_bars(store: DataStore, symbol: str) -> None:
    """Register a bundled symbol's bars if the store has none."""
    from finscale.data import SOURCES, fetch_bars

    if symbol.upper() in SOURCES["bundled"].symbols and not store.has_bars(symbol):
        store.add_bars(fetch_bars("bundled", symbol))


def _adjusted_bars(store: DataStore, symbol: str) -> pl.DataFrame:
    """Return a symbol's adjusted bars, from the store or from those bundled; nothing is written."""
    from finscale.data import SOURCES, fetch_bars

    bundled = symbol.upper() in SOURCES["bundled"].symbols and not store.has_bars(symbol)
    bars = fetch_bars("bundled", symbol) if bundled else store.bars(symbol)
    frame: pl.DataFrame = bars.adjusted()
    return frame
