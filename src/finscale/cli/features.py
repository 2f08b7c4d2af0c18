"""``finscale features``: what is declared, building datasets, proving that nothing looks ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli import feature_facts
from finscale.cli.feature_select import select
from finscale.cli.options import AsJson, DataRoot, Quiet, console, plain_table, print_json, say
from finscale.cli.tier_option import known_tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finscale.data import DataStore
    from finscale.data.bars import Bars
    from finscale.features import Feature

features_app = typer.Typer(help="List, build and prove features.", no_args_is_help=True)

Tier = Annotated[
    str,
    typer.Option(
        callback=known_tier, help="A tier, a nesting of one (a100.n1), or a tier file (.yaml)."
    ),
]


#: What JSON tells of a feature.
_FACTS = (
    "name",
    "family",
    "words",
    "inputs",
    "sessions",
    "lookback",
    "recursive",
    "seen",
    "source",
)
#: More features than this are proven without a line for each.
_FEW = 100
#: Rows after which the future of a large tier is changed, spread over the bars.
_CUTS = (0, 1, 20, 250, -1000, -21, -2)


@features_app.command("list")
def list_features(
    tier: Tier = "a20",
    family: Annotated[
        str | None, typer.Option(help="Only one family: trend, momentum, volatility, volume …")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List a tier's features: what they are, rows before the first value, source."""
    from finscale.errors import FinscaleError, did_you_mean
    from finscale.features import tier_features
    from finscale.features.declared import FAMILIES

    if family is not None and family not in FAMILIES:
        raise FinscaleError(f"no family is called {family}.", hint=did_you_mean(family, FAMILIES))
    features = [f for f in tier_features(tier) if family in (None, f.family)]
    if not features:
        held = ", ".join(dict.fromkeys(f.family for f in tier_features(tier)))
        raise FinscaleError(f"{tier} has no feature of the family {family}.", hint=f"it has {held}")
    if as_json:
        print_json(
            [
                {name: getattr(f, name) for name in _FACTS}
                | {"parameters": {k: v for k, v in f.parameters.items() if not callable(v)}}
                for f in features
            ]
        )
        return
    if tier != "a20":
        _list_in_words(features)
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


def _list_in_words(features: Sequence[Feature]) -> None:
    from collections import Counter

    columns = ("feature", "family", "lookback", "formula", "source")
    rows = ((f.name, f.family, str(f.lookback), f.words or f.source, f.source) for f in features)
    left = {*columns} - {"lookback"}
    out = console()
    out.print(plain_table(columns, rows, left=left, whole=("feature",), drop=("source", "family")))
    counts = Counter(f.family for f in features)
    held = ", ".join(f"{count} {name}" for name, count in counts.items())
    some = "1 feature" if len(features) == 1 else f"{len(features):,} features"
    out.print(f"{some}: {held}. Lookback counts the rows before the first.")


features_app.command("show")(feature_facts.show)
features_app.command("quality")(feature_facts.quality)
features_app.command("select")(select)


@features_app.command("build")
def build(
    symbols: Annotated[list[str], typer.Argument(help="Symbols whose bars are registered.")],
    tier: Tier = "a20",
    timescale: Annotated[
        str, typer.Option(help="daily, 2d, 3d, 5d, weekly, 2wk, monthly or daily+multi.")
    ] = "daily",
    series: Annotated[
        list[str] | None,
        typer.Option("--series", help="A registered series beside the bars; may be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Compute what is registered and unchanged once more.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for large tiers; all cores that memory has room for."),
    ] = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute a tier and register features and dataset; bundled symbols need no download.

    What was built of the same bars by the same formulas is taken as it is; a symbol with new bars
    is computed again whole, so that its file is the same bytes as one built from nothing.
    """
    import os

    from finscale.data import DataStore
    from finscale.data.series import series_name
    from finscale.features import build_datasets

    store = DataStore(data_root or "data")
    for symbol in symbols:
        if (bars := _bundled(store, symbol)) is not None:
            store.add_bars(bars)
    names = [series_name(name) for name in series or ()]
    known = {entry.key for entry in store.processed.entries()}
    entries = build_datasets(
        store,
        symbols,
        tier=tier,
        timescale=timescale,
        series=names,
        again=again,
        workers=workers or os.cpu_count() or 1,
    )
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries:
        about = (
            f"{entry.key}  {entry.rows:,} rows  {entry.first_date} … {entry.last_date}  "
            f"prices {entry.adjustment}  md5 {entry.md5[:8]}\n  "
        )
        say(f"{'' if quiet else about}{store.processed.folder / entry.path}")
    same = sum(entry.key in known for entry in entries)
    if same and not quiet:
        say(f"{same} of {len(entries)} unchanged" + ("" if again else "; --again computes them"))


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
    from finscale.data.bars import present
    from finscale.data.frames import RELATIVE
    from finscale.features import prove_all, relative_features, tier_features
    from finscale.features.feature import INPUTS
    from finscale.features.needs import refuse_short, refuse_unfit
    from finscale.features.relative import slowest_feature

    store = DataStore(data_root or "data")
    bars = (_bundled(store, symbol) or store.bars(symbol)).adjusted()
    out = console(quiet=quiet or as_json)
    own, columns = tier_features(tier), present(bars, INPUTS)
    refuse_unfit(tier, columns, whose=symbol.upper())
    # where a feature has no value there is nothing to prove
    slowest = slowest_feature(tier, bars=columns)
    refuse_short(tier, bars.height, slowest, whose=symbol.upper(), columns=columns)
    # what has no unit is seen as it is: its relative column is the same computation
    plain = {f"{RELATIVE}{feature.name}" for feature in own if feature.seen == "bounded"}
    seen = relative_features(tier, bars=columns)
    features = [*own, *(f for f in seen if tier == "a20" or f.name not in plain)]
    cuts = None
    if len(features) > _FEW:
        cuts = sorted({min(cut % bars.height, bars.height - 2) for cut in _CUTS})
    reports = prove_all({f.name: f for f in features}, bars, cuts=cuts, seed=seed)
    for report in reports:
        if len(features) <= _FEW or not report.causal:
            out.print(f"{'✓' if report.causal else '✗'} {report.describe()}", soft_wrap=True)
    if len(features) > _FEW and all(report.causal for report in reports):
        compared = sum(report.num_compared for report in reports)
        out.print(
            f"✓ {compared:,} values identical to the bit over {len(reports[0].cuts)} cuts × "
            f"{len(reports[0].changes)} changes of the future"
        )
    caught = [report for report in reports if not report.causal]
    if as_json:
        print_json([asdict(report) | {"causal": report.causal} for report in reports])
    else:
        proven = len(reports) - len(caught)
        summary = f"{proven:,} of {len(reports):,} features proven causal on {symbol.upper()}"
        console().print(f"{summary}, {bars.height:,} bars")
    if caught:
        raise typer.Exit(1)


def _bundled(store: DataStore, symbol: str) -> Bars | None:
    """Return the bars that come with the package, if the store has none of the symbol."""
    from finscale.data import SOURCES, fetch_bars

    name, known = symbol.upper(), (one for one in SOURCES.values() if one.symbols and one.local)
    source = next((one.name for one in known if name in one.symbols), None)
    if source is None or store.has_bars(symbol):
        return None
    bars: Bars = fetch_bars(source, symbol)
    return bars
