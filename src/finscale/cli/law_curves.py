"""`--by` of `finscale law fit` and `finscale law decide`: several curves of one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.cli.options import console, print_json, say

if TYPE_CHECKING:
    from finscale.scaling.claim import Verdict
    from finscale.scaling.curves import Curves
    from finscale.scaling.table import LawTable

#: Which p-value a claim rests on.
_P_OF = {"LAW": "p_improves", "INVERSE": "p_worsens", "TURNS": "p_turns", "NO-LAW": "p_equivalent"}


def print_curves(curves: Curves, *, plot: Path | None, as_json: bool, quiet: bool) -> None:
    """Print the laws of all curves and their differences, and write one figure of them."""
    content, text = curves.to_dict(), curves.summary()
    if plot is not None:
        curves.save_plot(plot)
        content["figure"] = str(plot)
        text += f"\nfigure       {plot}"
    if as_json:
        print_json(content)
    elif quiet:
        for name, law in curves.laws.items():
            say(f"{name}: {law!r}")
    else:
        say(text)


def decide_curves(
    table: Path,
    by: str,
    judge: Callable[[LawTable], Verdict],
    *,
    axis: str,
    y: str,
    level: float,
    horizon: int,
    signed: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
    columns: dict[str, Any],
) -> None:
    """Judge each curve of a table, count their claims together, and compare the curves."""
    from finscale.evaluation.multiple import holm
    from finscale.scaling.curves import curve_tables, fit_curves
    from finscale.scaling.sentences import p_text

    tables = curve_tables(table, by, x=axis, y=y, signed=signed, **columns)
    verdicts = {name: judge(each) for name, each in tables.items()}
    adjusted = dict(zip(verdicts, holm([_p_of(v) for v in verdicts.values()]), strict=True))
    curves = fit_curves(
        table, axis, y, by=by, signed=signed, horizon=horizon, level=1 - level, **columns
    )
    content: dict[str, Any] = {
        "by": by,
        "verdicts": {
            name: {
                **verdict.to_dict(),
                "adjusted_p": float(adjusted[name]) if verdict.name in _P_OF else None,
                "stands": _stands(verdict, adjusted[name], level),
            }
            for name, verdict in verdicts.items()
        },
        "comparison": curves.to_dict(),
    }
    if plot is not None:
        curves.save_plot(plot)
        content["figure"] = str(plot)
    if as_json:
        print_json(content)
        return
    terminal = console()
    num = len(verdicts)
    for name, verdict in verdicts.items():
        say(f"{name}: {verdict.sentence}", terminal)
        if verdict.name in _P_OF:
            stands = _stands(verdict, adjusted[name], level)
            word = "stands" if stands else "does not stand"
            say(f"  {verdict.name} {word} among {num} curves: {p_text(adjusted[name])} (Holm)",
                terminal)  # fmt: skip
    if not quiet:
        say("", terminal)
        say(curves.summary(), terminal)
    if plot is not None:
        say(f"figure       {plot}", terminal)


def _p_of(verdict: Verdict) -> float:
    """Return the p-value that a verdict's claim rests on; 1 where it claims nothing."""
    return float(getattr(verdict, _P_OF[verdict.name])) if verdict.name in _P_OF else 1.0


def _stands(verdict: Verdict, adjusted: float, level: float) -> bool:
    return verdict.name in _P_OF and bool(adjusted < level)
