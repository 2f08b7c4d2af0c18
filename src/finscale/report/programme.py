"""A programme's report: heat maps of gains and verdicts, each cell linked to its study's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

import finscale
from finscale.config.programme import ProgrammeConfig
from finscale.evaluation.bootstrap import Metric
from finscale.files import write_bytes
from finscale.report.html import _asset
from finscale.report.numbers import fixed, interval, number, probability
from finscale.report.palette import DARK, LIGHT
from finscale.study.programme import Programme
from finscale.study.programme_results import OPEN, CellResult

#: Gains of so many smallest effects of interest have the full colour.
_FULL, _STRONGEST = 3.0, 70
_TITLES = (
    "cell",
    "gain (interval)",
    "smallest effect of interest",
    "verdict alone",
    "p",
    "p of all together",
    "verdict of all together",
    "what it says",
)


@dataclass(frozen=True)
class HeatCell:
    """One cell of a heat map."""

    is_judged: bool
    word: str
    gain: str = ""
    tone: str = "null"
    much: int = 0
    link: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Gains and verdicts of one row of assets at one quality: tasks × timescales."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


class TableRow(tuple[tuple[str, str], ...]):
    """A row of the table of cells, title and text of each column, and where it leads."""

    link: str = ""


def write_programme(programme: Programme, results: Sequence[CellResult]) -> Path:
    """Write ``programme.html`` from the results of a programme, and return it.

    Raises
    ------
    FinscaleError
        If the folder cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    links = {
        cell.name: f"cells/{cell.name}/report.html"
        for cell in programme.cells
        if programme.report_of(cell).exists()
    }
    config = programme.config
    page = {
        "name": config.name,
        "hash": config.hash(),
        "question": config.question or f"What pays in {config.name}?",
        "headline": headline(results),
        "lines": [*summary(results, config.level), *absent_rows(config)],
        "maps": list(heat_maps(results, links)),
        "titles": _TITLES,
        "table": [_table_row(one, links) for one in results],
    }
    text = environment.from_string(_asset("programme.html.j2")).render(
        page=page,
        light=LIGHT,
        dark=DARK,
        css=Markup(_asset("report.css")),
        version=finscale.__version__,
    )
    path = programme.folder / "programme.html"
    write_bytes(path, text.encode())
    return path


def headline(results: Sequence[CellResult]) -> str:
    """Return what stands when all cells are judged together, in a sentence."""
    judged = [one for one in results if one.is_judged]
    standing = Counter(one.together for one in judged if one.together != OPEN)
    if not judged:
        return "No cell is judged yet."
    if not standing:
        of = "The one cell has no" if len(judged) == 1 else f"Of {len(judged)} cells none has a"
        return f"{of} verdict that stands when all are judged together."
    if len(judged) == 1:
        return f"The one cell has a verdict that stands: {next(iter(standing))}."
    named = ", ".join(f"{name} in {count}" for name, count in standing.most_common())
    return f"Of {len(judged)} cells {sum(standing.values())} have a verdict that stands: {named}."


def summary(results: Sequence[CellResult], level: float) -> Iterator[str]:
    """Yield what a reader must know of the correction, and of the cells without a verdict."""
    judged = [one for one in results if one.is_judged]
    alone = sum(one.verdict != OPEN for one in judged)
    stand = sum(one.together != OPEN for one in judged)
    if len(judged) > 1:
        yield (
            "Each verdict alone has its own error. Together, with Holm's correction for "
            f"{len(judged)} cells, the probability that any verdict here is false is at most "
            f"{number(level)}: of {alone} verdicts that cells reach alone, {stand} stand."
        )
    without = [one for one in results if not one.is_judged]
    if without:
        reasons = Counter(one.sentence for one in without)
        first, count = reasons.most_common(1)[0]
        if len(without) == 1:
            yield f"One cell has no verdict: {first}"
        else:
            yield f"{len(without)} cells have no verdict; {count} of them: {first}"


def absent_rows(config: ProgrammeConfig) -> Iterator[str]:
    """Yield which rows of assets have no cell on this machine, and what brings their data."""
    each = len(config.tasks) * len(config.timescales) * len(config.quality)
    for row, why in config.absent().items():
        yield f"Row {row} has none of its {each} cells here: {why}"


def told_together(programme: Programme, refused: Mapping[str, str]) -> Iterator[str]:
    """Yield why cells cannot be: those of a row that have one reason in one line."""
    cells = {cell.name: cell for cell in programme.cells}
    size = Counter(cell.assets for cell in programme.cells)
    together: dict[tuple[str, str], list[str]] = {}
    for name, why in refused.items():
        together.setdefault((cells[name].assets, why), []).append(name)
    for (row, why), names in together.items():
        if len(names) == 1:
            yield f"{names[0]}: {why}"
        elif len(names) == size[row]:
            yield f"all {len(names)} cells of row {row}: {why}"
        else:
            yield f"{len(names)} cells of row {row} ({names[0]} …): {why}"


def heat_maps(results: Sequence[CellResult], links: dict[str, str]) -> Iterator[HeatMap]:
    """Yield a heat map for each row of assets and quality of the data."""
    for (assets, quality), part in groupby(results, lambda one: (one.assets, one.quality)):
        cells = list(part)
        columns = tuple(dict.fromkeys(one.timescale for one in cells))
        tasks = dict.fromkeys(one.task for one in cells)
        at = {(one.task, one.timescale): one for one in cells}
        yield HeatMap(
            f"Assets {assets}, data of quality {quality}",
            "What the largest size gains over the smallest, on test days. Colour counts smallest "
            f"effects of interest: full at {_FULL:g}; green is a gain, red a loss, grey what does "
            "not stand when all cells are judged together.",
            columns,
            tuple(
                (task, tuple(_heat_cell(at[task, column], links) for column in columns))
                for task in tasks
            ),
        )


def _heat_cell(one: CellResult, links: dict[str, str]) -> HeatCell:
    link = links.get(one.cell, "")
    if not one.is_judged:
        return HeatCell(False, "no verdict", sentence=one.sentence)
    stands = one.together != OPEN
    tone = ("good" if one.gain > 0 else "bad") if stands else "null"
    much = round(min(abs(one.gain) / one.sesoi / _FULL, 1.0) * _STRONGEST)
    word = one.together if stands or one.verdict == OPEN else f"{one.verdict} alone"
    gain = fixed(one.gain, one.digits, sign=True)
    return HeatCell(True, word, gain, tone, much, link, one.sentence)


def _table_row(one: CellResult, links: dict[str, str]) -> TableRow:
    cells: tuple[Any, ...] = (one.cell, *[""] * (len(_TITLES) - 2), one.sentence)
    if one.is_judged:
        gain = interval(Metric(one.gain, one.low, one.high), sign=True, digits=one.digits)
        cells = (
            one.cell,
            f"{gain} {one.unit}",
            number(one.sesoi),
            one.verdict,
            probability(one.p),
            probability(one.p_together),
            one.together,
            one.sentence,
        )
    row = TableRow(zip(_TITLES, map(str, cells), strict=True))
    row.link = links.get(one.cell, "")
    return row
