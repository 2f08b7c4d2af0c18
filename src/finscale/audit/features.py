"""Does a feature see the future? Each is proven on bars, and found in the dataset as proven."""

from __future__ import annotations

import numpy as np
import polars as pl

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence, unread
from finscale.audit.section import section_differences, section_reports
from finscale.data.calendar import NONE
from finscale.data.known import join_series
from finscale.data.qualities import series_behind
from finscale.data.section_features import ACROSS
from finscale.data.timescales import resample
from finscale.features.causality import CHANGES, as_function, prove_all
from finscale.features.feature import INPUTS

#: Symbols on whose bars every feature is proven; on the others its values are compared only.
_PROVE_ON = 3


def examine_causality(evidence: Evidence) -> CheckOutcome:
    """Prove every feature's computation by changing the bars after t."""
    named = dict.fromkeys((*evidence.dataset.columns, *evidence.features))
    computed = [name for name in named if name not in INPUTS and not name.startswith(ACROSS)]
    known = {name: evidence.features[name] for name in computed if name in evidence.features}
    symbols = evidence.dataset.symbols
    spread = np.unique(np.linspace(0, len(symbols) - 1, _PROVE_ON).astype(int))
    reports = [
        (symbols[index], report)
        for index in spread
        for report in prove_all(known, bars_of(evidence, symbols[index]), seed=evidence.seed)
    ]
    across = section_reports(evidence)
    findings = tuple(f"{symbol}: {r.describe()}" for symbol, r in reports if not r.causal)
    findings += tuple(r.describe() for r in across if not r.causal)
    unknown = tuple(
        f"{name}: nothing says how it is computed" for name in computed if name not in known
    )
    compared = sum(report.num_compared for report in (*(r for _, r in reports), *across))
    beside = (
        f"; {len(across)} across the section, on the newest days of all symbols" if across else ""
    )
    return CheckOutcome(
        "causality",
        f"{len(known)} of {len(computed)} features computed with all bars after t "
        f"{', '.join(CHANGES)}, on {', '.join(symbols[index] for index in spread)}{beside}: "
        f"{compared:,} values " + ("compared" if findings else "identical to the bit"),
        findings,
        (*unknown, *_revised(evidence)),
        mend="a feature at t may use bars up to t only; your own are proven when you pass "
        "audit(features={name: function})",
    )


def _revised(evidence: Evidence) -> tuple[str, ...]:
    """Say which series hold values that were revised after the rows that see them."""
    entries, store = evidence.dataset.entries, evidence.store
    if store is None or not entries:
        return ()
    return tuple(
        f"{series.name}: values {series.mark}, and no vintage says what was known on the day"
        for series in series_behind(store, entries[0])
        if not series.is_as_published
    )


def examine_columns(evidence: Evidence) -> CheckOutcome:
    """Compare every column of the dataset with what its bars and its computation give."""
    findings, unproven, compared = [], [*unread(evidence.dataset)], 0
    named = dict.fromkeys((*evidence.dataset.columns, *INPUTS, *evidence.features))
    readable = [name for name in named if name in evidence.dataset.frame.columns]
    for symbol in evidence.dataset.symbols:
        if symbol not in evidence.bars:
            unproven.append(f"{symbol}: no bars at hand to recompute its columns from")
            continue
        rows, part = bars_of(evidence, symbol), evidence.part(symbol)
        foreign = part.filter(~pl.col("date").is_in(rows["date"].implode()))
        if foreign.height:
            findings.append(
                f"{symbol}: {foreign.height:,} rows, first {foreign['date'][0]}, are no finished "
                f"{evidence.timescale} bar of its bars"
            )
            continue
        at = np.searchsorted(rows["date"].to_numpy(), part["date"].to_numpy())
        for name in readable:
            if name in INPUTS:
                expected = rows[name].to_numpy()[at]
            elif name in evidence.features:
                compute, _ = as_function(evidence.features[name], name)
                expected = np.asarray(compute(rows), np.float64)[at]
            else:
                continue
            compared += len(at)
            problem = _difference(part[name].to_numpy(), expected, part["date"])
            if problem:
                findings.append(f"{symbol}: {name} {problem}")
    return CheckOutcome(
        "columns",
        f"{compared:,} values recomputed from the bars"
        + (": the dataset holds what was proven, on the row where it belongs" if compared else ""),
        (*findings, *section_differences(evidence)),
        tuple(unproven),
        mend="build the dataset again: finscale features build SYMBOL",
    )


def bars_of(evidence: Evidence, symbol: str) -> pl.DataFrame:
    """Return the bars that a symbol's features are computed on, at the dataset's timescale.

    What the dataset knows of series stands beside them, each value from its release on.
    """
    if symbol in evidence.bars:
        rows = resample(evidence.bars[symbol], evidence.timescale)
        entry = next((e for e in evidence.dataset.entries if e.symbol == symbol), None)
        if entry is None or not entry.series or evidence.store is None:
            return rows
        zone = evidence.calendars.get(symbol, NONE)
        return join_series(rows, series_behind(evidence.store, entry), zone)
    names = [name for name in evidence.dataset.frame.columns if name not in evidence.features]
    return evidence.part(symbol).select(names)


def _difference(actual: np.ndarray, expected: np.ndarray, dates: pl.Series) -> str | None:
    # other libraries' sums may differ in the last bits; a shift by one row never stays that small
    scale = np.nanmedian(np.abs(expected)) if len(expected) else 0.0
    differ = ~np.isclose(actual, expected, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)
    if not differ.any():
        return None
    row = int(differ.argmax())
    where = f"{actual[row]:.6g} on {dates[row]}, its bars give {expected[row]:.6g}"
    for lead in (1, 2, 5):
        if np.allclose(actual[:-lead], expected[lead:], rtol=1e-9, atol=1e-9 * scale):
            return f"is {where}: it holds the value of {lead} row{'s' * (lead > 1)} later"
    return f"is {where} ({int(differ.sum()):,} rows differ)"
