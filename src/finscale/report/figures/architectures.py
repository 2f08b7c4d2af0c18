"""Architectures that a study compares: a curve each, in one figure."""

from __future__ import annotations

from finscale.report.figure import (
    EdgeLabel,
    Figure,
    FigureAxis,
    FigurePanel,
    Line,
    Mark,
    Points,
    Shape,
    spread,
)
from finscale.report.figures.common import amount, axis_title, padded_ratio
from finscale.report.figures.outcome import (
    baseline_rules,
    far_baselines,
    value_title,
    with_baselines,
)
from finscale.report.numbers import percent
from finscale.report.palette import family
from finscale.scaling.measure import Measure
from finscale.study.family_results import FamilyComparison, FamilyResult, FamilySize
from finscale.study.family_words import answer
from finscale.study.findings.findings import Findings

_WORSE = "\nworse than the logistic"
_SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "diamond")
#: Share of the panel's height that a name of one line and of two takes, and of its width by which
#: neighbours stand apart, so that no bar hides another.
_ONE_LINE, _TWO_LINES, _APART = 0.055, 0.095, 0.014


def architectures(findings: Findings) -> Figure | None:
    """Draw the mean of every size of each architecture, its interval, and the baselines."""
    found = findings.families
    if found is None:
        return None
    shown = [(one, shown_sizes(one)) for one in found.families]
    values = [x for _, sizes in shown for s in sizes for x in (s.value.low, s.value.high)]
    low, high = limits = with_baselines(findings, values)
    every = [size for _, sizes in shown for size in sizes]
    axis = _axis(findings, every)
    marks: list[Mark] = [*baseline_rules(findings, limits, at_lines=False)]
    for index, (one, sizes) in enumerate(shown):
        marks += _curve(index, one, sizes, found, every, findings.loss)
    panel = FigurePanel(
        "",
        axis,
        FigureAxis(value_title(findings), limits=limits),
        tuple(marks),
        above=far_baselines(findings, above=high, brief=True),
        below=far_baselines(findings, below=low, brief=True),
        labels=_labels(found, limits),
    )
    return Figure(
        "architectures",
        "Is it size, or the architecture?",
        answer(found),
        _caption(found, far=bool(panel.above or panel.below)),
        (panel,),
        wide=True,
    )


def shown_sizes(one: FamilyResult) -> list[FamilySize]:
    """Return the sizes that the verdict is about: of a second axis, at its largest."""
    return [size for size in one.sizes if size.at == one.sizes[-1].at]


def _axis(findings: Findings, sizes: list[FamilySize]) -> FigureAxis:
    by_words: dict[str, list[float]] = {}
    for size in sizes:
        by_words.setdefault(size.words, []).append(size.x)
    # built models of one budget differ a little
    ticks = ((sum(xs) / len(xs), words.split()[0]) for words, xs in by_words.items())
    x = [size.x for size in sizes]
    return FigureAxis(
        axis_title(findings.axis),
        kind="log",
        ticks=tuple(sorted(ticks)),
        limits=padded_ratio(min(x), max(x)),
    )


def _curve(
    index: int,
    one: FamilyResult,
    sizes: list[FamilySize],
    found: FamilyComparison,
    every: list[FamilySize],
    loss: Measure,
) -> list[Mark]:
    role, measure = family(index), found.measure
    span = max(size.x for size in every) / min(size.x for size in every)
    place = index - (len(found.families) - 1) / 2
    x = [size.x * max(span, 2.0) ** (_APART * place) for size in sizes]
    y = [size.value.value for size in sizes]
    hover = [
        f"{one.title}, {size.label} ({size.parameters:,.0f} built)\n"
        f"test {measure.title} {amount(measure, size.value.value)}, mean of {size.num_seeds} "
        f"{'seed' if size.num_seeds == 1 else 'seeds'}\n"
        f"validation loss {amount(loss, size.validation_loss)}"
        f"{', the least of its sizes' if size == one.best else ''}"
        f"{_WORSE if _is_worse(one, size) else ''}"
        for size in sizes
    ]
    points: list[Mark] = [
        Points(
            "",
            [x[place] for place in places],
            [y[place] for place in places],
            role,
            hover=[hover[place] for place in places],
            low=[sizes[place].value.low for place in places],
            high=[sizes[place].value.high for place in places],
            shape=_SHAPES[index % len(_SHAPES)],
            size=10,
            hollow=worse,
        )
        for worse in (False, True)
        if (places := [p for p, size in enumerate(sizes) if _is_worse(one, size) == worse])
    ]
    return [Line("", x, y, role, dash="solid" if index < 8 else "dash"), *points]


def _is_worse(one: FamilyResult, size: FamilySize) -> bool:
    """Tell whether a size is seen to be worse than the linear model."""
    return one.beyond is not None and one.beyond.is_worse(size.x)


def _labels(found: FamilyComparison, limits: tuple[float, float]) -> tuple[EdgeLabel, ...]:
    """Name each curve where it ends, with its verdict where there is room for it."""
    many = len(found.families) * _TWO_LINES > 1
    height = (_ONE_LINE if many else _TWO_LINES) * (limits[1] - limits[0])
    ends = [shown_sizes(one)[-1].value.value for one in found.families]
    return tuple(
        EdgeLabel(one.title if many else f"{one.title}\n{one.verdict_name}", y, family(index))
        for index, (one, y) in enumerate(
            zip(found.families, spread(ends, height, limits), strict=True)
        )
    )


def _caption(found: FamilyComparison, *, far: bool) -> str:
    held = "days and seeds" if found.seeds_count else "days"
    text = (
        f"Means over seeds, with the verdict of each architecture along its own sizes. Bars: "
        f"{percent(1 - found.level)} intervals of the distance to the mean of all, by the luck of "
        f"{held}; what all share, easy or hard test days, is left out. Whether two architectures "
        "differ is said by the table of differences, not by bars that overlap."
    )
    if any(_is_worse(one, size) for one in found.families for size in shown_sizes(one)):
        text += " Hollow: worse than the logistic."
    text += " An arrow names a baseline that is off the scale." if far else ""
    at = shown_sizes(found.families[0])[0].at
    return f"{text} Shown at {at}." if at else text
