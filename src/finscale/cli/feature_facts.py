"""`finscale features show` and `finscale features quality`: one feature, and whole tiers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import AsJson, DataRoot, console, plain_table, print_json, say
from finscale.cli.tier_option import known_tiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from finscale.data.bars import Bars

#: Rows that a plot shows: five years of days.
_LAST_ROWS = 1260
_BLOCKS = "▁▂▃▄▅▆▇█"

Symbol = Annotated[str, typer.Option(help="Whose bars to look at.")]


def show(
    name: Annotated[str, typer.Argument(help="A declared feature, such as ema_20_gap.")],
    symbol: Symbol = "SP500",
    plot: Annotated[
        Path | None,
        typer.Option("--figure", "--plot", help="Draw its last years: png, svg, pdf."),
    ] = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Show one feature: formula, source, tiers, lookback, and what it resembles."""
    from finscale.data.bars import present
    from finscale.features import FEATURES, TIERS, compute_features
    from finscale.features.feature import INPUTS
    from finscale.features.needs import fitting_tiers
    from finscale.features.quality import nearest
    from finscale.files import figure_format

    if plot is not None:
        figure_format(plot)  # refused before anything is computed
    feature = FEATURES[name]
    held_by = [tier for tier, names in TIERS.items() if name in names]
    bars = _bars(symbol, data_root)
    values = compute_features(bars, [name])[name]
    fitting = fitting_tiers(present(bars, INPUTS))
    beside = next((tier for tier in held_by if tier in fitting), fitting[0])
    neighbours = nearest(bars, name, beside)
    content: dict[str, Any] = {
        "name": name,
        "words": feature.words,
        "family": feature.family,
        "tiers": held_by,
        "inputs": list(feature.inputs),
        "parameters": {k: v for k, v in feature.parameters.items() if isinstance(v, int | float)},
        "lookback": feature.lookback,
        "recursive": feature.recursive,
        "seen": feature.seen,
        "source": feature.source,
        "years": sparkline(values.to_list()[-_LAST_ROWS:]),
        "last": {"date": str(bars["date"][-1]), "value": values[-1]},
        "neighbours": [{"name": other, "correlation": r} for other, r in neighbours],
    }
    if plot is not None:
        _draw(bars, values, name, feature.words, plot)
        content["figure"] = str(plot)
    if as_json:
        print_json(content)
        return
    known = [
        ("formula", feature.words or feature.source),
        ("family", feature.family),
        ("tiers", ", ".join(f"from {tier} on" for tier in _first_of_kinds(held_by)) or "none"),
        ("made of", " ".join(feature.inputs)),
        ("parameters", feature.describe_parameters()),
        ("first value", f"after {feature.lookback} rows"),
        ("memory", "every bar before" if feature.recursive else f"{feature.lookback} rows"),
        ("source", feature.source),
        ("last years", content["years"]),
        ("last", f"{values[-1]:.4g} on {bars['date'][-1]} ({symbol.upper()})"),
        ("resembles", ", ".join(f"{other} ({r:+.2f})" for other, r in neighbours)),
        ("figure", str(plot) if plot is not None else ""),
    ]
    say(name)
    for what, words in known:
        if words:
            say(f"  {what:<12} {words}")


def sparkline(values: Sequence[float | None], width: int = 60) -> str:
    """Return values as a line of blocks, each the mean of its part, with the range beside it.

    Examples
    --------
    >>> sparkline([0.0, 1.0, 2.0, 3.0], width=4)
    '▁▃▆█  0 … 3'
    """
    import numpy as np

    value_N = np.array([np.nan if value is None else value for value in values], np.float64)
    value_N = value_N[np.isfinite(value_N)]
    if not len(value_N):
        return "no values"
    mean_P = np.array([part.mean() for part in np.array_split(value_N, min(width, len(value_N)))])
    low, high = float(mean_P.min()), float(mean_P.max())
    place_P = np.zeros(len(mean_P)) if high == low else (mean_P - low) / (high - low)
    line = "".join(_BLOCKS[round(place * (len(_BLOCKS) - 1))] for place in place_P)
    return f"{line}  {low:.4g} … {high:.4g}"


def quality(
    symbols: Annotated[list[str], typer.Argument(help="Symbols whose bars to measure on.")],
    tier: Annotated[
        list[str] | None,
        typer.Option(
            callback=known_tiers, help="A tier, a nesting (a100.n1) or a tier file; repeatable."
        ),
    ] = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Measure how much tiers really hold: effective size, near copies, missing values."""
    from finscale.data.bars import present
    from finscale.features.feature import INPUTS
    from finscale.features.needs import fitting_tiers
    from finscale.features.quality import tier_quality

    found = [
        (symbol, tier_quality(_bars(symbol, data_root), one))
        for symbol in symbols
        for one in (tier or fitting_tiers(present(_bars(symbol, data_root), INPUTS)))
    ]
    if as_json:
        print_json([{"symbol": symbol.upper(), **facts.to_dict()} for symbol, facts in found])
        return
    columns = ("symbol", "tier", "features", "effective", "near copies", "constant", "missing")
    rows = [
        (
            symbol.upper(),
            facts.tier,
            str(facts.num_features),
            f"{facts.effective:.1f}",
            str(facts.num_near_copies),
            str(facts.num_constant),
            f"{facts.share_missing:.1%}",
        )
        for symbol, facts in found
    ]
    out = console()
    out.print(plain_table(columns, rows, left={"symbol", "tier"}))
    out.print(
        "effective: participation ratio of the correlations' eigenvalues; near copies: features "
        "with a correlation beyond .995 to another"
    )


def _first_of_kinds(tiers: Sequence[str]) -> list[str]:
    """Return the smallest tier of whole bars and the smallest of closes."""
    first: dict[bool, str] = {}
    for tier in tiers:
        first.setdefault(tier.startswith("c"), tier)
    return list(first.values())


def _bars(symbol: str, data_root: Path | None) -> pl.DataFrame:
    from finscale.data import SOURCES, DataStore, fetch_bars

    store, known = DataStore(data_root or "data"), (s for s in SOURCES.values() if s.symbols)
    source = next((one.name for one in known if one.serves(symbol.upper())), None)
    if source is not None and not store.has_bars(symbol):
        bars: Bars = fetch_bars(source, symbol)
    else:
        bars = store.bars(symbol)
    return bars.adjusted()


def _draw(bars: pl.DataFrame, values: pl.Series, name: str, words: str, path: Path) -> None:
    from matplotlib.figure import Figure

    from finscale.files import atomic_path, figure_format

    rows = min(bars.height, _LAST_ROWS)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    price, below = figure.subplots(2, sharex=True, height_ratios=(1, 1.4))
    dates = bars["date"][-rows:].to_list()
    price.plot(dates, bars["close"][-rows:].to_list(), color="#59626d", linewidth=1)
    price.set_ylabel("close")
    price.set_title(f"{name}: {words}" if words else name, fontsize=10, loc="left")
    below.plot(dates, values[-rows:].to_list(), color="#0b5cad", linewidth=1)
    below.set_ylabel(name)
    for axes in (price, below):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as partial:
        figure.savefig(partial, format=figure_format(path), dpi=150)
