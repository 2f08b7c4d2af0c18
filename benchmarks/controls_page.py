"""Writes the tables of docs/controls.md from the controls' results.

    python benchmarks/controls_page.py

Between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` stands what ``docs/figures/controls.json``
says (written by ``make controls``); the rates of before come from
``docs/figures/controls_before.json``, measured once, with the instrument as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "controls.md"
NOW = ROOT / "docs" / "figures" / "controls.json"
BEFORE = ROOT / "docs" / "figures" / "controls_before.json"
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
#: Verdicts, in a column's width.
_COLUMNS = {name: name for name in ("LAW", "INVERSE", "TURNS", "NO-LAW")}
_COLUMNS |= {"open": "INDETERMINATE", "refused": "refused"}


def render(page: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Return the page with its tables renewed."""
    blocks = {"worlds": worlds(now), "before_after": before_after(now, before)}
    return _BLOCK.sub(lambda block: f"{block[1]}\n{blocks[block[2]]}\n{block[3]}", page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def measure(name: str) -> str:
    return name.replace("covers ", "interval of ")


def worlds(now: Mapping[str, Any]) -> str:
    """Return what was measured: a row a control."""
    checks = [check for result in now["results"] for check in result["checks"]]
    met = sum(check["passed"] for check in checks)
    day = f"On {now['measured']}, " if "measured" in now else ""
    said = (
        f"{day}{now['num_replicates']} worlds each, seed {now['seed']}: {met} of {len(checks)} "
        "figures met."
    )
    rows = []
    for result in now["results"]:
        rates, exponent = result["rates"], ""
        if result["truth"] is not None and result["exponent"] is not None:
            exponent = f"{result['exponent']:.3f} ({result['truth']['exponent']:.3f})"
        accepted = "; ".join(
            f"{'✓' if check['passed'] else '✗'} {measure(check['measure'])} "
            f"{percent(check['rate'])} ({check['limits']})"
            for check in result["checks"]
        )
        shares = (percent(rates.get(name, 0.0)) for name in _COLUMNS.values())
        rows.append([result["name"], *shares, exponent, accepted])
    return said + "\n\n" + table(["control", *_COLUMNS, "exponent found (true)", "accepted"], rows)


def before_after(now: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Return each acceptance figure with its rate before and now; – where not measured."""
    rows = list(_figures(now, before))
    return table(["control", "share of worlds", "asked", "before", "now"], rows)


def _figures(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[list[str]]:
    old = {result["name"]: result for result in before["results"]}
    new = {result["name"]: result for result in now["results"]}
    for name in dict.fromkeys([*new, *old]):
        for check in (new.get(name) or old[name])["checks"]:
            cells = [
                _cell(result[name], check["measure"]) if name in result else "–"
                for result in (old, new)
            ]
            yield [name, measure(check["measure"]), check["limits"], *cells]


def _cell(result: Mapping[str, Any], asked: str) -> str:
    """Return a rate, in bold where it misses its acceptance figure."""
    if asked not in result["rates"]:
        return "–"
    text = percent(result["rates"][asked])
    missed = any(c["measure"] == asked and not c["passed"] for c in result["checks"])
    return f"**{text}**" if missed else text


def main() -> None:
    """Renew the page."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (NOW, BEFORE)]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(render(page, *found), encoding="utf-8")


if __name__ == "__main__":
    main()
