"""The content of a figure, drawn by plotly on the page and by matplotlib on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Dash = Literal["solid", "dash", "dot"]
Shape = Literal["circle", "diamond", "square", "triangle", "cross"]


@dataclass(frozen=True)
class FigureAxis:
    """One axis of a panel.

    Parameters
    ----------
    title : str
        With its unit.
    kind : {"linear", "log", "category", "date"}
        Of the scale.
    ticks : sequence of (value, label), optional
        Named ticks; chosen by the renderer when empty.
    limits : (float, float), optional
        Lowest and highest value shown.
    form : {"plain", "percent"}
        How numbers are written.
    """

    title: str
    kind: Literal["linear", "log", "category", "date"] = "linear"
    ticks: tuple[tuple[float, str], ...] = ()
    limits: tuple[float, float] | None = None
    form: Literal["plain", "percent"] = "plain"


@dataclass(frozen=True)
class Points:
    """Dots, with intervals where ``low`` and ``high`` are given.

    Parameters
    ----------
    name : str
        In the legend; empty for none.
    hover : sequence of str
        What each dot says, lines parted by newlines.
    runs : sequence of str
        Run that each dot belongs to: a click leads to its row.
    """

    name: str
    x: Sequence[float | str]
    y: Sequence[float]
    role: str
    hover: Sequence[str] = ()
    runs: Sequence[str] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    shape: Shape = "circle"
    size: float = 9.0
    hollow: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points; NaN breaks it."""

    name: str
    x: Sequence[float | str]
    y: Sequence[float]
    role: str
    dash: Dash = "solid"
    width: float = 2.0
    faint: bool = False
    hover: Sequence[str] = ()
    runs: Sequence[str] = ()


@dataclass(frozen=True)
class FigureBand:
    """The area between two lines."""

    name: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    role: str


@dataclass(frozen=True)
class Rule:
    """A horizontal line across the panel, at one value.

    Parameters
    ----------
    label : str
        Written at the line's right end, in its colour; it needs no legend then.
    label_y : float
        Middle of that label.
    """

    name: str
    y: float
    role: str
    dash: Dash = "dash"
    label: str = ""
    label_y: float = 0.0


Mark = Points | Line | FigureBand | Rule


@dataclass(frozen=True)
class EdgeLabel:
    """The name of a line, at the right edge of its panel; lines of text parted by newlines."""

    text: str
    y: float  #: Where it stands; see :func:`spread`
    role: str


@dataclass(frozen=True)
class FigurePanel:
    """One pair of axes.

    Parameters
    ----------
    title : str
        What sets this panel apart; empty for a figure with one panel.
    above, below : sequence of str
        What lies beyond the top or the bottom of the panel, named at that edge.
    labels : tuple of EdgeLabel
        Names of lines, to the right of the panel.
    """

    title: str
    x: FigureAxis
    y: FigureAxis
    marks: tuple[Mark, ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    labels: tuple[EdgeLabel, ...] = ()


def spread(places: Sequence[float], gap: float, limits: tuple[float, float]) -> list[float]:
    """Return places moved apart as little as can be, so that neighbours are ``gap`` apart.

    The sum of squared moves is the least (isotonic regression), and all stay half a gap within the
    limits, as long as there is room.

    Examples
    --------
    >>> spread([1.0, 1.0, 5.0], 1.0, (0.0, 10.0))
    [0.5, 1.5, 5.0]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # what is left of each place once the room of those below it is taken away may not fall
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([places[index] - rank * gap, 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            below, others = pools[-1]
            total = count + others
            pools[-1] = [(mean * count + below * others) / total, total]
    low, high = limits[0] + gap / 2, limits[1] - gap / 2 - (len(places) - 1) * gap
    moved = [0.0] * len(places)
    rests = [mean for mean, count in pools for _ in range(int(count))]
    for rank, (index, rest) in enumerate(zip(order, rests, strict=True)):
        moved[index] = max(low, min(rest, high)) + rank * gap
    return moved


@dataclass(frozen=True)
class Figure:
    """A question and the panels that answer it.

    Parameters
    ----------
    name : str
        Of its files.
    question : str
        The title.
    answer : str
        What is seen, in a sentence or two.
    caption : str
        How to read it: what marks and bands are.
    wide : bool
        Whether it takes the page's whole width.
    """

    name: str
    question: str
    answer: str
    caption: str
    panels: tuple[FigurePanel, ...]
    wide: bool = False

    @property
    def marks(self) -> list[Mark]:
        """All marks, panel by panel."""
        return [mark for panel in self.panels for mark in panel.marks]

    @property
    def leads_to_runs(self) -> bool:
        """Whether a click on some mark leads to its run."""
        return any(isinstance(mark, Points | Line) and mark.runs for mark in self.marks)

    def legend(self) -> list[Mark]:
        """Return one mark for each name, in order of appearance."""
        named: dict[str, Mark] = {}
        for mark in self.marks:
            named.setdefault(mark.name, mark)
        return [mark for name, mark in named.items() if name]
